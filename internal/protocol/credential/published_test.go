package credential_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"os"
	"testing"

	"github.com/c2sp/wycheproof"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/suite"
)

// rfc9474 is appendix A of the RFC: one key of 4096 bits, four variants.
type rfc9474 struct {
	Key   struct{ P, Q, N, E, D suite.Bytes } `json:"key"`
	Cases []struct {
		Name                                  string
		Msg, Salt, Encoded, Inv, Blinded, Sig suite.Bytes
		BlindSig                              suite.Bytes `json:"blind_sig"`
	} `json:"cases"`
}

func TestRFC9474(t *testing.T) {
	t.Parallel()
	var v rfc9474
	b, err := os.ReadFile("testdata/rfc9474.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) != 4 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	k := credential.NewRaw(v.Key.N)
	for _, c := range v.Cases {
		em := k.Encode(c.Msg, c.Salt)
		if len(c.Encoded) > 0 && !bytes.Equal(em, c.Encoded) {
			t.Errorf("%s: encoded to %x", c.Name, em)
		}
		if z, err := k.Blind(em, c.Inv); err != nil || !bytes.Equal(z, c.Blinded) {
			t.Errorf("%s: blinded to %x, %v", c.Name, z, err)
		}
		if sig, ok := k.Unblind(c.BlindSig, c.Inv); !ok || !bytes.Equal(sig, c.Sig) {
			t.Errorf("%s: unblinded to %x", c.Name, sig)
		}
		if !k.Verify(c.Msg, c.Sig, len(c.Salt)) {
			t.Errorf("%s: signature is refused", c.Name)
		}
		// The length of the salt is demanded, not found.
		for _, size := range []int{0, 32, 47, 48, 49} {
			if size != len(c.Salt) && k.Verify(c.Msg, c.Sig, size) {
				t.Errorf("%s: accepted with a salt of %d bytes", c.Name, size)
			}
		}
	}
}

func readWycheproof(t *testing.T, name string, v any) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWycheproof runs all vectors for SHA-384 with a salt of 48 bytes. There
// are none for our size of modulus.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rsa_pss_2048_sha384_mgf1_48_test.json", "rsa_pss_4096_sha384_mgf1_48_test.json"} {
		var v struct {
			TestGroups []struct {
				SLen      int
				PublicKey struct{ Modulus, PublicExponent string }
				Tests     []struct {
					TcID             int `json:"tcId"`
					Msg, Sig, Result string
				}
			}
		}
		readWycheproof(t, name, &v)
		n := 0
		for _, g := range v.TestGroups {
			if g.PublicKey.PublicExponent != "010001" || g.SLen != 48 {
				t.Fatalf("%s: other parameters", name)
			}
			k := credential.NewRaw(unhex(t, g.PublicKey.Modulus))
			for _, tt := range g.Tests {
				n++
				if got := k.Verify(unhex(t, tt.Msg), unhex(t, tt.Sig), g.SLen); got != (tt.Result == "valid") {
					t.Errorf("%s: vector %d is %s", name, tt.TcID, tt.Result)
				}
			}
		}
		if n != 141 {
			t.Errorf("%s: %d vectors", name, n)
		}
	}
}

// TestWycheproofHKDF checks what the caller derives salt and blind with.
func TestWycheproofHKDF(t *testing.T) {
	t.Parallel()
	var v struct {
		TestGroups []struct {
			Tests []struct {
				TcID                         int `json:"tcId"`
				IKM, Salt, Info, OKM, Result string
				Size                         int
			}
		}
	}
	readWycheproof(t, "hkdf_sha512_test.json", &v)
	n := 0
	for _, g := range v.TestGroups {
		for _, tt := range g.Tests {
			n++
			got, err := hkdf.Key(sha512.New, unhex(t, tt.IKM), unhex(t, tt.Salt), string(unhex(t, tt.Info)), tt.Size)
			if (err == nil) != (tt.Result == "valid") || err == nil && !bytes.Equal(got, unhex(t, tt.OKM)) {
				t.Errorf("vector %d: got %x, %v", tt.TcID, got, err)
			}
		}
	}
	if n != 83 {
		t.Errorf("%d vectors", n)
	}
}

// publicRSA returns a key as the standard library has it.
func publicRSA(pk *credential.PublicKey) *rsa.PublicKey {
	spki := pk.Bytes()
	return &rsa.PublicKey{N: new(big.Int).SetBytes(spki[81 : 81+384]), E: 65537}
}
