package layout_test

import (
	"testing"

	"strikevote/internal/record/layout"
)

// FuzzPath asks about paths that anybody may have written: whatever they are, no more
// is read of them than of the largest file that there is.
func FuzzPath(f *testing.F) {
	for _, p := range []string{layout.Manifest, layout.Act(1), layout.Roll(65535), layout.Shares(3), layout.StatementTeller(2), layout.Checkpoint(layout.Ballots),
		"ballots/tile/entries/x001/234.p/5", "ledger/tile/63/000", "", "/", "roll/", "acts/../roll/1", "tile/entries/", "\x00/tile/\xff"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if n := layout.Limit(path); n <= 0 || n > 32<<20 {
			t.Errorf("%q may have %d bytes", path, n)
		}
		if s := layout.Late(path); s.Rank() == 0 {
			t.Errorf("%q is of the stage %q", path, s)
		}
	})
}
