package tally

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
)

// MaxCount bounds the ballots of one set: counts of 20 bits must not run into
// one another.
const MaxCount = 1<<20 - 1

// ErrVotes is returned where no counts, or not the counts given, explain a sum.
var ErrVotes = errors.New("the counts are not those of the sum")

// Combine takes the decryption shares D_i of exactly t tellers, by number, off
// a sum and returns T, which holds the counts.
func Combine(shares map[uint8]*group.Element, sum elgamal.Ciphertext) *group.Element {
	scalars := make([]*group.Scalar, 0, len(shares))
	points := make([]*group.Element, 0, len(shares))
	for i, d := range shares {
		scalars = append(scalars, lagrange(i, shares))
		points = append(points, d)
	}
	return sum.C.Sub(group.MultiMul(scalars, points))
}

// lagrange returns the coefficient at 0 of teller i among these tellers.
func lagrange(i uint8, among map[uint8]*group.Element) *group.Scalar {
	over, under := group.ScalarFromUint64(1), group.ScalarFromUint64(1)
	at := group.ScalarFromUint64(uint64(i))
	for j := range among {
		if j != i {
			other := group.ScalarFromUint64(uint64(j))
			over = over.Mul(other)
			under = under.Mul(other.Sub(at))
		}
	}
	return over.Mul(under.Invert())
}

// CheckVotes checks that votes are the counts in T, of which there is only one
// list. Whoever verifies a result calls this and never searches.
func CheckVotes(t *group.Element, count uint64, votes []uint64) error {
	if count > MaxCount || len(votes) < 2 || len(votes) > elgamal.MaxOptions {
		return ErrVotes
	}
	sum, left := new(group.Scalar), count
	for j, n := range votes {
		if n > left {
			return ErrVotes
		}
		left -= n
		sum = sum.Add(group.ScalarFromUint64(n).Mul(elgamal.OptionScalar(j)))
	}
	if left != 0 || !group.BaseMul(sum).Equal(t) {
		return ErrVotes
	}
	return nil
}

// maxBox bounds the table of a search, at 8 bytes for each of 2^23 slots.
const maxBox = 1 << 22

// Decode finds how count ballots fell to k options, from T. progress, which
// may be nil, is called now and then with the steps done and the steps there
// can be.
//
// Of the k counts k-1 are searched for, as the rest to count is the first. The
// search is a meet in the middle: with d = k-1 dimensions, a table holds every
// point of a box whose side is s, and the walk looks up T less every multiple
// of s in each dimension. Its cost, table and walk of about sqrt(count^d / d!)
// points each, does not depend on how the votes fell. For d = 1 this is baby
// steps and giant steps.
func Decode(t *group.Element, count uint64, k int, progress func(done, total int)) ([]uint64, error) {
	if k < 2 || k > elgamal.MaxOptions {
		return nil, fmt.Errorf("decoding sum: %d options", k)
	}
	if count > MaxCount {
		return nil, fmt.Errorf("decoding sum: %d ballots", count)
	}
	s := newSearch(t, count, k, progress)
	s.fill(0, 0, group.Identity())
	// T less what it would be if all had chosen the first option: what is left
	// is a sum of n_j (M_j - M_0).
	start := t.Sub(group.BaseMul(group.ScalarFromUint64(count)))
	votes := s.walk(s.dims-1, start, make([]uint64, s.dims), count/s.side)
	if votes == nil {
		return nil, fmt.Errorf("decoding sum: %w", ErrVotes)
	}
	s.report(s.total)
	return votes, nil
}

// A search is one call of Decode.
type search struct {
	t        *group.Element
	count    uint64
	dims     int
	side     uint64
	box      box
	baby     []*group.Element // M_j - M_0 for j = 1 …
	giant    []*group.Element // side times that
	done     int
	total    int
	progress func(done, total int)
}

func newSearch(t *group.Element, count uint64, k int, progress func(done, total int)) *search {
	s := &search{t: t, count: count, dims: k - 1, progress: progress}
	s.side = boxSide(count, s.dims)
	entries := 1
	for j := 1; j < k; j++ {
		d := elgamal.Option(j).Sub(elgamal.Option(0))
		s.baby = append(s.baby, d)
		s.giant = append(s.giant, d.Mul(group.ScalarFromUint64(s.side)))
		entries *= int(s.side)
	}
	s.box = newBox(entries)
	s.total = entries + simplex(count/s.side, s.dims)
	return s
}

// boxSide balances the table against the walk, within the bound on memory.
func boxSide(count uint64, dims int) uint64 {
	half := math.Sqrt(float64(simplex(count, dims)))
	side := math.Pow(min(half, maxBox), 1/float64(dims))
	return max(1, uint64(side))
}

// simplex counts the points with dims coordinates from 0 that sum to at most n.
func simplex(n uint64, dims int) int {
	points := uint64(1)
	for i := range uint64(dims) {
		points = points * (n + i + 1) / (i + 1)
	}
	return int(points)
}

// fill puts the points of the box into the table, one dimension at a call.
func (s *search) fill(dim int, index uint32, at *group.Element) {
	for range s.side {
		if dim < s.dims-1 {
			s.fill(dim+1, index*uint32(s.side), at)
		} else {
			s.box.put(at.Bytes(), index)
			s.step()
		}
		index++
		at = at.Add(s.baby[dim])
	}
}

// walk looks the rest at up in the table, for every multiple of the box that
// is left in this dimension and those below it.
func (s *search) walk(dim int, at *group.Element, multiples []uint64, left uint64) []uint64 {
	for q := uint64(0); q <= left; q++ {
		multiples[dim] = q
		var votes []uint64
		if dim > 0 {
			votes = s.walk(dim-1, at, multiples, left-q)
		} else {
			votes = s.look(at, multiples)
			s.step()
		}
		if votes != nil {
			return votes
		}
		at = at.Sub(s.giant[dim])
	}
	return nil
}

// look returns the votes if the point is in the table. The table holds a part
// of each encoding, so what it finds is checked.
func (s *search) look(at *group.Element, multiples []uint64) []uint64 {
	for index := range s.box.get(at.Bytes()) {
		votes := make([]uint64, s.dims+1)
		sum := uint64(0)
		// fill numbered the last dimension fastest.
		for d := s.dims - 1; d >= 0; d-- {
			votes[d+1] = multiples[d]*s.side + uint64(index)%s.side
			index /= uint32(s.side)
			sum += votes[d+1]
		}
		if sum > s.count {
			continue
		}
		votes[0] = s.count - sum
		if CheckVotes(s.t, s.count, votes) == nil {
			return votes
		}
	}
	return nil
}

// step counts one point, and reports every 2^14, which is some 50 ms.
func (s *search) step() {
	s.done++
	if s.done&(1<<14-1) == 0 {
		s.report(s.done)
	}
}

func (s *search) report(done int) {
	if s.progress != nil {
		s.progress(done, s.total)
	}
}

// A box is a hash table from points to their index: open addressing, 32 bits
// of the encoding and the index plus one in each slot. The points are the
// program's own, so nobody can choose colliding ones.
type box struct {
	slots []slot
	mask  uint64
}

type slot struct{ print, index uint32 }

func newBox(entries int) box {
	// A third of the slots stays empty, and at least one: a look-up ends there.
	n := 2
	for n < entries+entries/2 {
		n *= 2
	}
	return box{slots: make([]slot, n), mask: uint64(n - 1)}
}

func locate(encoding []byte) (at uint64, print uint32) {
	return binary.LittleEndian.Uint64(encoding[8:]), binary.LittleEndian.Uint32(encoding)
}

func (b *box) put(encoding []byte, index uint32) {
	at, print := locate(encoding)
	for b.slots[at&b.mask].index != 0 {
		at++
	}
	b.slots[at&b.mask] = slot{print: print, index: index + 1}
}

// get yields the indexes that may belong to an encoding.
func (b *box) get(encoding []byte) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		at, print := locate(encoding)
		for ; ; at++ {
			s := b.slots[at&b.mask]
			if s.index == 0 {
				return
			}
			if s.print == print && !yield(s.index-1) {
				return
			}
		}
	}
}
