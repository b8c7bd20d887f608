package ballotbox_test

import (
	"errors"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// TestLock locks at the first possible moment and looks at the close record.
func TestLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := append(w.ballots(1, 3), w.ballots(2, 4)...)
	for _, m := range list {
		w.mustCast(m, ballotbox.Received)
	}
	proof := w.proof(nil)
	for _, at := range []int64{electiontest.Open + 1, electiontest.Close, electiontest.Close + grace - 1} {
		w.clock.Store(at)
		_, err := w.box.Lock(t.Context(), proof)
		mustBe(t, "early", err, ballotbox.ErrTooEarly)
	}
	w.afterGrace()
	// No tick before: the lock does not need the phase to have moved.
	c, err := w.box.Lock(t.Context(), proof)
	if err != nil {
		t.Fatal(err)
	}
	w.mustHold(list...)
	head, err := w.log().Head(t.Context())
	if err != nil || head.Size != 9 || c.Size != 9 || c.Root != head.Root {
		t.Errorf("got %+v, head %+v, %v", c, head, err)
	}
	w.checkClose(proof, map[suite.GroupID]uint32{1: 3, 2: 4})

	// Again, and from a process that was started after the key was destroyed.
	w.pending = [32]byte{}
	w.box = w.mustOpen()
	if again, err := w.box.Lock(t.Context(), proof); err != nil || again != c {
		t.Errorf("again: got %+v, %v", again, err)
	}
	w.clock.Add(1)
	_, err = w.box.Lock(t.Context(), w.proof(func(e *ledgerEnd) { e.final.Groups[0].Issued++ }))
	mustBe(t, "another end", err, ballotbox.ErrOtherLock)
	w.mustCast(list[0], ballotbox.InTheLog)
	if err := w.box.Tick(t.Context()); err != nil {
		t.Error(err)
	}
}

func (w *world) checkClose(proof []byte, cast map[suite.GroupID]uint32) {
	w.t.Helper()
	l := w.log()
	head, err := l.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	last, err := l.Entry(w.t.Context(), head.Size-1)
	if err != nil {
		w.t.Fatal(err)
	}
	entry, err := ledger.ParseBallots(last)
	if err != nil {
		w.t.Fatal(err)
	}
	record, ok := entry.(ledger.Close)
	if !ok || record.MID != w.mid || len(record.Groups) != len(w.m.Groups) {
		w.t.Fatalf("the last entry is %T", entry)
	}
	for _, g := range record.Groups {
		if g.Cast != cast[g.Group] {
			w.t.Errorf("group %d: got %d cast, want %d", g.Group, g.Cast, cast[g.Group])
		}
	}
	p, err := tlog.ParseProof(proof)
	if err != nil {
		w.t.Fatal(err)
	}
	policy, err := w.m.LedgerPolicy()
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := policy.Open(p.Note)
	if err != nil || record.Ledger != o.Checkpoint.Text() {
		w.t.Errorf("the close record names another ledger (%v)", err)
	}
}

// TestLockRefused brings ends of the ledger that the box must not lock on.
func TestLockRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := newWorld(t, func(p *electiontest.Plan) { p.Seed = "another" })
	w.mustCast(w.ballot(1), ballotbox.Received)
	w.act(act.KindAmend, act.Amend{Op: act.OpAdd, Group: 2, Hash: suite.Hash{1}})
	w.afterGrace()
	w.tick()
	good := w.proof(nil)
	tests := map[string][]byte{
		"empty":                  nil,
		"no final entry":         w.proof(func(e *ledgerEnd) { e.extra = ledger.ManifestEntry(w.mid) }),
		"not the last":           w.proof(func(e *ledgerEnd) { e.after = [][]byte{{1}} }),
		"not cosigned":           w.proof(func(e *ledgerEnd) { e.cosign = 1 }),
		"another log's key":      w.proof(func(e *ledgerEnd) { e.signer = sameName(t, w) }),
		"another election":       other.proof(nil),
		"another mid":            w.proof(func(e *ledgerEnd) { e.final.MID[0] ^= 1 }),
		"a group missing":        w.proof(func(e *ledgerEnd) { e.final.Groups = e.final.Groups[:1] }),
		"another group":          w.proof(func(e *ledgerEnd) { e.final.Groups[1].Group = 3 }),
		"an addition hidden":     w.proof(func(e *ledgerEnd) { e.final.Groups[1].Added = 0 }),
		"a strike invented":      w.proof(func(e *ledgerEnd) { e.final.Groups[0].Struck = 1 }),
		"a decision invented":    w.proof(func(e *ledgerEnd) { e.final.Groups[0].AcceptedOn, e.final.Groups[0].DepositedOn = 1, 1 }),
		"a rejection invented":   w.proof(func(e *ledgerEnd) { e.final.Groups[0].RejectedOff, e.final.Groups[0].DepositedOff = 1, 1 }),
		"deposits do not add":    w.proof(func(e *ledgerEnd) { e.final.Groups[0].DepositedOn = 1 }),
		"more than the roll":     w.proof(func(e *ledgerEnd) { e.final.Groups[0].Issued = 31 }),
		"fewer issued than cast": w.proof(func(e *ledgerEnd) { e.final.Groups[0].Issued = 0 }),
	}
	for i := range good {
		if i%7 == 0 { // every seventh byte, for time
			bad := append([]byte(nil), good...)
			bad[i] ^= 1
			tests["byte flipped"] = bad
			w.refuseLock("byte flipped", bad)
		}
	}
	for name, proof := range tests {
		w.refuseLock(name, proof)
	}
	if n := w.waiting(); n != 1 {
		t.Errorf("%d pending after refused locks, want 1", n)
	}
	if _, err := w.box.Lock(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func (w *world) refuseLock(name string, proof []byte) {
	w.t.Helper()
	if _, err := w.box.Lock(w.t.Context(), proof); !errors.As(err, new(*ballotbox.ProofError)) {
		w.t.Errorf("%s: got %v, want a ProofError", name, err)
	}
}

// sameName returns a signer with the ledger's name and another key.
func sameName(t *testing.T, w *world) *tlog.LogSigner {
	t.Helper()
	s, err := tlog.NewLogSigner(w.m.Ledger.Origin, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLockUndecided waits for decide_until while an envelope is undecided.
func TestLockUndecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deposits = []ledger.Deposit{{MID: w.mid, Group: 1, OnRoll: true}}
	w.afterGrace()
	w.tick()
	_, err := w.box.Lock(t.Context(), w.proof(nil))
	mustBe(t, "undecided", err, ballotbox.ErrTooEarly)
	w.clock.Store(electiontest.DecideUntil)
	if _, err := w.box.Lock(t.Context(), w.proof(nil)); err != nil {
		t.Error(err)
	}
}

// TestLockAccepted holds the lock until the accepted envelopes have come, which
// they may after the close, and nothing else.
func TestLockAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	envelope, late := w.ballot(1), w.ballot(1)
	w.issued[1] = 0
	w.deposits = []ledger.Deposit{{MID: w.mid, Group: 1, OnRoll: true}, {MID: w.mid, Group: 1}}
	w.afterGrace()
	w.tick()
	_, _, err := w.box.Cast(t.Context(), envelope.sealed)
	mustBe(t, "not accepted yet", err, ballotbox.ErrClosed)
	w.act(act.KindDecide, act.Decide{Group: 1, AcceptedOn: 1, RejectedOff: 1, Accepted: []suite.BallotID{envelope.id}})
	_, err = w.box.Lock(t.Context(), w.proof(nil))
	mustBe(t, "accepted ballot missing", err, ballotbox.ErrMissing)
	_, _, err = w.box.Cast(t.Context(), late.sealed)
	mustBe(t, "another ballot", err, ballotbox.ErrClosed)
	w.mustCast(envelope, ballotbox.Received)
	if _, err := w.box.Lock(t.Context(), w.proof(nil)); err != nil {
		t.Fatal(err)
	}
	w.mustHold(envelope)
}

// TestLockCancelled locks at once, and nothing is cast after the act.
func TestLockCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, late := w.ballot(1), w.ballot(1)
	w.mustCast(m, ballotbox.Received)
	w.act(act.KindCancel, act.Cancel{})
	_, _, err := w.box.Cast(t.Context(), late.sealed)
	mustBe(t, "cancelled", err, ballotbox.ErrClosed)
	w.tick()
	if _, err := w.box.Lock(t.Context(), w.proof(nil)); err != nil {
		t.Fatal(err)
	}
	w.mustHold(m)
}

// TestStateDestroyed publishes the statement, after the lock only.
func TestStateDestroyed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.box.StateDestroyed(t.Context()); err == nil {
		t.Error("stated before the lock")
	}
	w.mustLock()
	for range 2 {
		if err := w.box.StateDestroyed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	note, err := w.log().File(t.Context(), "statements/box")
	if err != nil {
		t.Fatal(err)
	}
	text, err := tlog.OpenNote(w.keys.Ballots.Key(), note)
	if want := "strikevote/v1/destroyed\n" + w.mid.String() + "\npending key\n"; err != nil || text != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
}

// TestActs brings acts out of order, twice, changed, and too late.
func TestActs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	amend := func(i byte) []byte {
		return act.Amend{Op: act.OpAdd, Group: 1, Hash: suite.Hash{i}}.Bytes()
	}
	one := w.keys.Act(w.mid, act.KindAmend, 1, amend(1))
	two := w.keys.Act(w.mid, act.KindAmend, 2, amend(2))
	apply := func(b []byte) error {
		_, err := w.box.ApplyAct(t.Context(), b)
		return err
	}
	mustBe(t, "gap", apply(two.Bytes()), ballotbox.ErrActGap)
	for name, b := range map[string][]byte{
		"empty":            nil,
		"trailing byte":    append(one.Bytes(), 0),
		"one signature":    w.keys.Act(w.mid, act.KindAmend, 1, amend(1), 0).Bytes(),
		"another election": w.keys.Act(suite.MID{1}, act.KindAmend, 1, amend(1)).Bytes(),
		"no such group":    w.keys.Act(w.mid, act.KindAmend, 1, act.Amend{Op: act.OpAdd, Group: 9}.Bytes()).Bytes(),
	} {
		if err := apply(b); !errors.As(err, new(*ballotbox.ActError)) {
			t.Errorf("%s: got %v, want an ActError", name, err)
		}
	}
	for range 2 {
		mustBe(t, "first", apply(one.Bytes()), nil)
	}
	mustBe(t, "another act under a sequence", apply(w.keys.Act(w.mid, act.KindAmend, 1, amend(2)).Bytes()), ballotbox.ErrActConflict)
	mustBe(t, "other signatures under a sequence",
		apply(w.keys.Act(w.mid, act.KindAmend, 1, amend(1), 0, 2).Bytes()), ballotbox.ErrActConflict)
	mustBe(t, "second", apply(two.Bytes()), nil)
	// Another process sees them.
	w.box = w.mustOpen()
	mustBe(t, "again", apply(two.Bytes()), nil)
	w.acts = []*act.Act{one, two}
	w.mustLock()
	mustBe(t, "after the lock, again", apply(one.Bytes()), nil)
	mustBe(t, "after the lock", apply(w.keys.Act(w.mid, act.KindAmend, 3, amend(3)).Bytes()), ballotbox.ErrLocked)
}

// TestClosing moves the close in force.
func TestClosing(t *testing.T) {
	t.Parallel()
	open := func(w *world, name string, want error) {
		t.Helper()
		_, _, err := w.box.Cast(t.Context(), w.ballot(1).sealed)
		mustBe(t, name, err, want)
	}
	t.Run("extended in time", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 1000})
		w.afterGrace()
		w.tick()
		open(w, "extended", nil)
		w.clock.Add(1000)
		w.tick()
		open(w, "after the extension", ballotbox.ErrClosed)
	})
	t.Run("extension came late", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.afterGrace()
		w.tick()
		open(w, "closed", ballotbox.ErrClosed)
		w.act(act.KindExtend, act.Extend{Close: electiontest.Close + 1000})
		open(w, "open again", nil)
		_, err := w.box.Lock(t.Context(), w.proof(nil))
		mustBe(t, "lock", err, ballotbox.ErrTooEarly)
	})
	t.Run("closed early", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.act(act.KindCloseEarly, act.CloseEarly{Close: electiontest.Open + 100})
		w.clock.Store(electiontest.Open + 99 + grace)
		w.tick()
		open(w, "before", nil)
		w.clock.Add(1)
		w.tick()
		open(w, "after", ballotbox.ErrClosed)
	})
	t.Run("started after the close", func(t *testing.T) {
		t.Parallel()
		w := newWorldAt(t, electiontest.Close+grace)
		open(w, "closed", ballotbox.ErrClosed)
		var phase election.Phase
		w.scan(`SELECT phase FROM ballotbox.election`, &phase)
		if phase != election.PhaseClosed {
			t.Errorf("phase: got %q", phase)
		}
	})
}
