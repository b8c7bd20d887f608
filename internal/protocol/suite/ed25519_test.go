package suite_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"strikevote/internal/protocol/suite"
)

// smallOrder are the encodings of the eight points of small order, and
// non-canonical ones of the same points.
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000", // identity
	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"0000000000000000000000000000000000000000000000000000000000000000", // order 4
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 1
}

func TestCheckEd25519(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, 32)).Public().(ed25519.PublicKey)
		if err := suite.CheckEd25519(key); err != nil {
			t.Errorf("an honest key: %v", err)
		}
	}
	for _, s := range smallOrder {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		if suite.CheckEd25519(b) == nil {
			t.Errorf("%s was accepted", s)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 31), bytes.Repeat([]byte{2}, 33), append(bytes.Repeat([]byte{0xff}, 31), 0x7f)} {
		if suite.CheckEd25519(b) == nil {
			t.Errorf("%x was accepted", b)
		}
	}
}

// TestSmallOrderForgery shows why: under the identity as a key a signature that
// nobody made verifies, for any message.
func TestSmallOrderForgery(t *testing.T) {
	t.Parallel()
	key, _ := hex.DecodeString(smallOrder[0])
	forged := make([]byte, ed25519.SignatureSize)
	copy(forged, key) // R = identity, s = 0
	if !ed25519.Verify(key, []byte("whatever it says"), forged) {
		t.Error("the forgery does not verify, so the check would guard nothing")
	}
}
