package issuer_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"sync"
	"testing"

	"github.com/cloudflare/circl/blindsign/blindrsa"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/suite"
)

// TestRFC9474 signs the blinded messages of the RFC's appendix A.
func TestRFC9474(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../testdata/rfc9474.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Key   struct{ P, Q suite.Bytes }
		Cases []struct {
			Name     string
			Blinded  suite.Bytes
			BlindSig suite.Bytes `json:"blind_sig"`
		}
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) != 4 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	p, q := new(big.Int).SetBytes(v.Key.P), new(big.Int).SetBytes(v.Key.Q)
	for _, c := range v.Cases {
		got, err := issuer.SignRaw(p, q, c.Blinded)
		if err != nil || !bytes.Equal(got, c.BlindSig) {
			t.Errorf("%s: got %x, %v", c.Name, got, err)
		}
	}
}

// TestCircl compares answers with circl's, byte by byte.
func TestCircl(t *testing.T) {
	t.Parallel()
	k, std := key(t)
	signer := blindrsa.NewSigner(std)
	for i := range int64(8) {
		z := make([]byte, 384)
		switch i {
		case 0:
			z[383] = 2
		case 1:
			new(big.Int).Sub(std.N, big.NewInt(2)).FillBytes(z)
		case 2:
			std.Primes[0].FillBytes(z) // has a factor of the modulus
		default:
			rand.Read(z)
			z[0] &= 0x7f
		}
		want, err := signer.BlindSign(z)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Sign(z); err != nil || !bytes.Equal(got[:], want) {
			t.Errorf("request %d: got %x, want %x, %v", i, got, want, err)
		}
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	k, std := key(t)
	one := big.NewInt(1)
	fill := func(x *big.Int) []byte { return x.FillBytes(make([]byte, 384)) }
	for name, z := range map[string][]byte{
		"nothing":         nil,
		"0":               make([]byte, 384),
		"1":               fill(one),
		"n-1":             fill(new(big.Int).Sub(std.N, one)),
		"n":               fill(std.N),
		"n+1":             fill(new(big.Int).Add(std.N, one)),
		"the largest":     bytes.Repeat([]byte{0xff}, 384),
		"a byte too few":  fill(big.NewInt(2))[1:],
		"a byte too many": append([]byte{0}, fill(big.NewInt(2))...),
	} {
		if got, err := k.Sign(z); !errors.Is(err, issuer.ErrRange) || got != [384]byte{} {
			t.Errorf("%s: got %x, %v", name, got[:4], err)
		}
	}
}

// TestFault: a key that a fault has changed gives no answer, because a wrong
// one reveals a factor of the modulus.
func TestFault(t *testing.T) {
	t.Parallel()
	z := bytes.Repeat([]byte{0x11}, 384)
	for _, name := range []string{"p", "q", "dp", "dq", "qinv"} {
		for _, at := range []int{0, 100, 191} {
			k, _ := key(t)
			part := k.Parts()[name]
			if name == "p" || name == "q" {
				part[at] ^= 2 // stays odd
			} else {
				part[at] ^= 1
			}
			if got, err := k.Sign(z); err == nil || got != [384]byte{} {
				t.Errorf("%s changed at %d: an answer left", name, at)
			}
			if _, err := k.SignMessage([]byte("m")); err == nil {
				t.Errorf("%s changed at %d: a signature left", name, at)
			}
		}
	}
}

func TestSignMessage(t *testing.T) {
	t.Parallel()
	k, std := key(t)
	msg := credential.Message(suite.MID{1}, 2, suite.BallotID{3})
	digest := sha512.Sum384(msg)
	a, err := k.SignMessage(msg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.SignMessage(msg)
	if err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Error("the salt is not random")
	}
	for _, sig := range []credential.Signature{a, b} {
		if err := credential.Verify(k.Public(), msg, sig[:]); err != nil {
			t.Error(err)
		}
		if err := rsa.VerifyPSS(&std.PublicKey, crypto.SHA384, digest[:], sig[:], &rsa.PSSOptions{SaltLength: 48}); err != nil {
			t.Errorf("the standard library refuses it: %v", err)
		}
	}
	theirs, err := rsa.SignPSS(rand.Reader, std, crypto.SHA384, digest[:], &rsa.PSSOptions{SaltLength: 48})
	if err != nil {
		t.Fatal(err)
	}
	if err := credential.Verify(k.Public(), msg, theirs); err != nil {
		t.Errorf("the standard library's signature: %v", err)
	}
	var salt [credential.SaltSize]byte
	c, err := k.SignWithSalt(msg, salt)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := k.SignWithSalt(msg, salt); err != nil || c != d {
		t.Errorf("one salt made two signatures, %v", err)
	}
}

// TestConcurrent: one key signs for many voters at once.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	k, _ := key(t)
	z := bytes.Repeat([]byte{0x11}, 384)
	want, err := k.Sign(z)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := k.Sign(z); err != nil || got != want {
				t.Errorf("got another answer, %v", err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkSign(b *testing.B) {
	k, _ := key(b)
	z := bytes.Repeat([]byte{0x11}, 384)
	for b.Loop() {
		if _, err := k.Sign(z); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkModuli(b *testing.B) {
	k, _ := key(b)
	for b.Loop() {
		if err := k.Moduli(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignCircl(b *testing.B) {
	_, std := key(b)
	s := blindrsa.NewSigner(std)
	z := bytes.Repeat([]byte{0x11}, 384)
	for b.Loop() {
		if _, err := s.BlindSign(z); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignStandardLibrary(b *testing.B) {
	_, std := key(b)
	digest := sha512.Sum384([]byte("m"))
	for b.Loop() {
		if _, err := rsa.SignPSS(rand.Reader, std, crypto.SHA384, digest[:], &rsa.PSSOptions{SaltLength: 48}); err != nil {
			b.Fatal(err)
		}
	}
}
