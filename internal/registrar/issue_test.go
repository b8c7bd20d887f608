package registrar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
)

func TestIssue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	ctx := t.Context()
	c := w.show(1, 3)
	z := request(t)

	if _, err := w.r.Issue(ctx, c, "", z); !errors.Is(err, registrar.ErrNotOpen) {
		t.Errorf("before the opening: got %v", err)
	}
	w.at(electiontest.Open)
	first, err := w.r.Issue(ctx, c, "", z)
	if err != nil {
		t.Fatal(err)
	}
	w.checkAnswer(1, z, first)
	again, err := w.r.Issue(ctx, c, "", z)
	if err != nil || again != first {
		t.Errorf("the same request again: got another answer, %v", err)
	}
	// By code it is the same member.
	_, typed := w.link(1, 3, true)
	byCode, err := w.r.Present("", strings.ToLower(typed.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	if again, err = w.r.Issue(ctx, byCode, "", z); err != nil || again != first {
		t.Errorf("the same request by code: %v", err)
	}
	if _, err := w.r.Issue(ctx, byCode, "", request(t)); !errors.Is(err, registrar.ErrAlreadyIssued) {
		t.Errorf("another request: got %v", err)
	}
	// The same request by another member gives away nothing and takes nothing.
	if _, err := w.r.Issue(ctx, w.show(1, 4), "", z); !errors.Is(err, registrar.ErrRequest) {
		t.Errorf("another member's request: got %v", err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'issued'`); n != 1 {
		t.Errorf("%d notices of issuance, want 1", n)
	}

	w.at(electiontest.Close)
	if _, err := w.r.Issue(ctx, w.show(1, 5), "", request(t)); !errors.Is(err, registrar.ErrClosed) {
		t.Errorf("after the close: got %v", err)
	}
	if again, err = w.r.Issue(ctx, c, "", z); err != nil || again != first {
		t.Errorf("a repetition within the grace: %v", err)
	}
	w.at(electiontest.Close + w.m.Schedule.Grace)
	if _, err = w.r.Issue(ctx, c, "", z); !errors.Is(err, registrar.ErrClosed) {
		t.Errorf("a repetition after the grace: got %v", err)
	}
}

// TestCloseWithoutTick: a close that nobody has written yet holds all the same.
func TestCloseWithoutTick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	w.now.Store(electiontest.Close)
	if _, err := w.r.Issue(t.Context(), w.show(1, 0), "", request(t)); !errors.Is(err, registrar.ErrClosed) {
		t.Errorf("got %v", err)
	}
	status, err := w.r.Status(t.Context(), w.show(1, 0), "")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := w.r.Shown(t.Context())
	if want := (registrar.State{Phase: election.PhaseClosed, Close: electiontest.Close}); err != nil || shown != want || status.Phase != want.Phase {
		t.Errorf("shown as %v (%v), the status is %v", shown, err, status.Phase)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	spki := w.m.Group(1).Issuer
	n := spki[len(spki)-5-credential.Size : len(spki)-5]
	minus1 := bytes.Clone(n)
	minus1[len(minus1)-1]--
	one := make([]byte, credential.Size)
	one[credential.Size-1] = 1
	for name, z := range map[string][]byte{
		"0": make([]byte, credential.Size), "1": one, "n": n, "n-1": minus1, "short": one[1:], "long": append([]byte{0}, one...),
		"largest": bytes.Repeat([]byte{0xff}, credential.Size), "none": nil,
	} {
		if _, err := w.r.Issue(t.Context(), w.show(1, 0), "", z); !errors.Is(err, registrar.ErrRequest) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.used`); n != 0 {
		t.Errorf("%d members were used up by requests that were refused", n)
	}
}

// TestIssueRace sends many requests on one token at once. One wins, for good;
// and everybody who asks again with the winning request gets its answer.
func TestIssueRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open(func(c *registrar.Config) { c.Workers = 2 })
	w.at(electiontest.Open)
	const n = 200
	var mu sync.Mutex
	var winners [][]byte
	var wg sync.WaitGroup
	c := w.show(2, 7)
	for range n {
		z := request(t)
		wg.Go(func() {
			_, err := w.r.Issue(t.Context(), c, "", z)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, z)
			case !errors.Is(err, registrar.ErrAlreadyIssued):
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d requests won, want 1", len(winners))
	}
	if n := w.count(`SELECT count(*) FROM registrar.queue`); n != 1 {
		t.Errorf("%d ledger entries, want 1", n)
	}
	if _, err := w.r.Issue(t.Context(), c, "", winners[0]); err != nil {
		t.Errorf("the winner again: %v", err)
	}
}

// TestNaiveRace is the negative control of TestIssueRace: two requests to a
// registrar that looks first and writes then. If it had one winner too, the race
// would show nothing.
func TestNaiveRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.db.Owner.Exec(ctx, `CREATE SCHEMA naive; CREATE TABLE naive.used (g integer, i integer, z bytea);
		GRANT USAGE ON SCHEMA naive TO sv_registrar; GRANT SELECT, INSERT ON naive.used TO sv_registrar`); err != nil {
		t.Fatal(err)
	}
	var wg, looked sync.WaitGroup
	looked.Add(2)
	naive := func(z []byte) (won bool, err error) {
		err = postgres.InTx(ctx, w.db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
			var used bool
			err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM naive.used WHERE g = 2 AND i = 7)`).Scan(&used)
			// As it may happen, and on a slow machine hardly ever does.
			looked.Done()
			looked.Wait()
			if err != nil || used {
				return err
			}
			_, err = tx.Exec(ctx, `INSERT INTO naive.used VALUES (2, 7, $1)`, z)
			won = err == nil
			return err
		})
		return won, err
	}
	var wins atomic.Int64
	for range 2 {
		z := request(t)
		wg.Go(func() {
			won, err := naive(z)
			if err != nil {
				t.Error(err)
			}
			if won {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 2 {
		t.Errorf("looking first and writing then had %d winners: the race test is blind", wins.Load())
	}
}

// TestStrikeRace lets issuances and strikes of the same members run against
// each other: each member ends up either issued to or struck.
func TestStrikeRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	const n = 12
	issued := make([]bool, n)
	struck := make([]bool, n)
	var wg sync.WaitGroup
	for i := range n {
		c, z := w.show(1, uint32(i)), request(t)
		wg.Go(func() {
			_, err := w.r.Issue(t.Context(), c, "", z)
			issued[i] = err == nil
			if err != nil && !errors.Is(err, registrar.ErrStruck) && !errors.Is(err, registrar.ErrAlreadyIssued) {
				t.Errorf("issue: %v", err)
			}
		})
	}
	wg.Go(func() { // acts are numbered, so they come one after another
		for i := range n {
			g, blinded, err := w.r.BlindedLeaf(t.Context(), electiontest.MemberNo(1, uint32(i)))
			if err != nil {
				t.Error(err)
				return
			}
			err = w.act(act.KindAmend, act.Amend{Op: act.OpStrike, Group: g, Hash: blinded})
			struck[i] = err == nil
			if refused := new(registrar.ActError); err != nil && !errors.As(err, &refused) {
				t.Errorf("strike: %v", err)
			}
		}
	})
	wg.Wait()
	for i := range n {
		if issued[i] == struck[i] {
			t.Errorf("member %d: issued %v, struck %v", i, issued[i], struck[i])
		}
	}
	groups, err := w.r.Counts(t.Context())
	if err != nil || int(groups[0].Issued+groups[0].Struck) != n {
		t.Errorf("got %+v, %v", groups[0], err)
	}
}

// TestCloseWhileIssuing closes in the middle of a stream of requests: nothing is
// issued after the close was written, and every answer is accounted for.
func TestCloseWhileIssuing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	var mu sync.Mutex
	answered := 0
	var closed bool // the close was committed before a request began
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 30 {
		c, z := w.show(1, uint32(i)), request(t)
		wg.Go(func() {
			<-start
			mu.Lock()
			late := closed
			mu.Unlock()
			_, err := w.r.Issue(t.Context(), c, "", z)
			if err != nil && !errors.Is(err, registrar.ErrClosed) {
				t.Errorf("got %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answered++
				if late {
					t.Error("issued after the close")
				}
			}
		})
	}
	close(start)
	w.at(electiontest.Close)
	mu.Lock()
	closed = true
	before := w.count(`SELECT count(*) FROM registrar.used`)
	mu.Unlock()
	wg.Wait()
	if after := w.count(`SELECT count(*) FROM registrar.used`); after != before || after != answered {
		t.Errorf("%d used at the close, %d after, %d answered", before, after, answered)
	}
}

// TestCloseWaits holds an issuance between its look at the phase and its write.
// The close has to wait for it: otherwise the ballot would be issued after a
// close that was already announced.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	ctx := t.Context()
	tx, err := w.db.Owner.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	// Looking is let through, writing waits.
	if _, err := tx.Exec(ctx, `LOCK TABLE registrar.used IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	issued, closed := make(chan error, 1), make(chan error, 1)
	c, z := w.show(1, 0), request(t)
	go func() {
		_, err := w.r.Issue(ctx, c, "", z)
		issued <- err
	}()
	w.await(1, "relation")
	w.now.Store(electiontest.Close)
	go func() {
		_, err := w.r.Advance(ctx)
		closed <- err
	}()
	for w.count(`SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 0 {
		select {
		case err := <-closed:
			t.Fatalf("the close did not wait for the issuance: %v", err)
		default:
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-issued; err != nil {
		t.Errorf("the issuance: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("the close: %v", err)
	}
	if s, err := w.r.Phase(ctx); err != nil || s.Phase != election.PhaseClosed {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestBusy: a flood is turned away at the door, with nothing used up.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open(func(c *registrar.Config) { c.Workers = 1 })
	w.at(electiontest.Open)
	// Whoever holds the phase lock alone makes all wait inside.
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := postgres.InTx(context.Background(), w.db.Pool("sv_registrar_owner"), pgx.ReadCommitted, func(tx pgx.Tx) error {
			if _, err := tx.Exec(context.Background(), `SELECT pg_advisory_xact_lock($1)`, int64(0x7068617365)); err != nil {
				return err
			}
			close(held)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	c := w.show(1, 1)
	turned := make(chan error, 1)
	z := request(t)
	const flood = 200
	for range flood {
		wg.Go(func() {
			if _, err := w.r.Issue(t.Context(), c, "", z); errors.Is(err, registrar.ErrBusy) {
				select {
				case turned <- err:
				default:
				}
			} else if err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	<-turned // without ErrBusy the test would end by its time limit
	link, _ := w.link(1, 1, true)
	if rec := w.post("/issue", map[string]string{"token": link.Base64(), "z": b64(z)}); rec.Code != 503 || rec.Header().Get("Retry-After") == "" || code(rec) != "busy" {
		t.Errorf("while it is busy: got %d %s", rec.Code, rec.Body)
	}
	close(release)
	wg.Wait()
	if _, err := w.r.Issue(t.Context(), c, "", z); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

func TestFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withFactor)
	ctx := t.Context()
	w.at(electiontest.Open)
	c, z := w.show(1, 2), request(t)
	right := "Answer-M.1 2" // spaces, dots and case do not matter
	if _, err := w.r.Status(ctx, c, ""); !errors.Is(err, registrar.ErrFactorNeeded) {
		t.Errorf("no answer: got %v", err)
	}
	if _, err := w.r.Issue(ctx, c, "", z); !errors.Is(err, registrar.ErrFactorNeeded) {
		t.Errorf("no answer: got %v", err)
	}
	if _, err := w.r.Status(ctx, c, right); err != nil {
		t.Errorf("the right answer: %v", err)
	}
	// Wrong ones count together, wherever they are given.
	for left := 4; left >= 1; left-- {
		var err error
		if left%2 == 0 {
			_, err = w.r.Status(ctx, c, "wrong")
		} else {
			_, err = w.r.Issue(ctx, c, "wrong", z)
		}
		if wrong := new(registrar.FactorError); !errors.As(err, &wrong) || wrong.Left != left {
			t.Errorf("got %v, want %d tries left", err, left)
		}
	}
	locked := new(registrar.LockedError)
	if _, err := w.r.Issue(ctx, c, "wrong", z); !errors.As(err, &locked) {
		t.Errorf("the fifth: got %v", err)
	}
	if _, err := w.r.Issue(ctx, c, right, z); !errors.As(err, &locked) || locked.For != time.Hour {
		t.Errorf("the right answer while it rests: got %v", err)
	}
	w.now.Add(1800)
	if _, err := w.r.Status(ctx, c, right); !errors.As(err, &locked) || locked.For != 30*time.Minute {
		t.Errorf("after half an hour: got %v", err)
	}
	if _, err := w.r.Status(ctx, w.show(1, 3), "answer M-1-3"); err != nil {
		t.Errorf("another member: %v", err)
	}
	w.now.Add(1800)
	first, err := w.r.Issue(ctx, c, right, z)
	if err != nil {
		t.Fatalf("after the hour: %v", err)
	}
	// A repetition shows that it is the same device: no answer is asked for.
	if again, err := w.r.Issue(ctx, c, "", z); err != nil || again != first {
		t.Errorf("a repetition: %v", err)
	}
	// Of guesses at once no more are heard than one after another.
	d := w.show(2, 0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	wrongs := 0
	for i := range 40 {
		wg.Go(func() {
			_, err := w.r.Status(ctx, d, fmt.Sprint("guess ", i))
			if wrong := new(registrar.FactorError); errors.As(err, &wrong) {
				mu.Lock()
				wrongs++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if wrongs != 4 {
		t.Errorf("%d guesses were heard and not stopped, want 4", wrongs)
	}
	if err := w.r.ResetFactor(ctx, electiontest.MemberNo(2, 0), "Ann and Bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Status(ctx, d, "answer M-2-0"); err != nil {
		t.Errorf("after the reset: %v", err)
	}
	if err := w.r.ResetFactor(ctx, "nobody", "Ann"); !errors.Is(err, registrar.ErrNoMember) {
		t.Errorf("reset of nobody: got %v", err)
	}
}
