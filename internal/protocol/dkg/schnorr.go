package dkg

import (
	"crypto/sha512"
	"errors"

	"strikevote/internal/protocol/group"
)

// SignatureSize is the size of a signature: a point and a scalar.
const SignatureSize = 64

// The prefixes keep these signatures apart from every other Schnorr scheme
// over the same group: without them a proof of possession could be presented
// as a signature elsewhere.
const (
	prefixNonce     = "COCKTAIL-DKG-Ristretto255-SHA512-NONCE"
	prefixChallenge = "COCKTAIL-DKG-Ristretto255-SHA512-H7"
)

var (
	errSignature = errors.New("signature does not verify")
	errNonce     = errors.New("signing: no nonce for this key and message")
)

// Sign signs msg with COCKTAIL-DKG's Schnorr scheme. The nonce is derived from
// key and message, so that no random source can make it repeat.
//
// It panics if sk is zero, which no key made by this program is, or if the
// nonce is, which happens once in 2^252.
func Sign(sk *group.Scalar, msg []byte) [64]byte {
	sig, err := sign(sk, msg)
	if err != nil {
		panic("dkg: " + err.Error())
	}
	return sig
}

func sign(sk *group.Scalar, msg []byte) (sig [64]byte, err error) {
	in := nonceInput(sk, msg)
	k := hashToScalar(in)
	clear(in)
	// A response under a zero nonce is the challenge times the key: it would
	// reveal the key. Nothing derived from it may leave this function.
	if sk.IsZero() || k.IsZero() {
		return sig, errNonce
	}
	pk, r := group.BaseMul(sk), group.BaseMul(k)
	c := hashToScalar(challengeInput(r, pk, msg))
	copy(sig[:32], r.Bytes())
	copy(sig[32:], k.Add(c.Mul(sk)).Bytes())
	return sig, nil
}

// Verify checks a signature by [Sign]. It runs in variable time.
func Verify(pk *group.Element, msg, sig []byte) error {
	if len(sig) != SignatureSize || pk == nil || pk.IsIdentity() {
		return errSignature
	}
	r, err := group.DecodeElement(sig[:32])
	if err != nil {
		return errSignature
	}
	z, err := group.DecodeScalar(sig[32:])
	if err != nil {
		return errSignature
	}
	c := hashToScalar(challengeInput(r, pk, msg))
	got := group.MultiMul([]*group.Scalar{z, c.Neg()}, []*group.Element{group.Generator(), pk})
	if !got.Equal(r) {
		return errSignature
	}
	return nil
}

func nonceInput(sk *group.Scalar, msg []byte) []byte {
	b := append(make([]byte, 0, len(prefixNonce)+32+len(msg)), prefixNonce...)
	b = append(b, sk.Bytes()...)
	return append(b, msg...)
}

func challengeInput(r, pk *group.Element, msg []byte) []byte {
	b := append(make([]byte, 0, len(prefixChallenge)+64+len(msg)), prefixChallenge...)
	b = append(b, r.Bytes()...)
	b = append(b, pk.Bytes()...)
	return append(b, msg...)
}

func hashToScalar(in []byte) *group.Scalar { return group.ScalarFromWide(sha512.Sum512(in)) }
