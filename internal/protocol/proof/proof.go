// Package proof holds the zero-knowledge proofs of suite SV1: that a ciphertext
// seals exactly one of k options (SPEC.md, section 6), and that two points have
// one discrete logarithm (sections 13 and 14).
//
// It never hashes: what a challenge binds is decided where the whole statement
// is known, by the ballot and by the share. A challenge that leaves out a part
// of the statement lets proofs of false statements be made, so callers hash
// everything the statement is about and every commitment.
//
// # Security considerations
//
// Proving runs in constant time: neither branch nor memory access depends on
// the choice or on the randomness. Checking takes variable time and is for
// public values.
package proof

import (
	"crypto/subtle"
	"errors"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
)

var (
	// ErrChallenge is returned when the parts of a proof's challenge do not sum
	// to what the hash demands.
	ErrChallenge = errors.New("the challenges do not sum to the hash")
	// ErrEquation is returned when an equation of a proof does not hold.
	ErrEquation = errors.New("an equation of a proof does not hold")
	// ErrDegenerate is returned by [Prove] when a point that would be published
	// is the identity. It happens with probability 2^-250; the caller starts
	// again with other randomness.
	ErrDegenerate = errors.New("a computed point is the identity")
)

// A Statement says that a ciphertext seals one of the options 0 … k-1 under a key.
type Statement struct {
	Key *group.Element
	elgamal.Ciphertext
}

// An OneOf proves a [Statement]. All slices have length k.
type OneOf struct {
	A, B []*group.Element // commitments
	C, S []*group.Scalar  // parts of the challenge, and responses
}

// A Nonce is what [Prove] consumes: uniform scalars, secret and used once. C
// and S have length k; the entry of the true option is not used, and is there
// so that proving need not know which one to leave out.
type Nonce struct {
	W    *group.Scalar
	C, S []*group.Scalar
}

// Prove proves that st seals option j with randomness r. challenge is given the
// encodings A_0, B_0, …, A_{k-1}, B_{k-1} and hashes them with the statement.
func Prove(st Statement, r *group.Scalar, j int, n Nonce, challenge func(commitments [][]byte) *group.Scalar) (*OneOf, error) {
	k := len(n.C)
	p := &OneOf{
		A: make([]*group.Element, k), B: make([]*group.Element, k),
		C: make([]*group.Scalar, k), S: make([]*group.Scalar, k),
	}
	commitments := make([][]byte, 0, 2*k)
	sum := new(group.Scalar)
	for m := range k {
		// With the true r known, s_m G - c_m R = t G and
		// s_m Y - c_m (C - M_m) = t Y - c_m (2^(20j) - 2^(20m)) G with
		// t = s_m - c_m r. The true option is the same with t = w, since the
		// last term is then zero: one formula, no branch.
		own := subtle.ConstantTimeEq(int32(m), int32(j))
		t := group.Select(own, n.W, n.S[m].Sub(n.C[m].Mul(r)))
		d := elgamal.OptionScalar(j).Sub(elgamal.OptionScalar(m))
		p.A[m] = group.BaseMul(t)
		p.B[m] = st.Key.Mul(t).Sub(group.BaseMul(n.C[m].Mul(d)))
		commitments = append(commitments, p.A[m].Bytes(), p.B[m].Bytes())
		sum = sum.Add(group.Select(own, new(group.Scalar), n.C[m]))
	}
	for m := range k {
		if p.A[m].IsIdentity() || p.B[m].IsIdentity() {
			return nil, ErrDegenerate
		}
	}
	rest := challenge(commitments).Sub(sum)
	answer := n.W.Add(rest.Mul(r))
	for m := range k {
		own := subtle.ConstantTimeEq(int32(m), int32(j))
		p.C[m] = group.Select(own, rest, n.C[m])
		p.S[m] = group.Select(own, answer, n.S[m])
	}
	return p, nil
}

// CheckSum returns [ErrChallenge] unless the parts of the challenge sum to c.
func (p *OneOf) CheckSum(c *group.Scalar) error {
	sum := new(group.Scalar)
	for _, part := range p.C {
		sum = sum.Add(part)
	}
	if !sum.Equal(c) {
		return ErrChallenge
	}
	return nil
}
