// Package token makes and checks what a member votes with: the signed one-time
// token inside a mailed link, and the short code that is typed where a link
// cannot be opened.
//
// It knows a place on a roll, never a name or an address, and nothing of
// ballots. It must never show a token or a code by accident: [Token], [Code]
// and [JTI] redact themselves, and no error of this package contains any part
// of what was read.
//
// The bytes are those of SPEC.md section 5. A token is good for one issuance
// because the registrar keeps its hash in a table, not because of anything
// here. What ends voting is the phase of the election; the time in a token only
// bounds the use of a stolen mailbox.
//
// # Security considerations
//
// Tokens are signed by one honest key and verified by crypto/ed25519 alone, so
// that the edge cases on which Ed25519 verifiers differ do not arise. Whoever
// holds the token key or the code key can vote for every member: both are the
// mailer's, and the registrar has only the public key and hashes.
package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"strikevote/internal/protocol/suite"
)

// Errors of [Verify], on which a caller branches.
var (
	// ErrForged is returned for a token that the token key has not signed.
	ErrForged = errors.New("token is not signed by the token key")

	// ErrExpired is returned for a token that was good until its time.
	ErrExpired = errors.New("token is past its time")
)

var errMalformed = errors.New("not a token")

// Kind says what a token is good for.
type Kind byte

const (
	// KindMember is a person on the roll, or added to it by the committee.
	KindMember Kind = 1

	// KindEnvelope is a disputed person who is not on the roll, and who can
	// only deposit an envelope.
	KindEnvelope Kind = 2
)

// A JTI makes the tokens of one person different from one another: a new one
// kills the old link. It redacts itself.
type JTI [16]byte

// Format hides the JTI, whatever the verb.
func (JTI) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[jti]") }

// Body is what a token says.
type Body struct {
	Kind     Kind
	Election suite.ElectionID
	Group    suite.GroupID
	Index    uint32 // place in the group's roll, from 0
	JTI      JTI
	Expires  int64 // seconds since 1970-01-01 UTC
}

const (
	bodySize = 47

	// Size is the length of a token in bytes.
	Size = bodySize + ed25519.SignatureSize
)

// bytes returns the body as it is signed. It panics on a body that no parser
// would accept.
func (b Body) bytes() []byte {
	if b.check() != nil {
		panic("token: impossible body")
	}
	out := make([]byte, 0, bodySize)
	out = append(out, byte(b.Kind))
	out = append(out, b.Election[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(b.Group))
	out = binary.BigEndian.AppendUint32(out, b.Index)
	out = append(out, b.JTI[:]...)
	return binary.BigEndian.AppendUint64(out, uint64(b.Expires))
}

func (b Body) check() error {
	if b.Kind != KindMember && b.Kind != KindEnvelope || b.Group == 0 || b.Expires < 0 {
		return errMalformed
	}
	return nil
}

// A Token is a signed body: whoever has it can vote with it. It redacts itself,
// but fmt cannot ask the unexported fields of other structs to do so.
type Token [Size]byte

// Mint signs a token. The body's kind and group are those of a person.
func Mint(key ed25519.PrivateKey, b Body) Token {
	var t Token
	body := b.bytes()
	copy(t[:], body)
	copy(t[bodySize:], ed25519.Sign(key, signed(body)))
	return t
}

func signed(body []byte) []byte { return suite.Message("token", body) }

// Parse reads a token's bytes. It does not verify the signature.
func Parse(raw []byte) (Token, Body, error) {
	if len(raw) != Size {
		return Token{}, Body{}, errMalformed
	}
	t := Token(raw)
	b, err := t.body()
	if err != nil {
		return Token{}, Body{}, err
	}
	return t, b, nil
}

func (t Token) body() (Body, error) {
	r := suite.NewReader(t[:bodySize])
	b := Body{
		Kind:     Kind(r.U8()),
		Election: suite.ElectionID(r.Take(16)),
		Group:    suite.GroupID(r.U16()),
		Index:    r.U32(),
		JTI:      JTI(r.Take(16)),
	}
	expires := r.U64()
	if r.Done() != nil || expires > math.MaxInt64 {
		return Body{}, errMalformed
	}
	b.Expires = int64(expires)
	return b, b.check()
}

// ParseBase64 accepts exactly what [Token.Base64] makes. It does not verify the
// signature.
func ParseBase64(s string) (Token, Body, error) {
	raw, err := decode64(s, Size)
	if err != nil {
		return Token{}, Body{}, err
	}
	return Parse(raw)
}

// decode64 refuses what encoding/base64 lets pass: line ends, and a last
// character with bits to spare. Two spellings of one token would be two links.
func decode64(s string, size int) ([]byte, error) {
	if len(s) != base64.RawURLEncoding.EncodedLen(size) {
		return nil, errMalformed
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != size || base64.RawURLEncoding.EncodeToString(b) != s {
		return nil, errMalformed
	}
	return b, nil
}

// Verify returns what a token says. It returns [ErrForged] or [ErrExpired], and
// looks at the time only when the signature is good.
func Verify(key ed25519.PublicKey, t Token, at time.Time) (Body, error) {
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signed(t[:bodySize]), t[bodySize:]) {
		return Body{}, ErrForged
	}
	b, err := t.body()
	if err != nil {
		return Body{}, ErrForged
	}
	if at.Unix() >= b.Expires {
		return Body{}, ErrExpired
	}
	return b, nil
}

// Base64 returns the token as it stands in a link. The result is the token
// itself and no longer redacted.
func (t Token) Base64() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// ID returns the hash under which the registrar keeps the token.
func (t Token) ID() suite.Hash { return suite.H("token-id", t[:]) }

// Format hides the token, whatever the verb.
func (Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[token]") }

var errSecret = errors.New("a token or code is not to be written down")

// MarshalText refuses, so that no token reaches JSON or a structured log.
func (Token) MarshalText() ([]byte, error) { return nil, errSecret }

// MarshalText refuses, as that of [Token] does.
func (JTI) MarshalText() ([]byte, error) { return nil, errSecret }
