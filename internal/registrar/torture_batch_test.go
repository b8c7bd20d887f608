package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
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
