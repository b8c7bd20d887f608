package credential

import "math/big"

// A Raw is a key of any size, for the published vectors.
type Raw struct{ v verifier }

// NewRaw returns a key with that modulus.
func NewRaw(n []byte) *Raw {
	x := new(big.Int).SetBytes(n)
	return &Raw{verifier{n: x, bits: x.BitLen()}}
}

// Verify is RSASSA-PSS-VERIFY.
func (r *Raw) Verify(msg, sig []byte, saltSize int) bool { return r.v.verify(msg, sig, saltSize) }

// Encode is EMSA-PSS-ENCODE.
func (r *Raw) Encode(msg, salt []byte) []byte { return encodePSS(msg, salt, r.v.bits-1) }

// Blind returns the blinded message for a blind given by its inverse.
func (r *Raw) Blind(em, inv []byte) ([]byte, error) {
	b := new(big.Int).ModInverse(new(big.Int).SetBytes(inv), r.v.n)
	z, err := r.v.blind(em, b)
	if err != nil {
		return nil, err
	}
	return z.FillBytes(make([]byte, r.v.size())), nil
}

// Unblind is the first half of Finalize.
func (r *Raw) Unblind(answer, inv []byte) ([]byte, bool) {
	return r.v.unblind(answer, new(big.Int).SetBytes(inv))
}

// Inverse returns the inverse of a request's blind.
func (r *Request) Inverse() []byte { return r.inv.FillBytes(make([]byte, Size)) }
