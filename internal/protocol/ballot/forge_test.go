package ballot_test

import (
	"slices"
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// A forgery is a whole ballot whose second question is false and which breaks
// exactly one rule. A verifier that forgot the rule must accept it, which shows
// that the forgery is a good one; the real verifier must refuse it.
type forgery struct {
	name   string
	breaks rule
	make   func(c *ballot.Context, b *literalBallot)
}

// begin returns an honest ballot for the second question to be replaced in.
func begin(c *ballot.Context) *literalBallot {
	return literalSeal(c, ballot.NewSecret(), "", []uint8{1, 1})
}

// replace puts a ciphertext into the second question, which changes the head,
// so that the first question is proved anew.
func (b *literalBallot) replace(c *ballot.Context, R, C *group.Element) *literalQuestion {
	b.questions[1].R, b.questions[1].C = R, C
	b.setHead(c)
	b.prove(c, 0, 1)
	q := &literalQuestion{R: R, C: C}
	for m := range c.Options[1] {
		s, x := group.RandomScalar(), group.RandomScalar()
		q.c, q.s = append(q.c, x), append(q.s, s)
		q.A = append(q.A, group.BaseMul(s).Sub(R.Mul(x)))
		q.B = append(q.B, c.Key.Mul(s).Sub(C.Sub(option(m)).Mul(x)))
	}
	b.questions[1] = q
	return q
}

// finish commits to w in the last option, takes the challenge that is left for
// it, and answers with the logarithm x.
func (b *literalBallot) finish(c *ballot.Context, q *literalQuestion, x *group.Scalar) {
	w, last := group.RandomScalar(), len(q.c)-1
	q.A[last], q.B[last] = group.BaseMul(w), c.Key.Mul(w)
	rest := q.hash(b.head, 1)
	for _, other := range q.c[:last] {
		rest = rest.Sub(other)
	}
	q.c[last], q.s[last] = rest, w.Add(rest.Mul(x))
}

// tenVotes seals ten votes for option 0.
func tenVotes(c *ballot.Context, r *group.Scalar) (R, C *group.Element) {
	return group.BaseMul(r), c.Key.Mul(r).Add(group.BaseMul(group.ScalarFromUint64(10)))
}

var forgeries = []forgery{
	{"ten votes without the sum", ruleSum, func(c *ballot.Context, b *literalBallot) {
		R, C := tenVotes(c, group.RandomScalar())
		b.replace(c, R, C)
	}},
	{"ten votes without s Y = B + c (C - M)", ruleKey, func(c *ballot.Context, b *literalBallot) {
		r := group.RandomScalar()
		R, C := tenVotes(c, r)
		b.finish(c, b.replace(c, R, C), r)
	}},
	{"unrelated R without s G = A + c R", ruleG, func(c *ballot.Context, b *literalBallot) {
		t := group.RandomScalar()
		C := c.Key.Mul(t).Add(option(2))
		b.finish(c, b.replace(c, group.BaseMul(group.RandomScalar()), C), t)
	}},
	{"ten votes without the last option", ruleLast, func(c *ballot.Context, b *literalBallot) {
		R, C := tenVotes(c, group.RandomScalar())
		b.finish(c, b.replace(c, R, C), group.RandomScalar())
	}},
}

func TestForgeries(t *testing.T) {
	t.Parallel()
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c, _ := newContext(3, 3)
			lit := begin(c)
			f.make(c, lit)
			body := lit.body(c)
			b := parsed(t, body)
			if err := literalCheck(c, b, f.breaks); err != nil {
				t.Errorf("a verifier that forgot the rule refuses the forgery: %v", err)
			}
			for other := noRule; other <= ruleKey; other++ {
				if other != f.breaks && literalCheck(c, b, other) == nil {
					t.Errorf("a verifier that has the rule but forgot %d accepts the forgery", other)
				}
			}
			if judge(t, c, body) == nil {
				t.Error("the forgery is valid")
			}
			bodies := [][]byte{sealed(t, c, 0, 0), sealed(t, c, 1, 2), body, sealed(t, c, 2, 0)}
			if got := named(t, c, bodies); !slices.Equal(got, []int{2}) {
				t.Errorf("in a batch: named %d", got)
			}
		})
	}
}

// TestWeakChallenge makes proofs whose challenge leaves out a part of the
// statement; each is a known attack on a voting system when it is accepted.
func TestWeakChallenge(t *testing.T) {
	t.Parallel()
	c, _ := newContext(3, 3)
	tests := []struct {
		name string
		head func(b *literalBallot) [64]byte
	}{
		{"another mid", func(b *literalBallot) [64]byte { return headWith(b, c, func(o *ballot.Context) { o.MID[0]++ }) }},
		{"another group", func(b *literalBallot) [64]byte { return headWith(b, c, func(o *ballot.Context) { o.Group++ }) }},
		{"another key", func(b *literalBallot) [64]byte {
			return headWith(b, c, func(o *ballot.Context) { o.Key = group.Generator() })
		}},
		{"no label", func(*literalBallot) [64]byte { return suite.H512("ballot-proof") }},
		{"the first ciphertext only", func(b *literalBallot) [64]byte {
			one := &literalBallot{nonce: b.nonce, questions: b.questions[:1]}
			return headWith(one, c, func(o *ballot.Context) { o.Options = o.Options[:1] })
		}},
	}
	for _, tt := range tests {
		b := begin(c)
		b.head = tt.head(b)
		b.prove(c, 0, 1)
		b.prove(c, 1, 1)
		if judge(t, c, b.body(c)) == nil {
			t.Errorf("%s: valid", tt.name)
		}
	}
	b := begin(c)
	b.prove(c, 0, 1)
	b.prove(c, 1, 1)
	if err := judge(t, c, b.body(c)); err != nil {
		t.Errorf("the right head: %v", err)
	}
}

func headWith(b *literalBallot, c *ballot.Context, change func(*ballot.Context)) [64]byte {
	other := *c
	change(&other)
	x := *b
	x.setHead(&other)
	return x.head
}
