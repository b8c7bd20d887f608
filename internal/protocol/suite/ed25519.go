package suite

import (
	"bytes"
	"errors"

	"filippo.io/edwards25519"
)

// ErrEd25519 is returned for a key under which signing may need no secret.
var ErrEd25519 = errors.New("not an Ed25519 public key")

// CheckEd25519 returns [ErrEd25519] unless key is the canonical encoding of a
// point that is not of small order. Under a key of small order, 32 zero bytes
// among them, anybody can make signatures that verify, so that a manifest with
// one as a log, a witness or a member would look guarded and be open.
func CheckEd25519(key []byte) error {
	p, err := new(edwards25519.Point).SetBytes(key)
	if err != nil || !bytes.Equal(p.Bytes(), key) {
		return ErrEd25519
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return ErrEd25519
	}
	return nil
}
