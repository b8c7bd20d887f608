package proof

import "strikevote/internal/protocol/group"

// A SameLog proves that x in Y = xG and D = xH is the same, for a base H.
type SameLog struct {
	A, B *group.Element // wG and wH; B is the identity if H is
	S    *group.Scalar  // w + c x
}

// CommitSameLog returns the commitments for a nonce w, which must be uniform,
// secret and used once: two answers with one w give x away.
func CommitSameLog(w *group.Scalar, base *group.Element) (a, b *group.Element) {
	return group.BaseMul(w), base.Mul(w)
}

// AnswerSameLog completes a proof whose commitments were hashed into c.
func AnswerSameLog(a, b *group.Element, x, w, c *group.Scalar) *SameLog {
	return &SameLog{A: a, B: b, S: w.Add(c.Mul(x))}
}

// Check returns [ErrEquation] unless sG = A + cY and sH = B + cD. The challenge
// c must bind Y, H, D, A and B: with any of them left out, proofs of false
// statements can be made.
func (p *SameLog) Check(c *group.Scalar, key, base, d *group.Element) error {
	minus := c.Neg()
	first := group.MultiMul([]*group.Scalar{p.S, minus}, []*group.Element{group.Generator(), key})
	second := group.MultiMul([]*group.Scalar{p.S, minus}, []*group.Element{base, d})
	if !first.Equal(p.A) || !second.Equal(p.B) {
		return ErrEquation
	}
	return nil
}
