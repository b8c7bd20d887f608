package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/booth"
	"strikevote/internal/browser"
	"strikevote/internal/language"
)

const (
	// Bytes of the answer in each language, with everything in it; a seventh are the
	// library's groups. What a server says before it is not among them.
	maxBallotPage = 40_000
	maxBefore     = 3 // requests that lead to the first question
	maxPublicPage = 40_000
)

// TestBallotPages packs the ballot page in every language as a server does: what a phone
// loads is no heavier in one of them.
func TestBallotPages(t *testing.T) {
	t.Parallel()
	booth.Pack()
	h := booth.Handler(booth.Config{})
	for _, tag := range language.Tags() {
		r := httptest.NewRequest(http.MethodGet, "/v1/?lang="+tag.Code, nil)
		r.Header.Set("Accept-Encoding", "br")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if size := w.Body.Len(); w.Header().Get("Content-Encoding") != "br" || size == 0 || size > maxBallotPage {
			t.Errorf("the ballot page in %s weighs %d bytes, more than %d", tag.Code, size, maxBallotPage)
		}
	}
}

// weight measures what a phone has to load to vote and to read.
func weight(t *testing.T, s *stand) {
	booth.Pack("en") // as a server does when it starts
	p := open(t, sharedChromium(t))
	// What is asked for ahead of time holds nobody up, and may come late.
	p.atRequest("/checkpoint", -1, func(*exchange) {})
	p.visit(s.letter(t).link)
	p.await("start")
	p.press("Start")
	p.await("question")
	before := p.traffic.requests()
	p.leave()
	lines, requests, loaded := []string{}, 0, 0.0
	for _, r := range before {
		loaded += r.size
		if !r.preflight && !strings.Contains(r.url, "/checkpoint") {
			requests++
		}
		u, _ := url.Parse(r.url)
		lines = append(lines, fmt.Sprintf("before the first question: %s %s, %.0f bytes", r.method, u.Path, r.size))
	}
	if requests > maxBefore {
		t.Errorf("%d requests lead to the first question, more than %d: %v", requests, maxBefore, p.traffic.list())
	}
	lines = append(lines, fmt.Sprintf("before the first question: %.0f bytes in all, %.0f of them the ballot page itself", loaded, before[0].body))
	if size := before[0].body; size == 0 || size > maxBallotPage {
		t.Errorf("the ballot page weighs %.0f bytes, more than %d", size, maxBallotPage)
	}
	p.press("Yes")
	p.press("Continue")
	p.await("check")
	p.press("Cast my ballot")
	p.await("done")
	s.done(p)
	all, total := p.traffic.requests(), 0.0
	for _, r := range all {
		total += r.size
	}
	lines = append(lines, fmt.Sprintf("to the receipt: %d requests, %.0f bytes in all", len(all), total))
	p.ownHosts(s)
	for _, name := range publicPages {
		q := open(t, sharedChromium(t))
		q.visit(s.page(name))
		size, n := 0.0, 0
		for _, r := range q.traffic.requests() {
			size += r.size
			n++
		}
		lines = append(lines, fmt.Sprintf("public page %q: %d requests, %.0f bytes", name, n, size))
		if size == 0 || size > maxPublicPage {
			t.Errorf("the page %q weighs %.0f bytes with all that it loads, more than %d", name, size, maxPublicPage)
		}
		q.ownHosts(s)
		q.close()
	}
	browser.Report(t, lines...)
}

// publicPages are those below /e/<election>/ that stand from the beginning.
var publicPages = []string{"", "who", "secrecy", "questions", "view", "documents", "contacts", "box", "turnout", "result", "certificate", "check"}

// ownHosts fails the test over each request to anybody but the service.
func (p *Page) ownHosts(s *stand) {
	p.t.Helper()
	o := s.origins
	for _, r := range p.traffic.requests() {
		u, err := url.Parse(r.url)
		if err != nil || !slices.Contains([]string{o.Booth, o.Registrar, o.Box, o.Board}, u.Scheme+"://"+u.Host) {
			p.t.Errorf("the page asks a third party: %s", r.host)
		}
	}
}

// slowPhone votes on a phone with a processor six times slower than this one's and a
// bad network. It reports how long that takes, and asserts no time.
func slowPhone(t *testing.T, s *stand) {
	p := open(t, sharedChromium(t))
	p.slow(6)
	p.wire(false, 400*time.Millisecond, 400_000)
	start := time.Now()
	p.visit(s.letter(t).link)
	p.await("start")
	opened := time.Since(start)
	p.press("Start")
	p.await("question")
	p.press("Yes")
	start = time.Now()
	p.press("Continue")
	p.await("check")
	sealed := time.Since(start)
	start = time.Now()
	p.press("Cast my ballot")
	p.await("done")
	s.done(p)
	browser.Report(t, "a processor six times slower than this computer's, 400 kbit/s, 400 ms; this computer is busy with other tests:",
		fmt.Sprintf("from the link to the start page: %v", opened.Round(10*time.Millisecond)),
		fmt.Sprintf("sealing, from Continue to the check page: %v", sealed.Round(10*time.Millisecond)),
		fmt.Sprintf("from Cast to the receipt: %v", time.Since(start).Round(10*time.Millisecond)))
}
