package ballotbox_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/torture"
)

// TestTortureFaultPairs breaks a cast twice, in every order of two round trips,
// each before the server sees it or after it answered, with the same process
// going on or another one after it. The third attempt gets the promise, and the
// box has the ballot once.
func TestTortureFaultPairs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Rolls = []uint32{2000, 30} })
	cast := steps[0]
	trips := 0
	for n, hit := 1, true; hit; n++ { // how many there are, on connections that are new
		if hit = breakOne(w, cast, n, false); hit {
			trips = n
		}
	}
	total := pgtest.Pairs(trips)
	done := 0
	for round := range torture.Rounds(24, total, 0.03) {
		breakTwice(w, cast, pgtest.PairAt(trips, round))
		done++
	}
	w.mustLock()
	w.mustHold(w.made...)
	torture.Report(t, torture.Row{
		What:     "two faults in a row of a cast, in every order of its round trips, with and without a restart between",
		Target:   "0 ballots lost, 0 in the log twice, 0 promises changed",
		Measured: fmt.Sprintf("%d of %d pairs, all as if they had not been", done, total),
		Control:  "TestTortureFaultControl: a box that promises before it keeps loses a ballot",
	})
}

// breakTwice breaks a step twice, and then does it until it is done.
func breakTwice(w *world, s step, p pgtest.Pair) {
	w.t.Helper()
	s.before(w)
	direct := w.service
	b := pgtest.NewBreaker(w.t, w.db.URL("sv_ballotbox"))
	restart := func() {
		w.service = b.Pool(w.t, w.db.URL("sv_ballotbox"))
		w.box = w.mustOpen()
	}
	try := func() error {
		err := s.do(w)
		if answer := ballotbox.Status(err); err != nil && answer != http.StatusServiceUnavailable {
			w.t.Errorf("%+v: answered %d, %v", p, answer, err)
		}
		return err
	}
	restart()
	for _, fault := range []pgtest.Fault{p.First, p.Second} {
		b.Arm(fault.At, fault.After)
		err := try()
		if hit := b.Disarm(); !hit && err != nil && p.Restart {
			w.t.Fatalf("%+v: unbroken: %v", p, err)
		}
		if p.Restart {
			b.Cut()
			w.service.Close()
			restart()
		}
	}
	// A process that went on may have a few more connections that were cut.
	err := try()
	for n := 0; err != nil && n < 8; n++ {
		err = try()
	}
	if err != nil {
		w.t.Fatalf("%+v: in the end: %v", p, err)
	}
	b.Cut()
	w.service.Close()
	w.service = direct
	w.box = w.mustOpen()
	s.again(w)
}

// TestTortureFaultControl breaks a box that promises a ballot before it keeps it.
// The accounting of [world.lost] has to notice, and to find nothing before.
func TestTortureFaultControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t, large)
	b := pgtest.NewBreaker(t, w.db.URL("sv_ballotbox"))
	through := w.config(b.Pool(t, w.db.URL("sv_ballotbox")))
	naive, err := ballotbox.New(t.Context(), through)
	if err != nil {
		t.Fatal(err)
	}
	var promised []made
	promise := func(n int) bool {
		m := w.ballot(1)
		promised = append(promised, m)
		b.Arm(n, false)
		_, _, _ = naive.Cast(t.Context(), m.sealed) // the voter has the promise, whatever becomes of it
		return b.Disarm()
	}
	if promise(0); w.lost(promised) != 0 {
		t.Fatal("a ballot that was kept counts as lost")
	}
	if hit := promise(1); !hit || w.lost(promised) != 1 {
		t.Errorf("a promised ballot is gone, and nobody noticed (broken: %v)", hit)
	}
}

// lost counts the promised ballots that the box does not have.
func (w *world) lost(promised []made) (n int) {
	w.t.Helper()
	for _, m := range promised {
		f, err := w.box.Find(context.Background(), m.id)
		if err != nil {
			w.t.Fatal(err)
		}
		if f.State == ballotbox.Unknown {
			n++
		}
	}
	return n
}

// TestTortureRetries loses the answer to a commit, and then asks ten times and
// more: every answer is the first one, byte for byte, from whichever process.
func TestTortureRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, large)
	m := w.ballot(1)
	b := pgtest.NewBreaker(t, w.db.URL("sv_ballotbox"))
	w.service = b.Pool(t, w.db.URL("sv_ballotbox"))
	w.box = w.mustOpen()
	for n := 1; w.waiting() == 0; n++ { // until it is kept, and the answer lost
		b.Arm(n, true)
		if rec := w.post("/ballots", "application/octet-stream", m.sealed); b.Disarm() && w.waiting() == 1 && rec.Code == http.StatusOK {
			t.Fatal("the answer was not lost")
		}
	}
	first := ""
	asked := 0
	for i := range torture.Rounds(10, 10_000, 0.01) {
		if i%1000 == 5 {
			w.service = w.db.Service
			w.box = w.mustOpen()
		}
		rec := w.post("/ballots", "application/octet-stream", m.sealed)
		for n := 0; rec.Code == http.StatusServiceUnavailable && n < 8; n++ { // connections that were cut
			rec = w.post("/ballots", "application/octet-stream", m.sealed)
		}
		if first == "" {
			first = rec.Body.String()
		}
		if rec.Code != http.StatusOK || rec.Body.String() != first {
			t.Fatalf("attempt %d: got %d %s, and before %s", i, rec.Code, rec.Body, first)
		}
		asked++
	}
	w.service = w.db.Service
	w.box = w.mustOpen()
	w.mustLock()
	w.mustHold(m)
	torture.Report(t, torture.Row{
		What:     "a cast whose answer is lost after the commit, sent again and again",
		Target:   "one ballot, one promise, the same bytes each time",
		Measured: fmt.Sprintf("%d answers, all the same", asked),
		Control:  "TestTortureFaultControl",
	})
}
