package signer

import (
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"strikevote/internal/protocol/suite"
)

var (
	// ErrNoKeyFile is returned when there is no key file at a path.
	ErrNoKeyFile = errors.New("there is no key file here; committee key makes one")
	// ErrPassphrase is returned for a wrong passphrase or a damaged file:
	// nothing tells the two apart.
	ErrPassphrase = errors.New("the passphrase is wrong, or the key file is damaged")
)

// A Key is a member's key, opened. It redacts itself.
type Key struct{ private ed25519.PrivateKey }

// Format redacts the key under every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[committee member's key]") }

// MarshalText refuses: only a sealed file holds a key.
func (Key) MarshalText() ([]byte, error) {
	return nil, errors.New("a committee member's key is not written this way")
}

// Public returns the public half.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Close forgets the key.
func (k *Key) Close() { clear(k.private) }

// sealed is the file: JSON, so that a person who finds it can see what it is.
// The public half is in the clear, so that it can be looked up without the
// passphrase; it is compared with the private one whenever that is opened.
type sealed struct {
	What   string      `json:"strikevote"`
	Public suite.Bytes `json:"public"`
	Salt   suite.Bytes `json:"salt"`
	Time   uint32      `json:"argon2id_time"`
	Memory uint32      `json:"argon2id_memory_kib"`
	Sealed suite.Bytes `json:"sealed"` // nonce || XChaCha20-Poly1305 of the seed
}

const (
	what = "committee member's key, sealed with a passphrase"
	// What a damaged or hostile file can make the program do: some seconds,
	// 256 MiB.
	maxMemory = 256 << 10
	maxTime   = 10
	maxFile   = 4096
)

// OWASP's floor for argon2id is 19 MiB and two passes. Tests, which open many
// files, lower it.
var argonTime, argonMemory uint32 = 3, 64 << 10

// Create makes a key and keeps it in a new file, sealed with the passphrase. It
// never replaces a file: the key in it would be lost for ever. It returns the
// public half.
func Create(path string, passphrase []byte) (ed25519.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	defer clear(private)
	return public, keep(path, passphrase, private)
}

// keep seals a key in a new file.
func keep(path string, passphrase []byte, private ed25519.PrivateKey) error {
	public := private.Public().(ed25519.PublicKey)
	s := sealed{What: what, Public: suite.Bytes(public), Salt: make([]byte, 16), Time: argonTime, Memory: argonMemory}
	rand.Read(s.Salt) // never fails
	aead, err := s.derive(passphrase)
	if err != nil {
		return err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce) // never fails
	s.Sealed = aead.Seal(nonce, nonce, private.Seed(), []byte(what))
	b, err := suite.EncodeJSON(&s)
	if err != nil {
		return fmt.Errorf("writing key file: %w", err)
	}
	return writeNew(path, b)
}

func (s *sealed) derive(passphrase []byte) (cipher.AEAD, error) {
	k := argon2.IDKey(passphrase, s.Salt, s.Time, s.Memory, 1, chacha20poly1305.KeySize)
	defer clear(k)
	aead, err := chacha20poly1305.NewX(k)
	if err != nil {
		return nil, fmt.Errorf("deriving key: %w", err)
	}
	return aead, nil
}

// Public returns the public half of the key in a file. It needs no passphrase.
func Public(path string) (ed25519.PublicKey, error) {
	s, err := readSealed(path)
	if err != nil {
		return nil, err
	}
	return ed25519.PublicKey(s.Public), nil
}

// Open opens a key file. It returns [ErrNoKeyFile] or [ErrPassphrase].
func Open(path string, passphrase []byte) (*Key, error) {
	s, err := readSealed(path)
	if err != nil {
		return nil, err
	}
	aead, err := s.derive(passphrase)
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(s.Sealed) < n {
		return nil, ErrPassphrase
	}
	seed, err := aead.Open(nil, s.Sealed[:n], s.Sealed[n:], []byte(what))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, ErrPassphrase
	}
	defer clear(seed)
	k := &Key{ed25519.NewKeyFromSeed(seed)}
	if subtle.ConstantTimeCompare(k.Public(), s.Public) != 1 {
		k.Close()
		return nil, ErrPassphrase
	}
	return k, nil
}

func readSealed(path string) (*sealed, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoKeyFile
	case err != nil:
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	s := new(sealed)
	if len(b) > maxFile || suite.DecodeJSON(b, s) != nil || s.What != what || len(s.Salt) != 16 ||
		len(s.Public) != ed25519.PublicKeySize || s.Memory > maxMemory || s.Time > maxTime || s.Time == 0 {
		return nil, errors.New("reading key file: this is not a committee member's key file, or it is damaged")
	}
	return s, nil
}

// writeNew writes a file that was not there. What is left after an error is no
// key yet, and would only be in the way.
func writeNew(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating key file: %w", err)
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing key file: %w", err), os.Remove(path))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name durable. Some systems cannot do it and say so; the
// file itself is written by then.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("writing key file: %w", err)
	}
	_ = d.Sync()
	return d.Close()
}
