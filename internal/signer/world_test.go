package signer_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/committee"
	"strikevote/internal/keyfile"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/signer"
)

var realCost keyfile.Cost

func TestMain(m *testing.M) {
	realCost = signer.CheapPassphrases()
	pgtest.Main(m)
}

// A world is an election at a console that answers over HTTP, whose committee
// keeps its keys in files.
type world struct {
	t       *testing.T
	m       *election.Manifest
	mid     suite.MID
	db      *pgtest.DB
	service *committee.Service
	url     string
	files   []string // key files, by member
	keys    []*signer.Key

	mu     sync.Mutex
	status *committee.Status // guarded by mu
	acts   [][]byte          // applied; guarded by mu
}

// newWorld gives the members of a manifest keys of their own and creates the
// election.
func newWorld(t *testing.T, change ...func(*election.Manifest)) *world {
	t.Helper()
	w := &world{t: t}
	w.m, _ = electiontest.Manifest(t, func(p *electiontest.Plan) { p.Members = 4 })
	for i := range w.m.Committee.Members {
		path, public := newKey(t)
		k, err := signer.Open(path, pass)
		if err != nil {
			t.Fatal(err)
		}
		w.files, w.keys = append(w.files, path), append(w.keys, k)
		w.m.Committee.Members[i].Keys = []election.Key{{Kind: election.KindEd25519, Key: suite.Bytes(public)}}
	}
	for _, f := range change {
		f(w.m)
	}
	w.serve(w.m)
	return w
}

func (w *world) serve(m *election.Manifest) {
	w.t.Helper()
	w.m, w.db = m, pgtest.Committee(w.t)
	w.service = committee.New(committee.Config{
		Pool: w.db.Service, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(electiontest.Open+60, 0) },
		Status: func(context.Context, suite.ElectionID) (committee.Status, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.status == nil {
				return committee.Status{}, false
			}
			return *w.status, true
		},
	})
	if _, err := w.service.Create(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(w.service.Handler(nil))
	w.t.Cleanup(server.Close)
	w.url = server.URL + "/v1/" + m.ElectionID.String()
}

// propose puts a manifest where the ceremony would lead to.
func (w *world) propose(manifest []byte) {
	w.t.Helper()
	id := w.m.ElectionID
	_, err := w.db.Service.Exec(w.t.Context(), `
		INSERT INTO committee.message (election_id, session, round, number, body) VALUES ($1, 1, 'manifest', 0, $2)`, id[:], manifest)
	w.must(err)
	w.mid = election.MID(manifest)
}

// seal proposes the manifest and has the election sealed.
func (w *world) seal(phase election.Phase, record string) {
	w.t.Helper()
	b, err := w.m.Encode()
	w.must(err)
	w.propose(b)
	_, err = w.db.Service.Exec(w.t.Context(), `
		INSERT INTO committee.message (election_id, session, round, number, body)
		SELECT election_id, 1, 'sealing', 0, '' FROM committee.election`)
	w.must(err)
	w.set(phase, record)
}

func (w *world) set(phase election.Phase, record string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = &committee.Status{Manifest: w.m, MID: w.mid, Phase: string(phase), Record: record, Acts: func(context.Context) ([][]byte, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.acts, nil
	}}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) act(kind act.Kind, payload interface{ Bytes() []byte }) {
	w.t.Helper()
	_, err := w.service.ProposeAct(w.t.Context(), w.m.ElectionID, kind, payload.Bytes(), "Olga")
	w.must(err)
}

// apply applies the next act, which a quorum has signed.
func (w *world) apply() {
	w.t.Helper()
	a, err := w.service.ReadyAct(w.t.Context(), w.m.ElectionID)
	w.must(err)
	w.mu.Lock()
	w.acts = append(w.acts, a.Bytes())
	w.mu.Unlock()
	w.must(w.service.NoteAct(w.t.Context(), w.m.ElectionID, a.Sequence, true, ""))
}

var zone = time.FixedZone("PDT", -7*3600)

// read reads the agenda as a member's program does.
func (w *world) read() (*signer.Console, *signer.Agenda) {
	w.t.Helper()
	c, err := signer.Dial(w.url)
	w.must(err)
	a, err := c.Read(w.t.Context(), nil, zone)
	w.must(err)
	return c, a
}

// item reads one.
func (w *world) item(name string) (*signer.Console, *signer.Item) {
	w.t.Helper()
	c, a := w.read()
	for _, i := range a.Items {
		if i.Name == name {
			return c, i
		}
	}
	w.t.Fatalf("there is no %s in %v", name, a.Items)
	panic("unreachable")
}

// sign signs an item as a member.
func (w *world) sign(name string, members ...int) {
	w.t.Helper()
	for _, m := range members {
		c, i := w.item(name)
		w.must(c.Sign(w.t.Context(), i, w.keys[m], ""))
	}
}

func (w *world) says(name string, want ...string) {
	w.t.Helper()
	_, i := w.item(name)
	for _, s := range want {
		if !strings.Contains(i.Words, s) {
			w.t.Errorf("%s does not say %q:\n%s", name, s, i.Words)
		}
	}
}

// proxy stands between the program and the console and changes answers.
func (w *world) proxy(change func(path string, body []byte) []byte) *signer.Console {
	w.t.Helper()
	console := w.service.Handler(nil)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		console.ServeHTTP(rec, r)
		body := rec.Body.Bytes()
		if r.Method == http.MethodGet && rec.Code == http.StatusOK {
			body = change(r.URL.Path[strings.LastIndex(r.URL.Path, "/"):], body)
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(body) // the program went away
	}))
	w.t.Cleanup(server.Close)
	c, err := signer.Dial(server.URL + "/v1/" + w.m.ElectionID.String())
	w.must(err)
	return c
}

// wantMessage demands an error that says something.
func wantMessage(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %q", what, err, want)
	}
}

// strange is the key of somebody who is in no committee.
func strange(t *testing.T) *signer.Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "strange.key")
	if _, err := signer.Create(path, pass); err != nil {
		t.Fatal(err)
	}
	k, err := signer.Open(path, pass)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
