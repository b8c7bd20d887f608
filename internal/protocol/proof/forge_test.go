package proof_test

import (
	"errors"
	"testing"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/proof"
)

// A forgery is a proof of a false statement that satisfies all of the predicate
// but one part. The literal verifier without that part must accept it, or the
// forgery shows nothing; the real one must refuse it.
type forgery struct {
	name    string
	without literal
	want    error
	make    func(key *group.Element) (proof.Statement, *proof.OneOf)
}

// tenVotes seals 10·M_0, the false statement of every forgery.
func tenVotes(key *group.Element, r *group.Scalar) proof.Statement {
	c := key.Mul(r).Add(group.BaseMul(group.ScalarFromUint64(10)))
	return proof.Statement{Key: key, Ciphertext: elgamal.Ciphertext{R: group.BaseMul(r), C: c}}
}

// simulate chooses all c and s and computes the commitments from them, as for
// an option that was not chosen. Both equations hold; the sum does not.
func simulate(st proof.Statement, k int) *proof.OneOf {
	p := new(proof.OneOf)
	for m := range k {
		c, s := group.RandomScalar(), group.RandomScalar()
		p.C, p.S = append(p.C, c), append(p.S, s)
		p.A = append(p.A, group.BaseMul(s).Sub(st.R.Mul(c)))
		p.B = append(p.B, st.Key.Mul(s).Sub(st.C.Sub(elgamal.Option(m)).Mul(c)))
	}
	return p
}

// forgeOne keeps simulated branches but the last, whose commitments are random
// multiples. answer then makes the one equation hold that it can.
func forgeOne(st proof.Statement, a, b *group.Element, answer func(c *group.Scalar) *group.Scalar) *proof.OneOf {
	p := simulate(st, 3)
	p.A[2], p.B[2] = a, b
	rest := challenge(st, encode(p)).Sub(p.C[0]).Sub(p.C[1])
	p.C[2] = rest
	p.S[2] = answer(rest)
	return p
}

func forgeries() []forgery {
	return []forgery{
		{"without the sum of challenges", literal{noSum: true}, proof.ErrChallenge,
			func(key *group.Element) (proof.Statement, *proof.OneOf) {
				st := tenVotes(key, group.RandomScalar())
				return st, simulate(st, 3)
			}},
		{"without s Y = B + c (C - M)", literal{noKey: true}, proof.ErrEquation,
			func(key *group.Element) (proof.Statement, *proof.OneOf) {
				r, w := group.RandomScalar(), group.RandomScalar()
				st := tenVotes(key, r)
				return st, forgeOne(st, group.BaseMul(w), key.Mul(w), func(c *group.Scalar) *group.Scalar {
					return w.Add(c.Mul(r))
				})
			}},
		{"without s G = A + c R", literal{noG: true}, proof.ErrEquation,
			func(key *group.Element) (proof.Statement, *proof.OneOf) {
				// C = tY + M_2 with t ≠ r opens to an arbitrary count.
				t, w := group.RandomScalar(), group.RandomScalar()
				st := proof.Statement{Key: key, Ciphertext: elgamal.Encrypt(key, t, 2)}
				st.R = group.BaseMul(group.RandomScalar())
				return st, forgeOne(st, group.BaseMul(w), key.Mul(w), func(c *group.Scalar) *group.Scalar {
					return w.Add(c.Mul(t))
				})
			}},
	}
}

func TestForgeries(t *testing.T) {
	t.Parallel()
	for _, f := range forgeries() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			key := group.BaseMul(group.RandomScalar())
			st, p := f.make(key)
			if !f.without.check(st, p) {
				t.Error("the verifier that leaves it out refuses the forgery: it proves nothing")
			}
			if (literal{}).check(st, p) {
				t.Error("SPEC.md's own predicate accepts the forgery")
			}
			if err := check(st, p); !errors.Is(err, f.want) {
				t.Errorf("got %v, want %v", err, f.want)
			}
			// Among true proofs, as in a batch.
			var q proof.Equations
			for j := range 3 {
				q.Add(prove(t, key, 3, j))
			}
			q.Add(st, p)
			if err := q.Check(); (err != nil) != errors.Is(f.want, proof.ErrEquation) {
				t.Errorf("in a batch: got %v", err)
			}
		})
	}
}

func TestSameLog(t *testing.T) {
	t.Parallel()
	x, w, c := group.RandomScalar(), group.RandomScalar(), group.RandomScalar()
	base := group.BaseMul(group.RandomScalar())
	key, d := group.BaseMul(x), base.Mul(x)
	a, b := proof.CommitSameLog(w, base)
	p := proof.AnswerSameLog(a, b, x, w, c)
	if err := p.Check(c, key, base, d); err != nil {
		t.Fatalf("a true proof: %v", err)
	}
	zero := group.Identity()
	a0, b0 := proof.CommitSameLog(w, zero)
	if err := proof.AnswerSameLog(a0, b0, x, w, c).Check(c, key, zero, zero); err != nil {
		t.Errorf("the identity as base: %v", err)
	}
	g, one := group.Generator(), group.ScalarFromUint64(1)
	other := group.BaseMul(group.RandomScalar())
	tests := []struct {
		name         string
		p            proof.SameLog
		c            *group.Scalar
		key, base, d *group.Element
	}{
		{"A", proof.SameLog{A: a.Add(g), B: b, S: p.S}, c, key, base, d},
		{"B", proof.SameLog{A: a, B: b.Add(g), S: p.S}, c, key, base, d},
		{"s", proof.SameLog{A: a, B: b, S: p.S.Add(one)}, c, key, base, d},
		{"challenge", *p, c.Add(one), key, base, d},
		{"key", *p, c, other, base, d},
		{"base", *p, c, key, other, d},
		{"D alone false", *p, c, key, base, d.Add(g)},
		{"D and B true to another x", *proof.AnswerSameLog(other, b, x, w, c), c, key, base, d},
	}
	for _, tt := range tests {
		if err := tt.p.Check(tt.c, tt.key, tt.base, tt.d); !errors.Is(err, proof.ErrEquation) {
			t.Errorf("%s: got %v, want ErrEquation", tt.name, err)
		}
	}
}
