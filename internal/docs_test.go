package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the files that name tests as evidence.
var documents = []string{"README.md", "SECURITY.md", "deploy/README.md", "internal/protocol/SPEC.md", "internal/protocol/THREATS.md"}

// TestNamedTests looks for every test that a document names. A claim whose test is
// gone, renamed, or in another package would stand there unproved.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	tests := declaredTests(t)
	named := 0
	for _, name := range documents {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, claim := range claims(string(text)) {
			named++
			if err := claim.check(tests); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d tests are named: they were not found", named)
	}
}

// TestNamedTestsRefused is the negative control of TestNamedTests.
func TestNamedTestsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{"audit": {"TestFlip"}, "model": {"TestStories"}}
	for text, good := range map[string]bool{
		"held by `audit` `TestFlip`, and so on":        true,
		"held by `audit` `TestFlip/ties`":              true,
		"held by `audit`\n`TestFlip`":                  true,
		"by `TestFlip`, of which nobody says where":    true,
		"held by `audit` `TestFlop`":                   false,
		"held by `model` `TestFlip`":                   false,
		"by `TestFlop`, of which nobody says where":    false,
		"by `audit` `TestFlip`, `TestStories`":         false,
		"by `audit` `TestFlip` and `model` `TestFlip`": false,
	} {
		var wrong error
		list := claims(text)
		for _, c := range list {
			if err := c.check(tests); err != nil {
				wrong = err
			}
		}
		if len(list) == 0 || (wrong == nil) != good {
			t.Errorf("%q: %d tests named, %v", text, len(list), wrong)
		}
	}
}

// A claim is a test that a text names, in the package that it named last before, if
// in the same sentence.
type claim struct{ pkg, test string }

var (
	quoted   = regexp.MustCompile("`[^`\n]+`|\\.\\s|\n\n|\\|")
	testName = regexp.MustCompile(`^(Test|Fuzz)[A-Z][A-Za-z0-9]*$`)
)

func claims(text string) []claim {
	var list []claim
	pkg := ""
	for _, word := range quoted.FindAllString(text, -1) {
		if word[0] != '`' {
			pkg = ""
			continue
		}
		word = strings.Trim(word, "`")
		name, _, _ := strings.Cut(word, "/")
		switch {
		case testName.MatchString(name):
			list = append(list, claim{pkg, name})
		case strings.HasSuffix(word, ".go"):
			pkg = path.Dir(word)
		case packageNamed(word) != "":
			pkg = packageNamed(word)
		}
	}
	return list
}

// packageNamed returns the package of this module that a word names: by its path
// below internal/ or internal/protocol/, or in the module; or "".
func packageNamed(word string) string {
	for _, name := range []string{word, "protocol/" + word, "../" + word} {
		if info, err := os.Stat(name); err == nil && info.IsDir() && word[0] != '.' && word[0] != '/' {
			return strings.TrimPrefix(name, "../")
		}
	}
	return ""
}

func (c claim) check(tests map[string][]string) error {
	if c.pkg != "" {
		if !slices.Contains(tests[c.pkg], c.test) {
			return fmt.Errorf("%s has no %s", c.pkg, c.test)
		}
		return nil
	}
	for _, list := range tests {
		if slices.Contains(list, c.test) {
			return nil
		}
	}
	return fmt.Errorf("no package has %s", c.test)
}

// declaredTests returns the tests of every package.
func declaredTests(t *testing.T) map[string][]string {
	t.Helper()
	tests := make(map[string][]string)
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := strings.TrimPrefix(path.Dir(filepath.ToSlash(file)), "../")
		pkg = strings.TrimPrefix(pkg, "internal/")
		if pkg == ".." { // of the module's top level there is none
			return nil
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && testName.MatchString(fn.Name.Name) {
				tests[pkg] = append(tests[pkg], fn.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
