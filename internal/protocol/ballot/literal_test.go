package ballot_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"fmt"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
)

// This file is section 6 of SPEC.md written down a second time, line by line,
// with branches and without regard to speed. The vectors come from it, forged
// ballots are built with it, and Seal and Check must agree with it.

// option is M_j = 2^(20j) G by doubling.
func option(j int) *group.Element {
	m := group.Generator()
	for range 20 * j {
		m = m.Add(m)
	}
	return m
}

// hkdfExtract and hkdfExpand are RFC 5869.
func hkdfExtract(salt, ikm []byte) []byte {
	h := hmac.New(sha512.New, salt)
	h.Write(ikm)
	return h.Sum(nil)
}

func hkdfExpand(prk []byte, info string, n int) []byte {
	var out, last []byte
	for i := byte(1); len(out) < n; i++ {
		h := hmac.New(sha512.New, prk)
		h.Write(last)
		h.Write([]byte(info))
		h.Write([]byte{i})
		last = h.Sum(nil)
		out = append(out, last...)
	}
	return out[:n]
}

type literalQuestion struct {
	r, w, challenge *group.Scalar
	R, C            *group.Element
	A, B            []*group.Element
	c, s            []*group.Scalar
}

func (q *literalQuestion) commitments() [][]byte {
	var out [][]byte
	for m := range q.A {
		out = append(out, q.A[m].Bytes(), q.B[m].Bytes())
	}
	return out
}

func (q *literalQuestion) hash(head [64]byte, i int) *group.Scalar {
	parts := append([][]byte{head[:], suite.U8(uint8(i))}, q.commitments()...)
	return group.ScalarFromWide(suite.H512("ballot-proof", parts...))
}

type literalBallot struct {
	salt, prk, nonce []byte
	questions        []*literalQuestion
	head             [64]byte
}

func (b *literalBallot) okm(label string, n int) []byte {
	return hkdfExpand(b.prk, "strikevote/v1/"+label, n)
}

func (b *literalBallot) scalar(format string, a ...any) *group.Scalar {
	return group.ScalarFromWide([64]byte(b.okm(fmt.Sprintf(format, a...), 64)))
}

func (b *literalBallot) setHead(c *ballot.Context) {
	parts := [][]byte{c.MID[:], suite.U16(uint16(c.Group)), b.nonce, c.Key.Bytes(), suite.U8(uint8(len(b.questions)))}
	for i, q := range b.questions {
		parts = append(parts, suite.U8(uint8(c.Options[i])), q.R.Bytes(), q.C.Bytes())
	}
	b.head = suite.H512("ballot-head", parts...)
}

func (b *literalBallot) body(c *ballot.Context) []byte {
	body := append([]byte{1}, c.MID[:]...)
	body = append(body, suite.U16(uint16(c.Group))...)
	body = append(body, uint8(len(b.questions)))
	body = append(body, b.nonce...)
	for _, q := range b.questions {
		body = append(body, uint8(len(q.c)))
		body = append(body, q.R.Bytes()...)
		body = append(body, q.C.Bytes()...)
		for _, e := range q.commitments() {
			body = append(body, e...)
		}
		for _, c := range q.c {
			body = append(body, c.Bytes()...)
		}
		for _, s := range q.s {
			body = append(body, s.Bytes()...)
		}
	}
	return body
}

// literalSeal is the sealing of SPEC.md section 6.
func literalSeal(c *ballot.Context, secret [16]byte, typed string, choices []uint8) *literalBallot {
	b := &literalBallot{salt: suite.Frame(c.MID[:], suite.U16(uint16(c.Group)), choices, []byte(typed))}
	b.prk = hkdfExtract(b.salt, secret[:])
	b.nonce = b.okm("nonce", 32)
	for i, j := range choices {
		r := b.scalar("r/%d", i)
		b.questions = append(b.questions, &literalQuestion{
			r: r, w: b.scalar("w/%d", i),
			R: group.BaseMul(r), C: c.Key.Mul(r).Add(option(int(j))),
		})
	}
	b.setHead(c)
	for i, j := range choices {
		b.prove(c, i, int(j))
	}
	return b
}

func (b *literalBallot) prove(c *ballot.Context, i, j int) {
	q, k := b.questions[i], c.Options[i]
	q.A, q.B = make([]*group.Element, k), make([]*group.Element, k)
	q.c, q.s = make([]*group.Scalar, k), make([]*group.Scalar, k)
	for m := range k {
		if m == j {
			q.A[m], q.B[m] = group.BaseMul(q.w), c.Key.Mul(q.w)
			continue
		}
		q.c[m], q.s[m] = b.scalar("c/%d/%d", i, m), b.scalar("s/%d/%d", i, m)
		q.A[m] = group.BaseMul(q.s[m]).Sub(q.R.Mul(q.c[m]))
		q.B[m] = c.Key.Mul(q.s[m]).Sub(q.C.Sub(option(m)).Mul(q.c[m]))
	}
	q.challenge = q.hash(b.head, i)
	q.c[j] = q.challenge
	for m := range k {
		if m != j {
			q.c[j] = q.c[j].Sub(q.c[m])
		}
	}
	q.s[j] = q.w.Add(q.c[j].Mul(q.r))
}

// A rule is one part of the validity of section 6 that a verifier can forget.
type rule int

const (
	noRule rule = iota
	ruleSum
	ruleG
	ruleKey
	ruleLast // both equations, for the last option
)

// literalCheck is the validity of section 6 of a parsed ballot, but for what is
// forgotten.
func literalCheck(c *ballot.Context, b *ballot.Ballot, forgotten rule) error {
	lit := &literalBallot{nonce: b.Bytes()[36:68]}
	for _, q := range b.Questions {
		lit.questions = append(lit.questions, &literalQuestion{
			R: q.Ciphertext.R, C: q.Ciphertext.C,
			A: q.Proof.A, B: q.Proof.B, c: q.Proof.C, s: q.Proof.S,
		})
	}
	lit.setHead(c)
	for i, q := range lit.questions {
		sum := new(group.Scalar)
		for m, cm := range q.c {
			sum = sum.Add(cm)
			if forgotten == ruleLast && m == len(q.c)-1 {
				continue
			}
			if !group.BaseMul(q.s[m]).Equal(q.A[m].Add(q.R.Mul(cm))) && forgotten != ruleG {
				return fmt.Errorf("question %d option %d: s G", i, m)
			}
			if !c.Key.Mul(q.s[m]).Equal(q.B[m].Add(q.C.Sub(option(m)).Mul(cm))) && forgotten != ruleKey {
				return fmt.Errorf("question %d option %d: s Y", i, m)
			}
		}
		if !sum.Equal(q.hash(lit.head, i)) && forgotten != ruleSum {
			return fmt.Errorf("question %d: sum", i)
		}
	}
	return nil
}
