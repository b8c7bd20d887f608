package language

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"strikevote/templates"
)

// small is a catalogue of two texts that Spanish has in part, and Korean with one
// form for all numbers.
func small(t *testing.T) map[string]*Words {
	t.Helper()
	format := `{"format.number.group":","}`
	c, err := load(fstest.MapFS{
		"words/en/format.json": {Data: []byte(format)},
		"words/en/common.json": {Data: []byte(`{"common.days.one":"{n} day","common.days.other":"{n} days","common.call":"Call {who} on {day}."}`)},
		"words/en/booth.json":  {Data: []byte(`{"booth.end":"</script><!--\u2028 &"}`)},
		"words/es/common.json": {Data: []byte(`{"common.call":"El {day} llame a {who}."}`)},
		"words/ko/common.json": {Data: []byte(`{"common.days.other":"{n}일"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestText(t *testing.T) {
	t.Parallel()
	c := small(t)
	for _, tt := range []struct{ got, want string }{
		{c["en"].Text("common.call", "who", "{day}", "day", 2), "Call {day} on 2."},
		{c["es"].Text("common.call", "day", "2", "who", "Ana"), "El 2 llame a Ana."},
		{c["vi"].Text("common.call", "day", "2", "who", "Ana", "other", 1), "Call Ana on 2."},
		{c["en"].Count("common.days", 1), "1 day"},
		{c["en"].Count("common.days", 0), "0 days"},
		{c["en"].Count("common.days", 22000), "22,000 days"},
		{c["en"].Count("common.days", -1000), "-1,000 days"},
		{c["es"].Count("common.days", 1), "1 day"},
		{c["ko"].Count("common.days", 1), "1일"},
		{c["ko"].Count("common.days", 5), "5일"},
		{c["ko"].Code(), "ko"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	c := small(t)
	for name, f := range map[string]func(){
		"no key":              func() { c["en"].Text("common.none") },
		"no value":            func() { c["en"].Text("common.call", "who", 1) },
		"a name with no pair": func() { c["en"].Text("common.call", "who", 1, "day") },
		"no part":             func() { c["en"].JSON("booth", "boot") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s passes", name)
				}
			}()
			f()
		}()
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no object":     `["a"]`,
		"no text":       `{"booth.a":{"b":"c"}}`,
		"another part":  `{"pages.a":"b"}`,
		"no part":       `{"a":"b"}`,
		"more than one": `{"booth.a":"b"}{}`,
	} {
		if _, err := load(fstest.MapFS{"words/es/booth.json": {Data: []byte(text)}}); err == nil || !strings.Contains(err.Error(), "words/es/booth.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	c := small(t)
	if got, want := string(c["es"].JSON("booth", "common")), `{"booth.end":"\u003c/script\u003e\u003c!--\u2028 \u0026","common.call":"El {day} llame a {who}.",`+
		`"common.days.one":"{n} day","common.days.other":"{n} days"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// English has a form for one of which Korean would make no use.
	texts := make(map[string]string)
	if err := json.Unmarshal(c["ko"].JSON("common"), &texts); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"common.days.other": "{n}일", "common.call": "Call {who} on {day}."}, texts); diff != "" {
		t.Error(diff)
	}
}

// TestMarks finds marks between two texts that a template itself has: Chinese writes
// others, so they have to be in the texts.
func TestMarks(t *testing.T) {
	t.Parallel()
	mark := regexp.MustCompile(`(}}|</[a-z0-9]+>)[,;:.]`)
	for _, fsys := range []fs.FS{templates.Pages, templates.Registrar, templates.Booth} {
		err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".html") {
				return err
			}
			b, err := fs.ReadFile(fsys, name)
			for _, found := range mark.FindAllString(string(b), -1) {
				t.Errorf("%s has %s", name, found)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if !mark.MatchString(`<strong>{{.Name}}</strong>: {{.Text}}`) {
		t.Error("negative control: a mark is not found")
	}
}
