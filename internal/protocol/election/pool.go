package election

import (
	"cmp"
	"slices"

	"strikevote/internal/protocol/suite"
)

// A GroupDraft is a group before the manifest is made.
type GroupDraft struct {
	ID     suite.GroupID
	Name   string
	Units  []string
	Size   uint32 // members on the roll
	Parent suite.GroupID
}

// Pool joins groups of fewer than [PoolBelow] members with others, before a
// roll's leaves are numbered: in a small group even a correct total says how
// its members voted. The smallest (of equals the lowest id) joins its nearest
// ancestor, which keeps its id; without an ancestor the smallest other group
// joins it. A pool bears the names of all its groups. The result ascends by id
// and shares nothing with the argument. Where a parent was joined, the group
// that took it in is the parent.
func Pool(groups []GroupDraft) []GroupDraft {
	left := slices.Clone(groups)
	for i := range left {
		left[i].Units = slices.Clone(left[i].Units)
	}
	for len(left) > 1 {
		slices.SortFunc(left, bySize)
		x := left[0]
		if x.Size >= PoolBelow {
			break
		}
		// Parents always name a group that is left, so one step suffices.
		at := slices.IndexFunc(left, func(g GroupDraft) bool { return g.ID == x.Parent })
		if at > 0 {
			left = join(left, at, 0)
		} else {
			left = join(left, 0, 1)
		}
	}
	slices.SortFunc(left, func(a, b GroupDraft) int { return cmp.Compare(a.ID, b.ID) })
	return left
}

func bySize(a, b GroupDraft) int {
	return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.ID, b.ID))
}

// join moves group from into group into.
func join(list []GroupDraft, into, from int) []GroupDraft {
	a, b := &list[into], list[from]
	a.Name = joinNames(a.Name, b.Name)
	a.Units = append(a.Units, b.Units...)
	a.Size += b.Size
	for i := range list {
		if list[i].Parent == b.ID {
			list[i].Parent = a.ID
		}
	}
	return slices.Delete(list, from, from+1)
}

// joinNames says who is in a pool, as long as that fits.
func joinNames(a, b string) string {
	if joined := a + " + " + b; len(joined) <= maxName {
		return joined
	}
	return a
}
