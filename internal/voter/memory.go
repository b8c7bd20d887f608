package voter

import (
	"bytes"
	"crypto/cipher"
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
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"strikevote/internal/platform/durable"
	"strikevote/internal/protocol/ballot"
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
	// StageDeposited: an envelope is with the registrar; the same is erased.
	StageDeposited Stage = "deposited"
)

// A Memory keeps one voter's state between runs. Content is sealed before it
// comes here.
type Memory interface {
	// Load returns what was kept, or nil.
	Load() ([]byte, error)
	// Keep replaces what was kept, durably.
	Keep([]byte) error
	// Forget erases what was kept. It may be called where there is nothing.
	Forget() error
}

// state is what is kept. It redacts itself.
type state struct {
	Stage    Stage          `json:"stage"`
	MID      suite.MID      `json:"mid"`
	Group    suite.GroupID  `json:"group"`
	Envelope bool           `json:"envelope"` // it is deposited, not issued
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

// aead seals the state under a key that is derived from the link: another person
// on a shared computer, without the link, can't read it.
func (s *Session) aead() (cipher.AEAD, error) {
	k, err := hkdf.Key(sha512.New, s.shown.secret(), s.MID[:], suite.Prefix+"voter-state", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(k)
}

func (s *Session) save() error {
	if err := s.keep(); err != nil {
		return fmt.Errorf("keeping the ballot on this device: %w", err)
	}
	return nil
}

func (s *Session) keep() error {
	aead, err := s.aead()
	if err != nil {
		return err
	}
	plain, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	defer clear(plain)
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // never fails
	if err := s.memory.Keep(aead.Seal(nonce, nonce, plain, nil)); err != nil {
		return err
	}
	s.kept = s.state.BallotID
	return nil
}

// Forget erases what this device keeps of the link: the choice of a ballot that was
// not cast, or the tracker and the promise of one that was. A ballot that was
// issued and not cast is lost with it, unless its recovery code was written down,
// and nothing else can be cast with the link: the voter is to be told so before.
func (s *Session) Forget() error {
	if err := s.memory.Forget(); err != nil {
		return fmt.Errorf("erasing what this device keeps of the ballot: %w", err)
	}
	s.erase()
	s.state, s.kept = state{}, suite.BallotID{}
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
	plain, err := s.open(b)
	if err != nil {
		return ErrDamaged
	}
	defer clear(plain)
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.DisallowUnknownFields()
	var st state
	if err := dec.Decode(&st); err != nil || !st.fits(s.MID) || s.group != 0 && st.Group != s.group || s.Manifest.Group(st.Group) == nil {
		return ErrDamaged
	}
	s.state, s.kept, s.group = st, st.BallotID, st.Group
	return nil
}

func (s *Session) open(b []byte) ([]byte, error) {
	aead, err := s.aead()
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(b) < n {
		return nil, ErrDamaged
	}
	return aead.Open(nil, b[:n], b[n:], nil)
}

// fits reports whether a state is one that this program keeps.
func (st *state) fits(mid suite.MID) bool {
	switch st.Stage {
	case StageSealed, StageIssued:
		return st.MID == mid && len(st.Secret) == len(ballot.Secret{})
	}
	return st.MID == mid && (st.Stage == StageReceived || st.Stage == StageDeposited)
}

// ErrDamaged is returned for what was kept and cannot be read any more. It is
// left as it is: a copy of it may still be put in its place.
var ErrDamaged = errors.New("what this device kept of your ballot is damaged; use your recovery code, or call the committee")

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

// FileFor returns the file in dir that belongs to a link, in whichever spelling
// a mail program left it.
func FileFor(dir, link string) File {
	h := suite.H("voter-file", []byte(strings.Replace(strings.TrimSpace(link), "%23", "#", 1)))
	return File{Path: filepath.Join(dir, hex.EncodeToString(h[:8])+".ballot")}
}

// FileForCode is [FileFor] for a typed code.
func FileForCode(dir string, id suite.ElectionID, code string) File {
	h := suite.H("voter-file-code", id[:], []byte(suite.CleanBase32(code)))
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
	// Always the same name, so that what a crash leaves there goes with the next
	// content, and a secret in it with the promise.
	beside := f.Path + ".new"
	if err := write(beside, b); err != nil {
		return err
	}
	if err := os.Rename(beside, f.Path); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// Forget overwrites the file and removes it, with what a crash left beside it. What
// a disk or a backup keeps is beyond a program's reach; it is sealed under the link.
func (f File) Forget() error {
	for _, path := range []string{f.Path + ".new", f.Path} {
		if err := durable.Destroy(path); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
