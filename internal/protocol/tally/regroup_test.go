package tally

import (
	"testing"

	"strikevote/internal/protocol/election"
)

// TestRegroups holds the guard against outcomes that change because groups are
// counted together: one open ballot of a small group can be enough.
func TestRegroups(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		perGroup    bool
		cast        []uint64
		add, remove uint64
		want        bool
	}{
		{"nothing open", true, []uint64{90, 3}, 0, 0, false},
		{"one rule for all", false, []uint64{90, 3}, 5, 5, false},
		{"a single group", true, []uint64{3}, 5, 5, false},
		{"large groups", true, []uint64{90, 80}, 5, 5, false},
		{"an empty group may vote", true, []uint64{90, 0}, 1, 0, true},
		{"a small group may grow", true, []uint64{90, 9}, 1, 0, true},
		{"a group at the limit may grow", true, []uint64{90, 10}, 1, 0, false},
		{"a group may fall below", true, []uint64{90, 12}, 0, 3, true},
		{"a group may not fall below", true, []uint64{90, 13}, 0, 3, false},
	}
	for _, tt := range tests {
		f := &Final{Manifest: &election.Manifest{KMin: 10, Rule: election.Rule{PerGroup: tt.perGroup}}}
		for _, c := range tt.cast {
			f.Groups = append(f.Groups, GroupCounts{Cast: c})
		}
		if got := f.regroups(tt.add, tt.remove); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}
