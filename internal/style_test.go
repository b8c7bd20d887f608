package internal_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFile     = 400 // lines
	maxFunction = 60
)

// topLevel is what stands beside this folder. A new entry is a design decision, as a
// new package is; what is made there and not kept is in .gitignore.
var topLevel = strings.Fields(`
	.ci .github .gitignore CHANGELOG.md LICENSE Makefile README.md SECURITY.md
	cmd deploy go.mod go.sum internal migrations templates
`)

// made is what tools leave at the top level, besides files by their endings.
var made = []string{".git", "bin", "node_modules"}

// stray returns the entries of the top level that do not belong there, and those that
// are missing.
func stray(names []string) (more, missing []string) {
	for _, name := range names {
		ending := path.Ext(name)
		if !slices.Contains(topLevel, name) && !slices.Contains(made, name) && ending != ".test" && ending != ".prof" {
			more = append(more, name)
		}
	}
	for _, name := range topLevel {
		if !slices.Contains(names, name) {
			missing = append(missing, name)
		}
	}
	return more, missing
}

// TestTopLevel refuses what was left lying at the top level, such as the empty file
// that a shell makes of a mistyped redirection and a commit of everything takes along.
// The negative control is such a file.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if more, missing := stray(names); len(more)+len(missing) > 0 {
		t.Errorf("at the top level: not agreed %q, missing %q", more, missing)
	}
	more, missing := stray(append(slices.DeleteFunc(names, func(n string) bool { return n == "deploy" }), "in"))
	if !slices.Equal(more, []string{"in"}) || !slices.Equal(missing, []string{"deploy"}) {
		t.Errorf("negative control: found %q, missing %q", more, missing)
	}
}

// TestSize checks that no file and no function has grown beyond what one reads
// in one go. Tests and generated files may be longer.
func TestSize(t *testing.T) {
	t.Parallel()
	walkGo(t, ".", parser.SkipObjectResolution|parser.ParseComments, func(fset *token.FileSet, _ string, f *ast.File) {
		if ast.IsGenerated(f) {
			return
		}
		file := fset.File(f.Pos())
		if n := file.LineCount(); n > maxFile {
			t.Errorf("%s: %d lines, more than %d", file.Name(), n, maxFile)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			begin, end := fset.Position(fn.Body.Lbrace), fset.Position(fn.Body.Rbrace)
			if n := end.Line - begin.Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", begin, fn.Name.Name, n, maxFunction)
			}
		}
	})
}

// TestScriptSize does the same for the files of scripts.
func TestScriptSize(t *testing.T) {
	t.Parallel()
	walk(t, "templates", func(name string) {
		if ext := path.Ext(name); ext != ".js" && ext != ".mjs" || path.Base(path.Dir(name)) == "test" {
			return
		}
		b, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		// What Go ships to run a program in a browser is copied here by a build.
		if bytes.HasPrefix(b, []byte("// Code generated ")) || path.Base(name) == "wasm_exec.js" {
			return
		}
		if n := bytes.Count(b, []byte("\n")); n > maxFile {
			t.Errorf("%s: %d lines, more than %d", name, n, maxFile)
		}
	})
}

// text lists the kinds of files that people read as source.
const text = " .go .sql .md .html .css .js .mjs .txt .json .sh .mod .sum .yml .yaml .toml .service .conf .example "

// TestCharacters refuses characters that do not show: with them a source can
// say one thing to its reader and another to the compiler.
func TestCharacters(t *testing.T) {
	t.Parallel()
	walk(t, ".", func(name string) {
		ext := path.Ext(name)
		if ext != "" && !strings.Contains(text, " "+ext+" ") {
			return
		}
		b, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		// A name without an extension may be a script, or a binary.
		if ext == "" && bytes.IndexByte(b, 0) >= 0 {
			return
		}
		if line, r := invisible(b); line > 0 {
			t.Errorf("%s:%d: invisible character %U", name, line, r)
		}
	})
}

// TestInvisible is its negative control.
func TestInvisible(t *testing.T) {
	t.Parallel()
	for _, r := range []rune{0x00, 0x08, 0x0D, 0x7F, 0x85, 0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x202E, 0x2066, 0x2069, 0xFEFF, 0xE0041, 0xFFFD} {
		if line, got := invisible([]byte("one\ntwo " + string(r) + "\n")); line != 2 || got != r {
			t.Errorf("%U: got line %d, %U", r, line, got)
		}
	}
	if line, r := invisible([]byte("bad \xff byte")); line != 1 || r != utf8.RuneError {
		t.Errorf("invalid UTF-8: got line %d, %U", line, r)
	}
	if line, r := invisible([]byte("tab\t, ümlaut, → and ✓\n")); line != 0 {
		t.Errorf("got %U in line %d of a fair text", r, line)
	}
}

// invisible returns the first character of a text that does not show, and its
// line, or 0.
func invisible(b []byte) (line int, r rune) {
	line = 1
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		b = b[size:]
		switch {
		case r == '\n':
			line++
		case r == '\t':
		case r < 0x20, r >= 0x7F && r <= 0x9F, r == 0xAD, r == 0x61C, r == 0x180E,
			r >= 0x200B && r <= 0x200F, r >= 0x2028 && r <= 0x202E, r >= 0x2060 && r <= 0x206F,
			r == 0xFEFF, r >= 0xFFF9 && r <= 0xFFFD, r >= 0xE0000 && r <= 0xE0FFF:
			return line, r
		}
	}
	return 0, 0
}
