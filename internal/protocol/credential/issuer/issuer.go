// Package issuer signs credentials blindly. It is the only package that holds
// an issuer's private key.
//
// It sees blinded requests and must never see a ballot, a choice or a name,
// with one exception: [Key.SignMessage] signs an accepted envelope's message in
// the clear. Who may have a signature, and that each has only one, is decided
// by the registrar, the only package that imports this one.
//
// The scheme is RFC 9474 as SPEC.md section 7 fixes it. A key is made for one
// group of one election and used for nothing else: a blind signer signs
// whatever it is given, so that anything else its key protected would be lost.
//
// # Security considerations
//
// A voter chooses the number that is raised to the secret exponent, as often as
// there are voters. The private operation therefore runs in constant time on
// filippo.io/bigmod; and its result is raised to the public exponent and
// compared before it leaves, because one faulty result of a computation by the
// Chinese remainder theorem reveals the key. Making, reading and writing a key
// are done by math/big in variable time: nobody outside can cause or repeat
// them.
package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"

	"filippo.io/bigmod"

	"strikevote/internal/protocol/credential"
)

var (
	// ErrRange is returned for a request that is not a number between 1 and the
	// modulus less 1, both excluded: those that a signer maps to themselves, or
	// that have two spellings.
	ErrRange = errors.New("request is out of range")

	// ErrWiped is returned by a key after [Key.Wipe].
	ErrWiped = errors.New("key was wiped")
)

const exponent = 65537

// A Key is an issuer's private key. Signing is safe for concurrent use, wiping
// is not: whoever wipes has first ended all signing. It hides itself from fmt.
type Key struct {
	public *credential.PublicKey
	s      *secret // nil after Wipe
}

// Generate makes a new key. It takes some tenths of a second.
func Generate() (*Key, error) {
	k, err := rsa.GenerateKey(rand.Reader, credential.Bits)
	if err != nil {
		return nil, fmt.Errorf("generating issuer key: %w", err)
	}
	s, err := newSecret(k.Primes[0], k.Primes[1])
	if err != nil {
		return nil, fmt.Errorf("generating issuer key: %w", err)
	}
	return newKey(s)
}

func newKey(s *secret) (*Key, error) {
	public, err := credential.FromModulus(s.modulus)
	if err != nil {
		return nil, err
	}
	return &Key{public: public, s: s}, nil
}

// Public returns the public key.
func (k *Key) Public() *credential.PublicKey { return k.public }

// Sign returns z^d mod n, the answer to a blinded request. It returns an error
// wrapping [ErrRange].
func (k *Key) Sign(z []byte) ([credential.Size]byte, error) {
	if k.s == nil {
		return [credential.Size]byte{}, ErrWiped
	}
	answer, err := k.s.sign(z)
	if err != nil {
		return [credential.Size]byte{}, fmt.Errorf("signing blinded request: %w", err)
	}
	return [credential.Size]byte(answer), nil
}

// SignMessage signs a credential's message in the clear, for an envelope that
// the committee has accepted. Its signatures verify as blind ones do; the salt
// is random.
func (k *Key) SignMessage(msg []byte) (credential.Signature, error) {
	var salt [credential.SaltSize]byte
	rand.Read(salt[:])
	return k.signMessage(msg, salt)
}

func (k *Key) signMessage(msg []byte, salt [credential.SaltSize]byte) (credential.Signature, error) {
	em := k.public.Encode(msg, salt)
	sig, err := k.Sign(em[:])
	if err != nil {
		return credential.Signature{}, err
	}
	return credential.Signature(sig), nil
}

// Wipe overwrites the key; every use after it returns [ErrWiped]. Copies that
// the arithmetic left in memory that is not yet reused are out of its reach.
func (k *Key) Wipe() {
	if k.s == nil {
		return
	}
	k.s.wipe()
	k.s = nil
}

// Format hides the key, whatever the verb.
func (*Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[issuer key]") }

// MarshalText refuses: a key is written by [Key.Bytes] alone.
func (*Key) MarshalText() ([]byte, error) {
	return nil, errors.New("an issuer key is not to be written down")
}

// sign is the private operation, in constant time apart from the range check.
func (s *secret) sign(z []byte) ([]byte, error) {
	if len(z) != len(s.modulus) {
		return nil, ErrRange
	}
	c, err := bigmod.NewNat().SetBytes(z, s.n)
	if err != nil || c.IsZero()|c.IsOne()|c.IsMinusOne(s.n) == 1 {
		return nil, ErrRange
	}
	m, err := s.moduli()
	if err != nil {
		return nil, err
	}
	t := bigmod.NewNat()
	// x = z^d mod p, y = z^d mod q; then x = y + q ((x - y) / q mod p).
	x := bigmod.NewNat().Exp(t.Mod(c, m.p), s.dp, m.p)
	y := bigmod.NewNat().Exp(t.Mod(c, m.q), s.dq, m.q)
	x.Sub(t.Mod(y, m.p), m.p)
	x.Mul(m.qinv, m.p)
	x.ExpandFor(s.n).Mul(t.Mod(m.q.Nat(), s.n), s.n)
	x.Add(y.ExpandFor(s.n), s.n)
	// A fault in one of the two halves, by hardware or by a key file that
	// changed, would give away a factor of the modulus.
	if bigmod.NewNat().ExpShortVarTime(x, exponent, s.n).Equal(c) != 1 {
		return nil, errors.New("the computation was faulty")
	}
	return x.Bytes(s.n), nil
}
