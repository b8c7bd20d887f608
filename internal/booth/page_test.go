package booth

import (
	"encoding/json"
	"html/template"
	"strings"
	"testing"

	"strikevote/internal/language"
)

// wordsJSON are words, so that what the page carries is the same for JavaScript.
const wordsJSON = `{"a.b":"c"}`

func fill(t *testing.T, page string, data shell) (*document, error) {
	t.Helper()
	none := func(string, ...any) string { return "" }
	shell, err := template.New("shell.html").Funcs(template.FuncMap{"text": none}).Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	return render(shell, func(key string, _ ...any) string { return "<" + key + ">" }, data)
}

// TestRender checks that what stands inside of the page is what was put there, byte
// for byte, and that its policy names exactly what a browser would run.
func TestRender(t *testing.T) {
	t.Parallel()
	const page = `<!doctype html><html lang="{{.Lang}}"><title>{{text "booth.title"}}</title><style>{{.Style}}</style>` +
		`<script type="application/json" id="words">{{.Words}}</script><script type="application/json" id="languages">{{.Languages}}</script>` +
		`<script>{{.Boot}}</script><script>{{.Script}}</script></html>`
	data := shell{Lang: "zh-Hans", Style: `a>b::after{content:"\201c<é"}`, Words: wordsJSON, Languages: `[]`,
		Boot: "-1<!0&&`${a}`;\n//'\"<\\/script", Script: `"use strict";` + "\u00e9\n"}
	d, err := fill(t, page, data)
	if err != nil {
		t.Fatal(err)
	}
	want := `<!doctype html><html lang="zh-Hans"><title>&lt;booth.title&gt;</title><style>` + string(data.Style) + `</style>` +
		`<script type="application/json" id="words">` + wordsJSON + `</script><script type="application/json" id="languages">[]</script>` +
		`<script>` + string(data.Boot) + `</script><script>` + string(data.Script) + `</script></html>`
	if string(d.Bytes()) != want {
		t.Errorf("got %s, want %s", d.Bytes(), want)
	}
	if len(d.styles) != 1 || string(d.styles[0]) != string(data.Style) || len(d.scripts) != 2 ||
		string(d.scripts[0]) != string(data.Boot) || string(d.scripts[1]) != string(data.Script) {
		t.Errorf("the policy would be of %q and %q", d.scripts, d.styles)
	}
	for name, page := range map[string]string{
		"another type":       `<script type="module">{{.Boot}}</script>`,
		"a script elsewhere": `<script src="https://cdn.example/x.js"></script>`,
	} {
		if _, err := fill(t, page, data); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// TestBreaksOut puts into each place of the page what would end it there.
func TestBreaksOut(t *testing.T) {
	t.Parallel()
	const page = `<style>{{.Style}}</style><script>{{.Boot}}{{.Script}}</script>` +
		`<script type="application/json" id="words">{{.Words}}</script><script type="application/json" id="languages">{{.Languages}}</script>`
	good := func() shell {
		return shell{Style: "a{}", Words: "{}", Languages: "[]", Boot: "0;", Script: "1 < 2; a = \"<p></p>\";"}
	}
	if _, err := fill(t, page, good()); err != nil {
		t.Fatalf("negative control: %v", err)
	}
	for _, text := range []string{"</script>", "</SCRIPT\n>", "</sCript/", "<script>", "<!-- ", "</style>", "</Style ", "<style>", "\x00", "a\r\nb"} {
		for name, put := range map[string]func(*shell){
			"style":     func(s *shell) { s.Style += template.CSS(text) },
			"words":     func(s *shell) { s.Words += template.JS(text) },
			"languages": func(s *shell) { s.Languages += template.JS(text) },
			"boot":      func(s *shell) { s.Boot += template.JS(text) },
			"script":    func(s *shell) { s.Script += template.JS(text) },
		} {
			data := good()
			put(&data)
			if _, err := fill(t, page, data); err == nil {
				t.Errorf("%q passes in the %s", text, name)
			}
		}
	}
}

// TestWhole looks at the page of this program in each language: its language, its
// words, and the words that it would fetch for another.
func TestWhole(t *testing.T) {
	t.Parallel()
	s := whole()
	for _, tag := range language.Tags() {
		d := s.pages[tag.Code]
		page := string(d.Bytes())
		if !strings.Contains(page, `<html lang="`+tag.Code+`"`) {
			t.Errorf("%s: the page says another language", tag.Code)
		}
		if len(d.scripts) != 2 || len(d.styles) != 1 {
			t.Errorf("%s: %d scripts and %d styles", tag.Code, len(d.scripts), len(d.styles))
		}
		if got := data(t, page, "words"); got != string(s.words[tag.Code].Bytes()) {
			t.Errorf("%s: the page has other words than are fetched", tag.Code)
		}
		var list []struct{ Code, Name, SHA256 string }
		if err := json.Unmarshal([]byte(data(t, page, "languages")), &list); err != nil {
			t.Fatal(err)
		}
		for i, other := range language.Tags() {
			if x := list[i]; x.Code != other.Code || x.Name != other.Name || x.SHA256 != sum(s.words[other.Code].Bytes()) {
				t.Errorf("%s: the page would take other words of %s", tag.Code, other.Code)
			}
		}
	}
}

// data returns what a script element with an id holds.
func data(t *testing.T, page, id string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, `<script type="application/json" id="`+id+`">`)
	inside, _, ends := strings.Cut(rest, "</script>")
	if !found || !ends {
		t.Fatalf("the page has no %s", id)
	}
	return inside
}
