package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"strikevote/internal/protocol/suite"
)

const (
	codeBits = 100

	// maxTyped bounds what a person typed before it is looked at.
	maxTyped = 200
)

// ErrCode is returned for what cannot be a code; usually one character is
// mistyped.
var ErrCode = errors.New("not a code: a character is wrong or missing")

// A Code is the short form of a token, in 20 upper-case base32 characters. It
// redacts itself.
type Code [20]byte

// MakeCode returns the code that stands for a token with that body.
func MakeCode(key [32]byte, b Body) Code {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(b.bytes())
	return Code([]byte(suite.Base32(mac.Sum(nil), codeBits)))
}

// ParseCode reads what a person typed: the 20 characters and the check
// character, with the leniency of base32 (SPEC.md section 1). It returns
// [ErrCode].
func ParseCode(typed string) (Code, error) {
	if len(typed) > maxTyped {
		return Code{}, ErrCode
	}
	s := suite.CleanBase32(typed)
	if len(s) != len(Code{})+1 {
		return Code{}, ErrCode
	}
	chars, check := s[:len(Code{})], s[len(Code{})]
	if _, err := suite.ParseBase32(chars, codeBits); err != nil || suite.CheckChar(chars) != check {
		return Code{}, ErrCode
	}
	return Code([]byte(chars)), nil
}

// Reveal returns the code as a person reads it: groups of four and the check
// character. The result is the code itself and no longer redacted.
func (c Code) Reveal() string {
	s := string(c[:])
	return suite.Group4(s + string(suite.CheckChar(s)))
}

// ID returns the hash under which the registrar keeps the code.
func (c Code) ID() suite.Hash { return suite.H("code", c[:]) }

// Format hides the code, whatever the verb.
func (Code) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[code]") }

// MarshalText refuses, so that no code reaches JSON or a structured log.
func (Code) MarshalText() ([]byte, error) { return nil, errSecret }
