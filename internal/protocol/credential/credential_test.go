package credential_test

import (
	"bytes"
	"crypto"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/cloudflare/circl/blindsign/blindrsa"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/suite"
)

// testKey reads the key of the vectors, which is used nowhere else.
var testKey = sync.OnceValues(func() (*issuer.Key, error) {
	v, err := readVectors()
	if err != nil {
		return nil, err
	}
	return issuer.Parse(v.IssuerKey)
})

func key(t testing.TB) *issuer.Key {
	t.Helper()
	k, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// okmOf derives bytes as a sealed ballot does.
func okmOf(t testing.TB, prk []byte) func(label string, n int) []byte {
	return func(label string, n int) []byte {
		b, err := hkdf.Expand(sha512.New, prk, suite.Prefix+label, n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func message(i byte) []byte {
	return credential.Message(suite.MID{1}, 3, suite.BallotID{i})
}

func TestMessage(t *testing.T) {
	t.Parallel()
	mid, id := suite.MID{1, 2}, suite.BallotID{3}
	want := "00000018" + hex.EncodeToString([]byte("strikevote/v1/credential")) +
		"00000020" + mid.String() + "00000002" + "0105" + "00000020" + id.String()
	if got := hex.EncodeToString(credential.Message(mid, 0x105, id)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	k := key(t)
	pk := k.Public()
	for i := range byte(4) {
		okm := okmOf(t, bytes.Repeat([]byte{i}, 64))
		r, err := credential.Blind(pk, message(i), okm)
		if err != nil {
			t.Fatal(err)
		}
		again, err := credential.Blind(pk, message(i), okm)
		if err != nil || again.Z != r.Z {
			t.Errorf("the same arguments made another request, %v", err)
		}
		answer, err := k.Sign(r.Z[:])
		if err != nil {
			t.Fatal(err)
		}
		sig, err := r.Finalize(answer[:])
		if err != nil {
			t.Fatal(err)
		}
		if err := credential.Verify(pk, message(i), sig[:]); err != nil {
			t.Error(err)
		}
		if err := credential.Verify(pk, message(i+1), sig[:]); !errors.Is(err, credential.ErrInvalid) {
			t.Errorf("another ballot: got %v", err)
		}
		digest := sha512.Sum384(message(i))
		if err := rsa.VerifyPSS(publicRSA(pk), crypto.SHA384, digest[:], sig[:], &rsa.PSSOptions{SaltLength: 48}); err != nil {
			t.Errorf("the standard library refuses it: %v", err)
		}
	}
}

// TestCircl blinds, signs and finalizes with circl's client, and compares every
// byte.
func TestCircl(t *testing.T) {
	t.Parallel()
	k := key(t)
	pub := publicRSA(k.Public())
	client, err := blindrsa.NewClient(blindrsa.SHA384PSSDeterministic, pub)
	if err != nil {
		t.Fatal(err)
	}
	okm := okmOf(t, bytes.Repeat([]byte{9}, 64))
	r, err := credential.Blind(k.Public(), message(1), okm)
	if err != nil {
		t.Fatal(err)
	}
	b := new(big.Int).ModInverse(new(big.Int).SetBytes(r.Inverse()), pub.N)
	// circl reads the salt, and then the blind as a number below the modulus.
	random := io.MultiReader(bytes.NewReader(okm("salt", 48)), bytes.NewReader(b.FillBytes(make([]byte, 384))))
	z, state, err := client.Blind(random, message(1))
	if err != nil || !bytes.Equal(z, r.Z[:]) {
		t.Fatalf("circl's request is another one, %v", err)
	}
	answer, err := k.Sign(z)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := r.Finalize(answer[:])
	if err != nil {
		t.Fatal(err)
	}
	want, err := client.Finalize(state, answer[:])
	if err != nil || !bytes.Equal(sig[:], want) {
		t.Errorf("circl's credential is another one, %v", err)
	}
	if err := client.Verify(message(1), sig[:]); err != nil {
		t.Errorf("circl refuses it: %v", err)
	}
}

func TestFinalizeBadAnswer(t *testing.T) {
	t.Parallel()
	k := key(t)
	n := publicRSA(k.Public()).N
	r, err := credential.Blind(k.Public(), message(1), okmOf(t, make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := k.Sign(r.Z[:])
	if err != nil {
		t.Fatal(err)
	}
	other, err := k.SignMessage(message(1))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"nothing":         nil,
		"a byte too few":  answer[1:],
		"a byte too many": append([]byte{0}, answer[:]...),
		"zero":            make([]byte, 384),
		"the modulus":     n.Bytes(),
		"the request":     r.Z[:],
		"a signature":     other[:],
		"negated":         new(big.Int).Sub(n, new(big.Int).SetBytes(answer[:])).FillBytes(make([]byte, 384)),
	}
	for i := 0; i < 384; i += 13 {
		b := answer
		b[i] ^= 1
		bad[fmt.Sprintf("byte %d changed", i)] = b[:]
	}
	for name, b := range bad {
		if _, err := r.Finalize(b); !errors.Is(err, credential.ErrBadAnswer) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := r.Finalize(answer[:]); err != nil {
		t.Errorf("the right answer after wrong ones: %v", err)
	}
}

// TestBlindRetry: the first blind has a factor of the modulus and is passed
// over; and a key for which that goes on for ever ends.
func TestBlindRetry(t *testing.T) {
	t.Parallel()
	k := key(t)
	okm := okmOf(t, make([]byte, 64))
	less := new(big.Int).Sub(primeOf(t), big.NewInt(1)).FillBytes(make([]byte, 400))
	var asked []string
	r, err := credential.Blind(k.Public(), message(1), func(label string, n int) []byte {
		asked = append(asked, label)
		if label == "blind/0" {
			return less
		}
		return okm(label, n)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked, " "); got != "blind/0 blind/1 salt" {
		t.Errorf("asked for %s", got)
	}
	answer, err := k.Sign(r.Z[:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finalize(answer[:]); err != nil {
		t.Error(err)
	}
	if _, err := credential.Blind(k.Public(), message(1), func(string, int) []byte { return less }); err == nil {
		t.Error("a request was made without a blind")
	}
}

// TestMaliciousKey: a modulus with a small factor would show in the request
// whether the message is a multiple of it.
func TestMaliciousKey(t *testing.T) {
	t.Parallel()
	three := big.NewInt(3)
	n := new(big.Int).Lsh(big.NewInt(1), 3072)
	n.Sub(n, big.NewInt(1)) // a multiple of 3, since 3072 is even
	pk, err := credential.FromModulus(n.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	okm := okmOf(t, make([]byte, 64))
	refused := 0
	for i := range byte(30) {
		r, err := credential.Blind(pk, message(i), okm)
		if err != nil {
			refused++
			continue
		}
		if new(big.Int).Mod(new(big.Int).SetBytes(r.Z[:]), three).Sign() == 0 {
			t.Error("a request shows a factor of the message")
		}
	}
	if refused == 0 {
		t.Error("no message was a multiple of 3")
	}
}

// TestRedaction: neither a request nor a credential is shown by accident.
func TestRedaction(t *testing.T) {
	t.Parallel()
	k := key(t)
	r, err := credential.Blind(k.Public(), message(1), okmOf(t, make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := k.SignMessage(message(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{r, sig, &sig, struct{ S credential.Signature }{sig}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
			if out := fmt.Sprintf(verb, v); len(out) > 100 {
				t.Errorf("%T: %s shows %.60s…", v, verb, out)
			}
		}
	}
}

func BenchmarkBlind(b *testing.B) {
	k := key(b)
	okm := okmOf(b, make([]byte, 64))
	for b.Loop() {
		if _, err := credential.Blind(k.Public(), message(1), okm); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFinalize(b *testing.B) {
	k := key(b)
	r, err := credential.Blind(k.Public(), message(1), okmOf(b, make([]byte, 64)))
	if err != nil {
		b.Fatal(err)
	}
	answer, err := k.Sign(r.Z[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Finalize(answer[:]); err != nil {
			b.Fatal(err)
		}
	}
}
