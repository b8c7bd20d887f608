package issuer

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/bigmod"

	"strikevote/internal/protocol/credential"
)

// A secret is a private key of any even size, as bytes of fixed length, so that
// it can be overwritten: the published test vectors do not have our size.
type secret struct {
	modulus []byte
	n       *bigmod.Modulus // the same, public, and slow to prepare
	p, q    []byte
	dp, dq  []byte // d mod p-1, d mod q-1
	qinv    []byte // of q modulo p
}

var errKey = errors.New("not an RSA key of the suite")

// newSecret computes a private key from its primes. It does not test that they
// are prime: with others every signature is found faulty before it leaves.
func newSecret(p, q *big.Int) (*secret, error) {
	one := big.NewInt(1)
	e := big.NewInt(exponent)
	n := new(big.Int).Mul(p, q)
	size := (n.BitLen() + 15) / 16
	if p.BitLen() != q.BitLen() || p.BitLen() != 8*size || n.BitLen() != 16*size || p.Cmp(q) == 0 {
		return nil, errKey
	}
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	dp, dq := new(big.Int).ModInverse(e, p1), new(big.Int).ModInverse(e, q1)
	qinv := new(big.Int).ModInverse(q, p)
	if p.Bit(0) == 0 || q.Bit(0) == 0 || dp == nil || dq == nil || qinv == nil {
		return nil, errKey
	}
	modulus, err := bigmod.NewModulus(n.Bytes())
	if err != nil {
		return nil, errKey
	}
	fill := func(x *big.Int) []byte { return x.FillBytes(make([]byte, size)) }
	return &secret{
		modulus: n.Bytes(), n: modulus,
		p: fill(p), q: fill(q), dp: fill(dp), dq: fill(dq), qinv: fill(qinv),
	}, nil
}

// moduli is a secret ready for arithmetic. It is made for each signature and
// then dropped, which costs a hundredth of the exponentiations, so that what
// lives long can be overwritten.
type moduli struct {
	p, q *bigmod.Modulus
	qinv *bigmod.Nat
}

func (s *secret) moduli() (m moduli, err error) {
	if m.p, err = bigmod.NewModulus(s.p); err != nil {
		return m, errKey
	}
	if m.q, err = bigmod.NewModulus(s.q); err != nil {
		return m, errKey
	}
	if m.qinv, err = bigmod.NewNat().SetBytes(s.qinv, m.p); err != nil {
		return m, errKey
	}
	return m, nil
}

func (s *secret) wipe() {
	for _, b := range [][]byte{s.p, s.q, s.dp, s.dq, s.qinv} {
		clear(b)
	}
}

// The structures of RFC 8017, appendix A.1.2, and RFC 5208.
type pkcs1 struct {
	Version                   int
	N                         *big.Int
	E                         int
	D, P, Q, Dp, Dq, Qinverse *big.Int
}

type pkcs8 struct {
	Version   int
	Algorithm algorithm
	Key       []byte
}

type algorithm struct {
	OID        asn1.ObjectIdentifier
	Parameters asn1.RawValue
}

// rsaEncryption is what other programs expect of an RSA key in PKCS #8. That
// the key is for RSASSA-PSS alone is said by the public key.
var rsaEncryption = algorithm{
	OID:        asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1},
	Parameters: asn1.NullRawValue,
}

// Bytes returns the key in PKCS #8, unencrypted. It returns [ErrWiped] after
// [Key.Wipe].
func (k *Key) Bytes() ([]byte, error) {
	if k.s == nil {
		return nil, ErrWiped
	}
	return k.s.bytes()
}

func (s *secret) bytes() ([]byte, error) {
	num := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
	one := big.NewInt(1)
	p, q := num(s.p), num(s.q)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	lcm := new(big.Int).Div(new(big.Int).Mul(p1, q1), new(big.Int).GCD(nil, nil, p1, q1))
	d := new(big.Int).ModInverse(big.NewInt(exponent), lcm)
	inner, err := asn1.Marshal(pkcs1{
		N: num(s.modulus), E: exponent, D: d, P: p, Q: q, Dp: num(s.dp), Dq: num(s.dq), Qinverse: num(s.qinv),
	})
	if err != nil {
		return nil, fmt.Errorf("writing issuer key: %w", err)
	}
	der, err := asn1.Marshal(pkcs8{Algorithm: rsaEncryption, Key: inner})
	if err != nil {
		return nil, fmt.Errorf("writing issuer key: %w", err)
	}
	return der, nil
}

// Parse accepts exactly what [Key.Bytes] makes. Its errors say nothing of the
// key.
func Parse(der []byte) (*Key, error) {
	s, err := parseSecret(der)
	if err != nil {
		return nil, fmt.Errorf("reading issuer key: %w", err)
	}
	if len(s.modulus) != credential.Size {
		return nil, errors.New("reading issuer key: modulus does not have 3072 bits")
	}
	return newKey(s)
}

func parseSecret(der []byte) (*secret, error) {
	var outer pkcs8
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) != 0 {
		return nil, errKey
	}
	var inner pkcs1
	if rest, err := asn1.Unmarshal(outer.Key, &inner); err != nil || len(rest) != 0 {
		return nil, errKey
	}
	if inner.P == nil || inner.Q == nil || inner.P.Sign() <= 0 || inner.Q.Sign() <= 0 || inner.P.BitLen() > 1<<13 || inner.Q.BitLen() > 1<<13 {
		return nil, errKey
	}
	s, err := newSecret(inner.P, inner.Q)
	if err != nil {
		return nil, err
	}
	// All other numbers follow from the primes: a key file in which one of them
	// was changed is refused here, before anything is signed with it.
	again, err := s.bytes()
	if err != nil || !bytes.Equal(again, der) {
		return nil, errKey
	}
	return s, nil
}
