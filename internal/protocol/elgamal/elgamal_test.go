package elgamal_test

import (
	"testing"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for j := range elgamal.MaxOptions {
		// 2^(20j) by doubling, independent of any scalar.
		want := group.Generator()
		for range 20 * j {
			want = want.Add(want)
		}
		if !elgamal.Option(j).Equal(want) || !group.BaseMul(elgamal.OptionScalar(j)).Equal(want) {
			t.Errorf("M_%d is not 2^%d G", j, 20*j)
		}
	}
	for _, j := range []int{-1, elgamal.MaxOptions} {
		for name, f := range map[string]func(){
			"Option":       func() { elgamal.Option(j) },
			"OptionScalar": func() { elgamal.OptionScalar(j) },
		} {
			if !panics(f) {
				t.Errorf("%s(%d) does not panic", name, j)
			}
		}
	}
}

func panics(f func()) (p bool) {
	defer func() { p = recover() != nil }()
	f()
	return false
}

// TestSum opens the sum of ciphertexts and finds the counts.
func TestSum(t *testing.T) {
	t.Parallel()
	x := group.RandomScalar()
	key := group.BaseMul(x)
	sum := elgamal.Zero()
	want := uint64(0)
	for i := range 10 {
		j := i % elgamal.MaxOptions
		r := group.RandomScalar()
		c := elgamal.Encrypt(key, r, j)
		if !c.R.Equal(group.BaseMul(r)) || !c.C.Equal(key.Mul(r).Add(elgamal.Option(j))) {
			t.Fatalf("option %d: not R = rG, C = rY + M", j)
		}
		if !c.C.Sub(c.R.Mul(x)).Equal(elgamal.Option(j)) {
			t.Fatalf("option %d: opens to something else", j)
		}
		sum = sum.Add(c)
		want += 1 << (20 * j)
	}
	if got := sum.C.Sub(sum.R.Mul(x)); !got.Equal(group.BaseMul(group.ScalarFromUint64(want))) {
		t.Error("the sum opens to something else")
	}
	if z := elgamal.Zero(); !z.R.IsIdentity() || !z.C.IsIdentity() {
		t.Error("Zero is not the neutral ciphertext")
	}
}
