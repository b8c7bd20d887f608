package teller_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/keyfile"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

// realCost is the cost of a passphrase outside of tests.
var realCost keyfile.Cost

func TestMain(m *testing.M) {
	realCost = teller.CheapPassphrases()
	if path := os.Getenv(holder); path != "" {
		os.Exit(hold(path))
	}
	pgtest.Main(m)
}

var passphrase = []byte("correct horse battery staple")

// A wire is a server that can lose answers, and that remembers what it was sent.
type wire struct {
	inner http.Handler

	mu   sync.Mutex
	lose map[string]bool // requests whose answer was lost; nil loses none
	sent []string        // paths and bodies
}

// loseOnce begins the loss of the first answer to every request, but those to
// the paths of some.
func (w *wire) loseOnce(but ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = make(map[string]bool)
	for _, path := range but {
		w.lose[http.MethodGet+path] = true
	}
}

// loseNone ends it.
func (w *wire) loseNone() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = nil
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.mu.Lock()
	w.sent = append(w.sent, r.URL.Path+" "+string(body))
	w.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	w.inner.ServeHTTP(answer, r)
	w.mu.Lock()
	lost := false
	// A loss is of the first answer to these very bytes.
	if name := r.Method + r.URL.Path + string(body); w.lose != nil && !w.lose[name] {
		w.lose[name], lost = true, true
	}
	w.mu.Unlock()
	if lost {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	for name, values := range answer.Header() {
		rw.Header()[name] = values
	}
	rw.WriteHeader(answer.Code)
	_, _ = rw.Write(answer.Body.Bytes()) // the client is gone
}

// bodies returns everything that was sent so far.
func (w *wire) bodies() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.sent, "\n")
}

// secretFree fails the test if anything that was sent holds a secret of a teller.
func (w *wire) secretFree(t *testing.T, tellers ...*teller.Teller) {
	t.Helper()
	all := w.bodies()
	for _, tt := range tellers {
		static, share := tt.Secrets()
		for _, secret := range [][]byte{static, share} {
			if len(secret) == 0 {
				continue
			}
			for _, form := range []string{string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret))} {
				if strings.Contains(all, form) {
					t.Errorf("a secret of teller %d was sent", tt.Number())
				}
			}
		}
	}
}

// A console is a real one, with its database.
type console struct {
	*wire
	service     *committee.Service
	invitations []ceremony.Invitation
	election    suite.ElectionID
	dir         string
}

// newConsole creates an election of n tellers there, any t of whom open it.
func newConsole(t *testing.T, n, threshold uint8) *console {
	t.Helper()
	m := &election.Manifest{Title: []string{"Strike vote"}, ElectionID: suite.ElectionID{0xab, n, threshold}}
	m.Tellers = election.Tellers{N: n, T: threshold}
	for i := range n {
		m.Tellers.Names = append(m.Tellers.Names, "Teller "+strconv.Itoa(int(i+1)))
	}
	return consoleOf(t, m, func(context.Context, suite.ElectionID) (committee.Status, bool) { return committee.Status{}, false })
}

func consoleOf(t *testing.T, m *election.Manifest, status func(context.Context, suite.ElectionID) (committee.Status, bool)) *console {
	t.Helper()
	c := &console{wire: new(wire), election: m.ElectionID, dir: t.TempDir()}
	c.service = committee.New(committee.Config{
		Pool: pgtest.Committee(t).Service, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now, Status: status,
	})
	c.inner = c.service.Handler(nil)
	server := httptest.NewServer(c.wire)
	t.Cleanup(server.Close)
	draft := *m
	draft.Origins.Console = server.URL
	var err error
	if c.invitations, err = c.service.Create(t.Context(), &draft); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *console) path(i int) string { return filepath.Join(c.dir, fmt.Sprintf("teller-%d.key", i)) }

// An evil is a coordinator that checks nothing and shows every teller what it
// likes. Each teller has an address of their own there.
type evil struct {
	*wire
	origins []string // by teller

	mu   sync.Mutex
	st   ceremony.State
	view func(i int, st *ceremony.State) // what is shown to teller i; may be nil
}

func newEvil(t *testing.T, n, threshold uint8) *evil {
	t.Helper()
	e := &evil{wire: new(wire), st: ceremony.State{
		ElectionID: suite.ElectionID{0xe1}, Title: "Strike vote", N: n, T: threshold, Session: 1, Fresh: bytes.Repeat([]byte{1}, 32), Phase: "draft",
		Names: slices.Repeat([]string{"Teller"}, int(n)), Drilled: make([]bool, n), Shared: make([]bool, n),
	}}
	e.clear()
	for i := 1; i <= int(n); i++ {
		w := e.wire
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Header.Set("Teller", strconv.Itoa(i))
			w.ServeHTTP(rw, r)
		}))
		t.Cleanup(server.Close)
		e.origins = append(e.origins, server.URL)
	}
	e.inner = http.HandlerFunc(e.answer)
	return e
}

// clear forgets what the tellers sent.
func (e *evil) clear() {
	empty := func() []suite.Bytes {
		list := make([]suite.Bytes, e.st.N)
		for i := range list {
			list[i] = suite.Bytes{}
		}
		return list
	}
	e.st.Keys, e.st.Messages, e.st.Signatures = empty(), empty(), empty()
}

func (e *evil) answer(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := strconv.Atoi(r.Header.Get("Teller"))
	if err != nil {
		panic(err)
	}
	if r.Method == http.MethodGet {
		b, err := json.Marshal(e.st)
		if err != nil {
			panic(err)
		}
		st := new(ceremony.State)
		if err := json.Unmarshal(b, st); err != nil {
			panic(err)
		}
		if e.view != nil {
			e.view(i, st)
		}
		if err := json.NewEncoder(w).Encode(st); err != nil {
			panic(err)
		}
		return
	}
	var p ceremony.Post
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		panic(err)
	}
	if lists := map[string][]suite.Bytes{"key": e.st.Keys, "message": e.st.Messages, "signature": e.st.Signatures}; p.Session == e.st.Session {
		if list := lists[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]; list != nil {
			list[i-1] = p.Body
		}
	}
	_, _ = io.WriteString(w, "{}\n") // the client is gone
}

func (e *evil) invitation(i int) ceremony.Invitation {
	return ceremony.Invitation{Console: e.origins[i-1], Election: suite.ElectionID{0xe1}, Number: uint8(i), Enrollment: "WORD"}
}

// enroll makes every teller's program.
func (e *evil) enroll(t *testing.T) []*teller.Teller {
	t.Helper()
	dir := t.TempDir()
	var tellers []*teller.Teller
	for i := range e.origins {
		tt, err := teller.Enroll(t.Context(), e.invitation(i+1), filepath.Join(dir, strconv.Itoa(i+1)), passphrase)
		if err != nil {
			t.Fatal(err)
		}
		tellers = append(tellers, tt)
	}
	return tellers
}

// advance lets everybody go on once and returns what each is told.
func advance(t *testing.T, tellers []*teller.Teller) (waiting []string, errs []error) {
	t.Helper()
	for _, tt := range tellers {
		w, err := tt.Advance(t.Context())
		waiting, errs = append(waiting, w), append(errs, err)
	}
	return waiting, errs
}
