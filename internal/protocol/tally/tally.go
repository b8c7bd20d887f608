// Package tally turns the verified ballots of an election into its result:
// which groups are opened together, the sums that the tellers open, the counts
// those sums hold, and the result and certificate files.
//
// It must never open less than a set: every function that takes a partial
// decryption binds it to a set of [Sets], and there is no function that opens
// one ballot. It does not know who voted, and it checks neither ballots nor
// logs; the caller has verified the record. The bytes are those of SPEC.md,
// sections 14 and 16.
//
// Nothing here is secret but the share given to [Shares], so nothing else is
// constant time.
package tally

import (
	"cmp"
	"slices"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/suite"
)

// A Set is the smallest unit that is opened: a group, or several whose ballots
// are too few to be counted apart.
type Set struct {
	ID     suite.GroupID
	Groups []suite.GroupID // ascending
	Count  uint64          // ballots
}

// Sets partitions the groups that have ballots so that every set has at least
// kMin of them, or there is only one set. The partition depends on the counts
// alone: it is fixed before anything is decrypted, and two tellers cannot be
// told of two partitions whose difference is a single ballot.
//
// cast holds the ballots of each group in the log; groups are the manifest's.
// The sets are in order of id.
func Sets(groups []election.Group, cast map[suite.GroupID]uint64, kMin uint32) []Set {
	parents := make(map[suite.GroupID]suite.GroupID, len(groups))
	var sets []Set
	for i := range groups {
		g := &groups[i]
		parents[g.ID] = g.Parent
		if n := cast[g.ID]; n > 0 {
			sets = append(sets, Set{ID: g.ID, Groups: []suite.GroupID{g.ID}, Count: n})
		}
	}
	for len(sets) > 1 {
		x := smallest(sets, -1)
		if sets[x].Count >= uint64(kMin) {
			break
		}
		sets = join(sets, x, parents)
	}
	for i := range sets {
		slices.Sort(sets[i].Groups)
	}
	slices.SortFunc(sets, func(a, b Set) int { return cmp.Compare(a.ID, b.ID) })
	return sets
}

// join merges the set at x with its nearest ancestor's, or, where it has none,
// with the smallest of the others.
func join(sets []Set, x int, parents map[suite.GroupID]suite.GroupID) []Set {
	keep, gone := x, -1
	// A manifest's parents make no circle; the bound keeps a walk through
	// anything else from going on for ever.
	up := parents[sets[x].ID]
	for range len(parents) {
		if up == 0 {
			break
		}
		if p := holder(sets, x, up); p >= 0 {
			keep, gone = p, x
			break
		}
		up = parents[up]
	}
	if gone < 0 {
		gone = smallest(sets, x)
	}
	sets[keep].Groups = append(sets[keep].Groups, sets[gone].Groups...)
	sets[keep].Count += sets[gone].Count
	return slices.Delete(sets, gone, gone+1)
}

// holder returns the set other than the one at x that contains a group, or -1.
func holder(sets []Set, x int, g suite.GroupID) int {
	return slices.IndexFunc(sets, func(s Set) bool {
		return s.ID != sets[x].ID && slices.Contains(s.Groups, g)
	})
}

// smallest returns the set with the fewest ballots, of several the one with
// the lowest id, leaving out the one at except.
func smallest(sets []Set, except int) int {
	best := -1
	for i := range sets {
		if i == except {
			continue
		}
		if best < 0 || sets[i].Count < sets[best].Count ||
			sets[i].Count == sets[best].Count && sets[i].ID < sets[best].ID {
			best = i
		}
	}
	return best
}

// Sums adds up ballots by group and question. The zero value is empty and
// ready to use. It is not safe for concurrent use: whoever verifies with many
// goroutines gives each its own and merges them.
type Sums struct {
	groups map[suite.GroupID]*groupSum
}

type groupSum struct {
	count     uint64
	questions []elgamal.Ciphertext
}

// Add adds a ballot that was found valid. All ballots of an election have the
// same number of questions.
func (s *Sums) Add(b *ballot.Ballot) { s.add(b.Group, 1, b.Ciphertexts()) }

// Merge adds what other holds.
func (s *Sums) Merge(other *Sums) {
	for id, g := range other.groups {
		s.add(id, g.count, g.questions)
	}
}

func (s *Sums) add(id suite.GroupID, count uint64, questions []elgamal.Ciphertext) {
	if s.groups == nil {
		s.groups = make(map[suite.GroupID]*groupSum)
	}
	g := s.groups[id]
	if g == nil {
		g = new(groupSum)
		s.groups[id] = g
	}
	g.count += count
	for q, c := range questions {
		if q == len(g.questions) {
			g.questions = append(g.questions, elgamal.Zero())
		}
		g.questions[q] = g.questions[q].Add(c)
	}
}

// Cast returns the number of ballots of each group that has any.
func (s *Sums) Cast() map[suite.GroupID]uint64 {
	cast := make(map[suite.GroupID]uint64, len(s.groups))
	for id, g := range s.groups {
		cast[id] = g.count
	}
	return cast
}

// Sum returns the encrypted sum of one question over a set.
func (s *Sums) Sum(set Set, question int) elgamal.Ciphertext {
	sum := elgamal.Zero()
	for _, id := range set.Groups {
		if g := s.groups[id]; g != nil && question < len(g.questions) {
			sum = sum.Add(g.questions[question])
		}
	}
	return sum
}
