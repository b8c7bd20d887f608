// Package keyfile seals a secret in a file under a passphrase: the keys of the
// people who run a vote, each on a computer of their own.
//
// It does not know what the secret is, nor where it may be sent, and must never
// keep a passphrase, nor write a secret in the clear. It protects a file that is
// found or copied, for as long as the passphrase is not guessed; not a computer
// that somebody else reads along on.
package keyfile

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"strikevote/internal/platform/durable"
	"strikevote/internal/protocol/suite"
)

var (
	// ErrNone is returned when there is no file at a path.
	ErrNone = errors.New("there is no key file here")
	// ErrPassphrase is returned for a wrong passphrase or a damaged file:
	// nothing tells the two apart.
	ErrPassphrase = errors.New("the passphrase is wrong, or the key file is damaged")
)

// A Cost is what one guess of a passphrase costs: passes of Argon2id over KiB of
// memory.
type Cost struct{ Time, Memory uint32 }

// Usual is the cost of a new file. OWASP's floor for Argon2id is 19 MiB and two
// passes; whoever has the passphrase waits for this once in a while.
var Usual = Cost{Time: 3, Memory: 64 << 10}

// What a damaged or hostile file can make the program do: some seconds, 256 MiB.
const (
	maxTime   = 10
	maxMemory = 256 << 10
	saltSize  = 16
)

// A Kind is one kind of key file.
type Kind struct {
	What   string // stands in the file, and is bound to what is sealed
	Name   string // for people, such as "a teller's key file"
	Max    int64  // bytes of a file
	Public int    // bytes of the public half that stands in the clear; 0 if there is none
	Cost   Cost   // of new files; a file says its own
}

// file is the file itself: JSON, so that a person who finds it can see what it
// is. The parameters of Argon2id are in it, so that they can be raised later.
type file struct {
	What   string      `json:"strikevote"`
	Public suite.Bytes `json:"public,omitempty"`
	Salt   suite.Bytes `json:"salt"`
	Time   uint32      `json:"argon2id_time"`
	Memory uint32      `json:"argon2id_memory_kib"`
	Sealed suite.Bytes `json:"sealed"` // nonce || XChaCha20-Poly1305
}

// A Sealer seals what belongs in one file, again and again. The passphrase is
// not kept: what is derived from it is, with its salt, so that the slow
// derivation runs once. It redacts itself.
type Sealer struct {
	kind Kind
	head file // salt and parameters alone
	// The key is inside a function and not in a field: fmt reads unexported
	// fields, even behind a pointer where a verb is a wrong one.
	aead func() cipher.AEAD
}

// Format redacts the sealer under every verb.
func (Sealer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key of a key file]") }

// MarshalText refuses.
func (Sealer) MarshalText() ([]byte, error) {
	return nil, errors.New("the key of a key file is not written")
}

// New returns a sealer for a new file, with a fresh salt.
func (k Kind) New(passphrase []byte) *Sealer {
	head := file{What: k.What, Salt: make([]byte, saltSize), Time: k.Cost.Time, Memory: k.Cost.Memory}
	rand.Read(head.Salt) // never fails
	return k.derive(head, passphrase)
}

func (k Kind) derive(head file, passphrase []byte) *Sealer {
	key := argon2.IDKey(passphrase, head.Salt, head.Time, head.Memory, 1, chacha20poly1305.KeySize)
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic("keyfile: " + err.Error()) // the size is right
	}
	return &Sealer{kind: k, head: head, aead: func() cipher.AEAD { return aead }}
}

// Seal returns a file's content. The public half stands there in the clear and
// nothing binds it to the rest: whoever opens the file compares the two.
func (s *Sealer) Seal(public, plain []byte) ([]byte, error) {
	if len(public) != s.kind.Public {
		return nil, fmt.Errorf("sealing key file: a public half of %d bytes, not %d", len(public), s.kind.Public)
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce) // never fails
	f := s.head
	f.Public = public
	f.Sealed = s.aead().Seal(nonce, nonce, plain, []byte(f.What))
	b, err := suite.EncodeJSON(&f)
	if err == nil && int64(len(b)) > s.kind.Max {
		err = errors.New("it would be too large to be read again")
	}
	if err != nil {
		return nil, fmt.Errorf("sealing key file: %w", err)
	}
	return b, nil
}

// Write keeps a sealed file's content at a path where there is none yet: a key
// that was lost by an overwriting cannot be had again.
func Write(path string, b []byte) error {
	err := durable.WriteNew(path, b)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing key file: %w", err)
	}
	return err // says what to do
}

// Open reads a file and opens it. It returns [ErrNone] or [ErrPassphrase] as
// they are. The caller overwrites plain.
func (k Kind) Open(path string, passphrase []byte) (s *Sealer, public, plain []byte, err error) {
	f, err := k.read(path)
	if err != nil {
		return nil, nil, nil, err
	}
	head := *f
	head.Public, head.Sealed = nil, nil
	s = k.derive(head, passphrase)
	const n = chacha20poly1305.NonceSizeX
	if len(f.Sealed) < n {
		return nil, nil, nil, ErrPassphrase
	}
	plain, err = s.aead().Open(nil, f.Sealed[:n], f.Sealed[n:], []byte(k.What))
	if err != nil {
		return nil, nil, nil, ErrPassphrase
	}
	return s, f.Public, plain, nil
}

// ReadPublic returns the public half that a file shows. It needs no passphrase.
func (k Kind) ReadPublic(path string) ([]byte, error) {
	f, err := k.read(path)
	if err != nil {
		return nil, err
	}
	return f.Public, nil
}

// read reads a file and refuses, before anything is derived, what is not of this
// kind or would cost too much.
func (k Kind) read(path string) (*file, error) {
	in, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNone
	case err != nil:
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, k.Max+1))
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	f := new(file)
	if int64(len(b)) > k.Max || suite.DecodeJSON(b, f) != nil || f.What != k.What || len(f.Salt) != saltSize ||
		len(f.Public) != k.Public || f.Memory > maxMemory || f.Time > maxTime || f.Time == 0 {
		return nil, fmt.Errorf("reading key file: this is not %s, or it is damaged", k.Name)
	}
	return f, nil
}
