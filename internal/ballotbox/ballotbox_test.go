package ballotbox_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// grace is the grace of every election here, in seconds.
const grace = 600

// A world is an election with its box in a database of its own, and everybody's
// keys.
type world struct {
	t        testing.TB
	m        *election.Manifest
	keys     electiontest.Keys
	bytes    []byte
	sealing  []byte
	mid      suite.MID
	db       *pgtest.DB
	owner    *pgxpool.Pool
	service  *pgxpool.Pool
	clock    atomic.Int64
	pending  [32]byte
	box      *ballotbox.Box
	made     []made
	acts     []*act.Act
	issued   map[suite.GroupID]uint32
	deposits []ledger.Deposit
}

// newWorld creates a box; its clock stands after the opening.
func newWorld(t testing.TB, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	return newWorldAt(t, electiontest.Open+1, opts...)
}

// newWorldAt creates a box at a moment.
func newWorldAt(t testing.TB, at int64, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	w := plan(t, opts...)
	w.clock.Store(at)
	w.db = pgtest.Ballotbox(t)
	w.owner, w.service = w.db.Owner, w.db.Service
	w.create()
	w.box = w.mustOpen()
	w.tick()
	return w
}

func plan(t testing.TB, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	w := &world{t: t, issued: make(map[suite.GroupID]uint32)}
	opts = append(opts, func(p *electiontest.Plan) {
		change := p.Change
		p.Change = func(m *election.Manifest) {
			m.Schedule.Grace = grace
			if change != nil {
				change(m)
			}
		}
	})
	w.m, w.keys = electiontest.Manifest(t, opts...)
	w.bytes, w.mid = electiontest.Encode(t, w.m)
	w.sealing = electiontest.Sealing(t, w.m, w.keys, w.mid)
	_, _ = rand.Read(w.pending[:])
	return w
}

func (w *world) create() {
	w.t.Helper()
	if err := ballotbox.Create(context.Background(), w.owner, w.bytes, w.sealing); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time { return time.Unix(w.clock.Load(), 0) }

// config is the configuration of one process that serves the box.
func (w *world) config(pool *pgxpool.Pool) ballotbox.Config {
	w.t.Helper()
	policy, err := w.m.BallotsPolicy()
	if err != nil {
		w.t.Fatal(err)
	}
	return ballotbox.Config{
		Pool:       pool,
		Manifest:   w.m,
		MID:        w.mid,
		PendingKey: w.pending,
		Promise:    w.keys.Promise,
		Log:        board.New(board.Config{Pool: pool, Signer: w.keys.Ballots, MID: w.mid, Policy: policy, Now: w.now}),
		Now:        w.now,
		Logger:     slog.New(slog.DiscardHandler),
	}
}

func (w *world) mustOpen() *ballotbox.Box {
	w.t.Helper()
	b, err := ballotbox.New(context.Background(), w.config(w.service))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) log() *board.Log { return w.config(w.service).Log }

func (w *world) tick() {
	w.t.Helper()
	if err := w.box.Tick(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// A made ballot is a sealed ballot with its credential.
type made struct {
	sealed []byte // body || sig
	body   []byte
	id     suite.BallotID
	group  suite.GroupID
}

func (w *world) context(g suite.GroupID) *ballot.Context {
	w.t.Helper()
	key, err := w.m.Key()
	if err != nil {
		w.t.Fatal(err)
	}
	return &ballot.Context{MID: w.mid, Group: g, Key: key, Options: w.m.Options()}
}

// ballot makes a ballot of a group with a fresh secret.
func (w *world) ballot(g suite.GroupID) made {
	w.t.Helper()
	w.issued[g]++
	return w.makeBallot(g)
}

// makeBallot is ballot for callers that do not lock.
func (w *world) makeBallot(g suite.GroupID) made {
	w.t.Helper()
	choices := make(ballot.Choices, len(w.m.Questions))
	s, err := ballot.Seal(w.context(g), ballot.NewSecret(), "", choices)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.sign(g, s.Body)
}

// sign makes a ballot of any body, with the credential of a group's issuer.
func (w *world) sign(g suite.GroupID, body []byte) made {
	w.t.Helper()
	id := suite.BallotID(suite.H("ballot-id", body))
	sig, err := w.keys.Issuers[g].SignMessage(credential.Message(w.mid, g, id))
	if err != nil {
		w.t.Fatal(err)
	}
	return made{append(append([]byte(nil), body...), sig[:]...), body, id, g}
}

func (w *world) ballots(g suite.GroupID, n int) []made {
	w.t.Helper()
	list := make([]made, n)
	for i := range list {
		list[i] = w.ballot(g)
	}
	return list
}

// mustCast casts a ballot and checks the promise.
func (w *world) mustCast(m made, want ballotbox.State) {
	w.t.Helper()
	p, state, err := w.box.Cast(context.Background(), m.sealed)
	if err != nil {
		w.t.Fatal(err)
	}
	if state != want {
		w.t.Errorf("state: got %q, want %q", state, want)
	}
	w.checkPromise(m.id, p)
}

func (w *world) checkPromise(id suite.BallotID, p receipt.Promise) {
	w.t.Helper()
	if err := receipt.VerifyPromise(w.m.PromiseKey[:], w.mid, id, p[:]); err != nil {
		w.t.Error(err)
	}
}

// act makes the next act and applies it.
func (w *world) act(kind act.Kind, payload interface{ Bytes() []byte }) {
	w.t.Helper()
	a := w.keys.Act(w.mid, kind, uint32(len(w.acts)+1), payload.Bytes())
	w.acts = append(w.acts, a)
	if _, err := w.box.ApplyAct(context.Background(), a.Bytes()); err != nil {
		w.t.Fatal(err)
	}
}

// An end of the ledger, as tests may falsify it.
type ledgerEnd struct {
	final  ledger.Final
	after  [][]byte // entries behind the final one
	cosign int
	signer *tlog.LogSigner
	extra  []byte // instead of the final entry
}

// proof makes the ledger that belongs to this election and the proof of its
// final entry. change may falsify it.
func (w *world) proof(change func(*ledgerEnd)) []byte {
	w.t.Helper()
	e := ledgerEnd{final: ledger.Final{MID: w.mid, Groups: w.counts()}, cosign: len(w.keys.Witnesses), signer: w.keys.Ledger}
	if change != nil {
		change(&e)
	}
	entries := [][]byte{ledger.ManifestEntry(w.mid)}
	for _, a := range w.acts {
		entries = append(entries, ledger.ActEntry(a.Bytes()))
	}
	last := e.final.Bytes()
	if e.extra != nil {
		last = e.extra
	}
	at := int64(len(entries))
	entries = append(append(entries, last), e.after...)
	var tree tlog.Tree
	for _, x := range entries {
		tree.Append(tlog.LeafHash(x))
	}
	c := tlog.Checkpoint{Origin: w.m.Ledger.Origin, Size: tree.Size(), Root: tree.Root()}
	note := e.signer.Sign(c)
	for _, s := range w.keys.Witnesses[:e.cosign] {
		note = append(note, s.Cosign(c.Text(), w.now())...)
	}
	p, err := tlog.Prove(tree.Size(), at, tree.Reader(), note, last)
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Bytes()
}

// proven makes the proof that the ledger holds an act.
func (w *world) proven(a *act.Act) []byte {
	return w.proof(func(e *ledgerEnd) { e.extra = ledger.ActEntry(a.Bytes()) })
}

// counts are the counters that the ledger of this world ends with.
func (w *world) counts() []ledger.FinalGroup {
	w.t.Helper()
	c := ledger.NewCounter(w.m)
	add := func(entry any) {
		if err := c.Add(entry); err != nil {
			w.t.Fatal(err)
		}
	}
	for g, n := range w.issued {
		for range n {
			add(ledger.Issuance{Group: g})
		}
	}
	for _, d := range w.deposits {
		add(d)
	}
	for _, a := range w.acts {
		add(ledger.Act{Act: a})
	}
	groups, err := c.Groups()
	if err != nil {
		w.t.Fatal(err)
	}
	return groups
}

// afterGrace sets the clock to the first moment at which the box may lock.
func (w *world) afterGrace() { w.clock.Store(electiontest.Close + grace) }

// mustLock ends casting and locks the box.
func (w *world) mustLock() ballotbox.Closing {
	w.t.Helper()
	w.afterGrace()
	w.tick()
	c, err := w.box.Lock(context.Background(), w.proof(nil))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// published reads the ballots that are in the log, in its order, and checks the
// log from end to end.
func (w *world) published() []made {
	w.t.Helper()
	l := w.log()
	head, err := l.Head(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	var tree tlog.Tree
	chain := tlog.NewChain(w.mid)
	var list []made
	seen := make(map[suite.BallotID]bool)
	for e, err := range l.Entries(context.Background(), 0, head.Size) {
		if err != nil {
			w.t.Fatal(err)
		}
		parsed, err := ledger.ParseBallots(e)
		if err != nil {
			w.t.Fatal(err)
		}
		if c, ok := parsed.(ledger.Close); ok && c.Chain != chain.Head() {
			w.t.Error("the close record has another chain")
		}
		tree.Append(tlog.LeafHash(e))
		chain.Add(tlog.LeafHash(e))
		if b, ok := parsed.(ledger.Ballot); ok {
			m := w.open(b.Cast)
			if seen[m.id] {
				w.t.Error("a ballot is in the log twice")
			}
			seen[m.id] = true
			list = append(list, m)
		}
	}
	if tree.Root() != head.Root || chain.Head() != head.Chain {
		w.t.Error("the head is not that of the entries")
	}
	return list
}

// open reads a ballot as an auditor does.
func (w *world) open(cast []byte) made {
	w.t.Helper()
	body, sig, err := ballot.ParseCast(cast, w.m.Options())
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := ballot.Parse(body)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := w.m.IssuerKey(b.Group)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := credential.Verify(key, credential.Message(w.mid, b.Group, b.ID()), sig); err != nil {
		w.t.Error(err)
	}
	return made{cast, body, b.ID(), b.Group}
}

// mustHold checks that exactly these ballots are in the log.
func (w *world) mustHold(want ...made) {
	w.t.Helper()
	got := make(map[suite.BallotID]bool)
	for _, m := range w.published() {
		got[m.id] = true
	}
	for _, m := range want {
		if !got[m.id] {
			w.t.Error("a ballot is not in the log")
		}
		delete(got, m.id)
	}
	if len(got) > 0 {
		w.t.Errorf("%d ballots in the log that nobody cast", len(got))
	}
}

func (w *world) scan(sql string, to any, args ...any) {
	w.t.Helper()
	if err := w.owner.QueryRow(context.Background(), sql, args...).Scan(to); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) waiting() (n int) {
	w.t.Helper()
	w.scan(`SELECT count(*) FROM ballotbox.pending`, &n)
	return n
}

// post sends a request to the box over HTTP, as the booth does.
func (w *world) post(path, kind string, body []byte) *httptest.ResponseRecorder {
	w.t.Helper()
	return request(w.box.Handler(), http.MethodPost, "/v1/"+w.m.ElectionID.String()+path, kind, body)
}

func request(h http.Handler, method, path, kind string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, io.NopCloser(strings.NewReader(string(body))))
	r.Header.Set("Content-Type", kind)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func mustBe(t testing.TB, name string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

// checkError checks that an answer is an error with a code and a sentence.
func checkError(t testing.TB, name string, rec *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var e struct{ Error, Message string }
	d := json.NewDecoder(rec.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		t.Errorf("%s: answer is no error: %v", name, err)
	}
	if rec.Code != status || e.Error != code || !strings.HasSuffix(e.Message, ".") {
		t.Errorf("%s: got %d %q %q, want %d %q", name, rec.Code, e.Error, e.Message, status, code)
	}
}

// cosign lets all witnesses cosign the newest checkpoint.
func (w *world) cosign() {
	w.t.Helper()
	l := w.log()
	note, err := l.Checkpoint(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(note), "\n\n")
	for _, s := range w.keys.Witnesses {
		if err := l.AddCosignature(context.Background(), s.Cosign(text+"\n", w.now())); err != nil {
			w.t.Fatal(err)
		}
	}
}

// checkProof checks a tlog-proof of an entry of the ballot log.
func (w *world) checkProof(b, entry []byte) {
	w.t.Helper()
	p, err := tlog.ParseProof(b)
	if err != nil {
		w.t.Fatal(err)
	}
	policy, err := w.m.BallotsPolicy()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := p.Check(policy, tlog.LeafHash(entry)); err != nil {
		w.t.Error(err)
	}
}

// admin connects to the cluster as its superuser.
func (w *world) admin() *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), w.db.Server.AdminURL("postgres"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (w *world) exec(conn *pgx.Conn, sql string, args ...any) {
	w.t.Helper()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}
