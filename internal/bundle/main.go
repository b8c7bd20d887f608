// Package main makes the scripts of the voter's page: the arithmetic that comes
// from npm as one readable module, and one file for each entry point, lowered
// to the oldest browsers that the page serves. So it does with the style of all pages.
//
// It runs on the computer of who changes a script, by "make generate"; what it
// makes is committed, so that a build needs neither npm nor a network, and a
// reader sees every line that runs in a voter's browser. It must give the same
// bytes everywhere: voters and monitors compare the page by its hash. It must
// never take in code from a network that a hash in package-lock.json does not
// fix. Nothing imports it.
//
//	go run strikevote/internal/bundle         everything; needs npm and a network
//	go run strikevote/internal/bundle dist    the entry points only; needs neither
package main

//go:generate go run .

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// entries names the modules of templates/assets that pages load, each bundled
// with all it imports into the file of the same name in templates/assets/dist.
var entries = []string{
	"boot.js",
	"booth.js",
	"box.js",
	"recheck.js",
}

// withTexts is the one that shows texts of the catalogue, and textNames the file of
// their names in the order of the numbers that it has for them.
const (
	withTexts = "booth.js"
	textNames = "texts.txt"
)

// styles names the style sheets of pages, each made of parts in templates/assets.
var styles = map[string][]string{
	"booth.css":     {"page.css", "booth.css"},
	"public.css":    {"page.css", "skip.css", "public.css"},
	"registrar.css": {"page.css", "skip.css"},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	root, err := findRoot()
	if err != nil {
		return err
	}
	assets := filepath.Join(root, "templates", "assets")
	switch {
	case len(args) == 0:
		if err := writeNoble(filepath.Join(root, "internal", "bundle"), assets); err != nil {
			return err
		}
	case len(args) > 1 || args[0] != "dist":
		return fmt.Errorf("unknown argument %q; there is only dist", args[0])
	}
	return writeDist(assets)
}

// findRoot returns the directory of go.mod at or above the current one.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("not inside the module")
		}
		dir = parent
	}
}

// makeDist bundles every entry point and style sheet.
func makeDist(assets string) (map[string][]byte, error) {
	made := make(map[string][]byte)
	for _, name := range entries {
		out, err := bundle(assets, name)
		if err != nil {
			return nil, fmt.Errorf("bundling %s: %w", name, err)
		}
		if name == withTexts {
			var names []string
			if out, names, err = number(out); err != nil {
				return nil, fmt.Errorf("bundling %s: %w", name, err)
			}
			made[textNames] = []byte(strings.Join(names, "\n") + "\n")
		}
		made[name] = out
	}
	notices, err := readLicences(assets)
	if err != nil {
		return nil, err
	}
	made[licences] = notices
	for name, parts := range styles {
		out, err := style(assets, parts)
		if err != nil {
			return nil, fmt.Errorf("bundling %s: %w", name, err)
		}
		made[name] = out
	}
	return made, nil
}

// writeDist writes what makeDist makes and removes everything else: a file that
// stays would go on being served.
func writeDist(assets string) error {
	made, err := makeDist(assets)
	if err != nil {
		return err
	}
	dist := filepath.Join(assets, "dist")
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	for name, b := range made {
		if err := os.WriteFile(filepath.Join(dist, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
