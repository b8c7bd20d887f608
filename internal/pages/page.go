package pages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
	"strikevote/templates"
)

// A page is one of the pages of an election. To add one: a line in [pages], a file
// templates/pages/<name>.html that defines "title" and "main", and a file <name>.go
// with its struct, which embeds *view, and the function that fills it. The words stand
// in the catalogue.
type page struct {
	path  string // below the election's address
	name  string // of its template
	label string // key of what it is called in a list of pages
	build func(s *Site, ctx context.Context, v *view) (any, error)
}

// pages lists them in the order in which they are shown.
var pages []page

func init() {
	// A variable would be initialized in a circle: pages list the pages.
	pages = []page{
		{"", "election", "pages.election.name", electionOf},
		{"who", "who", "common.who", whoOf},
		{"secrecy", "secrecy", "common.secrecy", secrecyOf},
		{"questions", "questions", "pages.questions.name", questionsOf},
		{"box", "box", "results.box.name", boxOf},
		{"turnout", "turnout", "results.turnout.name", turnoutOf},
		{"result", "result", "results.result.name", resultOf},
		{"certificate", "certificate", "results.certificate.name", certificateOf},
		{"check", "check", "audit.name", checkOf},
		{"view", "view", "pages.view.name", viewOf},
		{"documents", "documents", "pages.documents.name", documentsOf},
		{"contacts", "contacts", "pages.contacts.name", contactsOf},
	}
}

// functions are for what a template cannot write: a number of another kind, and two
// values for one template.
var functions = template.FuncMap{
	"long": func(n int) int64 { return int64(n) },
	"dict": func(pairs ...any) (map[string]any, error) {
		m := make(map[string]any)
		for i := 0; i+1 < len(pairs); i += 2 {
			name, ok := pairs[i].(string)
			if !ok {
				return nil, errors.New("a name is no text")
			}
			m[name] = pairs[i+1]
		}
		return m, nil
	},
	"part": func(v marker, s Said, level int) part { return part{v, s, level} },
}

type marker interface {
	Markdown(source string, level int) template.HTML
	Only(lang string) template.HTML
}

// A part is a text inside of a page.
type part struct {
	View  marker
	Said  Said
	Level int // of its highest heading
}

var layouts = parse()

// parse makes one set of templates for each page.
func parse() map[string]*template.Template {
	layout := template.Must(template.New("layout").Option("missingkey=error").Funcs(functions).ParseFS(templates.Pages, "pages/layout.html"))
	files, err := templates.Pages.ReadDir("pages")
	if err != nil {
		panic("pages: " + err.Error())
	}
	sets := make(map[string]*template.Template)
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "layout" {
			continue
		}
		set := template.Must(template.Must(layout.Clone()).ParseFS(templates.Pages, "pages/"+f.Name()))
		sets[name] = set
	}
	return sets
}

// render writes a page, or nothing at all if it cannot be made. A cache may keep it for
// a while; 0: it may not. The language may have come from a header, by which caches must
// tell answers apart.
func render(w http.ResponseWriter, r *http.Request, status int, name string, data any, keep time.Duration) error {
	cache := "no-store"
	if keep > 0 {
		cache = fmt.Sprintf("public, max-age=%d", int(keep.Seconds()))
	}
	return renderAs(w, r, status, name, data, cache)
}

// renderAs is render for a page that caches keep as is said.
func renderAs(w http.ResponseWriter, r *http.Request, status int, name string, data any, cache string) error {
	var b bytes.Buffer
	if err := layouts[name].ExecuteTemplate(&b, "page", data); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", cache)
	if status != http.StatusOK {
		h.Set("Cache-Control", "no-store")
	}
	h.Add("Vary", "Accept-Language")
	// Nothing on a public page is secret; what shows a tracker answers a POST.
	web.WritePacked(w, r, status, "text/html; charset=utf-8", b.Bytes())
	return nil
}

// view reads what an answer about an election is made of.
func (s *Site) view(r *http.Request) (*view, error) {
	id, err := s.find(r)
	if err != nil {
		return nil, err
	}
	f, err := s.facts(r.Context(), id)
	if err != nil {
		return nil, err
	}
	now := s.now()
	v := &view{Words: words(r), facts: f, Phase: f.phase(now), Now: now, Asset: hashed, Path: chi.URLParam(r, "*")}
	if explicit(r) == v.Code() {
		v.Ask = v.Code()
	}
	return v, nil
}

func (s *Site) getPage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(r)
	if err != nil {
		return err
	}
	for _, p := range pages {
		switch v.Path {
		case p.path:
			data, err := p.build(s, r.Context(), v)
			if err != nil {
				return err
			}
			w.Header().Set("Content-Security-Policy", policyOf(p.name, v))
			return render(w, r, http.StatusOK, p.name, data, v.keep())
		case p.path + "/":
			http.Redirect(w, r, v.Link(p.path), http.StatusMovedPermanently)
			return nil
		}
	}
	return ErrNotFound
}

// A missingPage says which pages there are.
type missingPage struct{ *view }

// An indexPage lists the elections of a deployment. It belongs to none of them.
type indexPage struct {
	*language.Words
	Asset     assets
	Missing   bool
	Down      down
	Elections []listed
}

// A down is why a page cannot be shown, as its words' name.
type down string

const (
	isDown        down = "down"
	isBusy        down = "busy"
	isBusyNetwork down = "network"
)

type listed struct {
	Link            string
	Title           Said
	Demo, Rehearsal bool
}

// missing answers for a page that does not exist, with those that do.
func (s *Site) missing(w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(r)
	if err == nil {
		// No page of the list is this one, and the same address in another language
		// does not exist either.
		v.Path = ""
		return render(w, r, http.StatusNotFound, "missing", missingPage{v}, 0)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return s.index(w, r, http.StatusNotFound)
}

func (s *Site) getIndex(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path != "/e/" {
		return s.index(w, r, http.StatusNotFound)
	}
	return s.index(w, r, http.StatusOK)
}

func (s *Site) index(w http.ResponseWriter, r *http.Request, status int) error {
	p := indexPage{Words: words(r), Asset: hashed, Missing: status == http.StatusNotFound}
	keep := briefly
	if p.Missing {
		keep = 0
	}
	if s.List != nil {
		ids, err := s.List(r.Context())
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		for _, id := range ids {
			f, err := s.facts(r.Context(), id)
			if errors.Is(err, ErrNotFound) {
				continue // not published yet
			}
			if err != nil {
				return err
			}
			v := &view{Words: p.Words, facts: f}
			p.Elections = append(p.Elections, listed{address(id, "", explicit(r)), v.Of(f.Manifest.Title), f.Manifest.Demo, f.Manifest.Rehearsal})
		}
	}
	return render(w, r, status, "index", p, keep)
}

// unavailable answers while what a page is made of cannot be read, or is being read by
// as many as can be.
func (s *Site) unavailable(w http.ResponseWriter, r *http.Request, why down) error {
	status, after := http.StatusServiceUnavailable, 5*time.Second
	if why != isDown {
		after = comeBack
	}
	if why == isBusyNetwork {
		status = http.StatusTooManyRequests
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	return render(w, r, status, "index", indexPage{Words: words(r), Asset: hashed, Down: why}, 0)
}
