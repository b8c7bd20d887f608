package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
)

// TestTortureBatchers lets three processes move entries into the ledger, again and
// again, while ballots are issued in all of them, and end the ledger at once.
func TestTortureBatchers(t *testing.T) {
	t.Parallel()
	members := torture.Pick(60, 200)
	issued, batches := 0, int64(0)
	for range torture.Rounds(1, 50, 0.04) {
		t.Run("", func(t *testing.T) {
			w := newWorld(t, sized(uint32(members)))
			rs := w.processes()
			w.at(opening)
			batches += w.issueAndBatch(rs, members)
			for entry, n := range w.issuances() {
				if n != 1 {
					t.Errorf("%d entries of one issuance: %s", n, entry)
				}
			}
			if n := len(w.entries(0x01)); n != members || len(w.entries(0xff)) != 1 {
				t.Errorf("the ledger has %d issuances, want %d, and %d ends", n, members, len(w.entries(0xff)))
			}
		})
		issued += members
	}
	twice := naiveBatchers(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("three processes batch and end the ledger at once, while they issue %d ballots", issued),
		Target:   "each issuance is in the ledger once, and one end",
		Measured: fmt.Sprintf("%d issuances, each once, with %d batches before the end", issued, batches),
		Control:  fmt.Sprintf("two that read the queue before either has written: %d entries twice", twice),
	})
}

// issueAndBatch issues to all members of the second group while every process does
// what is due, and locks in all of them. It returns how often the ledger grew before.
func (w *world) issueAndBatch(rs []*registrar.Registrar, members int) (batches int64) {
	w.t.Helper()
	stop := make(chan struct{})
	var wg, ticking sync.WaitGroup
	for i, r := range rs {
		ticking.Go(func() {
			for size := 0; ; {
				select {
				case <-stop:
					return
				default:
				}
				if err := r.Tick(w.t.Context()); err != nil {
					w.t.Error(err)
				}
				if n := w.count(`SELECT size FROM board.head`); i == 0 && n > size {
					size = n
					batches++
				}
			}
		})
		wg.Go(func() {
			for k := i; k < members; k += len(rs) {
				if _, err := r.Issue(w.t.Context(), w.show(2, uint32(k)), "", request(w.t)); err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.now.Store(electiontest.DecideUntil)
	close(stop)
	ticking.Wait()
	for _, r := range rs {
		wg.Go(func() {
			if err := errors.Join(r.Tick(w.t.Context()), r.Lock(w.t.Context())); err != nil {
				w.t.Error(err)
			}
		})
	}
	wg.Wait()
	return batches - 1 // the first size seen is no growth
}

// naiveBatchers is the negative control of TestTortureBatchers: two that read what
// waits, and then move it.
func naiveBatchers(t *testing.T) (twice int) {
	t.Helper()
	w := newWorld(t)
	w.naive(`CREATE TABLE naive.queue (entry bytea); CREATE TABLE naive.ledger (entry bytea)`)
	ctx := context.Background()
	if _, err := w.db.Owner.Exec(ctx, `INSERT INTO naive.queue SELECT sha256(n::text::bytea) FROM generate_series(1, 20) n`); err != nil {
		t.Fatal(err)
	}
	var wg, looked sync.WaitGroup
	looked.Add(2)
	for range 2 {
		wg.Go(func() {
			err := postgres.InTx(ctx, w.db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
				rows, err := tx.Query(ctx, `SELECT entry FROM naive.queue`)
				if err != nil {
					return err
				}
				entries, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
				looked.Done()
				looked.Wait()
				if err == nil {
					_, err = tx.Exec(ctx, `DELETE FROM naive.queue WHERE entry = ANY($1)`, entries)
				}
				if err == nil {
					_, err = tx.Exec(ctx, `INSERT INTO naive.ledger SELECT unnest($1::bytea[])`, entries)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if twice = w.count(`SELECT count(*) FROM (SELECT FROM naive.ledger GROUP BY entry HAVING count(*) > 1) x`); twice == 0 {
		t.Error("two batchers without a lock moved each entry once: the race test is blind")
	}
	return twice
}

// TestTortureResend asks for one member's link from many connections at once, by
// address and by number, through two processes. One mail is queued.
func TestTortureResend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rs := []*registrar.Registrar{w.r, w.twin()}
	w.at(opening)
	members, asked := torture.Pick(5, 30), 0
	for i := range members {
		no := electiontest.MemberNo(1, uint32(i))
		var wg sync.WaitGroup
		for k := range 40 {
			who := []string{no, "canary-" + strings.ToLower(no) + "@mail.example"}[k/2%2]
			wg.Go(func() {
				if err := rs[k%2].Resend(t.Context(), who); err != nil {
					t.Error(err)
				}
			})
			asked++
		}
		wg.Wait()
	}
	const queued = `SELECT count(*) FROM registrar.outbox WHERE kind = 'resend'`
	n := w.count(queued)
	if n != members {
		t.Errorf("%d mails are queued, want %d", n, members)
	}
	twice := w.naiveResend(t, electiontest.MemberNo(2, 0)) - n
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("a link is asked for again %d times at once for each of %d members, two processes", asked/members, members),
		Target:   "one mail a member in ten minutes",
		Measured: fmt.Sprintf("%d mails", n),
		Control:  fmt.Sprintf("the same statement without the lock: %d mails to one member", twice),
	})
}

// naiveResend is the negative control of TestTortureResend: two transactions that
// look before either has committed. It returns how many mails are queued.
func (w *world) naiveResend(t *testing.T, who string) int {
	t.Helper()
	ctx, now := t.Context(), w.clock().UTC()
	var open []pgx.Tx
	for range 2 {
		tx, err := w.db.Service.Begin(ctx)
		if err == nil {
			open = append(open, tx)
			// A connection that is not given back would hold up the end of the test.
			defer func() { _ = tx.Rollback(context.Background()) }()
			_, err = tx.Exec(ctx, registrar.ResendStatement, who, now, now.Add(-10*time.Minute), 1, 0, who, now.Unix())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend'`)
	for _, tx := range open {
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	after := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend'`)
	if after-before != 2 {
		t.Errorf("looking first and writing then queued %d mails: the race test is blind", after-before)
	}
	return after
}

// cut is a ledger of a process that is killed between commit and signature.
type cut struct{ registrar.Ledger }

var errKilled = errors.New("killed")

func (cut) Sign(context.Context) ([]byte, error) { return nil, errKilled }

// TestUnsigned kills a process after an act was committed and before the ledger was
// signed: whichever process does what is due next signs it. Nobody would otherwise,
// and the box would never hear of the act.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.twin()
	w.at(opening)
	w.open(func(c *registrar.Config) { c.Ledger = cut{c.Ledger} })
	extend := w.k.Act(w.mid, act.KindExtend, 1, act.Extend{Close: electiontest.Close + 3600}.Bytes()).Bytes()
	if _, err := w.r.ApplyAct(t.Context(), extend); !errors.Is(err, errKilled) {
		t.Fatalf("got %v", err)
	}
	if behind, err := w.log.Unsigned(t.Context()); err != nil || !behind {
		t.Fatalf("the act is signed already: %v, %v", behind, err)
	}
	if err := other.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if behind, err := w.log.Unsigned(t.Context()); err != nil || behind {
		t.Errorf("the act is not signed: %v, %v", behind, err)
	}
}
