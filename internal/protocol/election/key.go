package election

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"strikevote/internal/protocol/suite"
)

// A Key is a key that a member of the committee signs with.
type Key struct {
	Kind string      `json:"kind"`
	Key  suite.Bytes `json:"key"`
}

// The kinds of a [Key].
const (
	KindEd25519 = "ed25519" // a key file; 32 bytes
	KindPasskey = "passkey" // WebAuthn; 65 bytes, an uncompressed P-256 point
)

// ErrSignature is returned for a signature that does not verify.
var ErrSignature = errors.New("signature does not verify")

// Check returns an error unless the key is one of its kind. A passkey is bound
// to a relying party, which must be known.
func (k Key) Check(rpID string) error {
	switch k.Kind {
	case KindEd25519:
		return checkEd25519(k.Key)
	case KindPasskey:
		if rpID == "" {
			return errors.New("a passkey without rp_id")
		}
		_, err := parseP256(k.Key)
		return err
	default:
		return errors.New("kind of key is not ed25519 or passkey")
	}
}

func parseP256(b []byte) (*ecdsa.PublicKey, error) {
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), b)
	if err != nil {
		return nil, errors.New("not an uncompressed P-256 point")
	}
	return pub, nil
}

// Verify checks a signature of SPEC.md section 10 over the bytes signed. It
// returns [ErrSignature], possibly wrapped with what is wrong, for one that is
// not the key's.
func (k Key) Verify(rpID string, signed, sig []byte) error {
	switch k.Kind {
	case KindEd25519:
		if len(k.Key) != ed25519.PublicKeySize || !ed25519.Verify(ed25519.PublicKey(k.Key), signed, sig) {
			return ErrSignature
		}
		return nil
	case KindPasskey:
		return verifyPasskey(k.Key, rpID, signed, sig)
	default:
		return errors.New("kind of key is not ed25519 or passkey")
	}
}

// Flags of authenticator data.
const (
	userPresent  = 0x01
	userVerified = 0x04
)

// minAuthenticatorData is rpIdHash, flags and a counter. Extensions may follow;
// they are signed but mean nothing here.
const minAuthenticatorData = sha256.Size + 1 + 4

func verifyPasskey(key []byte, rpID string, signed, sig []byte) error {
	pub, err := parseP256(key)
	if err != nil {
		return err
	}
	a, err := parseAssertion(sig)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if rpID == "" || len(a.authenticatorData) < minAuthenticatorData {
		return fmt.Errorf("%w: no relying party, or too little authenticator data", ErrSignature)
	}
	// The authenticator says for which site it signed. The browser's word in
	// clientDataJSON would not do: only this part is the authenticator's own.
	if [sha256.Size]byte(a.authenticatorData[:sha256.Size]) != sha256.Sum256([]byte(rpID)) {
		return fmt.Errorf("%w: made for another relying party", ErrSignature)
	}
	// Verified, not only present: a found key must not sign acts.
	const both = userPresent | userVerified
	if a.authenticatorData[sha256.Size]&both != both {
		return fmt.Errorf("%w: user was not present and verified", ErrSignature)
	}
	if err := checkClientData(a.clientDataJSON, signed); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if err := checkLowS(a.sig); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if !ecdsa.VerifyASN1(pub, a.digest(), a.sig) {
		return ErrSignature
	}
	return nil
}

// An assertion is what an authenticator answers.
type assertion struct {
	authenticatorData, clientDataJSON, sig []byte
}

func (a *assertion) digest() []byte {
	client := sha256.Sum256(a.clientDataJSON)
	h := sha256.New()
	h.Write(a.authenticatorData)
	h.Write(client[:])
	return h.Sum(nil)
}

func parseAssertion(b []byte) (*assertion, error) {
	r := suite.NewReader(b)
	next := func() []byte { return r.Take(int(r.U32())) }
	a := &assertion{next(), next(), next()}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("reading assertion: %w", err)
	}
	return a, nil
}

// PasskeySignature makes a signature of an authenticator's answer, which comes
// to the console as these three. Authenticators do not care for low s, so the
// higher of the two equivalent values is replaced: a log entry must not have a
// second spelling that anybody can make.
func PasskeySignature(authenticatorData, clientDataJSON, der []byte) ([]byte, error) {
	v, err := parseECDSA(der)
	if err != nil {
		return nil, err
	}
	n := elliptic.P256().Params().N
	if v.S.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		v.S.Sub(n, v.S)
	}
	low, err := asn1.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing ECDSA signature: %w", err)
	}
	return suite.Frame(authenticatorData, clientDataJSON, low), nil
}

// PasskeyChallenge is the challenge that an authenticator is asked to sign.
func PasskeyChallenge(signed []byte) [sha256.Size]byte { return sha256.Sum256(signed) }

type ecdsaValue struct{ R, S *big.Int }

func parseECDSA(der []byte) (ecdsaValue, error) {
	var v ecdsaValue
	rest, err := asn1.Unmarshal(der, &v)
	n := elliptic.P256().Params().N
	if err != nil || len(rest) != 0 || v.R.Sign() <= 0 || v.S.Sign() <= 0 || v.R.Cmp(n) >= 0 || v.S.Cmp(n) >= 0 {
		return v, errors.New("not a DER signature of ECDSA on P-256")
	}
	return v, nil
}

func checkLowS(der []byte) error {
	v, err := parseECDSA(der)
	if err != nil {
		return err
	}
	if v.S.Cmp(new(big.Int).Rsh(elliptic.P256().Params().N, 1)) > 0 {
		return errors.New("s is not the low one of two")
	}
	return nil
}

// checkClientData reads what the browser says was signed. A key that repeats is
// refused, since two readers could take two different values.
func checkClientData(b, signed []byte) error {
	members, err := object(b)
	if err != nil {
		return fmt.Errorf("reading client data: %w", err)
	}
	challenge := PasskeyChallenge(signed)
	if members["type"] != "webauthn.get" {
		return errors.New("client data is not of a WebAuthn assertion")
	}
	if members["challenge"] != base64.RawURLEncoding.EncodeToString(challenge[:]) {
		return errors.New("client data is for another challenge")
	}
	return nil
}

// object returns the members of a JSON object that are strings.
func object(b []byte) (map[string]string, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, errors.New("not JSON")
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	seen := make(map[string]bool)
	members := make(map[string]string)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("reading key: %w", err)
		}
		key, ok := t.(string)
		if !ok || seen[key] {
			return nil, errors.New("a key repeats")
		}
		seen[key] = true
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("reading value: %w", err)
		}
		if s, ok := value.(string); ok {
			members[key] = s
		}
	}
	return members, nil
}
