package credential_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"errors"
	"math/big"
	"slices"
	"testing"

	"strikevote/internal/protocol/credential"
)

// TestVerifyEveryByte changes every byte of a signature and of its message, and
// asks the standard library too.
func TestVerifyEveryByte(t *testing.T) {
	t.Parallel()
	k := key(t)
	pk, msg := k.Public(), message(1)
	sig, err := k.SignMessage(msg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sig {
		for _, bit := range []byte{0x01, 0x80} {
			bad := sig
			bad[i] ^= bit
			if err := credential.Verify(pk, msg, bad[:]); !errors.Is(err, credential.ErrInvalid) {
				t.Errorf("byte %d changed: got %v", i, err)
			}
		}
	}
	for i := range msg {
		bad := slices.Clone(msg)
		bad[i] ^= 1
		if credential.Verify(pk, bad, sig[:]) == nil {
			t.Errorf("byte %d of the message changed was accepted", i)
		}
	}
	for _, n := range []int{0, 1, 383} {
		if credential.Verify(pk, msg, sig[:n]) == nil {
			t.Errorf("%d bytes were accepted", n)
		}
	}
	if credential.Verify(pk, msg, append([]byte{0}, sig[:]...)) == nil || credential.Verify(pk, msg, append(sig[:], 0)) == nil {
		t.Error("a byte too many was accepted")
	}
	for _, x := range []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(publicRSA(pk).N, big.NewInt(1)), publicRSA(pk).N} {
		if credential.Verify(pk, msg, x.FillBytes(make([]byte, 384))) == nil {
			t.Error("0, 1, n-1 or n was accepted")
		}
	}
}

// TestSecondSpelling adds the modulus to a signature, which leaves its value
// modulo n as it was.
func TestSecondSpelling(t *testing.T) {
	t.Parallel()
	k := key(t)
	n := publicRSA(k.Public()).N
	for i := range byte(200) {
		sig, err := k.SignMessage(message(i))
		if err != nil {
			t.Fatal(err)
		}
		sum := new(big.Int).Add(n, new(big.Int).SetBytes(sig[:]))
		if sum.BitLen() > 3072 {
			continue
		}
		if credential.Verify(k.Public(), message(i), sum.FillBytes(make([]byte, 384))) == nil {
			t.Error("a signature above the modulus was accepted")
		}
		return
	}
	t.Error("no signature is small enough to try")
}

// TestSaltSize: a signature with a salt of another length is refused, which the
// standard library does only when it is told the length.
func TestSaltSize(t *testing.T) {
	t.Parallel()
	k := key(t)
	raw := credential.NewRaw(publicRSA(k.Public()).N.Bytes())
	for _, size := range []int{0, 20, 32, 47, 48, 49, 64} {
		em := raw.Encode(message(1), make([]byte, size))
		sig, err := k.Sign(em)
		if err != nil {
			t.Fatal(err)
		}
		if err := credential.Verify(k.Public(), message(1), sig[:]); (err == nil) != (size == 48) {
			t.Errorf("salt of %d bytes: got %v", size, err)
		}
	}
}

// TestEncodings signs encodings that differ from the right one in one place
// each.
func TestEncodings(t *testing.T) {
	t.Parallel()
	k := key(t)
	var salt [credential.SaltSize]byte
	good := k.Public().Encode(message(1), salt)
	for name, change := range map[string]func(em []byte){
		"nothing":           func([]byte) {},
		"the trailer":       func(em []byte) { em[383] = 0xbd },
		"the hash":          func(em []byte) { em[383-48] ^= 1 },
		"the salt":          func(em []byte) { em[383-49] ^= 1 },
		"the separator":     func(em []byte) { em[383-48-49] ^= 3 },
		"the last zero":     func(em []byte) { em[383-48-50] ^= 1 },
		"the first zero":    func(em []byte) { em[0] ^= 1 },
		"a second one byte": func(em []byte) { em[100] ^= 1 },
	} {
		em := slices.Clone(good[:])
		change(em)
		sig, err := k.Sign(em)
		if err != nil {
			t.Fatal(err)
		}
		if err := credential.Verify(k.Public(), message(1), sig[:]); (err == nil) != (name == "nothing") {
			t.Errorf("%s changed: got %v", name, err)
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	t.Parallel()
	pk := key(t).Public()
	spki := pk.Bytes()
	again, err := credential.ParsePublicKey(spki)
	if err != nil || !again.Equal(pk) || !bytes.Equal(again.Bytes(), spki) || len(spki) != credential.SPKISize {
		t.Fatalf("got %v", err)
	}
	again.Bytes()[100] ^= 1
	if !again.Equal(pk) {
		t.Error("a key can be changed from outside")
	}
	if pk.Equal(nil) || (*credential.PublicKey)(nil).Equal(pk) {
		t.Error("a key equals none")
	}
	for i := range spki {
		if i >= 82 && i < 81+383 {
			continue // within the modulus: another key
		}
		bad := bytes.Clone(spki)
		bad[i] ^= 0x81
		if _, err := credential.ParsePublicKey(bad); err == nil {
			t.Errorf("byte %d changed was accepted", i)
		}
	}
	even := bytes.Clone(spki)
	even[81+383] &^= 1
	small := bytes.Clone(spki)
	small[81] &^= 0x80
	three := append(bytes.Clone(spki[:len(spki)-3]), 0, 0, 3)
	for name, bad := range map[string][]byte{
		"nothing":               nil,
		"a byte too many":       append(bytes.Clone(spki), 0),
		"a byte too few":        spki[:len(spki)-1],
		"an even modulus":       even,
		"a modulus too small":   small,
		"the exponent 3":        three,
		"NULL parameters":       withNull(t, spki),
		"rsaEncryption":         bytes.Replace(spki, unhex(t, "2a864886f70d01010a"), unhex(t, "2a864886f70d010101"), 1),
		"SHA-256":               bytes.Replace(spki, unhex(t, "608648016503040202"), unhex(t, "608648016503040201"), 1),
		"a salt of 32 bytes":    bytes.Replace(spki, unhex(t, "a203020130"), unhex(t, "a203020120"), 1),
		"a long form of length": append([]byte{0x30, 0x83, 0}, spki[2:]...),
	} {
		if _, err := credential.ParsePublicKey(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := credential.FromModulus(spki[81 : 81+256]); err == nil {
		t.Error("a modulus of 2048 bits was accepted")
	}
}

// withNull spells the hash algorithms with NULL parameters, as some programs do.
func withNull(t *testing.T, spki []byte) []byte {
	t.Helper()
	b := bytes.ReplaceAll(spki, unhex(t, "300b0609608648016503040202"), unhex(t, "300d06096086480165030402020500"))
	return slices.Concat(unhex(t, "308201d63041"), b[6:])
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(key(f).Public().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if pk, err := credential.ParsePublicKey(b); err == nil && !bytes.Equal(pk.Bytes(), b) {
			t.Errorf("%x comes back as %x", b, pk.Bytes())
		}
	})
}

func FuzzVerify(f *testing.F) {
	k := key(f)
	sig, err := k.SignMessage(message(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig[:])
	f.Fuzz(func(t *testing.T, b []byte) {
		digest := sha512.Sum384(message(1))
		want := rsa.VerifyPSS(publicRSA(k.Public()), crypto.SHA384, digest[:], b, &rsa.PSSOptions{SaltLength: 48})
		if got := credential.Verify(k.Public(), message(1), b); (got == nil) != (want == nil) {
			t.Errorf("got %v, the standard library says %v", got, want)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	k := key(b)
	sig, err := k.SignMessage(message(1))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := credential.Verify(k.Public(), message(1), sig[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyStandardLibrary(b *testing.B) {
	k := key(b)
	sig, err := k.SignMessage(message(1))
	if err != nil {
		b.Fatal(err)
	}
	pub := publicRSA(k.Public())
	for b.Loop() {
		digest := sha512.Sum384(message(1))
		if err := rsa.VerifyPSS(pub, crypto.SHA384, digest[:], sig[:], &rsa.PSSOptions{SaltLength: 48}); err != nil {
			b.Fatal(err)
		}
	}
}
