package layout_test

import (
	"io/fs"
	"slices"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/record/layout"
)

func shape(stage layout.Stage) layout.Shape {
	return layout.Shape{
		Manifest:   &election.Manifest{Groups: []election.Group{{ID: 1}, {ID: 23}}, Tellers: election.Tellers{N: 2, T: 1}},
		Stage:      stage,
		Acts:       1,
		LedgerSize: 2, BallotsSize: 257,
	}
}

// TestMust pins the list of section 17 file by file.
func TestMust(t *testing.T) {
	t.Parallel()
	locked := []string{
		"manifest", "sealing", "ceremony/fresh", "ceremony/transcript", "ceremony/signatures",
		"drill/1", "drill/2", "acts/0001", "roll/00001", "roll/00023", "statements/registrar", "statements/box",
	}
	logs := []string{
		"ledger/checkpoint-1", "ledger/checkpoint", "ledger/tile/entries/000.p/2", "ledger/tile/0/000.p/2",
		"ballots/checkpoint-1", "ballots/checkpoint", "ballots/tile/entries/000", "ballots/tile/entries/001.p/1",
		"ballots/tile/0/000", "ballots/tile/0/001.p/1", "ballots/tile/1/000.p/1",
	}
	tests := []struct {
		stage layout.Stage
		late  []string
		may   []string
	}{
		{layout.Locked, nil, nil},
		{layout.Cancelled, nil, nil},
		{layout.Opened, []string{"result"}, []string{"shares/1", "shares/2"}},
		{layout.Certified, []string{"result", "certificate", "certification"},
			[]string{"shares/1", "statements/teller-1", "shares/2", "statements/teller-2"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.stage), func(t *testing.T) {
			t.Parallel()
			s := shape(tt.stage)
			want := slices.Concat(locked, tt.late, logs)
			if got := slices.Collect(s.Must()); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if got := s.May(); !slices.Equal(got, tt.may) {
				t.Errorf("may: got %q, want %q", got, tt.may)
			}
			for path := range s.Must() {
				if !fs.ValidPath(path) || layout.Limit(path) < 32 {
					t.Errorf("%s: not a path, or limit %d", path, layout.Limit(path))
				}
				if layout.Late(path).Rank() > tt.stage.Rank() {
					t.Errorf("%s belongs to %s, later than %s", path, layout.Late(path), tt.stage)
				}
			}
		})
	}
}

// TestMustBounded: a hostile checkpoint may claim any size.
func TestMustBounded(t *testing.T) {
	t.Parallel()
	s := shape(layout.Locked)
	s.LedgerSize, s.BallotsSize = 1<<53-1, -1
	n := 0
	for range s.Must() {
		n++
	}
	if n > 40_000 {
		t.Errorf("%d files", n)
	}
	for range s.Must() {
		break // stopping early is allowed
	}
}

func TestRank(t *testing.T) {
	t.Parallel()
	if layout.Stage("sealed").Rank() != 0 || layout.Cancelled.Rank() != layout.Locked.Rank() {
		t.Error("ranks do not order the stages")
	}
}
