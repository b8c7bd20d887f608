package credential

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
)

const (
	// Bits is the size of an issuer's modulus.
	Bits = 3072

	// Size is the length of a request, an answer and a signature in bytes.
	Size = Bits / 8

	// SaltSize is the length of the salt in bytes.
	SaltSize = 48

	exponent = 65537
)

var (
	// spkiPrefix is what stands before the modulus in every issuer's SPKI
	// (SPEC.md section 7): id-RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a
	// salt of 48 bytes, without NULL parameters, as in RFC 9578 section 8.2.2;
	// then the lengths, and the zero byte before a modulus whose top bit is set.
	spkiPrefix = mustHex("308201d2" +
		"303d" + "06092a864886f70d01010a" + // id-RSASSA-PSS
		"3030" + "a00d300b0609608648016503040202" + // SHA-384
		"a11a301806092a864886f70d010108" + "300b0609608648016503040202" + // MGF1, SHA-384
		"a203020130" + // 48
		"0382018f00" + "3082018a" + "0282018100")
	spkiSuffix = mustHex("0203010001")
)

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("credential: " + err.Error())
	}
	return b
}

// SPKISize is the length of an issuer's public key in bytes.
const SPKISize = 81 + Size + 5

// A verifier holds a modulus of any size: the published test vectors do not
// have ours. Only [PublicKey] leaves this package.
type verifier struct {
	n    *big.Int
	bits int
}

// size returns the modulus's length in bytes.
func (v *verifier) size() int { return (v.bits + 7) / 8 }

// public returns x^e mod n.
func (v *verifier) public(x *big.Int) *big.Int {
	return new(big.Int).Exp(x, big.NewInt(exponent), v.n)
}

// verify is RSASSA-PSS-VERIFY. A signature that is not below the modulus is a
// second spelling of one that is.
func (v *verifier) verify(msg, sig []byte, saltSize int) bool {
	if len(sig) != v.size() {
		return false
	}
	s := new(big.Int).SetBytes(sig)
	if s.Cmp(v.n) >= 0 {
		return false
	}
	bits := v.bits - 1
	m := v.public(s)
	if m.BitLen() > bits {
		return false
	}
	return verifyPSS(msg, m.FillBytes(make([]byte, (bits+7)/8)), saltSize, bits)
}

// A PublicKey verifies the credentials of one group. It is immutable.
type PublicKey struct {
	v    verifier
	spki []byte
}

// ParsePublicKey reads an issuer's SPKI. It accepts one encoding, an odd
// modulus of exactly 3072 bits and the exponent 65537: an even modulus, or one
// of another size, would let an issuer learn something of the blinded message
// (RFC 9474 section 7.3).
func ParsePublicKey(spki []byte) (*PublicKey, error) {
	if len(spki) != SPKISize {
		return nil, errors.New("issuer key has the wrong length")
	}
	modulus, ok := bytes.CutPrefix(spki, spkiPrefix)
	modulus, ok2 := bytes.CutSuffix(modulus, spkiSuffix)
	if !ok || !ok2 {
		return nil, errors.New("issuer key is not of the suite's algorithm and parameters")
	}
	return FromModulus(modulus)
}

// FromModulus returns the public key with that modulus, big-endian.
func FromModulus(modulus []byte) (*PublicKey, error) {
	if len(modulus) != Size || modulus[0]&0x80 == 0 {
		return nil, errors.New("issuer's modulus does not have 3072 bits")
	}
	if modulus[Size-1]&1 == 0 {
		return nil, errors.New("issuer's modulus is even")
	}
	return &PublicKey{
		v:    verifier{n: new(big.Int).SetBytes(modulus), bits: Bits},
		spki: bytes.Join([][]byte{spkiPrefix, modulus, spkiSuffix}, nil),
	}, nil
}

// Bytes returns the SPKI.
func (pk *PublicKey) Bytes() []byte { return bytes.Clone(pk.spki) }

// Equal reports whether two keys are the same.
func (pk *PublicKey) Equal(other *PublicKey) bool {
	return pk != nil && other != nil && bytes.Equal(pk.spki, other.spki)
}

// Encode returns EMSA-PSS-ENCODE of a message, as the issuer signs it in the
// clear for an accepted envelope.
func (pk *PublicKey) Encode(msg []byte, salt [SaltSize]byte) [Size]byte {
	return [Size]byte(encodePSS(msg, salt[:], Bits-1))
}
