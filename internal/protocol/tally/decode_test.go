package tally

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
)

// pointOf returns T for these votes.
func pointOf(votes []uint64) *group.Element {
	t := group.Identity()
	for j, n := range votes {
		t = t.Add(elgamal.Option(j).Mul(group.ScalarFromUint64(n)))
	}
	return t
}

func total(votes []uint64) (count uint64) {
	for _, n := range votes {
		count += n
	}
	return count
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, votes := range [][]uint64{
		{0, 0}, {1, 0}, {0, 1}, {22000, 0}, {0, 22000}, {11000, 11000}, {21999, 1}, {1, 21999},
		{0, 0, 0}, {0, 1, 0}, {0, 0, 1}, {22000, 0, 0}, {0, 22000, 0}, {0, 0, 22000},
		{7333, 7333, 7334}, {10999, 1, 11000}, {0, 11000, 11000},
		{0, 0, 0, 0}, {0, 0, 0, 1}, {900, 0, 0, 0}, {0, 900, 0, 0}, {0, 0, 900, 0}, {0, 0, 0, 900},
		{300, 0, 300, 300}, {225, 225, 225, 225}, {0, 300, 300, 300}, {1, 1, 1, 897},
		{MaxCount, 0}, {0, MaxCount},
	} {
		t.Run(fmt.Sprint(votes), func(t *testing.T) {
			t.Parallel()
			last, totals := 0, 0
			got, err := Decode(pointOf(votes), total(votes), len(votes), func(done, of int) {
				if done < last || done > of || totals != 0 && of != totals {
					t.Errorf("progress went from %d to %d of %d", last, done, of)
				}
				last, totals = done, of
			})
			if err != nil || !slices.Equal(got, votes) {
				t.Errorf("got %v, %v", got, err)
			}
			if last != totals {
				t.Errorf("progress ends at %d of %d", last, totals)
			}
		})
	}
}

// TestDecodeSmall finds every list of counts there is.
func TestDecodeSmall(t *testing.T) {
	t.Parallel()
	for k := 2; k <= 4; k++ {
		for count := uint64(0); count <= 5; count++ {
			lists := 0
			for votes := range partitions(count, k) {
				lists++
				got, err := Decode(pointOf(votes), count, k, nil)
				if err != nil || !slices.Equal(got, votes) {
					t.Errorf("%v: got %v, %v", votes, got, err)
				}
			}
			if want := simplex(count, k-1); lists != want {
				t.Errorf("%d ballots, %d options: got %d lists, want %d", count, k, lists, want)
			}
		}
	}
}

// partitions yields every list of k counts that sum to count.
func partitions(count uint64, k int) func(yield func([]uint64) bool) {
	return func(yield func([]uint64) bool) {
		if k == 1 {
			yield([]uint64{count})
			return
		}
		for n := uint64(0); n <= count; n++ {
			for rest := range partitions(count-n, k-1) {
				if !yield(append([]uint64{n}, rest...)) {
					return
				}
			}
		}
	}
}

func TestDecodeProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := []uint64{60_000, 3000, 150}
		k := rapid.IntRange(2, 4).Draw(t, "k")
		votes := make([]uint64, k)
		left := rapid.Uint64Range(0, most[k-2]).Draw(t, "count")
		for j := range k - 1 {
			votes[j] = rapid.Uint64Range(0, left).Draw(t, "n")
			left -= votes[j]
		}
		votes[k-1] = left
		// Which option is the large one must not matter.
		votes = rapid.Permutation(votes).Draw(t, "votes")
		got, err := Decode(pointOf(votes), total(votes), k, nil)
		if err != nil || !slices.Equal(got, votes) {
			t.Errorf("%v: got %v, %v", votes, got, err)
		}
	})
}

func TestDecodeRefused(t *testing.T) {
	t.Parallel()
	votes := []uint64{3, 4, 5}
	point := pointOf(votes)
	tests := []struct {
		name  string
		t     *group.Element
		count uint64
		k     int
		is    error
	}{
		{"one ballot more", point, 13, 3, ErrVotes},
		{"one ballot less", point, 11, 3, ErrVotes},
		{"two options", point, 12, 2, ErrVotes},
		{"another point", point.Add(group.Generator()), 12, 3, ErrVotes},
		{"negative", point.Neg(), 12, 3, ErrVotes},
		// One vote for option 1 too many, made up for by one less than none
		// for option 0: the sum of the counts is right.
		{"a count below zero", pointOf([]uint64{0, 1}).Sub(elgamal.Option(0)), 0, 2, ErrVotes},
		{"one option", point, 12, 1, nil},
		{"five options", point, 12, 5, nil},
		{"too many ballots", point, MaxCount + 1, 3, nil},
	}
	for _, tt := range tests {
		got, err := Decode(tt.t, tt.count, tt.k, nil)
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		}
	}
	// With four options it also finds a list, with three of them empty.
	if got, err := Decode(point, 12, 4, nil); err != nil || !slices.Equal(got, append(votes, 0)) {
		t.Errorf("four options: got %v, %v", got, err)
	}
}

func TestCheckVotes(t *testing.T) {
	t.Parallel()
	votes := []uint64{3, 4, 5}
	point := pointOf(votes)
	if err := CheckVotes(point, 12, votes); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		count uint64
		votes []uint64
	}{
		{"swapped", 12, []uint64{4, 3, 5}},
		{"count", 13, votes},
		{"one vote moved", 12, []uint64{2, 5, 5}},
		{"one vote more", 13, []uint64{4, 4, 5}},
		{"one option less", 7, []uint64{3, 4}},
		{"one option more", 12, []uint64{3, 4, 5, 0, 0}},
		{"none", 12, nil},
		// The same point: 2^20 votes of one option are one of the next.
		{"carried", 12 + 1<<20 - 1, []uint64{3 + 1<<20, 3, 5}},
		{"overflow", 12, []uint64{1<<64 - 1, 13}},
		{"count and votes too large", MaxCount + 1, []uint64{MaxCount + 1, 0}},
	}
	for _, tt := range tests {
		if err := CheckVotes(point, tt.count, tt.votes); !errors.Is(err, ErrVotes) {
			t.Errorf("%s: got %v, want ErrVotes", tt.name, err)
		}
	}
	// Counts that overflow to the right sum, and the point that they make.
	over := []uint64{1<<64 - 1, 13}
	if err := CheckVotes(pointOf(over), 12, over); !errors.Is(err, ErrVotes) {
		t.Errorf("overflow: got %v, want ErrVotes", err)
	}
	if !pointOf([]uint64{3 + 1<<20, 3, 5}).Equal(point) {
		t.Error("the carried votes are not the same point: the test tests nothing")
	}
}

func TestCombine(t *testing.T) {
	t.Parallel()
	// f(X) = a + bX + cX² shares a among any three.
	a, b, c := group.RandomScalar(), group.RandomScalar(), group.RandomScalar()
	at := func(i uint8) *group.Scalar {
		x := group.ScalarFromUint64(uint64(i))
		return a.Add(b.Mul(x)).Add(c.Mul(x).Mul(x))
	}
	sum := elgamal.Zero()
	for j := range 3 {
		sum = sum.Add(elgamal.Encrypt(group.BaseMul(a), group.RandomScalar(), j))
	}
	want := pointOf([]uint64{1, 1, 1})
	for _, tellers := range [][]uint8{{1, 2, 3}, {3, 1, 2}, {1, 4, 32}, {30, 31, 32}} {
		d := make(map[uint8]*group.Element)
		for _, i := range tellers {
			d[i] = sum.R.Mul(at(i))
		}
		if !Combine(d, sum).Equal(want) {
			t.Errorf("tellers %v do not open the sum", tellers)
		}
		delete(d, tellers[0])
		if Combine(d, sum).Equal(want) {
			t.Errorf("two of the tellers %v open the sum", tellers)
		}
	}
	one := map[uint8]*group.Element{7: sum.R.Mul(a)}
	if !Combine(one, sum).Equal(want) {
		t.Error("one of one does not open the sum")
	}
}

// TestSearchSize keeps the memory of a search within what SPEC.md promises.
func TestSearchSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		count uint64
		k     int
		bytes int
		steps int
	}{
		{22_000, 2, 1 << 12, 310},
		{22_000, 3, 1 << 19, 33_000},
		{22_000, 4, 17 << 20, 2_900_000},
		{100_000, 4, 64 << 20, 50_000_000},
		{MaxCount, 3, 16 << 20, 1_600_000},
	} {
		s := newSearch(group.Identity(), tt.count, tt.k, nil)
		if got := 8 * len(s.box.slots); got > tt.bytes {
			t.Errorf("%d ballots, %d options: table of %d bytes, want at most %d", tt.count, tt.k, got, tt.bytes)
		}
		if s.total > tt.steps {
			t.Errorf("%d ballots, %d options: %d steps, want at most %d", tt.count, tt.k, s.total, tt.steps)
		}
	}
}

// The votes of the benchmarks are the worst there are: found last.
func benchmarkDecode(b *testing.B, votes ...uint64) {
	point := pointOf(votes)
	for b.Loop() {
		if _, err := Decode(point, total(votes), len(votes), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode2(b *testing.B)      { benchmarkDecode(b, 0, 22000) }
func BenchmarkDecode3(b *testing.B)      { benchmarkDecode(b, 0, 0, 22000) }
func BenchmarkDecode3Third(b *testing.B) { benchmarkDecode(b, 7334, 7333, 7333) }
func BenchmarkDecode4(b *testing.B)      { benchmarkDecode(b, 0, 0, 0, 22000) }
func BenchmarkDecode4Even(b *testing.B)  { benchmarkDecode(b, 5500, 5500, 5500, 5500) }

func BenchmarkCheckVotes(b *testing.B) {
	votes := []uint64{7334, 7333, 7333}
	point := pointOf(votes)
	for b.Loop() {
		if err := CheckVotes(point, 22000, votes); err != nil {
			b.Fatal(err)
		}
	}
}
