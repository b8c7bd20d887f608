package pages_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// sampled gives a world the content of the sample.
func (w *world) sampled() *world {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "sample")
	if err := pages.WriteSample(dir); err != nil {
		w.t.Fatal(err)
	}
	f, err := pages.ReadFolder(dir, false)
	if err != nil {
		w.t.Fatal(err)
	}
	w.content, w.attached = &f.Content, f.Documents
	w.content.Lot = &pages.Lot{AgainstFirst: true}
	// The sample itself names no date, which would be another election's.
	on := func(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.DateOnly) }
	w.content.RecordDate, w.content.Cutoff, w.content.ResultOn = on(electiontest.Open-30*86400), on(electiontest.Open-3*86400), on(electiontest.LatestClose+86400)
	return w
}

// states are what an election can be in, by what is done to a world that is open.
var states = map[string]func(*world){
	"before":    func(w *world) { w.at = electiontest.Open - 86400 },
	"open":      func(*world) {},
	"extended":  func(w *world) { w.move(electiontest.Close + 3600) },
	"early":     func(w *world) { w.move(electiontest.Close - 3600) },
	"closed":    func(w *world) { w.at = electiontest.Close + 1 },
	"locked":    func(w *world) { w.at = electiontest.Close + 7200; w.end() },
	"opened":    func(w *world) { w.at = electiontest.Close + 7200; w.end(); w.files[layout.Result] = nil },
	"certified": func(w *world) { w.at = electiontest.Close + 7200; w.end(); w.files[layout.Certification] = nil },
	"cancelled": func(w *world) { w.publish(w.keys.Act(w.mid, act.KindCancel, 1, act.Cancel{}.Bytes())) },
}

func (w *world) end() {
	w.files[layout.StatementBox], w.files[layout.StatementRegistrar] = nil, nil
}

func (w *world) move(close int64) {
	if close > electiontest.Close {
		w.publish(w.keys.Act(w.mid, act.KindExtend, 1, act.Extend{Close: close}.Bytes()))
		return
	}
	w.publish(w.keys.Act(w.mid, act.KindCloseEarly, 1, act.CloseEarly{Close: close}.Bytes()))
}

// own are the pages of this package whose words do not need a result.
var own = []string{"", "who", "secrecy", "questions", "view", "documents", "contacts"}

// TestEveryPage renders every page in every state and language, with all content and
// with none.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	plans := map[string]func(*electiontest.Plan){
		"demo": func(*electiontest.Plan) {},
		"rehearsal": func(p *electiontest.Plan) {
			p.Real = true
			p.Change = func(m *election.Manifest) { m.Rehearsal = true }
		},
		"two operators": func(p *electiontest.Plan) {
			p.Change = func(m *election.Manifest) {
				m.Separation = election.Separation{Kind: election.TwoOperators, Operators: []string{"A", "B"}}
			}
		},
		"factor": func(p *electiontest.Plan) {
			p.Change = func(m *election.Manifest) {
				m.Factor = &election.Factor{Label: []string{"your birth year"}}
				m.Rule.PerGroup = true
			}
		},
	}
	for planned, plan := range plans {
		for name, do := range states {
			for _, full := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/%v", planned, name, full), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, plan)
					if full {
						w.sampled()
					}
					do(w)
					w.site.Keep = time.Hour
					for _, path := range own {
						for _, tag := range language.Tags() {
							// The words of a language do not depend on the plan.
							if planned == "demo" || tag.Code == "en" {
								check(t, path, w.page(path+"?lang="+tag.Code), tag.Code)
							}
						}
					}
				})
			}
		}
	}
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}|\x00|%!|&amp;(lt|gt|amp|#)|<no value>|ZgotmplZ`)

var asset = regexp.MustCompile(`<(?:script|link rel="stylesheet")[^>]*>`)

// check looks for what no page may hold.
func check(t *testing.T, path, body, lang string) {
	t.Helper()
	text := strings.Replace(body, `{time}`, "", 1) // the script's own
	if bad := placeholder.FindString(text); bad != "" {
		t.Errorf("%q, %s: it holds %q", path, lang, bad)
	}
	if !strings.Contains(body, `<html lang="`+lang+`"`) || strings.Count(body, "<h1>") != 1 {
		t.Errorf("%q, %s: no page with one heading: %s", path, lang, body)
	}
	// A browser that follows Integrity-Policy takes what has a hash only by CORS.
	for _, tag := range asset.FindAllString(body, -1) {
		if !strings.Contains(tag, ` integrity="sha256-`) || !strings.Contains(tag, ` crossorigin="anonymous"`) {
			t.Errorf("%q, %s: %s", path, lang, tag)
		}
	}
	for _, inline := range []string{" style=", " onclick=", "<style", "javascript:", "<script>"} {
		if strings.Contains(body, inline) {
			t.Errorf("%q, %s: it holds %q", path, lang, inline)
		}
	}
}

// TestMissingContentIsLeftOut looks for what a page would say of something it was not told.
func TestMissingContentIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, not := range map[string][]string{
		"who":       {"Joined after", "See ", "two separate lists"},
		"secrecy":   {"carries every link", "may see that list"},
		"questions": {"After a no", "“”", "desk: "},
		"":          {"Result expected"},
		"contacts":  {"<table"},
		"documents": {"<table", "Complete and unedited"},
		"view":      {"by lot", "Members’ stories"},
	} {
		body := w.page(path)
		for _, s := range not {
			if strings.Contains(body, s) {
				t.Errorf("%q: it says %q of nothing", path, s)
			}
		}
	}
	// Until when a report counts is the manifest's, in the mails and here.
	decide := time.Unix(electiontest.DecideUntil, 0).UTC().Format(time.RFC3339)
	if body := w.page(""); !regexp.MustCompile(`tell us at once, at the latest by</th><td[^>]*><time datetime="` + decide).MatchString(body) {
		t.Errorf("it does not say until when a report counts: %s", body)
	}
	full := newWorld(t).sampled()
	for path, want := range map[string][]string{
		"who":       {"Joined after", "See <a", "a member in good standing"},
		"secrecy":   {"Example Mail Company carries every link.", "may see that list"},
		"questions": {"After a no", "“Union ballot”", "Who decides about the strike fund?"},
		"":          {"Result expected", "Union of Sample Workers"},
		"contacts":  {`href="tel:&#43;15550100101"`, "Building 4"},
		"documents": {"Complete and unedited, as received on", "Answer to the "},
		"view":      {"by lot", "Laboratory technologist", "These are opinions."},
	} {
		body := full.page(path)
		for _, s := range want {
			if !strings.Contains(body, s) {
				t.Errorf("%q: it does not say %q", path, s)
			}
		}
	}
	if body := full.page("view"); strings.Index(body, "<h2>Against") > strings.Index(body, "<h2>For") {
		t.Error("the lot put against first, and the page does not")
	}
}

// TestSeparation says the two sentences that are true of each deployment.
func TestSeparation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind string
		want []string
	}{
		{election.OneMachine, []string{"but on one machine, run by Ann", "Someone in full control of it while you vote"}},
		{election.TwoMachines, []string{"on two machines with separate keys, both run by Ann", "One machine alone"}},
		{election.TwoOperators, []string{"Names are with Ann, sealed ballots with Bob", "Only both together"}},
	} {
		w := newWorld(t, func(p *electiontest.Plan) {
			p.Change = func(m *election.Manifest) {
				m.Separation = election.Separation{Kind: tt.kind, Operators: []string{"Ann", "Bob"}}
				if tt.kind != election.TwoOperators {
					m.Separation.Operators = m.Separation.Operators[:1]
				}
			}
		})
		body := w.page("secrecy")
		for _, s := range append(tt.want, "unless 2 tellers broke the rules too", "2 of 3 tellers must act together") {
			if !strings.Contains(body, s) {
				t.Errorf("%s: it does not say %q: %s", tt.kind, s, body)
			}
		}
	}
}

// TestOneLanguage: what the union wrote in another language than the reader's stands in no
// sentence where there are words for it, and what stands alone says that it is in one
// language only.
func TestOneLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) {
		p.Change = func(m *election.Manifest) { m.Separation.Operators = []string{"the union's technical committee"} }
	}).sampled()
	w.content.Organizer, w.content.HelpHours = pages.Text{"en": "your steward"}, pages.Text{"en": "every day"}
	w.content.View = pages.Text{"en": "Text.", "es": "Texto."}
	w.content.For, w.content.Against = pages.Text{"en": "Text."}, pages.Text{"en": "Text."}
	w.content.Questions = map[string][]pages.QA{"en": {{Question: "Why?", Answer: "So."}}}
	says := func(path string, is bool, want ...string) {
		t.Helper()
		body := w.page(path)
		for _, s := range want {
			if strings.Contains(body, s) != is {
				t.Errorf("%s: %q is there: %v", path, s, !is)
			}
		}
	}
	says("who?lang=vi", false, "your steward")
	says("who?lang=vi", true, " hoặc hỏi người tổ chức công đoàn của quý vị.", `(<span lang="en">every day</span>)</p>`)
	says("who?lang=en", true, "(every day) or ask your steward.")
	// A name without a language is everybody's.
	w.content.Organizer = pages.Text{"": "Ana Ruiz, room 12"}
	says("who?lang=vi", true, "Ana Ruiz, room 12")
	says("secrecy?lang=es", true, `a cargo de <span lang="en">the union&#39;s technical committee</span>.`)
	const only = `Este texto existe en un solo idioma: <span lang="en">English</span>.`
	for path, n := range map[string]int{"view?lang=es": 2, "questions?lang=es": 1} {
		if body := w.page(path); strings.Count(body, only) < n {
			t.Errorf("%s says %d times that a text is in one language only, want %d", path, strings.Count(body, only), n)
		}
	}
	says("view?lang=en", false, "one language only")
}

// TestOutcomes compares what the pages say with the words of the protocol.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	w := language.Of("en")
	if w.Text("pages.outcome.all") != outcome.All || w.Text("pages.outcome.none") != outcome.None {
		t.Error("the sentences of the pages are not those of the certificate")
	}
	one := []outcome.Judged{{Unit: outcome.Unit{Groups: []suite.GroupID{1}}, Judgement: outcome.Judgement{Authorized: true}}, {Unit: outcome.Unit{Groups: []suite.GroupID{2}}}}
	names := func(g suite.GroupID) string { return map[suite.GroupID]string{1: "HX", 2: "TX"}[g] }
	sentence := outcome.Sentence(names, one)
	if s := w.Text("pages.outcome.one", "group", "HX"); !strings.HasPrefix(sentence, strings.TrimSuffix(s, ".")) {
		t.Errorf("%q is no beginning of %q", s, sentence)
	}
}

// TestRule says every preset in words.
func TestRule(t *testing.T) {
	t.Parallel()
	for preset, want := range map[string]string{
		"simple":       "There must be more yes than no. All bargaining units are counted together. Abstentions count for turnout only.",
		"two-thirds":   "Yes must be at least two thirds of the yes and no votes.",
		"three-fifths": "Yes must be at least three fifths of the yes and no votes.",
		"australia":    "Yes must be more than half of all votes cast. At least half of the members entitled to vote must cast a ballot. All bargaining units are counted together. The rule counts yes against all votes cast, so an abstention weighs like a no.",
		"uk":           "There must be more yes than no. At least half of the members entitled to vote must cast a ballot.",
		"uk-important": "At least two fifths of the members entitled to vote must choose yes.",
	} {
		w := newWorld(t, func(p *electiontest.Plan) { p.Rule = preset })
		if body := w.page(""); !strings.Contains(body, want) {
			_, rest, _ := strings.Cut(body, "What decides")
			t.Errorf("%s: got %s", preset, rest)
		}
	}
	w := newWorld(t, func(p *electiontest.Plan) { p.Change = func(m *election.Manifest) { m.Rule.PerGroup = true } })
	if body := w.page(""); !strings.Contains(body, "There must be more yes than no in each bargaining unit.") || !strings.Contains(body, "[Unit] authorizes the leadership") {
		t.Error("a rule for each unit is not said as one")
	}
}

// TestEscaping gives pages hostile words: from the manifest and from the content.
func TestEscaping(t *testing.T) {
	t.Parallel()
	const evil = `<script>alert(1)</script>"'&<img src=x onerror=y>`
	w := newWorld(t, func(p *electiontest.Plan) {
		p.Change = func(m *election.Manifest) {
			m.Title[0], m.Statement[0], m.Questions[0].Text[0], m.Questions[0].Options[0].Text[0] = evil, evil, evil, evil
			m.Groups[0].Name, m.Separation.Operators[0], m.Help.Phone, m.Committee.Members[0].Name = evil, evil, evil, evil
			m.Factor = &election.Factor{Label: []string{evil}}
		}
	}).sampled()
	text := pages.Text{"": evil}
	c := w.content
	c.Union, c.Eligibility, c.HelpHours, c.Organizer, c.Observers, c.NextNo, c.Reasons.Moved = text, text, text, text, text, text, text
	c.RecordDate, c.Cutoff, c.Provider, c.From, c.JoinURL, c.DesksURL = evil, evil, evil, evil, "javascript:alert(1)", "javascript:alert(1)"
	c.View = pages.Text{"en": evil + "\n\n[a](javascript:alert(1)) ![x](https://e.example/x.png) <javascript:alert(1)> [b](data:text/html,x) [c](JaVaScRiPt:x) [d](//e.example) [e](/x)\n\n<div onclick=x>\n\n# Heading {#id onclick=x}\n"}
	c.Stories = []pages.Story{{Language: evil, Name: evil, Title: evil, Campus: evil, Text: evil}}
	c.Questions = map[string][]pages.QA{"en": {{Question: evil, Answer: evil}}}
	c.Contacts = []pages.Contact{{Campus: evil, Name: evil, Phone: evil, Hours: evil, Languages: evil, Desk: evil}}
	c.Documents = []pages.Document{{Date: evil, Title: evil, From: evil, Language: evil, File: evil, LastOffer: true}}
	w.move(electiontest.Close + 3600)
	for _, path := range own {
		body := w.page(path)
		for _, bad := range []string{"<script>", "<img", "onerror=y>", `href="javascript`, `href="data`, "<div onclick", `"'&<`, `href="//`} {
			if strings.Contains(body, bad) {
				t.Errorf("%q: %q stands in it", path, bad)
			}
		}
	}
}

var href = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// TestTextsKept: a text is made into HTML once for each level of its heading, and what
// is kept of all of them has a bound.
func TestTextsKept(t *testing.T) {
	t.Parallel()
	kept := pages.NewTexts(1000)
	for range 3 {
		if a, b := kept.Of("# A\n*b*", 2), kept.Of("# A\n*b*", 3); a != "<h2>A</h2>\n<p><em>b</em></p>\n" || !strings.HasPrefix(b, "<h3>") {
			t.Errorf("got %q and %q", a, b)
		}
	}
	if kept.Made != 2 {
		t.Errorf("made %d times", kept.Made)
	}
	for i := range 200 {
		if got := kept.Of(fmt.Sprint("text ", i), 2); got != fmt.Sprintf("<p>text %d</p>\n", i) {
			t.Fatalf("got %q", got)
		}
	}
	long := strings.Repeat("long ", 300)
	for range 2 {
		if got := kept.Of(long, 2); len(got) < 1400 {
			t.Errorf("a text longer than all that is kept: %q", got)
		}
	}
	if kept.Made != 204 || kept.Kept() > 1000 {
		t.Errorf("made %d times, %d bytes are kept", kept.Made, kept.Kept())
	}
}

// TestLinks follows every link from the first page on.
func TestLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t).sampled()
	base := "/e/" + w.manifest.ElectionID.String() + "/"
	seen := map[string]bool{"/e/": true, base: true}
	for queue := []string{"/e/", base}; len(queue) > 0; queue = queue[1:] {
		resp := w.ask(http.MethodGet, queue[0])
		body := read(t, resp)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", queue[0], resp.StatusCode)
			continue
		}
		if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/html" {
			continue
		}
		for _, m := range href.FindAllStringSubmatch(body, -1) {
			link := strings.ReplaceAll(m[1], "&amp;", "&")
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %v", queue[0], err)
				continue
			}
			outside := u.Host != "" || u.Scheme != ""
			if fragment := u.Fragment; !outside && fragment != "" {
				if u.Path == "" && !strings.Contains(body, ` id="`+fragment+`"`) {
					t.Errorf("%s: nothing is %s", queue[0], link)
				}
			}
			if outside || u.Path == "" || seen[link] {
				continue
			}
			seen[link] = true
			queue = append(queue, link)
		}
	}
	// Every page in every language, two documents, the style sheet and the script.
	if want := len(own)*(1+len(language.Tags())) + 4; len(seen) < want {
		t.Errorf("%d addresses were found, want at least %d", len(seen), want)
	}
}

// TestApart looks for a way from the pages' opinions into what the booth shows: there
// is none, and the first page leads to both.
func TestApart(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"mail", "slip", "booth"} {
		root := filepath.Join("..", "..", "templates", dir)
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(name)
			for _, path := range []string{"/view", "/documents"} {
				if strings.Contains(string(b), path) {
					t.Errorf("%s leads to %s", name, path)
				}
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// TestHeaders looks at what every answer carries.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t).sampled()
	base := "/e/" + w.manifest.ElectionID.String() + "/"
	style := href.FindAllStringSubmatch(w.page(""), -1)[0][1]
	for _, tt := range []struct {
		path, kind, cache string
		status            int
	}{
		{base, "text/html; charset=utf-8", "public, max-age=30", 200},
		{base + "who", "text/html; charset=utf-8", "public, max-age=30", 200},
		{base + "who/", "", "no-store", 301},
		{strings.TrimSuffix(base, "/"), "", "no-store", 301},
		{style, "text/css; charset=utf-8", "public, max-age=31536000, immutable", 200},
		{"/e/", "text/html; charset=utf-8", "public, max-age=30", 200},
		{base + "content", "application/json", "public, max-age=30", 200},
		{base + "content/1", "application/json", "public, max-age=30", 200},
		{base + "content/2", "text/html; charset=utf-8", "no-store", 404},
		{base + "content/01", "text/html; charset=utf-8", "no-store", 404},
		{base + "documents/last-offer.txt", "text/plain; charset=utf-8", "public, max-age=30", 200},
		{base + "documents/other.txt", "text/html; charset=utf-8", "no-store", 404},
		{base + "documents/..%2f..%2fsecret", "text/html; charset=utf-8", "no-store", 404},
		{base + "nothing", "text/html; charset=utf-8", "no-store", 404},
		{"/e/assets/licences.txt", "text/plain; charset=utf-8", "no-store", 200},
		{"/e/assets/none.css", "text/html; charset=utf-8", "no-store", 404},
		{"/e/00000000000000000000000000000000/", "text/html; charset=utf-8", "no-store", 404},
		{"/e/x", "text/html; charset=utf-8", "no-store", 404},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp := w.ask(method, tt.path)
			h := resp.Header
			if resp.StatusCode != tt.status || h.Get("Cache-Control") != tt.cache || tt.kind != "" && h.Get("Content-Type") != tt.kind {
				t.Errorf("%s %s: got %d, %q, %q", method, tt.path, resp.StatusCode, h.Get("Content-Type"), h.Get("Cache-Control"))
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Set-Cookie") != "" {
				t.Errorf("%s %s: got headers %v", method, tt.path, h)
			}
			if tt.status != 301 && strings.HasPrefix(h.Get("Content-Type"), "text/html") && h.Get("Vary") != "Accept-Language" {
				t.Errorf("%s %s: a cache would mix up languages", method, tt.path)
			}
			if strings.HasPrefix(tt.path, base+"documents/last") &&
				(!strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;")) {
				t.Errorf("%s %s: a browser would show it: %v", method, tt.path, h)
			}
		}
	}
	if resp := w.ask(http.MethodPost, base); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET" {
		t.Errorf("a page takes a POST: %d, %v", resp.StatusCode, resp.Header)
	}
	if body := read(t, w.get("nothing")); !strings.Contains(body, "This page does not exist") || !strings.Contains(body, `href="`+base+`contacts"`) {
		t.Errorf("what does not exist does not name what does: %s", body)
	}
}

// TestPacked: a page comes compressed to whoever takes that, and says the same; an answer
// to what was typed does not.
func TestPacked(t *testing.T) {
	t.Parallel()
	w := newWorld(t).sampled()
	ask := func(method, path, body string) *http.Response {
		r := httptest.NewRequest(method, "/e/"+w.manifest.ElectionID.String()+"/"+path, strings.NewReader(body))
		r.Header.Set("Accept-Encoding", "gzip, deflate, br")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec.Result()
	}
	for _, path := range append([]string{"content", "nothing"}, own...) {
		want := read(t, w.get(path))
		resp := ask("GET", path, "")
		size := resp.ContentLength
		z, err := gzip.NewReader(resp.Body)
		if err != nil || resp.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(strings.Join(resp.Header.Values("Vary"), ","), "Accept-Encoding") {
			t.Fatalf("%q: %v, %v", path, err, resp.Header)
		}
		got, err := io.ReadAll(z)
		if err != nil || strings.TrimSpace(string(got)) != want || size*2 > int64(len(want)) {
			t.Errorf("%q: %v, %d bytes of %d", path, err, size, len(want))
		}
	}
	if resp := ask("POST", "box", "tracker=0000-0000-0000-0000-0000"); resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("an answer to what was typed: %d, %v", resp.StatusCode, resp.Header)
	}
}

// TestSplit reads the content over HTTP, as a board in another process does.
func TestSplit(t *testing.T) {
	t.Parallel()
	w := newWorld(t).sampled()
	far := (&pages.Site{Lookup: w.site.Lookup, Content: w.site.Content}).ContentHandler()
	client := &http.Client{Transport: handled{far}}
	remote := pages.Remote(client, "http://ledger.example", w.manifest.ElectionID)
	want, err := (*source)(w).Edition(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Edition(t.Context(), 0)
	if err != nil || string(got) != string(want) {
		t.Errorf("got %v, %s", err, got)
	}
	for hash, body := range w.attached {
		if got, err := remote.Document(t.Context(), hash); err != nil || string(got) != string(body) {
			t.Errorf("got %v, %q", err, got)
		}
	}
	if _, err := remote.Edition(t.Context(), 2); err != pages.ErrNotFound {
		t.Errorf("an edition that is not there: %v", err)
	}
	var e pages.Edition
	if err := json.Unmarshal(got, &e); err != nil || e.Number != 1 {
		t.Errorf("got %v, %+v", err, e)
	}
}

// TestListMarks looks for what the list of votes says of one that decides nothing.
func TestListMarks(t *testing.T) {
	t.Parallel()
	for mark, change := range map[string]func(*electiontest.Plan){
		"common.demo": func(*electiontest.Plan) {},
		"common.rehearsal": func(p *electiontest.Plan) {
			p.Real = true
			p.Change = func(m *election.Manifest) { m.Rehearsal = true }
		},
		"": func(p *electiontest.Plan) { p.Real = true },
	} {
		w := newWorld(t, change)
		for _, tag := range language.Tags() {
			for _, path := range []string{"/e/", "/e/nothing"} {
				body := read(t, w.ask(http.MethodGet, path+"?lang="+tag.Code))
				for _, key := range []string{"common.demo", "common.rehearsal"} {
					if strings.Contains(body, "</a> <strong>"+language.Of(tag.Code).Text(key)+"</strong>") != (key == mark) {
						t.Errorf("%s in %s, %q: %s", path, tag.Code, mark, body)
					}
				}
			}
		}
	}
}
