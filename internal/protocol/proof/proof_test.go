package proof_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/proof"
	"strikevote/internal/protocol/suite"
)

// challenge is a stand-in for the ballot's: it binds what the tests vary.
func challenge(st proof.Statement, commitments [][]byte) *group.Scalar {
	parts := append([][]byte{st.Key.Bytes(), st.R.Bytes(), st.C.Bytes()}, commitments...)
	return group.ScalarFromWide(suite.H512("test", parts...))
}

func nonce(k int) proof.Nonce {
	n := proof.Nonce{W: group.RandomScalar()}
	for range k {
		n.C = append(n.C, group.RandomScalar())
		n.S = append(n.S, group.RandomScalar())
	}
	return n
}

// encode returns A_0, B_0, … as a challenge takes them.
func encode(p *proof.OneOf) [][]byte {
	var out [][]byte
	for m := range p.A {
		out = append(out, p.A[m].Bytes(), p.B[m].Bytes())
	}
	return out
}

func prove(tb rapid.TB, key *group.Element, k, j int) (proof.Statement, *proof.OneOf) {
	tb.Helper()
	r := group.RandomScalar()
	st := proof.Statement{Key: key, Ciphertext: elgamal.Encrypt(key, r, j)}
	p, err := proof.Prove(st, r, j, nonce(k), func(c [][]byte) *group.Scalar { return challenge(st, c) })
	if err != nil {
		tb.Fatal(err)
	}
	return st, p
}

func check(st proof.Statement, p *proof.OneOf) error {
	if err := p.CheckSum(challenge(st, encode(p))); err != nil {
		return err
	}
	var q proof.Equations
	q.Add(st, p)
	return q.Check()
}

// literal is SPEC.md's predicate, equation by equation, any of which can be left out.
type literal struct{ noSum, noG, noKey bool }

func (l literal) check(st proof.Statement, p *proof.OneOf) bool {
	sum := new(group.Scalar)
	for m, c := range p.C {
		sum = sum.Add(c)
		s := p.S[m]
		g := group.BaseMul(s).Equal(p.A[m].Add(st.R.Mul(c)))
		y := st.Key.Mul(s).Equal(p.B[m].Add(st.C.Sub(elgamal.Option(m)).Mul(c)))
		if !g && !l.noG || !y && !l.noKey {
			return false
		}
	}
	return l.noSum || sum.Equal(challenge(st, encode(p)))
}

func TestOneOf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(2, elgamal.MaxOptions).Draw(t, "options")
		j := rapid.IntRange(0, k-1).Draw(t, "choice")
		st, p := prove(t, group.BaseMul(group.RandomScalar()), k, j)
		if err := check(st, p); err != nil {
			t.Fatalf("a true proof: %v", err)
		}
		if !(literal{}).check(st, p) {
			t.Fatal("a true proof fails SPEC.md's own predicate")
		}
	})
}

// TestOneOfChanged changes every part of a proof and of its statement.
func TestOneOfChanged(t *testing.T) {
	t.Parallel()
	const k = 3
	one, g := group.ScalarFromUint64(1), group.Generator()
	st, p := prove(t, group.BaseMul(group.RandomScalar()), k, 1)
	bump := func(e **group.Element) func() {
		old := *e
		*e = old.Add(g)
		return func() { *e = old }
	}
	bumpScalar := func(s **group.Scalar) func() {
		old := *s
		*s = old.Add(one)
		return func() { *s = old }
	}
	refused := func(what string, undo func()) {
		t.Helper()
		if check(st, p) == nil {
			t.Errorf("%s changed: still accepted", what)
		}
		undo()
	}
	for m := range k {
		refused("A", bump(&p.A[m]))
		refused("B", bump(&p.B[m]))
		refused("c", bumpScalar(&p.C[m]))
		refused("s", bumpScalar(&p.S[m]))
	}
	refused("R", bump(&st.R))
	refused("C", bump(&st.C))
	refused("the key", bump(&st.Key))
	if err := check(st, p); err != nil {
		t.Fatalf("unchanged again: %v", err)
	}
}

func TestOutOfRange(t *testing.T) {
	t.Parallel()
	// A ciphertext of option 3 where there are options 0 to 2: no j to prove.
	key := group.BaseMul(group.RandomScalar())
	r := group.RandomScalar()
	st := proof.Statement{Key: key, Ciphertext: elgamal.Encrypt(key, r, 3)}
	for j := range 3 {
		p, err := proof.Prove(st, r, j, nonce(3), func(c [][]byte) *group.Scalar { return challenge(st, c) })
		if err != nil {
			t.Fatal(err)
		}
		if check(st, p) == nil {
			t.Errorf("a ciphertext of no option passes as option %d", j)
		}
	}
}

func TestDegenerate(t *testing.T) {
	t.Parallel()
	x, r := group.RandomScalar(), group.RandomScalar()
	key := group.BaseMul(x)
	st := proof.Statement{Key: key, Ciphertext: elgamal.Encrypt(key, r, 0)}
	n := nonce(2)
	zeroA := n.C[1].Mul(r) // s_1 with s_1 G - c_1 R = 0
	d := elgamal.OptionScalar(0).Sub(elgamal.OptionScalar(1))
	zeroB := zeroA.Add(n.C[1].Mul(d).Mul(x.Invert())) // s_1 Y - c_1 (C - M_1) = 0
	for name, s := range map[string]*group.Scalar{"A": zeroA, "B": zeroB} {
		n.S[1] = s
		_, err := proof.Prove(st, r, 0, n, func(c [][]byte) *group.Scalar { return challenge(st, c) })
		if !errors.Is(err, proof.ErrDegenerate) {
			t.Errorf("%s: got %v, want ErrDegenerate", name, err)
		}
	}
}

func TestEquationsEmpty(t *testing.T) {
	t.Parallel()
	var q proof.Equations
	if err := q.Check(); err != nil {
		t.Errorf("no equation: %v", err)
	}
}

// TestEquationsDoNotCancel makes errors that are opposite: without a weight for
// each equation their sum would be right.
func TestEquationsDoNotCancel(t *testing.T) {
	t.Parallel()
	key := group.BaseMul(group.RandomScalar())
	st, p := prove(t, key, 2, 0)
	st2, p2 := prove(t, key, 2, 1)
	tests := []struct {
		name        string
		plus, minus **group.Element
	}{
		{"A and B of one option", &p.A[0], &p.B[0]},
		{"A of two options", &p.A[0], &p.A[1]},
		{"B of two options", &p.B[0], &p.B[1]},
		{"A of two proofs", &p.A[0], &p2.A[0]},
		{"B of two proofs", &p.B[1], &p2.B[1]},
		{"A and B of two proofs", &p.A[1], &p2.B[0]},
	}
	for _, tt := range tests {
		plus, minus := *tt.plus, *tt.minus
		*tt.plus, *tt.minus = plus.Add(key), minus.Sub(key)
		var q proof.Equations
		q.Add(st, p)
		q.Add(st2, p2)
		if err := q.Check(); !errors.Is(err, proof.ErrEquation) {
			t.Errorf("%s: got %v, want ErrEquation", tt.name, err)
		}
		*tt.plus, *tt.minus = plus, minus
	}
}

// TestEquationsReuse adds after a check, and checks twice.
func TestEquationsReuse(t *testing.T) {
	t.Parallel()
	var q proof.Equations
	for i := range 4 {
		q.Add(prove(t, group.BaseMul(group.RandomScalar()), 2, i%2))
		for range 2 {
			if err := q.Check(); err != nil {
				t.Fatalf("after %d proofs: %v", i+1, err)
			}
		}
	}
	st, p := prove(t, group.Generator(), 2, 0)
	p.S[0] = p.S[1]
	q.Add(st, p)
	if err := q.Check(); !errors.Is(err, proof.ErrEquation) {
		t.Errorf("got %v, want ErrEquation", err)
	}
}
