package ballotbox_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/protocol/election/electiontest"
)

// large has a roll for many ballots and the smallest batches.
func large(p *electiontest.Plan) { p.Rolls = []uint32{200, 200} }

// TestCastTogether casts one ballot two hundred times at once, through four
// boxes as four processes have them.
func TestCastTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boxes := []*ballotbox.Box{w.box, w.mustOpen(), w.mustOpen(), w.mustOpen()}
	m := w.ballot(1)
	const casts = 200
	failed := make(chan error, casts)
	for i := range casts {
		go func() {
			p, state, err := boxes[i%len(boxes)].Cast(t.Context(), m.sealed)
			if err == nil {
				w.checkPromise(m.id, p)
				if state != ballotbox.Received {
					err = errors.New(string(state))
				}
			}
			failed <- err
		}()
	}
	for range casts {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if n := w.waiting(); n != 1 {
		t.Errorf("%d rows are pending, want 1", n)
	}
	w.mustLock()
	w.mustHold(m)
}

// TestCastAndBatchTogether casts, casts again, batches and looks up at once, in
// sixteen goroutines on four boxes: every acknowledged ballot is in the log
// once, whatever met whatever.
func TestCastAndBatchTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, large)
	boxes := []*ballotbox.Box{w.box, w.mustOpen(), w.mustOpen(), w.mustOpen()}
	list := append(w.ballots(1, 100), w.ballots(2, 100)...)
	const workers = 16
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			b := boxes[i%len(boxes)]
			for k := range list {
				// Each ballot by four workers, in different orders.
				m := list[(k*(2*i+1)+i)%len(list)]
				if i%4 != k%4 {
					continue
				}
				p, _, err := b.Cast(t.Context(), m.sealed)
				if err != nil {
					t.Error(err)
				}
				w.checkPromise(m.id, p)
				f, err := b.Find(t.Context(), m.id)
				if err != nil || f.State == ballotbox.Unknown {
					t.Errorf("an acknowledged ballot is %q (%v)", f.State, err)
				}
				if err := b.Tick(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	before := len(w.published())
	if before == 0 {
		t.Error("no batch entered the log meanwhile")
	}
	for _, m := range list { // who was in nobody's turn
		if _, _, err := w.box.Cast(t.Context(), m.sealed); err != nil {
			t.Error(err)
		}
	}
	w.mustLock()
	w.mustHold(list...)
}

// TestCloseWhileCasting closes and locks while ballots are being cast. What was
// acknowledged is in the log, what was refused is not.
func TestCloseWhileCasting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, large)
	list := w.ballots(1, 120)
	const casters = 8
	type answer struct {
		m   made
		err error
	}
	answers := make(chan answer, len(list))
	turn := make(chan made)
	var wg sync.WaitGroup
	for range casters {
		wg.Go(func() {
			for m := range turn {
				_, _, err := w.box.Cast(t.Context(), m.sealed)
				answers <- answer{m, err}
			}
		})
	}
	locked := make(chan error, 1)
	for i, m := range list {
		if i == len(list)/2 {
			w.afterGrace()
			go func() {
				err := w.box.Tick(context.Background())
				if err == nil {
					_, err = w.box.Lock(context.Background(), w.proof(nil))
				}
				locked <- err
			}()
		}
		turn <- m
	}
	close(turn)
	wg.Wait()
	if err := <-locked; err != nil {
		t.Fatal(err)
	}
	close(answers)
	var kept []made
	for a := range answers {
		switch {
		case a.err == nil:
			kept = append(kept, a.m)
		case !errors.Is(a.err, ballotbox.ErrClosed) && !errors.Is(a.err, ballotbox.ErrLocked):
			t.Error(a.err)
		}
	}
	if len(kept) < len(list)/2-casters {
		t.Errorf("only %d ballots came in before the close", len(kept))
	}
	w.mustHold(kept...)
}

// TestLockTogether locks from sixteen goroutines on four boxes.
func TestLockTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boxes := []*ballotbox.Box{w.box, w.mustOpen(), w.mustOpen(), w.mustOpen()}
	list := w.ballots(1, 9)
	for _, m := range list {
		w.mustCast(m, ballotbox.Received)
	}
	w.afterGrace()
	w.tick()
	proof := w.proof(nil)
	type answer struct {
		c   ballotbox.Closing
		err error
	}
	answers := make(chan answer, 16)
	for i := range cap(answers) {
		go func() {
			c, err := boxes[i%len(boxes)].Lock(t.Context(), proof)
			answers <- answer{c, err}
		}()
	}
	first := <-answers
	for range cap(answers) - 1 {
		if a := <-answers; a.err != nil || a != first {
			t.Errorf("got %+v, want %+v", a, first)
		}
	}
	if first.err != nil {
		t.Error(first.err)
	}
	w.mustHold(list...)
}
