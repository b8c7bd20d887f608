package group

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gtank/ristretto255"
)

// ErrScalar is returned for bytes that are not the encoding of a scalar.
var ErrScalar = errors.New("not a canonical scalar")

// A Scalar is an integer modulo the order of the group. It is immutable, as an
// [Element] is, and redacts itself: most scalars are somebody's secret. The
// zero Scalar is the number zero.
type Scalar struct {
	s ristretto255.Scalar
}

// Format writes a fixed text under every verb: a share of the election's key
// must not reach a log because somebody printed the structure around it.
func (s Scalar) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[scalar]") }

// DecodeScalar reads 32 bytes little-endian below the order. The error is
// [ErrScalar].
func DecodeScalar(b []byte) (*Scalar, error) {
	v := new(Scalar)
	if _, err := v.s.SetCanonicalBytes(b); err != nil {
		return nil, ErrScalar
	}
	return v, nil
}

// ScalarFromWide reduces 64 bytes little-endian, which gives a uniform scalar
// from uniform bytes.
func ScalarFromWide(x [64]byte) *Scalar {
	v := new(Scalar)
	if _, err := v.s.SetUniformBytes(x[:]); err != nil {
		panic("group: reducing 64 bytes: " + err.Error())
	}
	return v
}

// ScalarFromUint64 returns v.
func ScalarFromUint64(v uint64) *Scalar {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return ScalarFrom128(b)
}

// ScalarFrom128 reads 16 bytes little-endian. Multiplying by such a scalar in
// [MultiMul] costs half.
func ScalarFrom128(x [16]byte) *Scalar {
	var b [Size]byte
	copy(b[:], x[:])
	v, err := DecodeScalar(b[:])
	if err != nil {
		panic("group: 128 bits are not below the order")
	}
	return v
}

// RandomScalar returns a uniform scalar that is not zero.
func RandomScalar() *Scalar {
	for {
		var x [64]byte
		_, _ = rand.Read(x[:]) // never fails: the program ends instead
		if s := ScalarFromWide(x); !s.IsZero() {
			return s
		}
	}
}

// Bytes returns the canonical encoding.
func (s *Scalar) Bytes() []byte { return s.s.Bytes() }

// Equal reports whether s and o are the same, in constant time.
func (s *Scalar) Equal(o *Scalar) bool { return s.s.Equal(&o.s) == 1 }

// IsZero reports whether s is zero, in constant time.
func (s *Scalar) IsZero() bool { return s.Equal(new(Scalar)) }

// Add returns s + o.
func (s *Scalar) Add(o *Scalar) *Scalar {
	v := new(Scalar)
	v.s.Add(&s.s, &o.s)
	return v
}

// Sub returns s - o.
func (s *Scalar) Sub(o *Scalar) *Scalar {
	v := new(Scalar)
	v.s.Subtract(&s.s, &o.s)
	return v
}

// Mul returns s·o.
func (s *Scalar) Mul(o *Scalar) *Scalar {
	v := new(Scalar)
	v.s.Multiply(&s.s, &o.s)
	return v
}

// Neg returns -s.
func (s *Scalar) Neg() *Scalar {
	v := new(Scalar)
	v.s.Negate(&s.s)
	return v
}

// Invert returns 1/s, and zero for zero.
func (s *Scalar) Invert() *Scalar {
	v := new(Scalar)
	v.s.Invert(&s.s)
	return v
}

// Select returns a if choose is 1 and b if it is 0, in constant time. Any other
// value of choose is a programmer's mistake.
func Select(choose int, a, b *Scalar) *Scalar {
	// The library has no selection; b + choose·(a - b) is one, with no branch
	// and no memory access that depends on choose.
	return b.Add(ScalarFromUint64(uint64(choose)).Mul(a.Sub(b)))
}
