package ballotbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/torture"
)

// TestTortureCasting ends casting and locks, in four processes whose clocks differ
// by seconds, while ballots are cast in all of them. What was acknowledged is in the
// log, and what was refused is not. In every second election a cast has looked at
// phase and clock for certain when the close comes.
func TestTortureCasting(t *testing.T) {
	t.Parallel()
	var all [2]int
	rounds := 0
	for i := range torture.Rounds(2, 100, 0.04) {
		// A test of its own, at whose end its databases go.
		t.Run("", func(t *testing.T) {
			kept, refused := closeWhileCasting(t, i%2 == 1)
			all[0], all[1] = all[0]+kept, all[1]+refused
		})
		rounds++
	}
	if all[0] == 0 || all[1] == 0 {
		t.Errorf("no race: %d acknowledged, %d refused", all[0], all[1])
	}
	lost := lateCast(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("close and lock against casting, four processes with clocks apart, %d elections", rounds),
		Target:   "the log has what was acknowledged, and nothing that was refused",
		Measured: fmt.Sprintf("%d acknowledged and all in the log, %d refused and none there", all[0], all[1]),
		Control:  fmt.Sprintf("a phase that is read without its lock: %d acknowledged ballots are not in the log", lost),
	})
}

// closeWhileCasting is one round of TestTortureCasting.
func closeWhileCasting(t *testing.T, held bool) (kept, refused int) {
	t.Helper()
	w := newWorldAt(t, electiontest.Open+60, large) // open by every clock
	boxes := []*ballotbox.Box{w.host(0), w.host(2 * time.Second), w.host(5 * time.Second), w.host(time.Second)}
	list := w.ballots(1, 60)
	before := rand.IntN(len(list)-1)/4*4 + 2 // so many are acknowledged before the close
	answers := make([]error, len(list))
	var wg sync.WaitGroup
	cast := func(from, to int) {
		for i := from; i < to; i++ {
			wg.Go(func() { _, _, answers[i] = boxes[i%len(boxes)].Cast(context.Background(), list[i].sealed) })
		}
	}
	cast(0, before)
	wg.Wait()
	w.clock.Store(electiontest.Close + grace - 1)
	release := func() {}
	if held {
		// The next comes to the process whose clock is furthest behind: in time.
		release = w.hold()
		cast(before, before+1)
		w.await(1, heldKey)
		before++
	}
	w.afterGrace()
	proof := w.proof(nil)
	var locks atomic.Int64
	for _, b := range boxes {
		wg.Go(func() { w.lockSoon(b, proof, &locks) })
	}
	if held {
		w.await(1, ballotbox.PhaseLock) // whose clock has come to the end
		release()
	}
	cast(before, len(list))
	wg.Wait()
	if err := answers[before-1]; err != nil {
		t.Errorf("cast before the close: got %v", err)
	}
	var in []made
	for i, err := range answers {
		switch {
		case err == nil:
			in = append(in, list[i])
		case errors.Is(err, ballotbox.ErrClosed) || errors.Is(err, ballotbox.ErrLocked):
			refused++
		default:
			t.Error(err)
		}
	}
	w.mustHold(in...)
	if w.waiting() != 0 || locks.Load() == 0 {
		t.Errorf("%d are pending after %d locks", w.waiting(), locks.Load())
	}
	return len(in), refused
}

// lockSoon does what is due in one process and locks, until one has locked.
func (w *world) lockSoon(b *ballotbox.Box, proof []byte, locks *atomic.Int64) {
	for locks.Load() == 0 {
		if err := b.Tick(context.Background()); err != nil {
			w.t.Error(err)
			return
		}
		_, err := b.Lock(context.Background(), proof)
		switch {
		case err == nil:
			locks.Add(1)
		case !errors.Is(err, ballotbox.ErrTooEarly): // by a clock that is behind
			w.t.Error(err)
			return
		}
	}
}

// lateCast is the negative control of TestTortureCasting: a cast that reads the
// phase without its lock, and a close and a lock that come before it writes. It
// returns how many acknowledged ballots are not in the log.
func lateCast(t *testing.T) (lost int) {
	t.Helper()
	w := newWorld(t)
	m := w.ballot(1)
	var phase string
	w.scan(`SELECT phase FROM ballotbox.election`, &phase)
	w.mustLock()
	if phase == "open" {
		_, err := w.service.Exec(t.Context(), `INSERT INTO ballotbox.pending (key, sealed, group_id) VALUES ($1, $2, 1)`, m.id[:], m.sealed)
		if err != nil {
			t.Fatal(err)
		}
	}
	if lost = w.waiting(); lost != 1 || len(w.published()) != 0 {
		t.Errorf("a cast without a lock lost %d ballots: the race test is blind", lost)
	}
	return lost
}

// TestTortureBatches lets four processes move ballots into the log, again and
// again, while ballots are cast and cast again in all of them.
func TestTortureBatches(t *testing.T) {
	t.Parallel()
	acknowledged, batches := 0, 0
	for range torture.Rounds(1, 50, 0.03) {
		t.Run("", func(t *testing.T) {
			w := newWorld(t, large)
			boxes := []*ballotbox.Box{w.host(0), w.host(0), w.host(0), w.host(0)}
			n := torture.Pick(30, 60)
			list := append(w.ballots(1, n), w.ballots(2, n)...)
			batches += w.castAndBatch(boxes, list)
			acknowledged += len(list)
			w.mustLock()
			w.mustHold(list...)
		})
	}
	twice := naiveBatches(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("four processes batch at once, while %d ballots are cast, each twice", acknowledged),
		Target:   "each ballot is in the log once",
		Measured: fmt.Sprintf("%d ballots, each once, with %d batches before the lock", acknowledged, batches),
		Control:  fmt.Sprintf("two that read what is pending before either has written: %d ballots twice", twice),
	})
}

// castAndBatch casts every ballot twice, in two processes, while all of them do what
// is due. It returns how many batches there were.
func (w *world) castAndBatch(boxes []*ballotbox.Box, list []made) (batches int) {
	w.t.Helper()
	stop := make(chan struct{})
	var wg, ticking sync.WaitGroup
	for i, b := range boxes {
		ticking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := b.Tick(context.Background()); err != nil {
					w.t.Error(err)
				}
			}
		})
		for k, m := range list {
			if k%len(boxes) != i && k%len(boxes) != (i+1)%len(boxes) {
				continue
			}
			wg.Go(func() {
				if _, _, err := b.Cast(context.Background(), m.sealed); err != nil {
					w.t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	close(stop)
	ticking.Wait()
	w.tick() // however slow the others were, there is one batch
	w.scan(`SELECT count(*) - 1 FROM board.checkpoint`, &batches)
	if batches == 0 {
		w.t.Error("no batch entered the log")
	}
	return batches
}

// naiveBatches is the negative control of TestTortureBatches: two that read what is
// pending, and then move it.
func naiveBatches(t *testing.T) (twice int) {
	t.Helper()
	w := newWorld(t)
	w.naive(`CREATE TABLE naive.pending (key bytea); CREATE TABLE naive.log (key bytea)`)
	ctx := t.Context()
	if _, err := w.owner.Exec(ctx, `INSERT INTO naive.pending SELECT sha256(n::text::bytea) FROM generate_series(1, 20) n`); err != nil {
		t.Fatal(err)
	}
	var wg, looked sync.WaitGroup
	looked.Add(2)
	for range 2 {
		wg.Go(func() {
			err := postgres.InTx(ctx, w.service, pgx.ReadCommitted, func(tx pgx.Tx) error {
				rows, err := tx.Query(ctx, `SELECT key FROM naive.pending`)
				if err != nil {
					return err
				}
				keys, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
				looked.Done()
				looked.Wait()
				if err == nil {
					_, err = tx.Exec(ctx, `DELETE FROM naive.pending WHERE key = ANY($1)`, keys)
				}
				if err == nil {
					_, err = tx.Exec(ctx, `INSERT INTO naive.log SELECT unnest($1::bytea[])`, keys)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.scan(`SELECT count(*) FROM (SELECT FROM naive.log GROUP BY key HAVING count(*) > 1) x`, &twice)
	if twice == 0 {
		t.Error("two batchers without a lock moved each ballot once: the race test is blind")
	}
	return twice
}
