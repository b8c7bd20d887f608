package election_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
)

const rpID = "union.example"

// TestPasskey makes assertions as an authenticator does, right and wrong.
func TestPasskey(t *testing.T) {
	t.Parallel()
	signed := []byte("what is signed")
	for _, tt := range []struct {
		name   string
		change func(*electiontest.Passkey)
		signed string
		ok     bool
	}{
		{name: "right", ok: true},
		{name: "backed up", change: func(p *electiontest.Passkey) { p.Flags = 0x1d }, ok: true},
		{name: "no further members", change: func(p *electiontest.Passkey) { p.More = "" }, ok: true},
		{name: "members that are not strings", change: func(p *electiontest.Passkey) { p.More = `,"a":{"type":1},"b":[1,{}],"c":null` }, ok: true},
		{name: "not verified", change: func(p *electiontest.Passkey) { p.Flags = 0x01 }},
		{name: "not present", change: func(p *electiontest.Passkey) { p.Flags = 0x04 }},
		{name: "another site", change: func(p *electiontest.Passkey) { p.RPID = "onion.example" }},
		{name: "a registration", change: func(p *electiontest.Passkey) { p.Type = "webauthn.create" }},
		{name: "another message", signed: "another"},
		{name: "type twice", change: func(p *electiontest.Passkey) { p.More = `,"type":"webauthn.get"` }},
		{name: "challenge twice", change: func(p *electiontest.Passkey) { p.More = `,"challenge":"x"` }},
		{name: "another member twice", change: func(p *electiontest.Passkey) { p.More = `,"a":1,"a":1` }},
		{name: "spelt twice", change: func(p *electiontest.Passkey) { p.More = `,"\u0074ype":"webauthn.get"` }},
		{name: "type in upper case", change: func(p *electiontest.Passkey) { p.Type, p.More = "x", `,"Type":"webauthn.get"` }},
		{name: "not UTF-8", change: func(p *electiontest.Passkey) { p.More = ",\"a\":\"\xff\"" }},
		{name: "two values", change: func(p *electiontest.Passkey) { p.More = `}{"a":1` }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := electiontest.NewPasskey(t, rpID)
			key := p.Key(t)
			if err := key.Check(rpID); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(p)
			}
			message := signed
			if tt.signed != "" {
				message = []byte(tt.signed)
			}
			err := key.Verify(rpID, signed, p.Sign(t, message))
			if tt.ok != (err == nil) || err != nil && !errors.Is(err, election.ErrSignature) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestPasskeyShape takes a right assertion and spoils how it is put together.
func TestPasskeyShape(t *testing.T) {
	t.Parallel()
	p := electiontest.NewPasskey(t, rpID)
	key := p.Key(t)
	signed := []byte("what is signed")
	auth, client, der := p.Answer(t, signed)
	low, err := election.PasskeySignature(auth, client, der)
	if err != nil {
		t.Fatal(err)
	}
	low = low[len(low)-lenDER(t, low, auth, client):]
	high := otherS(t, low)
	long := append([]byte{0x30, 0x81}, low[1:]...)
	for name, sig := range map[string][]byte{
		"high s":             suite.Frame(auth, client, high),
		"long length":        suite.Frame(auth, client, long),
		"trailing DER":       suite.Frame(auth, client, append(bytes.Clone(low), 0)),
		"two parts":          suite.Frame(auth, client),
		"four parts":         suite.Frame(auth, client, low, nil),
		"short data":         suite.Frame(auth[:36], client, low),
		"no data":            suite.Frame(nil, client, low),
		"more data":          suite.Frame(append(bytes.Clone(auth), 0), client, low),
		"no client data":     suite.Frame(auth, nil, low),
		"a list":             suite.Frame(auth, []byte("[]"), low),
		"no signature":       suite.Frame(auth, client, nil),
		"zero signature":     suite.Frame(auth, client, marshal(t, 0, 0)),
		"zero s":             suite.Frame(auth, client, marshal(t, 1, 0)),
		"negative r":         suite.Frame(auth, client, marshal(t, -1, 1)),
		"ed25519's length":   make([]byte, 64),
		"empty":              {},
		"a length too large": {0xff, 0xff, 0xff, 0xff},
	} {
		if err := key.Verify(rpID, signed, sig); !errors.Is(err, election.ErrSignature) {
			t.Errorf("%s: got %v, want ErrSignature", name, err)
		}
	}
	good := suite.Frame(auth, client, low)
	if err := key.Verify(rpID, signed, good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if key.Verify(rpID, signed, bad) == nil {
				t.Fatalf("bit %d of byte %d changed, and it still verifies", bit, i)
			}
		}
	}
	// The console mends what an authenticator left high, and nothing else.
	mended, err := election.PasskeySignature(auth, client, high)
	if err != nil || !bytes.Equal(mended, good) {
		t.Errorf("high s was not replaced: %v", err)
	}
	if _, err := election.PasskeySignature(auth, client, long); err == nil {
		t.Error("a second spelling was mended")
	}
}

func lenDER(t *testing.T, framed, auth, client []byte) int {
	t.Helper()
	return len(framed) - 12 - len(auth) - len(client)
}

func marshal(t *testing.T, r, s int64) []byte {
	t.Helper()
	b, err := asn1.Marshal(struct{ R, S *big.Int }{big.NewInt(r), big.NewInt(s)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// otherS returns the signature with n - s, which is as valid.
func otherS(t *testing.T, der []byte) []byte {
	t.Helper()
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		t.Fatal(err)
	}
	v.S.Sub(elliptic.P256().Params().N, v.S)
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLowS signs until both halves of s have come up.
func TestLowS(t *testing.T) {
	t.Parallel()
	p := electiontest.NewPasskey(t, rpID)
	key := p.Key(t)
	signed := []byte("what is signed")
	lows, highs := 0, 0
	for range 200 {
		auth, client, der := p.Answer(t, signed)
		if key.Verify(rpID, signed, suite.Frame(auth, client, der)) == nil {
			lows++
		} else {
			highs++
		}
		sig, err := election.PasskeySignature(auth, client, der)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Verify(rpID, signed, sig); err != nil {
			t.Fatal(err)
		}
		if lows > 0 && highs > 0 {
			return
		}
	}
	t.Errorf("%d low and %d high of 200", lows, highs)
}

func TestKeyKinds(t *testing.T) {
	t.Parallel()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := priv.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	compressed := append([]byte{2 + point[64]&1}, point[1:33]...)
	for _, tt := range []struct {
		name string
		key  election.Key
		rpID string
		ok   bool
	}{
		{"passkey", election.Key{Kind: "passkey", Key: point}, rpID, true},
		{"passkey without relying party", election.Key{Kind: "passkey", Key: point}, "", false},
		{"compressed", election.Key{Kind: "passkey", Key: compressed}, rpID, false},
		{"infinity", election.Key{Kind: "passkey", Key: suite.Bytes{0}}, rpID, false},
		{"off the curve", election.Key{Kind: "passkey", Key: append(bytes.Clone(point[:64]), point[64]^1)}, rpID, false},
		{"ed25519", election.Key{Kind: "ed25519", Key: suite.Bytes(ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey))}, "", true},
		{"small order", election.Key{Kind: "ed25519", Key: append(suite.Bytes{1}, make([]byte, 31)...)}, "", false},
		{"zero", election.Key{Kind: "ed25519", Key: make(suite.Bytes, 32)}, "", false},
		{"long", election.Key{Kind: "ed25519", Key: suite.Bytes(strings.Repeat("k", 33))}, "", false},
		{"kind", election.Key{Kind: "Ed25519", Key: suite.Bytes(strings.Repeat("k", 32))}, "", false},
		{"nothing", election.Key{}, rpID, false},
	} {
		if err := tt.key.Check(tt.rpID); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		}
		sum := sha256.Sum256([]byte(tt.name))
		if tt.key.Verify(tt.rpID, []byte(tt.name), append(sum[:], sum[:]...)) == nil {
			t.Errorf("%s: random bytes verify", tt.name)
		}
	}
}

func FuzzAssertion(f *testing.F) {
	p := electiontest.NewPasskey(f, rpID)
	key := p.Key(f)
	signed := []byte("what is signed")
	good := p.Sign(f, signed)
	f.Add(good)
	f.Fuzz(func(t *testing.T, sig []byte) {
		// Low s and one encoding leave no second signature to be found.
		if key.Verify(rpID, signed, sig) == nil && !bytes.Equal(sig, good) {
			t.Errorf("another signature verifies: %x", sig)
		}
	})
}
