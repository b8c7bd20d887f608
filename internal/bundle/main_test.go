package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const assets = "../../templates/assets"

// TestDistFresh bundles every entry point anew: what is committed, and what voters
// compare by its hash, must be what the modules make.
func TestDistFresh(t *testing.T) {
	t.Parallel()
	made, err := makeDist(absolute(t, assets))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range made {
		committed, err := os.ReadFile(filepath.Join(assets, "dist", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, committed) {
			t.Errorf("templates/assets/dist/%s is not what the modules make; run: go run ./internal/bundle dist", name)
		}
	}
	files, err := os.ReadDir(filepath.Join(assets, "dist"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if made[f.Name()] == nil {
			t.Errorf("templates/assets/dist/%s belongs to no entry point", f.Name())
		}
	}
}

// TestMissingEntry refuses an entry point that is not there, and one that
// imports what is not there.
func TestMissingEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lost.js"), `import "./nowhere.js";`)
	for _, name := range []string{"absent.js", "lost.js"} {
		if _, err := bundle(dir, name); err == nil || !strings.Contains(err.Error(), "resolve") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestSourcesOnly bundles one module in two places and two surroundings: the
// bytes depend on neither.
func TestSourcesOnly(t *testing.T) {
	t.Parallel()
	const source = `export const a = (o) => o?.b ?? globalThis.c; self.a = a;`
	var outs []string
	for _, extra := range []string{"", `{"compilerOptions": {"target": "ES5", "useDefineForClassFields": false}}`} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.js"), source)
		if extra != "" {
			write(t, filepath.Join(dir, "tsconfig.json"), extra)
		}
		out, err := bundle(dir, "a.js")
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, string(out))
	}
	if outs[0] != outs[1] {
		t.Errorf("one module, two results:\n%s\n%s", outs[0], outs[1])
	}
	for _, gone := range []string{"?.", "??", "globalThis", "sourceMapping"} {
		if strings.Contains(outs[0], gone) {
			t.Errorf("%s is in %s", gone, outs[0])
		}
	}
}

// TestLicence looks for the notice that the library's licence asks for in every
// copy: in what comes from npm, and in the file that the scripts name. And for
// nothing of this computer.
func TestLicence(t *testing.T) {
	t.Parallel()
	const grant = "Permission is hereby granted, free of charge"
	for _, name := range append([]string{"noble.js"}, prefixed("dist", append(entries, licences))...) {
		b, err := os.ReadFile(filepath.Join(assets, name))
		if err != nil {
			t.Fatal(err)
		}
		want := "/* " + licences + " */"
		switch filepath.Base(name) {
		case "noble.js", licences:
			want = grant
		case bootstrap: // which uses no library
			want = ""
		}
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: the licence of the library is missing", name)
		}
		if bytes.Contains(b, []byte("/tmp/")) || bytes.Contains(b, []byte("bundle-")) {
			t.Errorf("%s: names a directory of the computer it was made on", name)
		}
	}
}

// TestQuiet leaves out fixed texts of errors, and nothing else.
func TestQuiet(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`throw new Error("a b");`:             `throw new Error();`,
		`throw new TypeError('a "b"');`:       `throw new TypeError();`,
		`new ballot.Mismatch("a")`:            `new ballot.Mismatch()`,
		`super("a"); this.name = "Conflict";`: `super(); this.name = "Conflict";`,
		`throw new Failure("offline");`:       `throw new Failure("offline");`,
		`new Failure("offline", "no list")`:   `new Failure("offline", "no list")`,
		`new Error(said)`:                     `new Error(said)`,
		`fault("not a voting link", "bad")`:   `fault("not a voting link", "bad")`,
		`new Error("a" + b)`:                  `new Error("a" + b)`,
		`reject(new Error("kept nothing"))`:   `reject(new Error())`,
		`super.open("a")`:                     `super.open("a")`,
	} {
		if got := said.ReplaceAllString(in, "$1()"); got != want {
			t.Errorf("%s: got %s", in, got)
		}
	}
}

// TestBootstrap checks that the script that tells a browser that it is too old can
// be read by one that is.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(assets, "dist", bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	for _, newer := range []string{"=>", "`", "const ", "let ", "class ", "async ", "...", "?."} {
		if bytes.Contains(b, []byte(newer)) {
			t.Errorf("it has %q", newer)
		}
	}
}

// TestLock looks at what npm is told: exact versions, each by its hash, and no
// address to fetch them from.
func TestLock(t *testing.T) {
	t.Parallel()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Count(string(lock), `"node_modules/`)
	if n := strings.Count(string(lock), `"integrity": "sha512-`); n != packages || n != 3 {
		t.Errorf("%d packages, %d hashes", packages, n)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json names a registry; npm config set omit-lockfile-registry-resolved true")
	}
}

func prefixed(dir string, names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, filepath.Join(dir, n))
	}
	return out
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
