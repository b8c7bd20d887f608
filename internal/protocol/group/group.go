// Package group is ristretto255, the group of prime order in which ballots are
// sealed, proved, added up and opened, and its field of scalars.
//
// It must never accept two encodings of one value, nor the identity where a
// point is read: an identity key would seal nothing and an identity commitment
// would prove anything. It knows nothing of elections. The group is fixed by
// SPEC.md, section 1, and never read from election data.
//
// # Security considerations
//
// Everything runs in constant time except [MultiMul], which is for public
// values only, and decoding, whose time depends on whether the bytes are valid.
// The arithmetic is that of github.com/gtank/ristretto255 over
// filippo.io/edwards25519; this package adds the checks and the sum of many
// products.
package group

import (
	"errors"

	"github.com/gtank/ristretto255"
)

// Size is the length of an encoded element and of an encoded scalar.
const Size = 32

// ErrElement is returned for bytes that are not the encoding of an element, or
// that encode the identity where that is not allowed.
var ErrElement = errors.New("not a canonical point of the group")

// An Element is a point of the group. It is immutable: methods return new ones,
// so that elements may be shared between goroutines. The zero Element is not
// valid.
type Element struct {
	r ristretto255.Element
	// enc is the encoding an element was decoded from, or nil. Encoding costs
	// as much as twenty additions, and the key is hashed into every ballot. It
	// is set once, before the element is shared.
	enc *[Size]byte
}

var (
	generator = &Element{r: *ristretto255.NewGeneratorElement()}
	identity  = &Element{r: *ristretto255.NewIdentityElement()}
)

// Generator returns G.
func Generator() *Element { return generator }

// Identity returns the neutral element.
func Identity() *Element { return identity }

// DecodeElement reads a point that must not be the identity. The error is
// [ErrElement].
func DecodeElement(b []byte) (*Element, error) {
	// The library accepts 32 zero bytes, the canonical encoding of the identity.
	if isZero(b) {
		return nil, ErrElement
	}
	return DecodeElementOrIdentity(b)
}

// DecodeElementOrIdentity reads a point where SPEC.md says that it may be the
// identity. The error is [ErrElement].
func DecodeElementOrIdentity(b []byte) (*Element, error) {
	if len(b) != Size {
		return nil, ErrElement
	}
	e := &Element{enc: (*[Size]byte)(append([]byte(nil), b...))}
	if _, err := e.r.SetCanonicalBytes(b); err != nil {
		return nil, ErrElement
	}
	return e, nil
}

func isZero(b []byte) bool {
	seen := byte(0)
	for _, c := range b {
		seen |= c
	}
	return seen == 0
}

// Bytes returns the canonical encoding.
func (e *Element) Bytes() []byte {
	if e.enc != nil {
		return append([]byte(nil), e.enc[:]...)
	}
	return e.r.Bytes()
}

// Equal reports whether e and o are the same point, in constant time.
func (e *Element) Equal(o *Element) bool { return e.r.Equal(&o.r) == 1 }

// IsIdentity reports whether e is the neutral element.
func (e *Element) IsIdentity() bool { return e.Equal(identity) }

// Add returns e + o.
func (e *Element) Add(o *Element) *Element {
	v := new(Element)
	v.r.Add(&e.r, &o.r)
	return v
}

// Sub returns e - o.
func (e *Element) Sub(o *Element) *Element {
	v := new(Element)
	v.r.Subtract(&e.r, &o.r)
	return v
}

// Neg returns -e.
func (e *Element) Neg() *Element {
	v := new(Element)
	v.r.Negate(&e.r)
	return v
}

// Mul returns s·e, in constant time.
func (e *Element) Mul(s *Scalar) *Element {
	v := new(Element)
	v.r.ScalarMult(&s.s, &e.r)
	return v
}

// BaseMul returns s·G, in constant time.
func BaseMul(s *Scalar) *Element {
	v := new(Element)
	v.r.ScalarBaseMult(&s.s)
	return v
}
