package booth_test

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strikevote/internal/booth"
	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

// A union is what a booth serves: manifests, and where each vote stands.
type union struct {
	manifests map[suite.ElectionID][]byte
	stands    map[suite.ElectionID]election.Phase
	now       int64
	err       error            // of the list
	broken    suite.ElectionID // whose manifest cannot be read
}

func (u *union) add(t *testing.T, id suite.ElectionID, phase election.Phase, plan func(*electiontest.Plan), change func(*election.Manifest)) {
	t.Helper()
	m, _ := electiontest.Manifest(t, plan, func(p *electiontest.Plan) {
		p.Change = func(m *election.Manifest) {
			m.ElectionID = id
			change(m)
		}
	})
	raw, _ := electiontest.Encode(t, m)
	u.manifests[id], u.stands[id] = raw, phase
}

func (u *union) handler() http.Handler {
	return booth.Handler(booth.Config{
		Now: func() time.Time { return time.Unix(u.now, 0) },
		Votes: func(context.Context) ([]suite.ElectionID, error) {
			ids := []suite.ElectionID{{0xee}} // announced, and not here yet
			for id := range u.manifests {
				ids = append(ids, id)
			}
			return ids, u.err
		},
		Stands: func(_ context.Context, id suite.ElectionID) (booth.Standing, bool) {
			return booth.Standing{Phase: u.stands[id]}, u.stands[id] != ""
		},
		Manifest: func(_ context.Context, id suite.ElectionID) ([]byte, error) {
			if m := u.manifests[id]; m != nil {
				if id == u.broken {
					return nil, errors.New("500 Internal Server Error")
				}
				return m, nil
			}
			return nil, booth.ErrUnknown
		},
	})
}

// newUnion has a vote in seven languages, one in English and a rehearsal that are sealed
// or open or may be, and one that is over.
func newUnion(t *testing.T) *union {
	u := &union{manifests: make(map[suite.ElectionID][]byte), stands: make(map[suite.ElectionID]election.Phase), now: electiontest.Open + 1}
	title := func(s string) func(*election.Manifest) {
		return func(m *election.Manifest) { m.Title = []string{s} }
	}
	none := func(*electiontest.Plan) {}
	u.add(t, suite.ElectionID{3}, election.PhaseOpen, electiontest.Seven, func(m *election.Manifest) {
		for i, tag := range m.Languages {
			m.Title[i] = "Port vote, " + tag
		}
	})
	u.add(t, suite.ElectionID{2}, election.PhaseSealed, none, title(`Dues <b>&</b> "fees"`))
	u.add(t, suite.ElectionID{1}, election.PhaseClosed, none, title("Over and done"))
	u.add(t, suite.ElectionID{4}, "", func(p *electiontest.Plan) { p.Real = true }, func(m *election.Manifest) {
		m.Title, m.Rehearsal = []string{"Try it out"}, true
	})
	return u
}

func read(h http.Handler, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "https://booth.example"+path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestVotes comes without a link to a booth that serves votes: each that a code may be of
// is offered, by its own title, where the code is entered.
func TestVotes(t *testing.T) {
	t.Parallel()
	u := newUnion(t)
	h := u.handler()
	for _, tag := range language.Tags() {
		text := func(key string) string { return ">" + html.EscapeString(language.Of(tag.Code).Text(key)) + "<" }
		for path, status := range map[string]int{"/": 200, "/code": 404, "/v1/" + suite.ElectionID{}.String(): 404} {
			w := read(h, path+"?lang="+tag.Code, "text/html")
			body := w.Body.String()
			if w.Code != status || strings.Contains(body, "<script") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "; script-src 'none'; ") {
				t.Errorf("%s in %s: got %d, %v", path, tag.Code, w.Code, w.Header())
			}
			foreign := map[bool]string{true: "", false: ` lang="en"`}[tag.Code == "en"]
			at := 0
			for _, want := range []string{
				text("pages.booth.enter"),
				`<a class="third" href="/v1/` + suite.ElectionID{2}.String() + `?lang=` + tag.Code + `"` + foreign + `>Dues &lt;b&gt;&amp;&lt;/b&gt; &#34;fees&#34;</a> <strong` + text("common.demo"),
				`<a class="third" href="/v1/` + suite.ElectionID{3}.String() + `?lang=` + tag.Code + `">Port vote, ` + strings.ToLower(tag.Code) + `</a></li>`,
				`<a class="third" href="/v1/` + suite.ElectionID{4}.String() + `?lang=` + tag.Code + `"` + foreign + `>Try it out</a> <strong` + text("common.rehearsal"),
			} {
				i := strings.Index(body[at:], want)
				if i < 0 {
					t.Fatalf("%s in %s: no %s, there, in %s", path, tag.Code, want, body[strings.Index(body, "<main"):])
				}
				at += i
			}
			if strings.Contains(body, "Over and done") || strings.Contains(body, suite.ElectionID{0xee}.String()) {
				t.Errorf("%s in %s: a code could be entered for a vote that is over", path, tag.Code)
			}
			if path == "/" && strings.Contains(body, text("pages.missing")) {
				t.Error("the booth's own address does not exist")
			}
		}
		for _, path := range []string{"/v1/", "/v1/" + suite.ElectionID{2}.String()} {
			if got := read(h, path+"?lang="+tag.Code, "text/html").Body.String(); got != read(handler(nil), "/v1/?lang="+tag.Code, "text/html").Body.String() {
				t.Errorf("%s in %s: the voter's page is another where there are votes", path, tag.Code)
			}
		}
	}
	if w := read(h, "/", "*/*"); w.Code != 404 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("a program got %d, %s", w.Code, w.Body)
	}
}

// TestOneVoteBroken lists the others while the manifest of one cannot be read.
func TestOneVoteBroken(t *testing.T) {
	t.Parallel()
	u := newUnion(t)
	u.broken = suite.ElectionID{2}
	w := read(u.handler(), "/", "text/html")
	body := w.Body.String()
	if w.Code != 200 || strings.Contains(body, u.broken.String()) || !strings.Contains(body, suite.ElectionID{3}.String()) || !strings.Contains(body, suite.ElectionID{4}.String()) {
		t.Errorf("got %d, %s", w.Code, body[strings.Index(body, "<main"):])
	}
}

// TestNoVotes comes to booths that have no vote to list: nothing is offered that leads
// nowhere, and a list that cannot be read is no fault of the page.
func TestNoVotes(t *testing.T) {
	t.Parallel()
	empty, over, broken := &union{}, newUnion(t), newUnion(t)
	over.now = electiontest.LatestClose // who says nothing of where it stands is closed too
	over.stands[suite.ElectionID{2}], over.stands[suite.ElectionID{3}] = election.PhaseLocked, election.PhaseCancelled
	broken.err = errors.New("dial tcp 10.1.2.3:443: connection refused")
	for name, u := range map[string]*union{"empty": empty, "over": over, "broken": broken} {
		h := u.handler()
		for _, path := range []string{"/", "/code", "/v1/" + suite.ElectionID{}.String()} {
			body := read(h, path, "text/html").Body.String()
			if w := read(h, path, "text/html"); w.Code != 404 || strings.Contains(body, `href="/`) || strings.Contains(body, language.Of("en").Text("pages.booth.enter")) {
				t.Errorf("%s, %s: got %d, %s", name, path, w.Code, body[strings.Index(body, "<main"):])
			}
		}
	}
}
