package issuer

import (
	"math/big"

	"strikevote/internal/protocol/credential"
)

// SignRaw is the private operation of a key of any size.
func SignRaw(p, q *big.Int, z []byte) ([]byte, error) {
	s, err := newSecret(p, q)
	if err != nil {
		return nil, err
	}
	return s.sign(z)
}

// FromPrimes returns the key of two primes.
func FromPrimes(p, q *big.Int) (*Key, error) {
	s, err := newSecret(p, q)
	if err != nil {
		return nil, err
	}
	return newKey(s)
}

// Parts returns the numbers of a key, which share its memory.
func (k *Key) Parts() map[string][]byte {
	return map[string][]byte{"p": k.s.p, "q": k.s.q, "dp": k.s.dp, "dq": k.s.dq, "qinv": k.s.qinv}
}

// SignWithSalt is SignMessage without its randomness.
func (k *Key) SignWithSalt(msg []byte, salt [credential.SaltSize]byte) (credential.Signature, error) {
	return k.signMessage(msg, salt)
}

// Moduli is what a signature costs beside the exponentiations.
func (k *Key) Moduli() error {
	_, err := k.s.moduli()
	return err
}
