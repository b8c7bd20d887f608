package browser_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"strikevote/internal/language"
	"strikevote/internal/voter"
)

// Paths of the services that are met by tests.
const (
	toIssue  = "/issue"
	toCast   = "/ballots"
	toStatus = "/status"
	toPhase  = "/phase"
)

// toCheck takes a member from the link to the page that asks for the last press.
func (p *Page) toCheck(l letter, answer string) {
	p.t.Helper()
	p.visit(l.link)
	p.await("start")
	p.press("Start")
	p.await("question")
	p.press(answer)
	p.press("Continue")
	p.await("check")
}

// vote takes a member the whole way.
func (p *Page) vote(s *stand, l letter, answer string) string {
	p.t.Helper()
	p.toCheck(l, answer)
	p.press("Cast my ballot")
	p.await("done")
	return s.done(p)
}

var trackerForm = regexp.MustCompile(`\b[0-9A-Z]{4}(-[0-9A-Z]{4}){4}\b`)

// tracker reads the tracker off the page.
func (p *Page) tracker() string {
	p.t.Helper()
	text := p.text()
	found := trackerForm.FindString(text)
	if found == "" {
		p.t.Fatalf("the page shows no tracker:\n%s", text)
	}
	return found
}

// done reads the tracker of a ballot that was cast, and remembers it.
func (s *stand) done(p *Page) string {
	p.t.Helper()
	tracker := p.tracker()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trackers == nil {
		s.trackers = make(map[string]bool)
	}
	s.trackers[tracker] = true
	return tracker
}

// cast returns the trackers of all ballots that were cast in the browser.
func (s *stand) cast() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trackers
}

// page returns the address of a public page.
func (s *stand) page(name string) string {
	return fmt.Sprintf("%s/e/%s/%s", s.origins.Board, s.id, name)
}

// issued asks the registrar whether a ballot was issued on a letter's link.
func (s *stand) issued(t testing.TB, l letter) bool {
	t.Helper()
	v, err := voter.Open(t.Context(), voter.NewClient(), l.link, voter.NoMemory{})
	if err != nil {
		t.Fatal(err)
	}
	status, err := v.Status(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return status.Issued
}

// sent counts the requests of a page to a path, without the browser's own.
func (p *Page) sent(path string) (n int) {
	for _, r := range p.traffic.requests() {
		if strings.Contains(r.url, path) && !r.preflight && r.method == "POST" {
			n++
		}
	}
	return n
}

// words returns a text of a language as a page shows it, without its marks.
func words(code, key string, pairs ...any) string {
	return strings.ReplaceAll(language.Of(code).Text(key, pairs...), "**", "")
}
