package registrar_test

import (
	"fmt"
	"testing"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
)

// TestTortureSealing breaks round trips of a sealing, each in an election of its
// own. Sealed again with the same files, everybody has one token and the ledger one
// entry, with a checkpoint.
func TestTortureSealing(t *testing.T) {
	t.Parallel()
	broken := 0
	for round := range torture.Rounds(6, 200, 0.01) {
		// In the short form a few of them, far apart.
		n, hit := 1+round/2*torture.Pick(9, 1), false
		t.Run(fmt.Sprint(round), func(t *testing.T) { hit = breakSealing(t, n, round%2 == 1) })
		if t.Failed() || !hit {
			break
		}
		broken++
	}
	if broken < 6 {
		t.Errorf("only %d round trips were broken", broken)
	}
	torture.Report(t, torture.Row{
		What:     "round trips of a sealing to the registrar's database are cut, before and after the server saw them",
		Target:   "sealed once, one token for everybody",
		Measured: fmt.Sprintf("%d faults, all as if they had not been", broken),
		Control:  "TestTortureFaultControl",
	})
}

func breakSealing(t *testing.T, n int, after bool) (hit bool) {
	t.Helper()
	w := prepareWorld(t)
	b := pgtest.NewBreaker(t, w.db.URL("sv_registrar"))
	pool := b.Pool(t, w.db.URL("sv_registrar"))
	policy, err := w.m.LedgerPolicy()
	if err != nil {
		t.Fatal(err)
	}
	draft := *w.draft
	draft.Pool = pool
	log := board.New(board.Config{Pool: pool, Signer: w.k.Ledger, MID: w.mid, Policy: policy, Now: w.clock})
	b.Arm(n, after)
	err = draft.Seal(t.Context(), w.manifest, w.sealing, w.minter, registrar.LedgerOf(log))
	if hit = b.Disarm(); !hit && err != nil {
		t.Fatalf("unbroken: %v", err)
	}
	b.Cut()
	pool.Close()
	if err := w.draft.Seal(t.Context(), w.manifest, w.sealing, w.minter, registrar.LedgerOf(w.log)); err != nil {
		t.Fatalf("again: %v", err)
	}
	w.open()
	if tokens := w.count(`SELECT count(*) FROM registrar.token`); tokens != 70 {
		t.Errorf("%d tokens for 70 members", tokens)
	}
	if entries := w.entries(0); len(entries) != 1 {
		t.Errorf("the ledger has %d first entries", len(entries))
	}
	if behind, err := w.log.Unsigned(t.Context()); behind || err != nil {
		t.Errorf("the ledger has no checkpoint (%v)", err)
	}
	return hit
}
