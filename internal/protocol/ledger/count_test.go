package ledger_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

func TestCounter(t *testing.T) {
	t.Parallel()
	m, _ := electiontest.Manifest(t)
	c := ledger.NewCounter(m)
	doing := func(kind act.Kind, p interface{ Bytes() []byte }) ledger.Act {
		return ledger.Act{Act: &act.Act{Kind: kind, Sequence: 1, Payload: p.Bytes()}}
	}
	for _, e := range []any{
		ledger.Manifest{},
		ledger.Issuance{Group: 1}, ledger.Issuance{Group: 1}, ledger.Issuance{Group: 2},
		ledger.Deposit{Group: 1, OnRoll: true}, ledger.Deposit{Group: 1}, ledger.Deposit{Group: 1}, ledger.Deposit{Group: 1}, ledger.Deposit{Group: 2},
		doing(act.KindAmend, act.Amend{Op: act.OpAdd, Group: 2}), doing(act.KindAmend, act.Amend{Op: act.OpStrike, Group: 1}),
		doing(act.KindDecide, act.Decide{Group: 1, AcceptedOff: 1, RejectedOff: 1, Accepted: []suite.BallotID{{1}}}),
		doing(act.KindDecide, act.Decide{Group: 1, AcceptedOn: 1, Accepted: []suite.BallotID{{2}}}),
		doing(act.KindExtend, act.Extend{}), doing(act.KindCancel, act.Cancel{}),
		ledger.Final{},
	} {
		if err := c.Add(e); err != nil {
			t.Fatalf("%v: %v", e, err)
		}
	}
	for _, e := range []any{
		ledger.Issuance{Group: 3}, ledger.Deposit{}, doing(act.KindAmend, act.Amend{Op: act.OpAdd, Group: 3}),
		ledger.Act{Act: &act.Act{Kind: 9}},
	} {
		if c.Add(e) == nil {
			t.Errorf("%v was counted", e)
		}
	}
	got, err := c.Groups()
	if err != nil {
		t.Fatal(err)
	}
	want := []ledger.FinalGroup{
		{Group: 1, Issued: 2, Struck: 1, DepositedOn: 1, DepositedOff: 3, AcceptedOn: 1, AcceptedOff: 1, RejectedOff: 1, UndecidedOff: 1},
		{Group: 2, Issued: 1, Added: 1, DepositedOff: 1, UndecidedOff: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, g := range got {
		if err := g.Check(m.Groups[i].RollSize); err != nil {
			t.Error(err)
		}
	}
	if g := got[0]; g.Deposited() != 4 || g.Accepted() != 2 || g.Rejected() != 1 || g.Undecided() != 1 || g.Entitled(30) != 30 {
		t.Errorf("sums of %v are wrong", g)
	}
	if err := c.Add(doing(act.KindDecide, act.Decide{Group: 2, RejectedOff: 2})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Groups(); err == nil {
		t.Error("more was decided than deposited")
	}
	if c.Add(doing(act.KindDecide, act.Decide{Group: 2, RejectedOff: math.MaxUint32})) == nil {
		t.Error("a counter wrapped around")
	}
}

// TestFinalGroup: in counters that fit together none can change alone.
func TestFinalGroup(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) uint32 { return rapid.Uint32Range(0, 1000).Draw(t, name) }
		g := ledger.FinalGroup{
			Group: 1, Issued: draw("issued"), Struck: draw("struck"),
			AcceptedOn: draw("accepted on"), AcceptedOff: draw("accepted off"), RejectedOn: draw("rejected on"),
			RejectedOff: draw("rejected off"), UndecidedOn: draw("undecided on"), UndecidedOff: draw("undecided off"),
		}
		g.DepositedOn = g.AcceptedOn + g.RejectedOn + g.UndecidedOn
		g.DepositedOff = g.AcceptedOff + g.RejectedOff + g.UndecidedOff
		places := g.Issued + g.DepositedOn + g.Struck
		roll := rapid.Uint32Range(0, places).Draw(t, "roll")
		g.Added = places - roll
		if err := g.Check(roll); err != nil {
			t.Fatal(err)
		}
		if got, want := g.Entitled(roll), uint64(g.Issued)+uint64(g.DepositedOn)+uint64(g.AcceptedOff); got != want {
			t.Fatalf("entitled: got %d, want %d", got, want)
		}
		for name, more := range map[string]func(*ledger.FinalGroup){
			"issued":        func(g *ledger.FinalGroup) { g.Issued++ },
			"struck":        func(g *ledger.FinalGroup) { g.Struck++ },
			"deposited on":  func(g *ledger.FinalGroup) { g.DepositedOn++ },
			"deposited off": func(g *ledger.FinalGroup) { g.DepositedOff++ },
			"accepted on":   func(g *ledger.FinalGroup) { g.AcceptedOn++ },
			"accepted off":  func(g *ledger.FinalGroup) { g.AcceptedOff++ },
			"rejected on":   func(g *ledger.FinalGroup) { g.RejectedOn++ },
			"rejected off":  func(g *ledger.FinalGroup) { g.RejectedOff++ },
			"undecided on":  func(g *ledger.FinalGroup) { g.UndecidedOn++ },
			"undecided off": func(g *ledger.FinalGroup) { g.UndecidedOff++ },
		} {
			bad := g
			more(&bad)
			if bad.Check(roll) == nil {
				t.Fatalf("one more %s was accepted", name)
			}
		}
	})
	most := ledger.FinalGroup{Issued: math.MaxUint32, Struck: 1, DepositedOn: 1, AcceptedOn: 1}
	if most.Check(1) == nil {
		t.Error("counters wrapped around")
	}
	if got := (ledger.FinalGroup{Struck: 5}).Entitled(3); got != 0 {
		t.Errorf("entitled: got %d, want 0", got)
	}
}
