package tally

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// update writes the files in testdata anew. Give the reason in the commit:
// other implementations read these bytes.
var update = flag.Bool("update", false, "write the files in testdata")

// golden compares with a file, or writes it.
func golden(t *testing.T, path string, v any) {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("%s: got %s\nwant %s", path, b, want)
	}
}

// A place is a group in the tests of the partition.
type place struct {
	ID     suite.GroupID `json:"id"`
	Parent suite.GroupID `json:"parent"`
	Cast   uint64        `json:"cast"`
}

type setsVector struct {
	Name   string      `json:"name"`
	KMin   uint32      `json:"k_min"`
	Groups []place     `json:"groups"`
	Sets   []setVector `json:"sets"`
}

type setVector struct {
	ID     suite.GroupID   `json:"id"`
	Groups []suite.GroupID `json:"groups"`
	Count  uint64          `json:"count"`
}

func partition(places []place, kMin uint32) []Set {
	var groups []election.Group
	cast := make(map[suite.GroupID]uint64)
	for _, p := range places {
		groups = append(groups, election.Group{ID: p.ID, Parent: p.Parent})
		if p.Cast > 0 {
			cast[p.ID] = p.Cast
		}
	}
	return Sets(groups, cast, kMin)
}

type ids = []suite.GroupID

func TestSets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		kMin   uint32
		places []place
		want   []Set
	}{
		{"nobody voted", 10, []place{{1, 0, 0}, {2, 1, 0}}, nil},
		{"one small group", 10, []place{{1, 0, 3}, {2, 0, 0}}, []Set{{1, ids{1}, 3}}},
		{"all large enough", 10, []place{{1, 0, 10}, {2, 1, 11}}, []Set{{1, ids{1}, 10}, {2, ids{2}, 11}}},
		{"joins its parent", 10, []place{{1, 0, 50}, {2, 0, 60}, {3, 2, 4}},
			[]Set{{1, ids{1}, 50}, {2, ids{2, 3}, 64}}},
		{"joins a parent that is as small", 10, []place{{1, 0, 50}, {2, 0, 5}, {3, 2, 4}},
			// 3 joins 2, and 9 are still too few: 2 has no parent, so 1 joins it.
			[]Set{{2, ids{1, 2, 3}, 59}}},
		{"joins its grandparent over an empty parent", 10, []place{{1, 0, 50}, {2, 1, 0}, {3, 2, 4}, {4, 0, 30}},
			[]Set{{1, ids{1, 3}, 54}, {4, ids{4}, 30}}},
		{"parent is in another set", 10, []place{{1, 0, 50}, {2, 1, 3}, {3, 2, 5}, {4, 0, 12}},
			// 2 joins 1; 3 then finds its parent 2 in the set of 1.
			[]Set{{1, ids{1, 2, 3}, 58}, {4, ids{4}, 12}}},
		{"parent is larger by id", 10, []place{{1, 9, 4}, {5, 0, 40}, {9, 0, 30}},
			[]Set{{5, ids{5}, 40}, {9, ids{1, 9}, 34}}},
		{"no ancestor has ballots", 10, []place{{1, 2, 4}, {2, 0, 0}, {3, 0, 70}, {4, 0, 60}},
			// The smallest other set joins it, and it keeps its id.
			[]Set{{1, ids{1, 4}, 64}, {3, ids{3}, 70}}},
		{"ties go to the lowest id", 10, []place{{3, 0, 4}, {5, 0, 4}, {7, 0, 20}, {9, 0, 20}},
			[]Set{{3, ids{3, 5, 7}, 28}, {9, ids{9}, 20}}},
		{"one left over", 10, []place{{1, 0, 4}, {2, 0, 5}}, []Set{{1, ids{1, 2}, 9}}},
		{"a circle of parents, which no manifest has", 10, []place{{1, 2, 2}, {2, 1, 0}, {3, 0, 3}, {4, 0, 40}},
			[]Set{{1, ids{1, 3, 4}, 45}}},
		{"demo with k_min 1", 1, []place{{1, 0, 1}, {2, 0, 1}}, []Set{{1, ids{1}, 1}, {2, ids{2}, 1}}},
	}
	var vectors []setsVector
	for _, tt := range tests {
		got := partition(tt.places, tt.kMin)
		if len(got) != len(tt.want) || len(got) > 0 && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		v := setsVector{Name: tt.name, KMin: tt.kMin, Groups: tt.places, Sets: []setVector{}}
		for _, s := range got {
			v.Sets = append(v.Sets, setVector(s))
		}
		vectors = append(vectors, v)
	}
	golden(t, "testdata/sets.json", vectors)
}

// drawPlaces draws a forest of groups, with many small and empty ones.
func drawPlaces(t *rapid.T) []place {
	n := rapid.IntRange(1, 12).Draw(t, "groups")
	var places []place
	for i := range n {
		p := place{ID: suite.GroupID(2*i + 1)}
		// A random order of parents and children by id, without a circle: the
		// parent is one drawn before, and ids are shuffled below.
		if i > 0 && rapid.Bool().Draw(t, "child") {
			p.Parent = places[rapid.IntRange(0, i-1).Draw(t, "parent")].ID
		}
		p.Cast = rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1, 9), rapid.Uint64Range(1, 30)).Draw(t, "cast")
		places = append(places, p)
	}
	if rapid.Bool().Draw(t, "reversed") {
		flip := func(id suite.GroupID) suite.GroupID {
			if id == 0 {
				return 0
			}
			return suite.GroupID(2*n) - id
		}
		for i := range places {
			places[i].ID, places[i].Parent = flip(places[i].ID), flip(places[i].Parent)
		}
	}
	return places
}

func TestSetsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		places := drawPlaces(t)
		kMin := uint32(rapid.IntRange(1, 12).Draw(t, "k_min"))
		sets := partition(places, kMin)

		cast := make(map[suite.GroupID]uint64)
		for _, p := range places {
			if p.Cast > 0 {
				cast[p.ID] = p.Cast
			}
		}
		for i, s := range sets {
			if i > 0 && s.ID <= sets[i-1].ID {
				t.Errorf("sets out of order: %v", sets)
			}
			if !slices.Contains(s.Groups, s.ID) || !slices.IsSorted(s.Groups) {
				t.Errorf("set %d of groups %v", s.ID, s.Groups)
			}
			if len(sets) > 1 && s.Count < uint64(kMin) {
				t.Errorf("set %d of %d ballots is opened", s.ID, s.Count)
			}
			count := uint64(0)
			for _, g := range s.Groups {
				n, ok := cast[g]
				if !ok {
					t.Errorf("group %d is empty or in two sets: %v", g, sets)
				}
				count += n
				delete(cast, g)
			}
			if count != s.Count {
				t.Errorf("set %d: got %d ballots, want %d", s.ID, s.Count, count)
			}
		}
		if len(cast) > 0 {
			t.Errorf("left out: %v", cast)
		}
		shuffled := rapid.Permutation(places).Draw(t, "order")
		if again := partition(shuffled, kMin); !reflect.DeepEqual(again, sets) {
			t.Errorf("in another order: got %v, want %v", again, sets)
		}
		if want := bySpec(places, kMin); !reflect.DeepEqual(want, sets) {
			t.Errorf("got %v, want %v", sets, want)
		}
	})
}

// bySpec is the partition written down once more, as SPEC.md tells it, with
// the groups of each set in a map.
func bySpec(places []place, kMin uint32) []Set {
	of := make(map[suite.GroupID]suite.GroupID) // group to set
	count := make(map[suite.GroupID]uint64)     // of a set
	parent := make(map[suite.GroupID]suite.GroupID)
	for _, p := range places {
		parent[p.ID] = p.Parent
		if p.Cast > 0 {
			of[p.ID], count[p.ID] = p.ID, p.Cast
		}
	}
	least := func(not suite.GroupID) (best suite.GroupID) {
		for id := suite.GroupID(1); id < 1000; id++ {
			if n, ok := count[id]; ok && id != not && (best == 0 || n < count[best]) {
				best = id
			}
		}
		return best
	}
	for {
		x := least(0)
		if len(count) < 2 || count[x] >= uint64(kMin) {
			break
		}
		keep, gone := suite.GroupID(0), x
		for a := parent[x]; a != 0 && keep == 0; a = parent[a] {
			if s, ok := of[a]; ok && s != x {
				keep = s
			}
		}
		if keep == 0 {
			keep, gone = x, least(x)
		}
		for g, s := range of {
			if s == gone {
				of[g] = keep
			}
		}
		count[keep] += count[gone]
		delete(count, gone)
	}
	var sets []Set
	for id := suite.GroupID(1); id < 1000; id++ {
		if n, ok := count[id]; ok {
			s := Set{ID: id, Count: n}
			for g := suite.GroupID(1); g < 1000; g++ {
				if of[g] == id {
					s.Groups = append(s.Groups, g)
				}
			}
			sets = append(sets, s)
		}
	}
	return sets
}

func BenchmarkSets(b *testing.B) {
	var places []place
	for i := range 1000 {
		places = append(places, place{ID: suite.GroupID(i + 1), Parent: suite.GroupID(i / 4), Cast: uint64(i % 14)})
	}
	for b.Loop() {
		partition(places, 10)
	}
}
