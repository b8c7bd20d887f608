package ballot

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"strikevote/internal/protocol/suite"
)

// ErrRecoveryCode is returned for a text that is not a recovery code, or that
// was typed wrong.
var ErrRecoveryCode = errors.New("not a recovery code")

const (
	secretBits = 128
	codeChars  = 26
	redacted   = "[redacted]"
)

// A Secret is S, from which with E and the choices a whole ballot follows.
// Whoever has it can find out the choice by trying. It redacts itself when
// printed or encoded as JSON, but not as an unexported field of another
// structure: fmt prints such fields without asking them.
type Secret [16]byte

// NewSecret returns a random secret.
func NewSecret() (s Secret) {
	_, _ = rand.Read(s[:]) // never fails: the program ends instead
	return s
}

// RecoveryCode returns what a voter writes down: 26 characters and the check
// character, in groups of four.
func (s Secret) RecoveryCode() string {
	chars := suite.Base32(s[:], secretBits)
	return suite.Group4(chars + string(suite.CheckChar(chars)))
}

// ParseRecoveryCode reads a recovery code as a person types it: case, spaces
// and hyphens do not matter. The error is [ErrRecoveryCode].
func ParseRecoveryCode(typed string) (Secret, error) {
	chars := suite.CleanBase32(typed)
	if len(chars) != codeChars+1 {
		return Secret{}, ErrRecoveryCode
	}
	b, err := suite.ParseBase32(chars[:codeChars], secretBits)
	if err != nil || suite.CheckChar(chars[:codeChars]) != chars[codeChars] {
		return Secret{}, ErrRecoveryCode
	}
	return Secret(b), nil
}

// Format writes a fixed text under every verb.
func (Secret) Format(f fmt.State, _ rune) { redact(f) }

// MarshalText returns a fixed text, for JSON and the like.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Choices is the option chosen for every question. It redacts itself as a
// [Secret] does.
type Choices []uint8

// Format writes a fixed text under every verb.
func (Choices) Format(f fmt.State, _ rune) { redact(f) }

// MarshalText returns a fixed text, for JSON and the like.
func (Choices) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format writes a fixed text under every verb: the body is public once cast,
// but before that it and the key derived from S are the voter's.
func (Sealed) Format(f fmt.State, _ rune) { redact(f) }

// MarshalText returns a fixed text, for JSON and the like.
func (Sealed) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func redact(f fmt.State) { _, _ = io.WriteString(f, redacted) }
