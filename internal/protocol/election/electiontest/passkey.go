package electiontest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A Passkey is an authenticator and the browser in front of it. A test changes
// a field to make an assertion that is wrong in that respect.
type Passkey struct {
	Private *ecdsa.PrivateKey
	RPID    string
	Flags   byte   // 0x05: user present and verified
	Type    string // webauthn.get
	More    string // further members of clientDataJSON, beginning with a comma
}

// NewPasskey returns a new authenticator for a relying party.
func NewPasskey(t testing.TB, rpID string) *Passkey {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Passkey{
		Private: priv, RPID: rpID, Flags: 0x05, Type: "webauthn.get",
		More: `,"origin":"https://` + rpID + `","crossOrigin":false`,
	}
}

// Key returns the key for a manifest.
func (p *Passkey) Key(t testing.TB) election.Key {
	t.Helper()
	b, err := p.Private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return election.Key{Kind: election.KindPasskey, Key: suite.Bytes(b)}
}

// Answer returns the three parts of an assertion over the bytes signed, as an
// authenticator makes them: s may be the high one.
func (p *Passkey) Answer(t testing.TB, signed []byte) (authenticatorData, clientDataJSON, der []byte) {
	t.Helper()
	challenge := election.PasskeyChallenge(signed)
	clientDataJSON = []byte(`{"type":"` + p.Type + `","challenge":"` +
		base64.RawURLEncoding.EncodeToString(challenge[:]) + `"` + p.More + `}`)
	rp := sha256.Sum256([]byte(p.RPID))
	authenticatorData = append(rp[:], p.Flags, 0, 0, 0, 7)
	client := sha256.Sum256(clientDataJSON)
	digest := sha256.Sum256(append(append([]byte{}, authenticatorData...), client[:]...))
	der, err := ecdsa.SignASN1(rand.Reader, p.Private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return authenticatorData, clientDataJSON, der
}

// Sign returns a signature of SPEC.md section 10.
func (p *Passkey) Sign(t testing.TB, signed []byte) []byte {
	t.Helper()
	b, err := election.PasskeySignature(p.Answer(t, signed))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
