package ballot

import (
	"errors"
	"testing"

	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/proof"
)

// TestAgain gives the sealing values that HKDF gives with probability 2^-250.
func TestAgain(t *testing.T) {
	t.Parallel()
	zero, one := new(group.Scalar), group.ScalarFromUint64(1)
	r := group.RandomScalar()
	// Y with rY = -M_1, so that C is the identity.
	hostile := group.BaseMul(elgamal.OptionScalar(1).Mul(r.Invert()).Neg())
	tests := []struct {
		name string
		key  *group.Element
		r    *group.Scalar
		n    proof.Nonce
	}{
		{"r is zero", group.Generator(), zero, proof.Nonce{}},
		{"C is the identity", hostile, r, proof.Nonce{}},
		{"w is zero", group.Generator(), r, proof.Nonce{W: zero}},
		{"A is the identity", group.Generator(), r, proof.Nonce{
			W: one, C: []*group.Scalar{one, one}, S: []*group.Scalar{r, r},
		}},
	}
	for _, tt := range tests {
		var d draft
		err := d.encrypt(tt.key, tt.r, 1)
		if err == nil {
			err = d.prove(tt.key, [64]byte{}, 0, 1, tt.n)
		}
		if !errors.Is(err, ErrAgain) {
			t.Errorf("%s: got %v, want ErrAgain", tt.name, err)
		}
	}
}
