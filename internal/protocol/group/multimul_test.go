package group

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sample(n int) ([]*Scalar, []*Element) {
	s, p := make([]*Scalar, n), make([]*Element, n)
	for i := range n {
		s[i], p[i] = RandomScalar(), BaseMul(RandomScalar())
	}
	return s, p
}

func naive(scalars []*Scalar, points []*Element) *Element {
	sum := Identity()
	for i := range points {
		sum = sum.Add(points[i].Mul(scalars[i]))
	}
	return sum
}

// edges are scalars whose signed digits carry, are zero or are extreme.
func edges(t *testing.T) []*Scalar {
	one := ScalarFromUint64(1)
	out := []*Scalar{new(Scalar), one, one.Neg(), ScalarFromUint64(1 << 63), ScalarFromUint64(1<<64 - 1)}
	for bit := range 252 {
		b := make([]byte, Size)
		b[bit/8] = 1 << (bit % 8)
		s, err := DecodeScalar(b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s, s.Sub(one), s.Neg())
	}
	return out
}

func TestMultiMul(t *testing.T) {
	t.Parallel()
	if !MultiMul(nil, nil).IsIdentity() {
		t.Error("the empty sum is not the identity")
	}
	for _, n := range []int{1, 2, 3, 17, strausLimit, strausLimit + 1, 300} {
		s, p := sample(n)
		want := naive(s, p)
		for name, got := range map[string]*Element{"MultiMul": MultiMul(s, p), "straus": straus(s, p), "pippenger": pippenger(s, p)} {
			if !got.Equal(want) {
				t.Errorf("%d points by %s: wrong sum", n, name)
			}
		}
	}
}

func TestMultiMulEdges(t *testing.T) {
	t.Parallel()
	s := edges(t)
	_, p := sample(len(s))
	want := naive(s, p)
	if !pippenger(s, p).Equal(want) || !straus(s, p).Equal(want) {
		t.Error("wrong sum of edge scalars")
	}
	// One at a time: errors must not cancel.
	for i := range s {
		if !pippenger(s[i:i+1], p[i:i+1]).Equal(p[i].Mul(s[i])) {
			t.Errorf("edge scalar %d: wrong product", i)
		}
	}
	zeros := make([]*Scalar, len(p))
	same := make([]*Element, len(p))
	for i := range p {
		zeros[i], same[i] = new(Scalar), p[0]
	}
	if !MultiMul(zeros, p).IsIdentity() {
		t.Error("a sum of zeros is not the identity")
	}
	if !MultiMul(s, same).Equal(naive(s, same)) {
		t.Error("wrong sum over one repeated point")
	}
	for i := range p {
		same[i] = Identity()
	}
	if !MultiMul(s, same).IsIdentity() {
		t.Error("a sum of identities is not the identity")
	}
}

func TestMultiMulPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("lists of different lengths are summed")
		}
	}()
	MultiMul([]*Scalar{RandomScalar()}, nil)
}

// TestRecode rebuilds random scalars from their digits, at every width.
func TestRecode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var word [4]uint64
		for j := range word {
			word[j] = rapid.Uint64().Draw(t, "word")
		}
		word[3] >>= 64 - rapid.IntRange(0, 60).Draw(t, "bits")
		width := rapid.IntRange(2, 13).Draw(t, "width")
		windows := bitLen(&word)/width + 1
		got, want := new(big.Int), new(big.Int)
		for _, d := range slices.Backward(recode([][4]uint64{word}, width, windows)) {
			if half := int16(1) << (width - 1); d > half || d < -half {
				t.Fatalf("digit %d of width %d", d, width)
			}
			got.Add(got.Lsh(got, uint(width)), big.NewInt(int64(d)))
		}
		for _, x := range slices.Backward(word[:]) {
			want.Add(want.Lsh(want, 64), new(big.Int).SetUint64(x))
		}
		if got.Cmp(want) != 0 {
			t.Fatalf("got %x, want %x", got, want)
		}
	})
}

func BenchmarkMultiMul(b *testing.B) {
	for _, n := range []int{1, 8, 32, 128, 256, 1000, 8000} {
		s, p := sample(n)
		short := make([]*Scalar, n)
		for i := range s {
			short[i] = ScalarFrom128([16]byte(s[i].Bytes()))
		}
		for _, m := range []struct {
			name    string
			scalars []*Scalar
		}{{"full", s}, {"128", short}} {
			b.Run(fmt.Sprintf("%s/%d", m.name, n), func(b *testing.B) {
				for b.Loop() {
					MultiMul(m.scalars, p)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/point")
			})
		}
	}
}

func BenchmarkDecodeElement(b *testing.B) {
	x := Generator().Bytes()
	for b.Loop() {
		if _, err := DecodeElement(x); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMul(b *testing.B) {
	s, p := sample(1)
	for b.Loop() {
		p[0].Mul(s[0])
	}
}

func BenchmarkBaseMul(b *testing.B) {
	s := RandomScalar()
	for b.Loop() {
		BaseMul(s)
	}
}
