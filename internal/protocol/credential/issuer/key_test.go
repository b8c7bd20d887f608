package issuer_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"testing"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/suite"
)

// keyDER reads the key of the credential package's vectors, which is used
// nowhere else.
func keyDER(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/blind.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		IssuerKey suite.Bytes `json:"issuer_key"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v.IssuerKey
}

// key returns the key both as ours and as the standard library's.
func key(t testing.TB) (*issuer.Key, *rsa.PrivateKey) {
	t.Helper()
	der := keyDER(t)
	k, err := issuer.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	std, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return k, std.(*rsa.PrivateKey)
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	k, err := issuer.Generate()
	if err != nil {
		t.Fatal(err)
	}
	der, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := issuer.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Public().Equal(k.Public()) {
		t.Error("another key was read")
	}
	sig, err := again.SignMessage([]byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	if err := credential.Verify(k.Public(), []byte("m"), sig[:]); err != nil {
		t.Error(err)
	}
}

// TestPKCS8 compares the file with the standard library's.
func TestPKCS8(t *testing.T) {
	t.Parallel()
	k, std := key(t)
	got, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want, err := x509.MarshalPKCS8PrivateKey(std)
	if err != nil || !bytes.Equal(got, want) || !bytes.Equal(got, keyDER(t)) {
		t.Errorf("another file, %v", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	der := keyDER(t)
	for i := range der {
		bad := bytes.Clone(der)
		bad[i] ^= 1
		if _, err := issuer.Parse(bad); err == nil {
			t.Errorf("byte %d changed was accepted", i)
		}
	}
	for n := 0; n < len(der); n += 17 {
		if _, err := issuer.Parse(der[:n]); err == nil {
			t.Errorf("%d bytes were accepted", n)
		}
	}
	if _, err := issuer.Parse(append(bytes.Clone(der), 0)); err == nil {
		t.Error("a byte too many was accepted")
	}
	_, std := key(t)
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	smallDER, err := x509.MarshalPKCS8PrivateKey(small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := issuer.Parse(smallDER); err == nil {
		t.Error("a key of 2048 bits was accepted")
	}
	if _, err := issuer.Parse(x509.MarshalPKCS1PrivateKey(std)); err == nil {
		t.Error("PKCS #1 was accepted")
	}
	p, q := std.Primes[0], std.Primes[1]
	for name, pair := range map[string][2]*big.Int{
		"one prime twice":      {p, p},
		"an even number":       {new(big.Int).Add(p, big.NewInt(1)), q},
		"a prime too short":    {new(big.Int).Rsh(p, 1), q},
		"primes of other size": {small.Primes[0], small.Primes[1]},
	} {
		if _, err := issuer.FromPrimes(pair[0], pair[1]); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestWipe(t *testing.T) {
	t.Parallel()
	k, _ := key(t)
	public := k.Public()
	parts := k.Parts()
	k.Wipe()
	k.Wipe()
	for name, b := range parts {
		if slices.Max(b) != 0 {
			t.Errorf("%s is still there", name)
		}
	}
	if _, err := k.Sign(bytes.Repeat([]byte{1}, 384)); !errors.Is(err, issuer.ErrWiped) {
		t.Errorf("got %v, want ErrWiped", err)
	}
	if _, err := k.SignMessage([]byte("m")); !errors.Is(err, issuer.ErrWiped) {
		t.Errorf("got %v, want ErrWiped", err)
	}
	if _, err := k.Bytes(); !errors.Is(err, issuer.ErrWiped) {
		t.Errorf("got %v, want ErrWiped", err)
	}
	if !k.Public().Equal(public) {
		t.Error("the public key is gone too")
	}
}

func TestRedaction(t *testing.T) {
	t.Parallel()
	k, _ := key(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(verb, k); got != "[issuer key]" {
			t.Errorf("%s shows %.60s", verb, got)
		}
	}
	if b, err := json.Marshal(k); err == nil {
		t.Errorf("JSON shows %.60s", b)
	}
	bad := keyDER(t)
	bad[400] ^= 1
	if _, err := issuer.Parse(bad); err == nil || len(err.Error()) > 100 {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(keyDER(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := issuer.Parse(b)
		if err != nil {
			return
		}
		if again, err := k.Bytes(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x comes back as %x, %v", b, again, err)
		}
	})
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		if _, err := issuer.Generate(); err != nil {
			b.Fatal(err)
		}
	}
}
