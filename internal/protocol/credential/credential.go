// Package credential is the voter's and the verifier's side of blind
// signatures: it blinds a request for a credential on one finished ballot,
// makes the credential of the issuer's answer, and verifies credentials.
//
// It holds public keys only; the private key is in the package issuer, which
// the ballot box cannot reach. It must never send, keep or show what links a
// request to a ballot: [Request] redacts itself.
//
// The scheme is RSABSSA-SHA384-PSS-Deterministic of RFC 9474 with keys of 3072
// bits and the exponent 65537 (SPEC.md section 7).
//
// # Security considerations
//
// Salt and blind are derived from the voter's secret by the caller's function,
// so that a test of the device can recompute a request byte by byte, and so
// that the random bits of a request cannot carry anything out of it. Blindness
// is then as good as that secret, 128 bits, and not unconditional. Everything
// here runs on the voter's own device, or on public data, in variable time.
package credential

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"strikevote/internal/protocol/suite"
)

var (
	// ErrInvalid is returned for a credential that does not verify.
	ErrInvalid = errors.New("credential is not valid")

	// ErrBadAnswer is returned for an answer that does not make a valid
	// credential. With the request it is evidence against the issuer.
	ErrBadAnswer = errors.New("issuer's answer does not make a valid credential")
)

// A Signature is a credential: it makes one ballot count. It hides itself from
// fmt, since before it is cast whoever reads it could cast it.
type Signature [Size]byte

// Format hides the signature, whatever the verb.
func (Signature) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[credential]") }

// Message returns what a credential signs: one ballot, in one group of one
// election, so that it counts nowhere else.
func Message(mid suite.MID, g suite.GroupID, id suite.BallotID) []byte {
	return suite.Message("credential", mid[:], suite.U16(uint16(g)), id[:])
}

// A Request is a blinded message, and what it takes to make a credential of the
// answer. It hides itself from fmt, because its inverse links the two.
type Request struct {
	Z [Size]byte // sent to the registrar

	key *PublicKey
	msg []byte
	inv *big.Int // of the blind
}

// Format hides the request, whatever the verb.
func (*Request) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[request]") }

const (
	blindSize = 400

	// maxBlinds bounds the search for an invertible blind. With an honest key
	// the first is invertible; a key for which two are not was made to be
	// noticed.
	maxBlinds = 16
)

// Blind makes the request for a credential on msg. okm derives bytes from the
// voter's secret under a label (SPEC.md section 6). The same arguments make the
// same request, so that a request can be repeated after a crash.
func Blind(pk *PublicKey, msg []byte, okm func(label string, n int) []byte) (*Request, error) {
	n := pk.v.n
	less := new(big.Int).Sub(n, big.NewInt(1))
	for counter := range maxBlinds {
		// 400 bytes are 128 bits more than the modulus: the remainder is even.
		x := new(big.Int).SetBytes(okm("blind/"+strconv.Itoa(counter), blindSize))
		b := x.Mod(x, less)
		b.Add(b, big.NewInt(1))
		inv := new(big.Int).ModInverse(b, n)
		if inv == nil {
			continue
		}
		z, err := pk.v.blind(encodePSS(msg, okm("salt", SaltSize), Bits-1), b)
		if err != nil {
			return nil, fmt.Errorf("blinding: %w", err)
		}
		r := &Request{key: pk, msg: append([]byte(nil), msg...), inv: inv}
		z.FillBytes(r.Z[:])
		return r, nil
	}
	return nil, errors.New("blinding: the issuer's key is not an RSA key")
}

// blind returns em * b^e mod n.
func (v *verifier) blind(em []byte, b *big.Int) (*big.Int, error) {
	m := new(big.Int).SetBytes(em)
	// A blinded message keeps its common factor with the modulus, and an issuer
	// with a modulus made for that would learn it (RFC 9474 section 4.2).
	if new(big.Int).GCD(nil, nil, m, v.n).Cmp(big.NewInt(1)) != 0 {
		return nil, errors.New("the message has a factor of the issuer's modulus")
	}
	z := m.Mul(m, v.public(b))
	return z.Mod(z, v.n), nil
}

// Finalize makes the credential of the issuer's answer and verifies it. It
// returns an error wrapping [ErrBadAnswer].
func (r *Request) Finalize(answer []byte) (Signature, error) {
	sig, ok := r.key.v.unblind(answer, r.inv)
	if !ok || !r.key.v.verify(r.msg, sig, SaltSize) {
		return Signature{}, fmt.Errorf("finalizing credential: %w", ErrBadAnswer)
	}
	return Signature(sig), nil
}

// unblind returns answer * inv mod n.
func (v *verifier) unblind(answer []byte, inv *big.Int) ([]byte, bool) {
	s := new(big.Int).SetBytes(answer)
	if len(answer) != v.size() || s.Cmp(v.n) >= 0 {
		return nil, false
	}
	s.Mul(s, inv)
	return s.Mod(s, v.n).FillBytes(make([]byte, v.size())), true
}

// Verify returns an error wrapping [ErrInvalid] unless sig is a credential on
// msg by that key: exactly 384 bytes, below the modulus, with a salt of exactly
// 48 bytes.
func Verify(pk *PublicKey, msg []byte, sig []byte) error {
	if !pk.v.verify(msg, sig, SaltSize) {
		return fmt.Errorf("verifying credential: %w", ErrInvalid)
	}
	return nil
}
