// Package elgamal is exponential ElGamal over the group: ciphertexts that can
// be added up without being opened.
//
// It never decrypts. Opening takes the shares of several tellers and happens on
// sums only (SPEC.md, section 14); sealing is section 6. It holds no secret
// beyond a call.
//
// # Security considerations
//
// Encrypt runs in constant time: neither branch nor memory access depends on
// the randomness or on the choice.
package elgamal

import "strikevote/internal/protocol/group"

// MaxOptions is the most options a question can have. Counts of 20 bits each
// must fit below the order with room for decoding.
const MaxOptions = 4

// A Ciphertext is R = rG, C = rY + M.
type Ciphertext struct {
	R, C *group.Element
}

// optionPoints are M_0 … M_3.
var optionPoints = func() (m [MaxOptions]*group.Element) {
	for j := range m {
		m[j] = group.BaseMul(OptionScalar(j))
	}
	return m
}()

// Option returns M_j = 2^(20j) G, the point that stands for option j. It
// panics unless 0 ≤ j < [MaxOptions].
func Option(j int) *group.Element { return optionPoints[j] }

// OptionScalar returns 2^(20j), in constant time. It panics unless
// 0 ≤ j < [MaxOptions].
func OptionScalar(j int) *group.Scalar {
	if uint(j) >= MaxOptions {
		panic("elgamal: no such option")
	}
	return group.ScalarFromUint64(1 << (20 * uint(j)))
}

// Zero returns the ciphertext of nothing: the start of a sum.
func Zero() Ciphertext { return Ciphertext{R: group.Identity(), C: group.Identity()} }

// Add returns the ciphertext of the sum.
func (c Ciphertext) Add(d Ciphertext) Ciphertext {
	return Ciphertext{R: c.R.Add(d.R), C: c.C.Add(d.C)}
}

// Encrypt seals option j under key with randomness r, which must be uniform,
// secret and used once.
func Encrypt(key *group.Element, r *group.Scalar, j int) Ciphertext {
	// M_j is computed, not looked up: a table indexed by the choice would show
	// the choice in the caches.
	return Ciphertext{
		R: group.BaseMul(r),
		C: key.Mul(r).Add(group.BaseMul(OptionScalar(j))),
	}
}
