package ballotbox_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/torture"
)

// A step is something that a box does, and what must hold after it, whether it
// was broken or not, once it is done again without a break.
type step struct {
	name   string
	before func(w *world) // may be called again in the same world
	do     func(w *world) error
	again  func(w *world)
	at     int64               // when it begins; 0: after the opening
	spent  func(w *world) bool // the world cannot be used again; nil: it always can
}

var steps = []step{
	{
		name:   "cast",
		before: func(w *world) { w.made = append(w.made, w.ballot(1)) },
		do:     castLast,
		again:  func(w *world) { w.mustCast(w.made[len(w.made)-1], ballotbox.Received) },
	},
	{
		name: "cast again",
		before: func(w *world) {
			w.made = append(w.made, w.ballot(1))
			w.mustCast(w.made[len(w.made)-1], ballotbox.Received)
		},
		do:    castLast,
		again: func(w *world) { w.mustCast(w.made[len(w.made)-1], ballotbox.Received) },
	},
	{
		name: "batch",
		before: func(w *world) {
			for n := w.waiting(); n < 20; n++ {
				w.made = append(w.made, w.ballot(1))
				w.mustCast(w.made[len(w.made)-1], ballotbox.Received)
			}
		},
		do: func(w *world) error { return w.box.Tick(context.Background()) },
		again: func(w *world) {
			w.tick()
			if n := len(w.published()); n != len(w.made)-10 || w.waiting() != 10 {
				w.t.Errorf("%d in the log and %d pending of %d", n, w.waiting(), len(w.made))
			}
		},
	},
	{
		name: "find",
		before: func(w *world) {
			w.made = append(w.made, w.ballot(1))
			w.mustCast(w.made[len(w.made)-1], ballotbox.Received)
		},
		do: func(w *world) error {
			_, err := w.box.Find(context.Background(), w.made[len(w.made)-1].id)
			return err
		},
		again: func(w *world) {
			if n := w.lost(w.made); n != 0 {
				w.t.Errorf("%d of %d ballots are not found", n, len(w.made))
			}
		},
	},
	{
		name: "act",
		before: func(w *world) {
			n := len(w.acts) + 1
			w.acts = append(w.acts, w.keys.Act(w.mid, act.KindExtend, uint32(n), act.Extend{Close: electiontest.Close + 60*int64(n)}.Bytes()))
		},
		do: applyLast,
		again: func(w *world) {
			if err := applyLast(w); err != nil {
				w.t.Error(err)
			}
			var n int
			if w.scan(`SELECT count(*) FROM ballotbox.act`, &n); n != len(w.acts) {
				w.t.Errorf("%d acts of %d are kept", n, len(w.acts))
			}
		},
	},
	{
		name: "lock",
		before: func(w *world) {
			if len(w.made) == 0 {
				w.made = append(w.ballots(1, 2), w.ballots(2, 2)...)
			}
			for _, m := range w.made {
				w.mustCast(m, ballotbox.Received)
			}
			w.afterGrace()
		},
		do: func(w *world) error { _, err := w.box.Lock(context.Background(), w.proof(nil)); return err },
		again: func(w *world) {
			if !w.locked() {
				if n := w.waiting(); n != len(w.made) || len(w.published()) != 0 {
					w.t.Errorf("%d pending of %d", n, len(w.made))
				}
				return // the next round trip is broken in the same world
			}
			// The clock of a world stands still, so the proof is the same.
			if _, err := w.box.Lock(context.Background(), w.proof(nil)); err != nil {
				w.t.Error(err)
			}
			w.mustHold(w.made...)
		},
		spent: (*world).locked,
	},
	tickStep("opening", electiontest.Open, election.PhaseOpen),
	tickStep("closing", electiontest.Close+grace, election.PhaseClosed),
}

// phase returns where the box's election stands.
func (w *world) phase() (p election.Phase) {
	w.t.Helper()
	w.scan(`SELECT phase FROM ballotbox.election`, &p)
	return p
}

// locked reports whether the box is locked.
func (w *world) locked() bool { return w.phase() == election.PhaseLocked }

// tickStep lets the clock change the phase, in a world for each time it does.
func tickStep(name string, at int64, want election.Phase) step {
	return step{
		name:   name,
		at:     at - 1,
		before: func(w *world) { w.clock.Store(at) },
		do:     func(w *world) error { return w.box.Tick(context.Background()) },
		again: func(w *world) {
			if w.phase() != want {
				w.clock.Store(at - 1) // the next round trip is broken in the same world
				return
			}
			if w.tick(); w.phase() != want {
				w.t.Errorf("the phase is %s, want %s", w.phase(), want)
			}
		},
		spent: func(w *world) bool { return w.phase() == want },
	}
}

func applyLast(w *world) error {
	_, err := w.box.ApplyAct(context.Background(), w.acts[len(w.acts)-1].Bytes())
	return err
}

func castLast(w *world) error {
	m := w.made[len(w.made)-1]
	p, _, err := w.box.Cast(context.Background(), m.sealed)
	if err == nil {
		w.checkPromise(m.id, p)
	}
	return err
}

// TestBreak breaks every round trip of every operation, before the server sees
// it and after it answered, and restarts the box. What was acknowledged before
// is kept, what is done again gets the right answer, and the log is one log.
func TestBreak(t *testing.T) {
	t.Parallel()
	for _, s := range steps {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answered %v", s.name, after), func(t *testing.T) {
				t.Parallel()
				breakAll(t, s, after)
			})
		}
	}
}

// breakAll breaks one round trip after the other until there is none left, in
// one world as long as that can be used.
func breakAll(t *testing.T, s step, after bool) {
	t.Helper()
	n, stride := 0, 1
	if s.at != 0 {
		stride = torture.Pick(3, 1) // nearly each takes a world of its own
	}
	for broken := true; broken; {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorldAt(t, cmp.Or(s.at, electiontest.Open+1), large)
			for broken && (s.spent == nil || !s.spent(w)) {
				n += stride
				broken = breakOne(w, s, n, after)
			}
		})
	}
	if n < 6 {
		t.Errorf("only %d round trips were broken", n-1)
	}
}

// breakOne breaks the n-th round trip of a step, if it has so many.
func breakOne(w *world, s step, n int, after bool) bool {
	w.t.Helper()
	s.before(w)
	direct := w.service
	b := pgtest.NewBreaker(w.t, w.db.URL("sv_ballotbox"))
	w.service = b.Pool(w.t, w.db.URL("sv_ballotbox"))
	w.box = w.mustOpen()
	b.Arm(n, after)
	err := s.do(w)
	hit := b.Disarm()
	b.Cut()
	w.service.Close()
	w.service = direct
	w.box = w.mustOpen()
	if !hit && err != nil {
		w.t.Fatalf("unbroken: %v", err)
	}
	if hit && n == 1 && err == nil {
		w.t.Error("the first round trip was lost and nobody noticed")
	}
	if answer := ballotbox.Status(err); hit && err != nil && answer != http.StatusServiceUnavailable {
		w.t.Errorf("round trip %d: answered %d, %v", n, answer, err)
	}
	s.again(w)
	if behind, err := w.log().Unsigned(context.Background()); behind || err != nil {
		w.t.Errorf("the head has no checkpoint (%v)", err)
	}
	return hit
}
