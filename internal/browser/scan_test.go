package browser_test

import (
	"fmt"
	"net/http"
	"testing"

	"strikevote/internal/browser"
)

// scanners visits links as mail scanners do: with GET and HEAD, and in a browser
// that presses whatever comes first, short of choosing an answer. No ballot is
// issued, however often.
func scanners(t *testing.T, s *stand) {
	visits := browser.Pick(6, 1000)
	visited := make([]letter, browser.Pick(3, 100))
	for i := range visited {
		visited[i] = s.letter(t)
	}
	client := &http.Client{}
	for i := range visits {
		l := visited[i%len(visited)]
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, l.link, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("%s: status %d", method, answer.StatusCode)
			}
		}
	}
	inBrowser := browser.Pick(3, 1000)
	pressed := 0
	p := open(t, sharedChromium(t))
	for i := range inBrowser {
		p.visit("about:blank")
		p.visit(visited[i%len(visited)].link)
		p.await("start")
		pressed += p.pressFirst(4)
	}
	for _, l := range visited {
		if s.issued(t, l) {
			t.Error("a visit made a ballot")
		}
	}
	if pressed < 2*inBrowser {
		t.Errorf("only %d presses in %d visits: the scanner is too shy", pressed, inBrowser)
	}
	// The control: a link that was scanned so often still votes.
	p.visit("about:blank")
	p.vote(s, visited[0], "Yes")
	if !s.issued(t, visited[0]) {
		t.Error("the question whether a ballot was issued is blind")
	}
	browser.Report(t, fmt.Sprintf("%d visits by GET and by HEAD, %d in a browser with %d presses: 0 ballots issued", visits, inBrowser, pressed))
}

// pressFirst presses the first button of the main part, n times in a row, without
// choosing an answer.
func (p *Page) pressFirst(n int) (pressed int) {
	p.t.Helper()
	for range n {
		before := p.screen()
		if !evaluate[bool](p, `(() => { const b = document.querySelector("main button, main input[type=submit]"); if (b) b.click(); return !!b; })()`) {
			return pressed
		}
		pressed++
		if before == "start" {
			p.await("question")
		}
	}
	return pressed
}
