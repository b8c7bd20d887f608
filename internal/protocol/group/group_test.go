package group_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/group"
)

// order is l, big-endian in decimal.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

func littleEndian(x *big.Int, n int) []byte {
	b := x.FillBytes(make([]byte, n))
	slices.Reverse(b)
	return b
}

func toInt(s *group.Scalar) *big.Int {
	b := s.Bytes()
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	zero := make([]byte, group.Size)
	if _, err := group.DecodeElement(zero); err == nil {
		t.Error("DecodeElement accepts the identity")
	}
	e, err := group.DecodeElementOrIdentity(zero)
	if err != nil || !e.IsIdentity() || !bytes.Equal(e.Bytes(), zero) {
		t.Errorf("DecodeElementOrIdentity: got %v", err)
	}
	g := group.Generator()
	if !g.Sub(g).IsIdentity() || !g.Add(g.Neg()).IsIdentity() || !g.Mul(new(group.Scalar)).IsIdentity() {
		t.Error("G - G is not the identity")
	}
	if g.IsIdentity() || !bytes.Equal(g.Sub(g).Bytes(), zero) {
		t.Error("the identity is not 32 zero bytes")
	}
}

func TestLengths(t *testing.T) {
	t.Parallel()
	b := append(group.Generator().Bytes(), make([]byte, 32)...)
	for n := range len(b) {
		if n == group.Size {
			continue
		}
		if _, err := group.DecodeElement(b[:n]); err == nil {
			t.Errorf("DecodeElement accepts %d bytes", n)
		}
		if _, err := group.DecodeElementOrIdentity(b[:n]); err == nil {
			t.Errorf("DecodeElementOrIdentity accepts %d bytes", n)
		}
		if _, err := group.DecodeScalar(make([]byte, n)); err == nil {
			t.Errorf("DecodeScalar accepts %d bytes", n)
		}
	}
}

// TestElementAliases changes what was decoded and what was returned.
func TestElementAliases(t *testing.T) {
	t.Parallel()
	in := group.Generator().Bytes()
	e, err := group.DecodeElement(in)
	if err != nil {
		t.Fatal(err)
	}
	in[0] ^= 1
	e.Bytes()[1] ^= 1
	if !bytes.Equal(e.Bytes(), group.Generator().Bytes()) {
		t.Error("an element changes with the bytes it was decoded from")
	}
	if sum := e.Add(e); !bytes.Equal(sum.Bytes(), group.BaseMul(group.ScalarFromUint64(2)).Bytes()) {
		t.Error("a sum has the encoding of its part")
	}
}

func TestScalarRange(t *testing.T) {
	t.Parallel()
	one := big.NewInt(1)
	top := new(big.Int).Lsh(one, 256)
	tests := []struct {
		name string
		x    *big.Int
		ok   bool
	}{
		{"zero", new(big.Int), true},
		{"one", one, true},
		{"order minus one", new(big.Int).Sub(order, one), true},
		{"order", order, false},
		{"order plus one", new(big.Int).Add(order, one), false},
		{"2^252", new(big.Int).Lsh(one, 252), true},
		{"2^253", new(big.Int).Lsh(one, 253), false},
		{"2^255", new(big.Int).Lsh(one, 255), false},
		{"2^256-1", new(big.Int).Sub(top, one), false},
	}
	for _, tt := range tests {
		b := littleEndian(tt.x, group.Size)
		s, err := group.DecodeScalar(b)
		if (err == nil) != tt.ok {
			t.Errorf("%s: got error %v", tt.name, err)
		}
		if err == nil && !bytes.Equal(s.Bytes(), b) {
			t.Errorf("%s: encodes as %x", tt.name, s.Bytes())
		}
	}
}

// TestScalarArithmetic compares with math/big.
func TestScalarArithmetic(t *testing.T) {
	t.Parallel()
	check := func(name string, got *group.Scalar, want *big.Int) {
		t.Helper()
		if toInt(got).Cmp(want.Mod(want, order)) != 0 {
			t.Errorf("%s: got %d, want %d", name, toInt(got), want)
		}
	}
	n := func() *big.Int { return new(big.Int) }
	for range 50 {
		a, b := group.RandomScalar(), group.RandomScalar()
		x, y := toInt(a), toInt(b)
		check("add", a.Add(b), n().Add(x, y))
		check("sub", a.Sub(b), n().Sub(x, y))
		check("mul", a.Mul(b), n().Mul(x, y))
		check("neg", a.Neg(), n().Neg(x))
		check("invert", a.Invert(), n().ModInverse(x, order))
		check("select 1", group.Select(1, a, b), x)
		check("select 0", group.Select(0, a, b), y)
		var wide [64]byte
		copy(wide[:], littleEndian(n().Mul(x, y), 64))
		check("wide", group.ScalarFromWide(wide), n().Mul(x, y))
	}
	full := [64]byte(bytes.Repeat([]byte{0xff}, 64))
	check("widest", group.ScalarFromWide(full), n().Sub(n().Lsh(big.NewInt(1), 512), big.NewInt(1)))
	check("uint64", group.ScalarFromUint64(1<<63+5), n().SetUint64(1<<63+5))
	check("128", group.ScalarFrom128([16]byte(full[:16])), n().Sub(n().Lsh(big.NewInt(1), 128), big.NewInt(1)))
	check("invert zero", new(group.Scalar).Invert(), n())
}

func TestScalarRedacts(t *testing.T) {
	t.Parallel()
	s := group.ScalarFromUint64(0xabcdef)
	holder := struct{ Share *group.Scalar }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, got := range []string{fmt.Sprintf(verb, s), fmt.Sprintf(verb, *s)} {
			if got != "[scalar]" {
				t.Errorf("%s: got %s", verb, got)
			}
		}
	}
	j, err := json.Marshal(holder)
	if err != nil || strings.Contains(string(j), "abcdef") || string(j) != `{"Share":{}}` {
		t.Errorf("JSON: got %s, %v", j, err)
	}
}

func FuzzDecodeElement(f *testing.F) {
	for _, s := range append(smallMultiples, badEncodings...) {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := group.DecodeElementOrIdentity(b)
		if err != nil {
			return
		}
		// Through a computation, so that the bytes kept at decoding are not used.
		if got := e.Add(group.Identity()).Bytes(); !bytes.Equal(got, b) || !bytes.Equal(e.Bytes(), b) {
			t.Errorf("%x encodes as %x", b, got)
		}
		if _, err := group.DecodeElement(b); (err == nil) == e.IsIdentity() {
			t.Errorf("DecodeElement(%x): %v", b, err)
		}
	})
}

func FuzzDecodeScalar(f *testing.F) {
	f.Add(make([]byte, group.Size))
	f.Add(littleEndian(order, group.Size))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := group.DecodeScalar(b)
		if err == nil && !bytes.Equal(s.Bytes(), b) {
			t.Errorf("%x encodes as %x", b, s.Bytes())
		}
	})
}
