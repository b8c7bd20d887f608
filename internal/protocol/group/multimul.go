package group

import (
	"encoding/binary"
	"math/bits"

	"github.com/gtank/ristretto255"
)

// strausLimit is the number of points up to which the library's interleaved
// method is the faster one, as measured by BenchmarkMultiMul.
const strausLimit = 128

// MultiMul returns the sum of scalars[i]·points[i], and the identity for none.
// It takes VARIABLE TIME: it is for public values only.
//
// Scalars of 128 bits cost half of full ones, zeros almost nothing.
func MultiMul(scalars []*Scalar, points []*Element) *Element {
	switch {
	case len(scalars) != len(points):
		panic("group: MultiMul of lists of different lengths")
	case len(points) == 0:
		return identity
	case len(points) <= strausLimit:
		return straus(scalars, points)
	default:
		return pippenger(scalars, points)
	}
}

func straus(scalars []*Scalar, points []*Element) *Element {
	s := make([]*ristretto255.Scalar, len(scalars))
	p := make([]*ristretto255.Element, len(points))
	for i := range points {
		s[i], p[i] = &scalars[i].s, &points[i].r
	}
	v := new(Element)
	v.r.VarTimeMultiScalarMult(s, p)
	return v
}

// pippenger is the bucket method with signed windows: in every window each
// point is added to the bucket of its digit, and the sum of d·bucket[d] comes
// from two running sums.
func pippenger(scalars []*Scalar, points []*Element) *Element {
	words := make([][4]uint64, len(scalars))
	for i, s := range scalars {
		b := s.Bytes()
		for j := range words[i] {
			words[i][j] = binary.LittleEndian.Uint64(b[8*j:])
		}
	}
	width, windows := window(words)
	digits := recode(words, width, windows)
	n := len(points)
	acc := ristretto255.NewIdentityElement()
	t := newBuckets(width)
	for w := windows - 1; w >= 0; w-- {
		if w != windows-1 {
			for range width {
				acc.Add(acc, acc)
			}
		}
		t.clear()
		for i, d := range digits[w*n : (w+1)*n] {
			t.put(d, &points[i].r)
		}
		t.sumInto(acc)
	}
	return &Element{r: *acc}
}

// window chooses the width of windows that needs the fewest additions for these
// scalars, and how many windows then hold the longest of them.
func window(words [][4]uint64) (width, windows int) {
	var lengths [257]int // how many scalars have that many bits
	longest := 0
	for i := range words {
		n := bitLen(&words[i])
		lengths[n]++
		longest = max(longest, n)
	}
	best := 0
	// 13 bits: beyond that the buckets outgrow the processor's caches.
	for w := 4; w <= 13; w++ {
		count := longest/w + 1 // a signed digit may carry into one bit more
		cost := count * (1<<w + w)
		for n, many := range lengths {
			cost += many * ((n + w - 1) / w)
		}
		if best == 0 || cost < best {
			best, width, windows = cost, w, count
		}
	}
	return width, windows
}

func bitLen(x *[4]uint64) int {
	for j := 3; j >= 0; j-- {
		if x[j] != 0 {
			return 64*j + bits.Len64(x[j])
		}
	}
	return 0
}

// recode writes every scalar with digits from -2^(width-1) to 2^(width-1), all
// digits of the lowest window first.
func recode(words [][4]uint64, width, windows int) []int16 {
	n := len(words)
	digits := make([]int16, windows*n)
	half, full := 1<<(width-1), 1<<width
	for i := range words {
		x := &words[i]
		carry := 0
		for w := range windows {
			d := carry + int(bitsAt(x, w*width)&uint64(full-1))
			carry = 0
			if d > half {
				d -= full
				carry = 1
			}
			digits[w*n+i] = int16(d)
		}
	}
	return digits
}

// bitsAt returns the bits of x from position at, at least 13 of them.
func bitsAt(x *[4]uint64, at int) uint64 {
	j, r := at/64, uint(at%64)
	if j > 3 {
		return 0
	}
	v := x[j] >> r
	if r != 0 && j < 3 {
		v |= x[j+1] << (64 - r)
	}
	return v
}

// buckets collects the points of one window by digit. Bucket i holds digit i+1.
type buckets struct {
	sum  []ristretto255.Element
	used []bool
}

func newBuckets(width int) *buckets {
	n := 1 << (width - 1)
	return &buckets{sum: make([]ristretto255.Element, n), used: make([]bool, n)}
}

func (t *buckets) clear() { clear(t.used) }

func (t *buckets) put(d int16, p *ristretto255.Element) {
	switch {
	case d > 0 && t.used[d-1]:
		t.sum[d-1].Add(&t.sum[d-1], p)
	case d > 0:
		t.used[d-1] = true
		t.sum[d-1] = *p
	case d < 0 && t.used[-d-1]:
		t.sum[-d-1].Subtract(&t.sum[-d-1], p)
	case d < 0:
		t.used[-d-1] = true
		t.sum[-d-1].Negate(p)
	}
}

// sumInto adds the sum of d·bucket[d] to acc: from the top, every bucket goes
// into the running sum once and the running sum into acc at every step.
func (t *buckets) sumInto(acc *ristretto255.Element) {
	running := ristretto255.NewIdentityElement()
	empty := true
	for i := len(t.sum) - 1; i >= 0; i-- {
		if t.used[i] {
			running.Add(running, &t.sum[i])
			empty = false
		}
		if !empty {
			acc.Add(acc, running)
		}
	}
}
