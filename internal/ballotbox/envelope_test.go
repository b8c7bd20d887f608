package ballotbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// TestCheck checks bodies over HTTP, in every phase, and keeps nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, electiontest.Open-1)
	good := w.ballot(2)
	check := func() {
		t.Helper()
		rec := w.post("/check", octets, good.body)
		var a struct {
			BallotID suite.BallotID `json:"ballot_id"`
			Group    suite.GroupID  `json:"group"`
		}
		d := json.NewDecoder(rec.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&a); err != nil || rec.Code != http.StatusOK || a.BallotID != good.id || a.Group != 2 {
			t.Errorf("got %d %s, %v", rec.Code, rec.Body, err)
		}
	}
	check()
	w.clock.Store(electiontest.Open)
	w.tick()
	check()
	if w.waiting() != 0 || len(w.published()) != 0 {
		t.Error("a body that was checked was kept")
	}
	moved := bytes.Clone(good.body)
	moved[34] = 1 // to group 1: the proofs bind the group
	other := bytes.Clone(good.body)
	other[1] ^= 1
	for name, tt := range map[string]struct {
		kind   string
		body   []byte
		status int
		code   string
	}{
		"with a credential": {octets, good.sealed, 413, "too_large"},
		"cut":               {octets, good.body[:len(good.body)-1], 400, "malformed"},
		"nothing":           {octets, nil, 400, "malformed"},
		"another election":  {octets, other, 400, "malformed"},
		"JSON":              {"application/json", good.body, 400, "malformed"},
		"group zero":        {octets, append(append(bytes.Clone(good.body[:33]), 0, 0), good.body[35:]...), 400, "malformed"},
		"another group":     {octets, append(append(bytes.Clone(good.body[:33]), 0, 1), good.body[35:]...), 422, "invalid_ballot"},
	} {
		checkError(t, name, w.post("/check", tt.kind, tt.body), tt.status, tt.code)
	}
	for at := 35; at < len(good.body); at += 31 { // every field of it
		bad := bytes.Clone(good.body)
		bad[at] ^= 1
		if _, _, err := w.box.Check(t.Context(), bad); err == nil {
			t.Errorf("byte %d changed, and it is a ballot", at)
		}
	}
	leave := w.box.Occupy("bodies")
	rec := w.post("/check", octets, good.body)
	if rec.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	checkError(t, "busy", rec, 503, "busy")
	w.mustCast(good, ballotbox.Received) // whatever waits to be checked
	leave()
	check()
}

// TestCheckTogether checks good and bad bodies at once: a bad one does not spoil
// the others.
func TestCheckTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := w.ballots(1, 6)
	results := make(chan error, 2*len(list))
	for _, m := range list {
		bad := bytes.Clone(m.body)
		bad[len(bad)-40] ^= 1
		for _, body := range [][]byte{m.body, bad} {
			go func() {
				_, _, err := w.box.Check(context.Background(), body)
				if good := &body[0] == &m.body[0]; good != (err == nil) {
					t.Errorf("good %v: got %v", good, err)
				}
				results <- err
			}()
		}
	}
	for range cap(results) {
		if err := <-results; err != nil && !errors.As(err, new(*ballotbox.InvalidError)) {
			t.Error(err)
		}
	}
}

// TestEnvelopesEnter takes envelopes through to the end: accepted ones enter
// after the close, until the lock; rejected and undecided ones never do,
// although they carry a credential here, which no honest registrar gives them.
func TestEnvelopesEnter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	on, off, rejected, undecided := w.ballot(1), w.ballot(1), w.ballot(1), w.ballot(1)
	w.issued[1] = 0
	w.deposits = []ledger.Deposit{{MID: w.mid, Group: 1, OnRoll: true}, {MID: w.mid, Group: 1}, {MID: w.mid, Group: 1, OnRoll: true}, {MID: w.mid, Group: 1}}
	w.afterGrace()
	w.tick()
	ids := []suite.BallotID{on.id, off.id}
	slices.SortFunc(ids, func(a, b suite.BallotID) int { return bytes.Compare(a[:], b[:]) })
	w.act(act.KindDecide, act.Decide{Group: 1, AcceptedOn: 1, AcceptedOff: 1, RejectedOn: 1, Accepted: ids})
	for range 2 {
		for _, m := range []made{on, off} {
			if rec := w.post("/ballots", octets, m.sealed); rec.Code != http.StatusOK {
				t.Errorf("accepted: %d %s", rec.Code, rec.Body)
			}
		}
		for _, m := range []made{rejected, undecided} {
			checkError(t, "not accepted", w.post("/ballots", octets, m.sealed), 403, "closed")
		}
	}
	w.clock.Store(w.m.Schedule.DecideUntil)
	proof := w.proof(nil)
	if _, err := w.box.Lock(t.Context(), proof); err != nil {
		t.Fatal(err)
	}
	w.mustHold(on, off)
	p, err := tlog.ParseProof(proof)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := ledger.ParseLedger(p.Extra)
	if err != nil {
		t.Fatal(err)
	}
	if g := entry.(ledger.Final).Groups[0]; g.UndecidedOff != 1 || g.UndecidedOn != 0 || g.Accepted() != 2 || g.RejectedOn != 1 {
		t.Errorf("the ledger counts %+v", g)
	}
	// Their depositors, who have no credential, get it with the proof.
	w.cosign()
	f, err := w.box.Find(t.Context(), on.id)
	if err != nil {
		t.Fatal(err)
	}
	found, err := tlog.ParseProof(f.Proof)
	if err != nil || !bytes.Equal(found.Extra, ledger.BallotEntry(on.sealed)) {
		t.Errorf("the proof of an accepted envelope has extra %x, %v", found.Extra, err)
	}
	w.checkProof(f.Proof, found.Extra)
}

// TestExactClose: the end of casting holds to the second, whether or not
// anybody has written it yet, for those too who waited for the lock meanwhile.
func TestExactClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early, late, waiting, accepted := w.ballot(1), w.ballot(1), w.ballot(1), w.ballot(1)
	w.act(act.KindDecide, act.Decide{Group: 2}) // a decision that decides nothing moves nothing
	w.clock.Store(electiontest.Close + grace - 1)
	w.mustCast(early, ballotbox.Received)
	// Somebody holds the phase's lock alone while the clock passes the end.
	conn, err := w.owner.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, ballotbox.PhaseLock); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, _, err := w.box.Cast(context.Background(), waiting.sealed)
		waited <- err
	}()
	w.awaitLock(conn.Conn())
	w.clock.Store(electiontest.Close + grace)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "waited past the end", <-waited, ballotbox.ErrClosed)
	_, _, err = w.box.Cast(t.Context(), late.sealed)
	mustBe(t, "late, before the tick", err, ballotbox.ErrClosed)
	w.mustCast(early, ballotbox.Received)
	var phase string
	w.scan(`SELECT phase FROM ballotbox.election`, &phase)
	if phase != "open" {
		t.Errorf("the row says %s: this test shows nothing", phase)
	}
	// What the committee accepted is taken between the end and its being written.
	w.deposits = []ledger.Deposit{{MID: w.mid, Group: 1}}
	w.act(act.KindDecide, act.Decide{Group: 1, AcceptedOff: 1, Accepted: []suite.BallotID{accepted.id}})
	w.mustCast(accepted, ballotbox.Received)
	// An extension that comes late begins casting again, as before.
	w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 1000})
	w.mustCast(late, ballotbox.Received)
}

// awaitLock waits until somebody waits for an advisory lock of this database: the
// tests beside this one have theirs on the same server.
func (w *world) awaitLock(conn *pgx.Conn) {
	w.t.Helper()
	for waits := false; !waits; {
		err := conn.QueryRow(context.Background(),
			`SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database =
				(SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits)
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestActsWithoutLock: what is refused, or known already, is answered while
// somebody holds the phase's lock, as casting does all the time. The negative
// control is a good act, which waits.
func TestActsWithoutLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 60})
	tx, err := w.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock_shared($1)`, ballotbox.PhaseLock); err != nil {
		t.Fatal(err)
	}
	extend := act.Extend{Close: electiontest.Close + 120}.Bytes()
	one := w.keys.Act(w.mid, act.KindExtend, 2, extend, 0)
	apply := func(a *act.Act) error {
		_, err := w.box.ApplyAct(t.Context(), a.Bytes())
		return err
	}
	mustBe(t, "known", apply(w.acts[0]), nil)
	if err := apply(one); !errors.As(err, new(*ballotbox.ActError)) {
		t.Errorf("one signature: got %v", err)
	}
	mustBe(t, "gap", apply(w.keys.Act(w.mid, act.KindExtend, 3, extend)), ballotbox.ErrActGap)
	mustBe(t, "conflict", apply(w.keys.Act(w.mid, act.KindExtend, 1, extend)), ballotbox.ErrActConflict)

	var released atomic.Bool
	good := make(chan error, 1)
	go func() {
		err := apply(w.keys.Act(w.mid, act.KindExtend, 2, extend))
		if !released.Load() {
			err = errors.Join(err, errors.New("a good act took effect beside a cast"))
		}
		good <- err
	}()
	conn, err := w.owner.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.awaitLock(conn.Conn())
	conn.Release()
	released.Store(true)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "good", <-good, nil)
}

// TestGoneQuietly: a database that is away makes a box say so once a minute,
// and not when somebody tried to cast.
func TestGoneQuietly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.ballot(1)
	pool, err := postgres.Open(t.Context(), w.db.URL("sv_ballotbox"))
	if err != nil {
		t.Fatal(err)
	}
	var said notebook
	c := w.config(pool)
	c.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError}))
	box, err := ballotbox.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	pool.Close()
	// In the bubble only the log's minute passes; a closed pool answers at once.
	synctest.Test(t, func(t *testing.T) {
		h := box.Handler()
		for range 50 {
			checkError(t, "gone", request(h, http.MethodPost, "/v1/"+w.m.ElectionID.String()+"/ballots", octets, m.sealed), 503, "unavailable")
		}
		if said.String() != "" {
			t.Errorf("said at once: %s", &said)
		}
		time.Sleep(time.Minute)
	})
	if lines := strings.Count(said.String(), "\n"); lines != 1 || !strings.Contains(said.String(), "requests=50") {
		t.Errorf("got %d lines: %s", lines, &said)
	}
}

// A notebook is a log that is read while it is written.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}
