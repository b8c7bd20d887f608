package voter

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"strikevote/internal/protocol/suite"
)

// A Stage is how far a voter has come.
type Stage string

// The stages. What must survive an interruption is kept before the step that
// needs it: the secret before the request, the signature before the cast.
const (
	StageNew      Stage = ""
	StageSealed   Stage = "sealed"   // sealed; may have been asked for
	StageIssued   Stage = "issued"   // the credential is here
	StageReceived Stage = "received" // the box promised; secret and choices are erased
)

// A Memory keeps one voter's state between runs. Content is sealed before it
// comes here.
type Memory interface {
	// Load returns what was kept, or nil.
	Load() ([]byte, error)
	// Keep replaces what was kept, durably.
	Keep([]byte) error
	// Forget removes it.
	Forget() error
}

// state is what is kept. It redacts itself.
type state struct {
	Stage    Stage          `json:"stage"`
	MID      suite.MID      `json:"mid"`
	Secret   suite.Bytes    `json:"secret"`
	Typed    string         `json:"typed"`
	Choices  suite.Bytes    `json:"choices"`
	Body     suite.Bytes    `json:"body"`
	BallotID suite.BallotID `json:"ballot_id"`
	Sig      suite.Bytes    `json:"signature"`
	Promise  suite.Bytes    `json:"promise"`
}

// Format redacts the state under every verb.
func (state) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[voter's state]") }

// key derives what seals the state from the link: another person on a shared
// computer, without the link, can't read it.
func (s *Session) key() ([]byte, error) {
	return hkdf.Key(sha512.New, s.token[:], s.MID[:], suite.Prefix+"voter-state", chacha20poly1305.KeySize)
}

func (s *Session) save() error {
	plain, err := json.Marshal(s.state)
	if err != nil {
		return fmt.Errorf("keeping the ballot on this device: %w", err)
	}
	defer clear(plain)
	k, err := s.key()
	if err != nil {
		return fmt.Errorf("keeping the ballot on this device: %w", err)
	}
	aead, err := chacha20poly1305.NewX(k)
	if err != nil {
		return fmt.Errorf("keeping the ballot on this device: %w", err)
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	if err := s.memory.Keep(aead.Seal(nonce, nonce, plain, nil)); err != nil {
		return fmt.Errorf("keeping the ballot on this device: %w", err)
	}
	return nil
}

func (s *Session) load() error {
	b, err := s.memory.Load()
	if err != nil {
		return fmt.Errorf("reading what this device kept: %w", err)
	}
	if b == nil {
		return nil
	}
	k, err := s.key()
	if err != nil {
		return fmt.Errorf("reading what this device kept: %w", err)
	}
	aead, err := chacha20poly1305.NewX(k)
	if err != nil {
		return fmt.Errorf("reading what this device kept: %w", err)
	}
	if len(b) < aead.NonceSize() {
		return errKept
	}
	plain, err := aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], nil)
	if err != nil {
		return errKept
	}
	defer clear(plain)
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s.state); err != nil || s.state.MID != s.MID {
		s.state = state{}
		return errKept
	}
	return nil
}

var errKept = errors.New("what this device kept of your ballot is damaged; use your recovery code, or call the committee")

// NoMemory keeps nothing: for a shared computer, and for tests.
type NoMemory struct{}

// Load returns nothing.
func (NoMemory) Load() ([]byte, error) { return nil, nil }

// Keep does nothing.
func (NoMemory) Keep([]byte) error { return nil }

// Forget does nothing.
func (NoMemory) Forget() error { return nil }

// A File is a [Memory] in one file. Its name says nothing about the link.
type File struct{ Path string }

// FileFor returns the file in dir that belongs to a link.
func FileFor(dir, link string) File {
	h := suite.H("voter-file", []byte(link))
	return File{Path: filepath.Join(dir, hex.EncodeToString(h[:8])+".ballot")}
}

// Load returns the file's content, or nil if there is none.
func (f File) Load() ([]byte, error) {
	b, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// Keep writes the file in one step: after a crash there is the old content or
// the new one.
func (f File) Keep(b []byte) error {
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".ballot-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), f.Path)
	}
	return err
}

// Forget removes the file.
func (f File) Forget() error {
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
