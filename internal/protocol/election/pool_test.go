package election_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func draft(id suite.GroupID, name string, size uint32, parent suite.GroupID) election.GroupDraft {
	return election.GroupDraft{ID: id, Name: name, Units: []string{"u" + name}, Size: size, Parent: parent}
}

func TestPool(t *testing.T) {
	t.Parallel()
	pooled := func(g election.GroupDraft, units ...string) election.GroupDraft {
		g.Units = units
		return g
	}
	type drafts = []election.GroupDraft
	for _, tt := range []struct {
		name     string
		in, want drafts
	}{
		{"none", drafts{}, drafts{}},
		{"one small", drafts{draft(1, "A", 3, 0)}, drafts{draft(1, "A", 3, 0)}},
		{"all large", drafts{draft(2, "B", 25, 1), draft(1, "A", 25, 0)}, drafts{draft(1, "A", 25, 0), draft(2, "B", 25, 1)}},
		{"small joins its parent",
			drafts{draft(1, "A", 500, 0), draft(2, "B", 24, 3), draft(3, "C", 900, 0)},
			drafts{draft(1, "A", 500, 0), pooled(draft(3, "C + B", 924, 0), "uC", "uB")}},
		{"without a parent the smallest other joins it",
			drafts{draft(1, "A", 500, 0), draft(2, "B", 24, 0), draft(3, "C", 900, 0)},
			drafts{pooled(draft(2, "B + A", 524, 0), "uB", "uA"), draft(3, "C", 900, 0)}},
		{"of equals the lowest id takes the next, and then is not the smallest",
			drafts{draft(3, "C", 10, 0), draft(1, "A", 10, 0), draft(2, "B", 10, 0)},
			drafts{pooled(draft(3, "C + A + B", 30, 0), "uC", "uA", "uB")}},
		{"small parent goes up with its child",
			drafts{draft(1, "A", 50, 0), draft(2, "B", 5, 1), draft(3, "C", 60, 2)},
			drafts{pooled(draft(1, "A + B", 55, 0), "uA", "uB"), draft(3, "C", 60, 1)}},
		{"a child is not its own parent",
			drafts{draft(1, "A", 5, 0), draft(2, "B", 50, 1)},
			drafts{pooled(draft(1, "A + B", 55, 0), "uA", "uB")}},
	} {
		before := slices.Clone(tt.in)
		if diff := cmp.Diff(tt.want, election.Pool(tt.in)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if diff := cmp.Diff(before, tt.in); diff != "" {
			t.Errorf("%s: the argument was changed: %s", tt.name, diff)
		}
	}
}

func TestPoolName(t *testing.T) {
	t.Parallel()
	got := election.Pool([]election.GroupDraft{draft(1, strings.Repeat("A", 40), 5, 0), draft(2, strings.Repeat("B", 38), 5, 0)})
	if got[0].Name != strings.Repeat("A", 40) {
		t.Errorf("got %q", got[0].Name)
	}
}

// TestPoolInvariants: nobody is lost, no group stays small, parents stay a tree.
func TestPoolInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		var in []election.GroupDraft
		total, units := uint32(0), 0
		for i := range n {
			parent := suite.GroupID(rapid.IntRange(0, i).Draw(t, "parent"))
			size := rapid.Uint32Range(0, 60).Draw(t, "size")
			in = append(in, draft(suite.GroupID(i+1), string(rune('A'+i)), size, parent))
			total += size
			units++
		}
		in = rapid.Permutation(in).Draw(t, "order")
		out := election.Pool(in)
		ids := make(map[suite.GroupID]suite.GroupID)
		for i, g := range out {
			if i > 0 && g.ID <= out[i-1].ID {
				t.Fatal("ids do not ascend")
			}
			if len(out) > 1 && g.Size < election.PoolBelow {
				t.Fatalf("group %d stayed with %d members", g.ID, g.Size)
			}
			ids[g.ID] = g.Parent
			total -= g.Size
			units -= len(g.Units)
		}
		if total != 0 || units != 0 {
			t.Fatal("members or units were lost")
		}
		for id := range ids {
			steps := 0
			for up := ids[id]; up != 0; up = ids[up] {
				if _, ok := ids[up]; !ok {
					t.Fatalf("parent %d is gone", up)
				}
				if steps++; steps > n {
					t.Fatal("parents go in a circle")
				}
			}
		}
	})
}
