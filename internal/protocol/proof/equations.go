package proof

import (
	"crypto/rand"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
)

// Equations collects equations between points, each multiplied by a fresh
// random weight of 128 bits, so that one sum decides them all: if any does not
// hold, the weighted sum is zero with probability at most 2^-128.
//
// That bound needs weights that whoever made the proofs could not know. They
// are drawn when a proof is added, so a caller adds nothing before it holds
// every byte of every proof. The zero value is empty and ready. Equations is
// not safe for concurrent use.
type Equations struct {
	g       *group.Scalar // coefficient of G
	keys    []keyTerm     // coefficients of the keys, few
	scalars []*group.Scalar
	points  []*group.Element
}

type keyTerm struct {
	point *group.Element
	sum   *group.Scalar
}

// Add adds the 2k equations of a proof:
//
//	A_m + c_m R - s_m G = 0
//	B_m + c_m (C - M_m) - s_m Y = 0
//
// It does not look at the sum of the challenge, which is [OneOf.CheckSum].
func (q *Equations) Add(st Statement, p *OneOf) {
	// Written with A and B positive, their coefficients are the weights
	// themselves, which cost half as much as full scalars.
	forG, forKey := new(group.Scalar), new(group.Scalar)
	forR, forC := new(group.Scalar), new(group.Scalar)
	weights := draw(2 * len(p.C))
	for m, c := range p.C {
		a, b := weights[2*m], weights[2*m+1]
		ac, bc := a.Mul(c), b.Mul(c)
		forR = forR.Add(ac)
		forC = forC.Add(bc)
		forG = forG.Sub(a.Mul(p.S[m])).Sub(bc.Mul(elgamal.OptionScalar(m)))
		forKey = forKey.Sub(b.Mul(p.S[m]))
		q.term(a, p.A[m])
		q.term(b, p.B[m])
	}
	q.term(forR, st.R)
	q.term(forC, st.C)
	q.generator(forG)
	q.key(forKey, st.Key)
}

// Check returns [ErrEquation] unless all equations hold.
func (q *Equations) Check() error {
	scalars, points := q.scalars, q.points
	if q.g != nil {
		scalars, points = append(scalars, q.g), append(points, group.Generator())
	}
	for _, k := range q.keys {
		scalars, points = append(scalars, k.sum), append(points, k.point)
	}
	if !group.MultiMul(scalars, points).IsIdentity() {
		return ErrEquation
	}
	return nil
}

func (q *Equations) term(s *group.Scalar, p *group.Element) {
	q.scalars = append(q.scalars, s)
	q.points = append(q.points, p)
}

func (q *Equations) generator(s *group.Scalar) {
	if q.g == nil {
		q.g = new(group.Scalar)
	}
	q.g = q.g.Add(s)
}

// key merges terms of one key: a batch has one key and thousands of proofs.
// Pointers suffice, for a key missed here only costs one more term.
func (q *Equations) key(s *group.Scalar, p *group.Element) {
	for i := range q.keys {
		if q.keys[i].point == p {
			q.keys[i].sum = q.keys[i].sum.Add(s)
			return
		}
	}
	q.keys = append(q.keys, keyTerm{point: p, sum: s})
}

// draw returns n random weights.
func draw(n int) []*group.Scalar {
	x := make([]byte, 16*n)
	_, _ = rand.Read(x) // never fails: the program ends instead
	w := make([]*group.Scalar, n)
	for i := range w {
		w[i] = group.ScalarFrom128([16]byte(x[16*i:]))
	}
	return w
}
