package committee_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A world is one election at a console, with everybody's keys.
type world struct {
	t       testing.TB
	db      *pgtest.DB
	service *committee.Service
	handler http.Handler
	log     *bytes.Buffer // what the service logs
	m       *election.Manifest
	keys    electiontest.Keys
	words   []string // enrollment, by teller
	clock   func() time.Time
	roll    func(*election.Manifest) error // compares a manifest with the roll

	mu     sync.Mutex
	status *committee.Status // nil before sealing; guarded by mu

	session uint32
	static  []*group.Scalar
	states  []*dkg.State
	msgs    [][]byte
	results []*dkg.Result
}

// newWorld creates an election of n tellers, any t of whom open it.
func newWorld(t testing.TB, n, threshold uint8) *world {
	t.Helper()
	m, keys := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Tellers, p.Threshold = n, threshold })
	w := &world{m: m, keys: keys, session: 1}
	w.open(t, m)
	return w
}

// open starts a service on a database of its own and creates the election.
func (w *world) open(t testing.TB, m *election.Manifest) {
	t.Helper()
	w.t, w.db, w.log = t, pgtest.Committee(t), new(bytes.Buffer)
	w.restartService()
	invitations, err := w.service.Create(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for i, inv := range invitations {
		if inv.Console != m.Origins.Console || inv.Election != m.ElectionID || int(inv.Number) != i+1 {
			t.Fatalf("got invitation %v", inv)
		}
		if again, err := ceremony.ParseInvitation(inv.String()); err != nil || again != inv {
			t.Fatalf("got %v, %v of an invitation", again, err)
		}
		w.words = append(w.words, inv.Enrollment)
	}
}

// restartService makes a service that remembers nothing.
func (w *world) restartService() {
	w.service = w.second()
	w.handler = w.service.Handler(nil)
}

// second returns a service beside the first, as another program would run it.
func (w *world) second() *committee.Service {
	return committee.New(committee.Config{
		Pool: w.db.Service, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Now: func() time.Time {
			if w.clock != nil {
				return w.clock()
			}
			return time.Unix(electiontest.Open, 0)
		},
		Status: func(_ context.Context, id suite.ElectionID) (committee.Status, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.status == nil || id != w.id() {
				return committee.Status{}, false
			}
			return *w.status, true
		},
		Roll: func(_ context.Context, m *election.Manifest) error {
			if w.roll != nil {
				return w.roll(m)
			}
			return nil
		},
	})
}

// set says where the election stands.
func (w *world) set(s committee.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = &s
}

func (w *world) id() suite.ElectionID { return w.m.ElectionID }

// An answer is what the console says.
type answer struct {
	status int
	code   string
	text   string // the message, or the whole body where there is none
}

func (a answer) String() string { return fmt.Sprintf("%d %s %q", a.status, a.code, a.text) }

// ask sends a request to a path of the election.
func (w *world) ask(method, path string, body []byte) answer {
	return w.askFor(w.id().String(), method, path, body)
}

func (w *world) askFor(id, method, path string, body []byte) answer {
	r := httptest.NewRecorder()
	w.handler.ServeHTTP(r, httptest.NewRequestWithContext(w.t.Context(), method, "/v1/"+id+path, bytes.NewReader(body)))
	a := answer{status: r.Code, text: r.Body.String()}
	var e struct{ Error, Message string }
	if json.Unmarshal(r.Body.Bytes(), &e) == nil && e.Error != "" {
		a.code, a.text = e.Error, e.Message
	}
	return a
}

// post sends what teller i sends in a round.
func (w *world) post(i int, round ceremony.Round, body []byte) answer {
	return w.postAs(i, round, ceremony.Post{Session: w.session, Enrollment: w.words[i-1], Body: body})
}

func (w *world) postAs(i int, round ceremony.Round, p ceremony.Post) answer {
	b, err := json.Marshal(p)
	if err != nil {
		w.t.Error(err)
	}
	return w.ask("POST", fmt.Sprintf("/tellers/%d/%s", i, round), b)
}

// want fails the test unless the answer has a status and a code.
func (w *world) want(what string, got answer, status int, code string) {
	w.t.Helper()
	if got.status != status || got.code != code {
		w.t.Errorf("%s: got %v, want %d %s", what, got, status, code)
	}
}

func (w *world) fine(what string, got answer) {
	w.t.Helper()
	if got.status != 200 || got.text != "{}\n" {
		w.t.Fatalf("%s: got %v", what, got)
	}
}

// state fetches what a teller's program sees.
func (w *world) state() *ceremony.State {
	w.t.Helper()
	a := w.ask("GET", "/ceremony", nil)
	st := new(ceremony.State)
	if err := json.Unmarshal([]byte(a.text), st); err != nil || a.status != 200 {
		w.t.Fatalf("got %v, %v", a, err)
	}
	return st
}

func (w *world) n() int { return int(w.m.Tellers.N) }

// sendKeys sends the static keys of all tellers, new ones at the first call.
func (w *world) sendKeys() {
	w.t.Helper()
	for i := 1; i <= w.n(); i++ {
		if len(w.static) < i {
			w.static = append(w.static, group.RandomScalar())
		}
		w.fine("key", w.post(i, ceremony.RoundKey, group.BaseMul(w.static[i-1]).Bytes()))
	}
}

// start makes the first messages.
func (w *world) start() {
	w.t.Helper()
	setup, err := w.state().Setup()
	if err != nil {
		w.t.Fatal(err)
	}
	w.states, w.msgs = nil, nil
	for i, s := range w.static {
		st, msg, err := dkg.Start(setup, i+1, s)
		if err != nil {
			w.t.Fatal(err)
		}
		w.states, w.msgs = append(w.states, st), append(w.msgs, msg)
	}
}

func (w *world) sendMessages() {
	w.t.Helper()
	w.start()
	w.sendMessagesAgain()
}

// sendMessagesAgain sends the messages that start made.
func (w *world) sendMessagesAgain() {
	w.t.Helper()
	for i, msg := range w.msgs {
		w.fine("message", w.post(i+1, ceremony.RoundMessage, msg))
	}
	w.results = nil
	for _, st := range w.states {
		r, err := st.Finish(w.msgs)
		if err != nil {
			w.t.Fatal(err)
		}
		w.results = append(w.results, r)
	}
}

func (w *world) sendSignatures() {
	w.t.Helper()
	for i, r := range w.results {
		w.fine("signature", w.post(i+1, ceremony.RoundSignature, r.Signature[:]))
	}
}

// ceremony takes all tellers through it, except for the drill.
func (w *world) ceremony() {
	w.t.Helper()
	w.sendKeys()
	w.sendMessages()
	w.sendSignatures()
}

func (w *world) drill(i int) []byte {
	w.t.Helper()
	r := w.results[i-1]
	var f share.DrillFile
	f.Teller = uint8(i)
	for c := range f.Copies {
		f.Copies[c] = *share.Drill(r.Share, w.id(), uint8(i), r.Key, r.Shares[i-1])
	}
	b, err := f.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) sendDrills() {
	w.t.Helper()
	for i := 1; i <= w.n(); i++ {
		w.fine("drill", w.post(i, ceremony.RoundDrill, w.drill(i)))
	}
}

// manifest makes the manifest of the finished ceremony.
func (w *world) manifest(change func(*election.Manifest)) []byte {
	w.t.Helper()
	c, err := w.service.Ceremony(w.t.Context(), w.id())
	if err != nil {
		w.t.Fatal(err)
	}
	m := *w.m
	m.Tellers = c.Tellers(m.Tellers)
	if change != nil {
		change(&m)
	}
	b, err := m.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) propose(manifest []byte) {
	w.t.Helper()
	if err := w.service.Propose(w.t.Context(), w.id(), manifest); err != nil {
		w.t.Fatal(err)
	}
}

// signSeal returns what a member sends to sign a manifest.
func (w *world) signSeal(member int, manifest []byte) []byte {
	return signature(w.t, member, election.SignSeal(w.keys.Committee[member], election.MID(manifest)))
}

func signature(t testing.TB, member int, sig []byte) []byte {
	t.Helper()
	b, err := json.Marshal(election.MemberSignature{Member: uint8(member), Signature: sig})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A board keeps files and serves them. Its zero value is empty.
type board struct {
	mu    sync.Mutex
	files fstest.MapFS
	fail  int // fails at the n-th file from now, if not 0
}

var errBoard = errors.New("the board's disk is full")

func (b *board) PutFile(_ context.Context, path string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail > 0 {
		if b.fail--; b.fail == 0 {
			return errBoard
		}
	}
	if kept := b.files[path]; kept != nil && !bytes.Equal(kept.Data, body) {
		return errors.New("another file is kept there")
	}
	b.files[path] = &fstest.MapFile{Data: body}
	return nil
}

func (b *board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.files[r.URL.Path[1:]]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	_, _ = io.Copy(w, bytes.NewReader(f.Data)) // the client is gone
}
