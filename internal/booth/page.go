package booth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/templates"
)

// parts of the catalogue that the page carries. With the format a moment reads as on
// the public pages: each browser has a way of its own.
var parts = []string{"common", "booth", "format"}

// Paths of what the booth serves beside manifests.
const (
	pathPage   = "/v1/"
	pathWords  = "/v1/words/"
	pathList   = "/v1/words.txt"
	pathClient = "/v1/client"
	// pathLicences is named by the script, as a file beside it.
	pathLicences = "/v1/licences.txt"
)

// A document is the page in one language.
type document struct {
	*web.Blob
	scripts, styles [][]byte // the texts inside it that a browser runs
	policy          func(connect ...string) string
}

// A site is everything that the booth serves and that is the same for everybody. It
// depends on the program alone, so that whoever has the program can tell what a booth
// has to serve.
type site struct {
	pages map[string]*document // by language
	// Pages that only say something: at the address of no vote, at any other, at that of
	// the booth itself, and while the page cannot be shown.
	unknown, nothing, front, down saying
	missing                       *template.Template // of which those are made
	words                         map[string]*web.Blob
	list                          *web.Blob
	client                        *web.Blob
	// licences are notices that the script's library asks for.
	licences *web.Blob
}

// whole is the site of this program.
var whole = sync.OnceValue(func() *site {
	shells, err := template.New("").Funcs(template.FuncMap{"text": func(string, ...any) string { return "" }}).
		ParseFS(templates.Booth, "booth/*.html")
	if err != nil {
		panic(err) // all of it is part of the program
	}
	s := &site{words: make(map[string]*web.Blob), missing: shells.Lookup("missing.html"), pages: make(map[string]*document)}
	for _, t := range language.Tags() {
		s.words[t.Code] = web.NewBlob("application/json", numbered(language.Of(t.Code).JSON(parts...), textNames()))
	}
	languages := s.languages()
	for _, t := range language.Tags() {
		if s.pages[t.Code], err = assemble(shells.Lookup("shell.html"), t.Code, s.words[t.Code].Bytes(), languages); err != nil {
			panic(fmt.Errorf("booth: the page in %s: %w", t.Code, err))
		}
	}
	s.unknown = s.say(problem{Name: "link-unknown", Heading: "booth.link.unknown", Text: "booth.link.unknown.text", Votes: true})
	s.nothing = s.say(problem{Name: "nothing", Heading: "pages.missing", Text: "pages.booth.nothing", Votes: true})
	s.front = s.say(problem{Name: "votes", Heading: "booth.link.code", Text: "pages.booth.nothing", Votes: true})
	s.down = s.say(problem{Name: "down", Heading: "pages.down", Text: "pages.down.then"})
	s.list = web.NewBlob("text/plain; charset=utf-8", election.WordList())
	s.licences = web.NewBlob("text/plain; charset=utf-8", []byte(asset("dist/licences.txt")))
	s.client = web.NewBlob("text/plain; charset=utf-8", s.listing())
	return s
})

// languages lists what the switcher offers, with the SHA-256 of what each language is
// fetched as: so that whoever compares the page has compared the words too.
func (s *site) languages() []byte {
	type entry struct {
		Code   string `json:"code"`
		Name   string `json:"name"`
		SHA256 string `json:"sha256"`
	}
	var list []entry
	for _, t := range language.Tags() {
		list = append(list, entry{t.Code, t.Name, sum(s.words[t.Code].Bytes())})
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings can be written
	}
	return b
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// A shell is what the templates of templates/booth are filled with. Its words, style and
// scripts stand in the page as they are.
type shell struct {
	Lang             string
	Style            template.CSS
	Words, Languages template.JS
	Boot, Script     template.JS
	// Of a page that only says something.
	Problem problem
	Tags    []language.Tag
	Votes   []entrance
}

// A problem is what a page says that does nothing else. Heading and Text are keys.
type problem struct {
	Name, Heading, Text string
	Votes               bool // whether those that a code can be entered for are listed
}

// A saying is a page that only says something, by language, without a list of votes.
type saying struct {
	problem problem
	pages   map[string]*document
}

// say makes a page that only says something, which depends on the program alone.
func (s *site) say(p problem) saying {
	made := saying{p, make(map[string]*document)}
	for _, t := range language.Tags() {
		d, err := s.sayIn(t.Code, p, nil)
		if err != nil {
			panic(fmt.Errorf("booth: %s in %s: %w", p.Name, t.Code, err))
		}
		made.pages[t.Code] = d
	}
	return made
}

// sayIn makes such a page in a language, with the votes whose codes can be entered here.
func (s *site) sayIn(code string, p problem, votes []entrance) (*document, error) {
	data := shell{Lang: code, Style: template.CSS(asset("dist/booth.css")), Problem: p, Tags: language.Tags(), Votes: votes}
	return render(s.missing, language.Of(code).Text, data)
}

// assemble makes the page in a language.
func assemble(t *template.Template, code string, words, languages []byte) (*document, error) {
	w := language.Of(code)
	data := shell{Lang: code, Words: template.JS(words), Languages: template.JS(languages)}
	data.Style = template.CSS(asset("dist/booth.css"))
	data.Boot, data.Script = template.JS(asset("dist/boot.js")), template.JS(asset("dist/booth.js"))
	return render(t, w.Text, data)
}

// render fills the shell and takes out of it what its policy has to name.
func render(t *template.Template, text func(string, ...any) string, data shell) (*document, error) {
	for _, inside := range []string{string(data.Words), string(data.Languages), string(data.Style), string(data.Boot), string(data.Script)} {
		if end := breaksOut(inside); end != "" {
			return nil, fmt.Errorf("%q inside of a script or style ends it, or hides what follows", end)
		}
	}
	t, err := t.Clone()
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := t.Funcs(template.FuncMap{"text": text}).Execute(&page, data); err != nil {
		return nil, err
	}
	d := &document{Blob: web.NewBlob("text/html; charset=utf-8", page.Bytes())}
	for _, style := range elements(page.Bytes(), "style") {
		d.styles = append(d.styles, style.body)
	}
	for _, script := range elements(page.Bytes(), "script") {
		switch attributes := string(script.attributes); attributes {
		case "":
			d.scripts = append(d.scripts, script.body)
		case ` type="application/json" id="words"`, ` type="application/json" id="languages"`:
		default:
			return nil, fmt.Errorf("a script with %s", attributes)
		}
	}
	d.policy = web.Inline(d.scripts, d.styles)
	return d, nil
}

// breaksOut returns the first of what an HTML parser looks for in a script or style, and
// of what it does not leave as it is: the text that runs would not be the one whose
// SHA-256 the policy names. It reads megabytes at every start of the program, which
// regular expressions made several times slower.
func breaksOut(text string) string {
	for {
		at := strings.IndexAny(text, "<\x00\r")
		if at < 0 {
			return ""
		}
		if text[at] != '<' {
			return text[at : at+1]
		}
		text = text[at:]
		for _, tag := range []string{"</script", "<script", "<!--", "</style", "<style"} {
			if len(text) >= len(tag) && strings.EqualFold(text[:len(tag)], tag) {
				return text[:len(tag)]
			}
		}
		text = text[1:]
	}
}

// An element is one of the page, in parts as they stand in it.
type element struct{ attributes, body []byte }

// elements returns those of a tag. What is put into the page has none, by [breaksOut].
func elements(page []byte, tag string) (list []element) {
	for {
		_, rest, found := bytes.Cut(page, []byte("<"+tag))
		if !found {
			return list
		}
		attributes, rest, _ := bytes.Cut(rest, []byte(">"))
		body, rest, _ := bytes.Cut(rest, []byte("</"+tag+">"))
		list = append(list, element{attributes, body})
		page = rest
	}
}

func asset(name string) string {
	b, err := templates.Assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return string(b)
}

// listing returns a line for each file that the booth serves, with its SHA-256, by
// path.
func (s *site) listing() []byte {
	var lines []string
	add := func(path string, b *web.Blob) { lines = append(lines, path+"\x00"+sum(b.Bytes())) }
	for code := range s.pages {
		add(pathPage+"?lang="+code, s.pages[code].Blob)
		add(pathWords+code+".json", s.words[code])
	}
	add(pathList, s.list)
	add(pathLicences, s.licences)
	slices.Sort(lines)
	var b strings.Builder
	for _, line := range lines {
		path, hash, _ := strings.Cut(line, "\x00")
		b.WriteString(hash + "  " + path + "\n")
	}
	return []byte(b.String())
}

// Pack makes the smallest form of the page in the languages named, of all if none is.
// It takes a processor for a second or more for each; without it that happens when the
// first reader of a language comes, who gets a larger form.
func Pack(languages ...string) {
	s := whole()
	for _, t := range language.Tags() {
		if len(languages) == 0 || slices.Contains(languages, t.Code) {
			s.pages[t.Code].Pack()
		}
	}
}

// Listing returns what a booth of this program answers to /v1/client: a line for each
// file that it serves beside manifests, with its SHA-256.
func Listing() []byte { return bytes.Clone(whole().client.Bytes()) }

// Client returns what a manifest says of the page that a booth of this program serves
// at an origin.
func Client(origin string) *election.Client {
	return &election.Client{URL: origin + pathClient, SHA256: sha256.Sum256(whole().client.Bytes())}
}
