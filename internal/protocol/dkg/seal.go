package dkg

import (
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"strikevote/internal/protocol/group"
)

const prefixKey = "COCKTAIL-DKG-Ristretto255-SHA512-H6"

// ciphertextSize is a share and the tag of the AEAD.
const ciphertextSize = group.Size + chacha20poly1305.Overhead

var (
	errCiphertext = errors.New("its share cannot be opened")
	errScalar     = errors.New("its share is not a canonical scalar")
	errShare      = errors.New("its share does not fit its commitment")
)

// h6 derives key and nonce of one ciphertext from the two Diffie-Hellman
// secrets of sender and recipient. The ephemeral one keeps past shares secret
// if the sender's static key is lost later, the static one says who sent.
func h6(dhEphemeral, dhStatic, ephemeral, sender, recipient *group.Element, context []byte) [64]byte {
	b := []byte(prefixKey)
	for _, p := range []*group.Element{dhEphemeral, dhStatic, ephemeral, sender, recipient} {
		b = append(b, p.Bytes()...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(context)))
	b = append(b, context...)
	out := sha512.Sum512(b)
	clear(b)
	return out
}

// seal encrypts under the first 32 bytes of k with the next 24 as nonce. The
// nonce is derived and not drawn: every sender, recipient and ceremony has its
// own key, used for one message.
func seal(k *[64]byte, plaintext []byte) []byte {
	a, err := chacha20poly1305.NewX(k[:32])
	if err != nil {
		panic("dkg: " + err.Error()) // the key has the one length there is
	}
	return a.Seal(nil, k[32:56], plaintext, nil)
}

// open undoes seal.
func open(k *[64]byte, ciphertext []byte) ([]byte, error) {
	a, err := chacha20poly1305.NewX(k[:32])
	if err != nil {
		panic("dkg: " + err.Error())
	}
	return a.Open(nil, k[32:56], ciphertext, nil)
}

// sealShare encrypts participant i's share and payload for recipient j. The
// ephemeral key e belongs to the point in m.
func (s *Setup) sealShare(i, j int, key, e *group.Scalar, m *public, plaintext []byte) []byte {
	p := s.Static[j-1]
	k := h6(p.Mul(e), p.Mul(key), m.ephemeral, s.Static[i-1], p, s.Context)
	defer clear(k[:])
	return seal(&k, plaintext)
}

// openShare decrypts what participant j, whose round 1 is in m, sent to i, and
// checks it against j's commitment.
func (s *Setup) openShare(i, j int, key *group.Scalar, m *public, ciphertext []byte) (*group.Scalar, []byte, error) {
	sender := s.Static[j-1]
	k := h6(m.ephemeral.Mul(key), sender.Mul(key), m.ephemeral, sender, s.Static[i-1], s.Context)
	defer clear(k[:])
	plaintext, err := open(&k, ciphertext)
	if err != nil || len(plaintext) < group.Size {
		return nil, nil, errCiphertext
	}
	defer clear(plaintext[:group.Size])
	x, err := group.DecodeScalar(plaintext[:group.Size])
	if err != nil {
		return nil, nil, errScalar
	}
	if !group.BaseMul(x).Equal(evaluatePoints(m.commitment, i)) {
		return nil, nil, errShare
	}
	return x, plaintext[group.Size:], nil
}

// evaluate returns f(i) for the polynomial with these coefficients, the
// constant term first. The result is never one of the coefficients, even at
// t = 1: the caller wipes it.
func evaluate(coefficients []*group.Scalar, i int) *group.Scalar {
	at := group.ScalarFromUint64(uint64(i))
	sum := new(group.Scalar)
	for _, a := range slices.Backward(coefficients) {
		sum = sum.Mul(at).Add(a)
	}
	return sum
}

// evaluatePoints returns f(i)·G from the commitment to f. It runs in variable
// time: commitments are public.
func evaluatePoints(commitment []*group.Element, i int) *group.Element {
	at := group.ScalarFromUint64(uint64(i))
	power := group.ScalarFromUint64(1)
	powers := make([]*group.Scalar, len(commitment))
	for k := range powers {
		powers[k] = power
		power = power.Mul(at)
	}
	return group.MultiMul(powers, commitment)
}
