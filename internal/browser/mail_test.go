package browser_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/browser"
	"strikevote/internal/language"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

// mails serves the HTML part of each kind of mail in each language at /language/kind.
func mails(t testing.TB) string {
	t.Helper()
	m, _ := electiontest.Manifest(t, electiontest.Seven)
	c := mailer.Config{Manifest: m, MID: suite.MID{1, 2, 3}, Zone: time.FixedZone("PDT", -7*3600), Pages: mailer.Pages{Organizer: "Ana Ruiz, room 12"}}
	pages := make(map[string]string)
	for _, l := range language.Tags() {
		for _, kind := range mailer.Kinds() {
			mail, err := mailer.Preview(c, kind, l.Code, 0)
			if err != nil {
				t.Fatal(err)
			}
			pages["/"+l.Code+"/"+kind] = mail.HTML
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(pages[r.URL.Path]))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// boxes measures the mail: how wide it is, how high its button, and whether the button's
// words and every link are seen whole.
const boxes = `(() => {
  const whole = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.left >= 0 && r.right <= innerWidth; };
  const button = document.querySelector("a.b");
  return {wide: document.documentElement.scrollWidth, button: button ? button.getBoundingClientRect().height : 0,
    cut: [...document.querySelectorAll("a, code")].filter(e => !whole(e)).map(e => e.textContent.slice(0, 20)),
    font: parseFloat(getComputedStyle(document.querySelector("p")).fontSize)};
})()`

// TestMails shows every mail in every language on small screens: nothing has to be
// moved sideways, and the button is as large as a thumb.
func TestMails(t *testing.T) {
	t.Parallel()
	at := mails(t)
	p := open(t, sharedChromium(t))
	for _, l := range language.Tags() {
		for _, kind := range mailer.Kinds() {
			what := l.Code + ", " + kind
			p.visit(at + "/" + l.Code + "/" + kind)
			for _, width := range []int64{320, 360} {
				p.size(width, 800)
				got := evaluate[struct {
					Wide, Button, Font float64
					Cut                []string
				}](p, boxes)
				if got.Wide > float64(width) || len(got.Cut) > 0 || got.Font < 16 {
					t.Errorf("%s: at %d pixels it is %v wide, in %v pixels, and cuts %q", what, width, got.Wide, got.Font, got.Cut)
				}
				if got.Button > 0 && got.Button < 44 {
					t.Errorf("%s: the button is %v high", what, got.Button)
				}
			}
			pictures.take(p, "mail, "+kind+", "+l.Code)
			if l.Code == browser.Pick("en", l.Code) {
				accessibleMail(p, what)
			}
		}
	}
	for _, r := range p.traffic.requests() {
		if !strings.HasPrefix(r.url, at) {
			t.Errorf("a mail asks for %s", r.url)
		}
	}
}

// accessibleMail asks axe-core about a mail in light and dark. A mail has no heading:
// programs show its subject above it as one.
func accessibleMail(p *Page, what string) {
	p.t.Helper()
	for _, look := range []string{"light", "dark"} {
		p.look(look)
		for _, v := range slices.DeleteFunc(p.violations(), func(v violation) bool { return v.ID == "page-has-heading-one" }) {
			p.t.Errorf("%s, %s: %s", what, look, v)
		}
	}
	p.look("light")
}
