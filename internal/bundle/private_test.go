package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/bundle/bundletest"
)

// TestPrivate looks whether somebody else may know a private name: as a word in
// quotes, a key of JSON, a place in a text of the catalogue, or what a module gives to
// others. Under its new name they would not find it. Browsers are asked in
// internal/browser.
func TestPrivate(t *testing.T) {
	t.Parallel()
	names := strings.Fields(private)
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("private.txt is not sorted, or has a name twice")
	}
	root := bundletest.Root(t)
	var scripts, known strings.Builder
	read := func(to *strings.Builder, dir, ext string) {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ext || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			to.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	modules, err := filepath.Glob(filepath.Join(bundletest.Assets(t), "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if slices.Contains([]string{"box.js", "recheck.js", "check.js", "check-worker.js", "public.js", "inbox.js"}, filepath.Base(m)) {
			continue // of the public pages: none has private names
		}
		b, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(comment.ReplaceAll(b, nil))
	}
	read(&known, "internal", ".go")
	read(&known, "templates/words/en", ".json")
	for _, name := range names {
		for what, found := range map[string]bool{
			"is used by no module": !regexp.MustCompile(`\b` + name + `\b`).MatchString(scripts.String()),
			"stands in quotes":     regexp.MustCompile("[\"'`]" + name + "[\"'`]").MatchString(scripts.String()),
			"is exported":          regexp.MustCompile(`(?m)^export (?:async )?(?:const|function|class) ` + name + `\b`).MatchString(scripts.String()),
			"is a key of JSON":     regexp.MustCompile(`json:"` + name + `[,"]`).MatchString(known.String()),
			"is a place in a text": strings.Contains(known.String(), "{"+name+"}"),
		} {
			if found {
				t.Errorf("%s %s", name, what)
			}
		}
	}
}
