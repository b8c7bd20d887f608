package signer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"strikevote/internal/keyfile"
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

// kind is the file of a key. The public half is in the clear, so that it can be
// looked up without the passphrase; it is compared with the private one whenever
// that is opened. Tests, which open many files, lower the cost.
var kind = keyfile.Kind{
	What: "committee member's key, sealed with a passphrase", Name: "a committee member's key file",
	Max: 4096, Public: ed25519.PublicKeySize, Cost: keyfile.Usual,
}

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
	seed := private.Seed()
	defer clear(seed)
	b, err := kind.New(passphrase).Seal(private.Public().(ed25519.PublicKey), seed)
	if err != nil {
		return err
	}
	return keyfile.Write(path, b)
}

// Public returns the public half of the key in a file. It needs no passphrase.
func Public(path string) (ed25519.PublicKey, error) {
	public, err := kind.ReadPublic(path)
	if err != nil {
		return nil, own(err)
	}
	return ed25519.PublicKey(public), nil
}

// Open opens a key file. It returns [ErrNoKeyFile] or [ErrPassphrase].
func Open(path string, passphrase []byte) (*Key, error) {
	_, public, seed, err := kind.Open(path, passphrase)
	if err != nil {
		return nil, own(err)
	}
	defer clear(seed)
	if len(seed) != ed25519.SeedSize {
		return nil, ErrPassphrase
	}
	k := &Key{ed25519.NewKeyFromSeed(seed)}
	if subtle.ConstantTimeCompare(k.Public(), public) != 1 {
		k.Close()
		return nil, ErrPassphrase
	}
	return k, nil
}

// own says what a member can do about an error.
func own(err error) error {
	switch {
	case errors.Is(err, keyfile.ErrNone):
		return ErrNoKeyFile
	case errors.Is(err, keyfile.ErrPassphrase):
		return ErrPassphrase
	}
	return err
}
