package registrar_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

const formType = "application/x-www-form-urlencoded"

// send sends a form, as a browser does.
func (f *front) send(from, path string, in url.Values) *httptest.ResponseRecorder {
	return f.ask(from, path, in.Encode(), "Content-Type", formType, "Sec-Fetch-Site", "same-origin")
}

// get asks for a page.
func (f *front) get(path string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("GET", "/v1/"+f.w.m.ElectionID.String()+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	f.h.ServeHTTP(rec, req)
	return rec
}

// TestPagesShow: a GET shows a form, in the reader's language, that runs nothing, loads
// nothing, and writes nothing.
func TestPagesShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	before := w.count(`SELECT count(*) FROM registrar.outbox`)
	for path, want := range map[string]string{"/link": "Send me my link again", "/report": "It was not me", "/link?lang=es": "Envíenme mi enlace de nuevo", "/link?to=M-1-5": "Send my link"} {
		rec := f.get(path)
		page := rec.Body.String()
		if rec.Code != 200 || !strings.Contains(page, want) || !strings.Contains(page, w.m.Help.Phone) {
			t.Errorf("%s: %d %s", path, rec.Code, page)
		}
		if strings.Contains(page, "<script") || strings.Contains(page, "M-1-5") || rec.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: there is a script, a cookie, or what the address said", path)
		}
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)
		if len(style) != 2 {
			t.Fatalf("%s: no style", path)
		}
		sum := sha256.Sum256([]byte(style[1]))
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
		if got := rec.Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: the policy is %s, want %s", path, got, want)
		}
		if rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept", path)
		}
	}
	for _, path := range []string{"/link", "/report"} {
		rec := httptest.NewRecorder()
		f.h.ServeHTTP(rec, httptest.NewRequest("HEAD", "/v1/"+f.w.m.ElectionID.String()+path, nil))
		if rec.Code != 200 {
			t.Errorf("HEAD of %s: %d, so whatever checks links finds it broken", path, rec.Code)
		}
	}
	if got := f.get("/link?lang=ko").Body.String(); !strings.Contains(got, `<html lang="ko">`) {
		t.Errorf("by address: got %.200s", got)
	}
	if got := f.get("/link", "Accept-Language", "es-MX, en;q=0.5"); !strings.Contains(got.Body.String(), `<html lang="es">`) || !strings.Contains(strings.Join(got.Header().Values("Vary"), " "), "Accept-Language") {
		t.Errorf("by header: got %.200s", got.Body)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox`) - before + w.count(`SELECT count(*) FROM registrar.dispute`); n != 0 {
		t.Errorf("showing the forms wrote %d rows", n)
	}
}

// TestLinkForm: the form does what the booth's request does: the same page and the same
// writes for everybody, also beyond the limits, and no link dies.
func TestLinkForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	link, _ := w.link(1, 5, true)
	rows := func() int { return w.count(`SELECT count(*) FROM registrar.outbox`) }
	before, pages := rows(), map[string]bool{}
	for i, who := range []string{"canary-m-1-3@mail.example", "M-1-5", "M-1-5", "nobody", "nobody@mail.example", "<script>", "' OR '1'='1"} {
		rec := f.send("192.0.2.1", "/link", url.Values{"to": {who}})
		if rec.Code != 200 {
			t.Fatalf("%q: %d %s", who, rec.Code, rec.Body)
		}
		pages[rec.Body.String()] = true
		if n := rows() - before - i; n != 1 {
			t.Errorf("%q wrote %d rows", who, n)
		}
	}
	for range 120 {
		pages[f.send("192.0.2.1", "/link", url.Values{"to": {"M-1-6"}}).Body.String()] = true
	}
	if len(pages) != 1 {
		t.Errorf("there are %d different pages", len(pages))
	}
	if n := rows() - before; n != 100 {
		t.Errorf("%d rows from one network, want 100", n)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend'`); n != 3 {
		t.Errorf("%d links are sent again, want 3", n)
	}
	if rec := w.post("/status", fields{"token": link.Base64()}); rec.Code != 200 {
		t.Errorf("the link died of it: %d", rec.Code)
	}
	for _, bad := range []string{"", "  ", strings.Repeat("x", 400), "a\x00b", "a\nb", "\xff"} {
		rec := f.send("192.0.2.9", "/link", url.Values{"to": {bad}})
		if page := rec.Body.String(); rec.Code != 422 || !strings.Contains(page, "<title>Error: ") || !strings.Contains(page, "Enter an email address or a member number.") {
			t.Errorf("%q: %d %s", bad, rec.Code, page)
		}
	}
}

// TestPagesLead: the phone is a link that calls it, and each page leads back to the vote.
func TestPagesLead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	call := `<a href="` + web.Tel(w.m.Help.Phone) + `">` + w.m.Help.Phone + `</a>`
	back := `<a href="` + w.m.Origins.Board + "/e/" + w.m.ElectionID.String() + `/?lang=es">`
	for name, body := range map[string]string{
		"link": f.get("/link?lang=es").Body.String(), "report": f.get("/report?lang=es").Body.String(),
		"sent": f.send("192.0.2.1", "/link?lang=es", url.Values{"to": {"M-1-5"}}).Body.String(),
		"done": f.send("192.0.2.1", "/report?lang=es", url.Values{"happened": {"x"}}).Body.String(),
	} {
		if !strings.Contains(body, call) || !strings.Contains(body, back) {
			t.Errorf("%s: it does not hold %s and %s: %s", name, call, back, body)
		}
	}
}

// TestLinkEarly: before the opening the form, what it answers and what a program is
// answered promise no mail, to everybody alike, and nothing is queued.
func TestLinkEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.front()
	rows := w.count(`SELECT count(*) FROM registrar.outbox`)
	pages := map[string]bool{f.get("/link").Body.String(): true}
	for _, who := range []string{"canary-m-1-1@mail.example", "M-1-1", "nobody@mail.example", ""} {
		pages[f.send("192.0.2.1", "/link", url.Values{"to": {who}}).Body.String()] = true
		if rec := w.post("/resend", fields{"to": cmp.Or(who, "nobody")}); rec.Code != 200 || !strings.Contains(rec.Body.String(), "not opened yet") {
			t.Errorf("%q: %d %s", who, rec.Code, rec.Body)
		}
	}
	opens := "It opens " + language.Of("en").Moment(time.Unix(electiontest.Open, 0).UTC()) + "."
	for body := range pages {
		if len(pages) != 1 || !strings.Contains(body, "<h1>Voting has not opened yet</h1>") || !strings.Contains(body, opens) || strings.Contains(body, "<form") {
			t.Errorf("%d pages, and one without %q, or with a form: %s", len(pages), opens, body)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox`) - rows; n != 0 {
		t.Errorf("%d mails are queued before the opening", n)
	}
}

// TestLinkOver: when no link is of use any more, the form, what it answers and what the
// booth is answered say so, to everybody alike, and nothing is queued.
func TestLinkOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Real = true })
	f := w.front()
	end := w.m.Schedule.LockFrom(electiontest.Close)
	if end == electiontest.Close {
		t.Fatal("this election has no grace")
	}
	all := []string{"canary-m-1-1@mail.example", "M-1-1", "nobody@mail.example", ""}
	for _, tt := range []struct {
		at   int64
		over bool
	}{{electiontest.Open, false}, {electiontest.Close, false}, {end - 1, false}, {end, true}, {end + 86_400, true}} {
		w.at(tt.at)
		rows := w.count(`SELECT count(*) FROM registrar.outbox`)
		pages := map[string]bool{f.get("/link").Body.String(): true}
		for _, who := range all {
			if who != "" || tt.over {
				pages[f.send("192.0.2.1", "/link", url.Values{"to": {who}}).Body.String()] = true
			}
			if who == "" {
				continue
			}
			if rec := w.post("/resend", fields{"to": who}); rec.Code != 200 || strings.Contains(rec.Body.String(), "Voting is over.") != tt.over {
				t.Errorf("%d seconds after the close: %d %s", tt.at-electiontest.Close, rec.Code, rec.Body)
			}
		}
		for body := range pages {
			if strings.Contains(body, "<h1>Voting is over</h1>") != tt.over {
				t.Errorf("%d seconds after the close: %s", tt.at-electiontest.Close, body)
			}
		}
		if tt.over && len(pages) != 1 {
			t.Errorf("there are %d different pages when it is over", len(pages))
		}
		if n := w.count(`SELECT count(*) FROM registrar.outbox`) - rows; tt.over && n != 0 {
			t.Errorf("%d mails are queued when it is over", n)
		}
	}
}

// TestLinkFinishes: in the grace a link only finishes a ballot that was issued before. The
// form, what it answers and what the booth is answered say so, to everybody alike; whoever
// can do nothing more with one, as somebody who was admitted to an envelope, is nobody.
// The negative control is the last second of the voting.
func TestLinkFinishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Real = true })
	f := w.front()
	w.at(electiontest.Open)
	w.admit(1)
	w.tried()
	end := w.m.Schedule.LockFrom(electiontest.Close)
	for _, at := range []int64{electiontest.Close - 1, electiontest.Close, end - 1} {
		closed := at >= electiontest.Close
		w.at(at)
		pages, said := map[string]bool{}, map[string]bool{}
		for _, who := range []string{"M-1-2", "nobody@mail.example", "off@mail.example"} {
			pages[f.send("192.0.2.1", "/link", url.Values{"to": {who}}).Body.String()] = true
			said[w.post("/resend", fields{"to": who}).Body.String()] = true
		}
		if len(pages) != 1 || len(said) != 1 {
			t.Errorf("%d seconds after the close: %d pages, %d answers", at-electiontest.Close, len(pages), len(said))
		}
		forms := map[string]bool{f.get("/link").Body.String(): true, f.send("192.0.2.1", "/link", url.Values{"to": {""}}).Body.String(): true}
		for body := range forms {
			if !strings.Contains(body, `name="to"`) || strings.Contains(body, "Only for that you can have your link sent again.") != closed {
				t.Errorf("%d seconds after the close: %s", at-electiontest.Close, body)
			}
			pages[body] = true
		}
		for body := range pages {
			if strings.Contains(body, "<h1>Voting has closed</h1>") != closed || strings.Contains(body, "No new ballot is issued.") != closed ||
				closed && strings.Contains(body, "<h1>If you are on the roll") {
				t.Errorf("%d seconds after the close: %s", at-electiontest.Close, body)
			}
		}
		for body := range said {
			if strings.Contains(body, "Voting has closed, and no new ballot is issued.") != closed {
				t.Errorf("%d seconds after the close: %s", at-electiontest.Close, body)
			}
		}
		if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'envelope' AND not_before >= to_timestamp(` + strconv.FormatInt(at, 10) + `)`); (n == 0) != closed {
			t.Errorf("%d seconds after the close: %d links for an envelope", at-electiontest.Close, n)
		}
	}
}

// TestPagesRefuse: neither another site's page nor a request that is no form gets
// through, and what fails is a page too.
func TestPagesRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	body := url.Values{"to": {"M-1-5"}, "happened": {"x"}}.Encode()
	for _, path := range []string{"/link", "/report"} {
		for _, header := range [][]string{
			{"Content-Type", formType, "Sec-Fetch-Site", "cross-site"},
			{"Content-Type", formType, "Sec-Fetch-Site", "same-site"},
			{"Content-Type", formType, "Origin", "https://elsewhere.example"},
			{"Content-Type", formType, "Origin", "null"},
			{"Content-Type", "text/plain", "Origin", "https://elsewhere.example"},
		} {
			if rec := f.ask("192.0.2.1", path, body, header...); rec.Code != http.StatusForbidden {
				t.Errorf("%s with %q: %d", path, header, rec.Code)
			}
		}
	}
	if rec := f.ask("192.0.2.1", "/report", `{"happened":"x"}`, "Content-Type", "application/json", "Origin", "https://elsewhere.example"); rec.Code != http.StatusForbidden {
		t.Errorf("JSON of another site: %d", rec.Code)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind IN ('resend', 'nobody')`) + w.count(`SELECT count(*) FROM registrar.dispute`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	for _, tt := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/link", "to=%zz", 400, "Open this page again"},
		{"/link", "to=" + strings.Repeat("a", 5<<10), 413, "This is too long."},
		{"/report", "happened=" + strings.Repeat("a", 17<<10), 413, "This is too long."},
	} {
		rec := f.ask("192.0.2.1", tt.path, tt.body, "Content-Type", formType)
		if body := rec.Body.String(); rec.Code != tt.status || !strings.Contains(body, "Nothing was recorded or sent.") || !strings.Contains(body, tt.says) ||
			!strings.Contains(body, "<h1>We could not read what was sent</h1>") || strings.Contains(body, "in a minute") {
			t.Errorf("%s: %d %s", tt.path, rec.Code, rec.Body)
		}
	}
	f.s.Halt(w.m.ElectionID, w.m.Origins.Booth)
	if rec := f.get("/link"); rec.Code != 409 || !strings.Contains(rec.Body.String(), "Voting is down for now") {
		t.Errorf("while it rests: %d %s", rec.Code, rec.Body)
	}
	f.s.Remove(w.m.ElectionID)
	for _, id := range []string{w.m.ElectionID.String(), suite.ElectionID{9}.String(), "x"} {
		rec := httptest.NewRecorder()
		f.h.ServeHTTP(rec, httptest.NewRequest("GET", fmt.Sprintf("/v1/%s/report", id), nil))
		if rec.Code != 404 || !strings.Contains(rec.Body.String(), "There is no such vote here") {
			t.Errorf("%s: %d %s", id, rec.Code, rec.Body)
		}
	}
}
