package teller

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
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
	ErrNoKeyFile = errors.New("there is no key file here")
	// ErrPassphrase is returned for a wrong passphrase or a damaged file:
	// nothing tells the two apart.
	ErrPassphrase = errors.New("the passphrase is wrong, or the key file is damaged; try again, or use the other copy")
)

// A key is what a key file holds. It redacts itself.
type key struct {
	Election   suite.ElectionID
	Number     uint8
	Console    string
	Enrollment string
	Copy       int    // 1, or 2 for the second copy
	Session    uint32 // of the ceremony
	Static     suite.Bytes
	State      suite.Bytes // between the rounds of the ceremony
	Share      suite.Bytes // x_i, once the ceremony is done
	Key        suite.Bytes // Y
	KeyShare   suite.Bytes // Y_i
	// What this key has answered for: one manifest, one close, never another.
	MID       suite.Bytes
	CloseRoot suite.Bytes
}

// Format redacts the key under every verb.
func (k key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[teller's key]") }

func (k *key) wipe() {
	clear(k.Static)
	clear(k.State)
	clear(k.Share)
}

// A keyFile is where a key is kept, sealed under a passphrase. The passphrase
// itself is not kept: what is derived from it is, with its salt, so that the
// slow derivation runs once for each opening.
type keyFile struct {
	path string
	kdf  sealed // salt and parameters; Sealed is empty
	aead cipher.AEAD
}

// sealed is the file itself: JSON, so that a person who finds it can see what
// it is. The parameters of argon2id are in it, so that they can be raised later.
type sealed struct {
	What   string      `json:"strikevote"`
	Salt   suite.Bytes `json:"salt"`
	Time   uint32      `json:"argon2id_time"`
	Memory uint32      `json:"argon2id_memory_kib"`
	Sealed suite.Bytes `json:"sealed"` // nonce || XChaCha20-Poly1305
}

const (
	what = "teller's key, sealed with a passphrase"
	// OWASP's floor for argon2id is 19 MiB and two passes. A teller waits for
	// it once in a while.
	argonTime   = 3
	argonMemory = 64 << 10
	// maxArgon and maxPasses bound what a damaged or hostile file can make the
	// program do.
	maxArgon  = 1 << 20
	maxPasses = 64
	maxFile   = 1 << 20
)

// newKeyFile derives a key for a new file from a passphrase and a fresh salt.
func newKeyFile(path string, passphrase []byte) (keyFile, error) {
	s := sealed{What: what, Salt: make([]byte, 16), Time: argonTime, Memory: argonMemory}
	rand.Read(s.Salt)
	return derive(path, s, passphrase)
}

func derive(path string, s sealed, passphrase []byte) (keyFile, error) {
	s.Sealed = nil
	k := argon2.IDKey(passphrase, s.Salt, s.Time, s.Memory, 1, chacha20poly1305.KeySize)
	defer clear(k)
	aead, err := chacha20poly1305.NewX(k)
	if err != nil {
		return keyFile{}, fmt.Errorf("deriving key: %w", err)
	}
	return keyFile{path: path, kdf: s, aead: aead}, nil
}

func (f keyFile) seal(k key) ([]byte, error) {
	plain, err := json.Marshal((*keyJSON)(&k))
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	defer clear(plain)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	s := f.kdf
	s.Sealed = f.aead.Seal(nonce, nonce, plain, []byte(what))
	return suite.EncodeJSON(&s)
}

// keyJSON has the fields of key without its redaction.
type keyJSON key

// openKeyFile reads a key file and opens it with the passphrase.
func openKeyFile(path string, passphrase []byte) (keyFile, key, error) {
	s, err := readSealed(path)
	if err != nil {
		return keyFile{}, key{}, err
	}
	f, err := derive(path, *s, passphrase)
	if err != nil {
		return keyFile{}, key{}, err
	}
	n := f.aead.NonceSize()
	if len(s.Sealed) < n {
		return keyFile{}, key{}, ErrPassphrase
	}
	plain, err := f.aead.Open(nil, s.Sealed[:n], s.Sealed[n:], []byte(what))
	if err != nil {
		return keyFile{}, key{}, ErrPassphrase
	}
	defer clear(plain)
	var k keyJSON
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&k); err != nil {
		return keyFile{}, key{}, errors.New("reading key file: it was made by another version of this program")
	}
	return f, key(k), nil
}

func readSealed(path string) (*sealed, error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoKeyFile
	case err != nil:
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	s := new(sealed)
	if len(b) > maxFile || suite.DecodeJSON(b, s) != nil || s.What != what || len(s.Salt) != 16 ||
		s.Memory > maxArgon || s.Time > maxPasses || s.Time == 0 {
		return nil, errors.New("reading key file: this is not a teller's key file")
	}
	return s, nil
}

// create writes a new file and never replaces one: a key that was lost by an
// overwriting cannot be had again.
func (f keyFile) create(k key) error {
	b, err := f.seal(k)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating key file: %w", err)
	}
	return finish(file, f.path, b)
}

// save replaces the file's content in one step: after a crash there is the old
// key or the new one, never half of either.
func (f keyFile) save(k key) error {
	b, err := f.seal(k)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(f.path), ".teller-*")
	if err != nil {
		return fmt.Errorf("saving key file: %w", err)
	}
	defer os.Remove(file.Name())
	if err := finish(file, file.Name(), b); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), f.path); err != nil {
		return fmt.Errorf("saving key file: %w", err)
	}
	return syncDir(filepath.Dir(f.path))
}

func finish(file *os.File, path string, b []byte) error {
	_, err := file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing key file: %w", err)
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

// destroy overwrites and removes the key file. What a disk or a backup keeps
// beside it is beyond a program's reach.
func (f keyFile) destroy() error {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("destroying key file: %w", err)
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("destroying key file: %w", err)
	}
	if err := finish(file, f.path, make([]byte, info.Size())); err != nil {
		return err
	}
	if err := os.Remove(f.path); err != nil {
		return fmt.Errorf("destroying key file: %w", err)
	}
	return nil
}
