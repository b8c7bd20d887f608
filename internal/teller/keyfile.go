package teller

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
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
	// The two secrets. They are no part of the JSON: encoders keep what they
	// wrote in memory that nobody can overwrite.
	Static suite.Bytes `json:"-"`
	Share  suite.Bytes `json:"-"` // x_i, once the ceremony is done

	State       suite.Bytes // between the rounds of the ceremony; public
	Signed      bool        // the transcript of this session
	Key         suite.Bytes // Y
	KeyShare    suite.Bytes // Y_i
	Certificate suite.Bytes // hash of the ceremony's certificate
	// What this key has answered for: one manifest, one close, never another.
	MID       suite.Bytes
	CloseRoot suite.Bytes
}

// Format redacts the key under every verb.
func (k key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[teller's key]") }

// MarshalText refuses: only [keyFile.seal] writes a key.
func (k key) MarshalText() ([]byte, error) {
	return nil, errors.New("a teller's key is not written this way")
}

// wipe leaves nothing that could be sent, or saved over the file.
func (k *key) wipe() {
	clear(k.Static)
	clear(k.Share)
	k.Static, k.Share, k.State = nil, nil, nil
}

// A keyFile is where a key is kept, sealed under a passphrase. The passphrase
// itself is not kept: what is derived from it is, with its salt, so that the
// slow derivation runs once for each opening.
type keyFile struct {
	path string
	kdf  sealed // salt and parameters; Sealed is empty
	aead cipher.AEAD
	// unlock lets others open the file; nil where this program has no lock.
	unlock func()
}

// release gives up the lock. It may be called again.
func (f *keyFile) release() {
	if f.unlock != nil {
		f.unlock()
		f.unlock = nil
	}
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
	// What a damaged or hostile file can make the program do: some seconds,
	// 256 MiB.
	maxMemory = 256 << 10
	maxTime   = 10
	maxFile   = 1 << 20
)

// OWASP's floor for argon2id is 19 MiB and two passes. A teller waits for it once
// in a while. Tests, which open many files, lower it.
var argonTime, argonMemory uint32 = 3, 64 << 10

// newKeyFile derives a key for a new file from a passphrase and a fresh salt.
func newKeyFile(path string, passphrase []byte) (keyFile, error) {
	s := sealed{What: what, Salt: make([]byte, 16), Time: argonTime, Memory: argonMemory}
	rand.Read(s.Salt) // never fails
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
	if len(k.Static) == 0 {
		return nil, errors.New("saving key file: the key was closed")
	}
	plain, err := pack(&k)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	defer clear(plain)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce) // never fails
	s := f.kdf
	s.Sealed = f.aead.Seal(nonce, nonce, plain, []byte(what))
	return suite.EncodeJSON(&s)
}

// keyJSON has the fields of key without its redaction.
type keyJSON key

// pack returns what is sealed: the length of a JSON text, the text, and each
// secret with its length before it. The caller overwrites it.
func pack(k *key) ([]byte, error) {
	public, err := json.Marshal((*keyJSON)(k))
	if err != nil {
		return nil, err
	}
	// Of its full size at once: growing would leave a copy behind.
	b := make([]byte, 0, 4+len(public)+2+len(k.Static)+len(k.Share))
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(public))), public...)
	b = append(append(b, uint8(len(k.Static))), k.Static...)
	return append(append(b, uint8(len(k.Share))), k.Share...), nil
}

func unpack(b []byte) (key, error) {
	r := suite.NewReader(b)
	dec := json.NewDecoder(bytes.NewReader(r.Take(int(r.U32()))))
	dec.DisallowUnknownFields()
	var k keyJSON
	if err := dec.Decode(&k); err != nil {
		return key{}, err
	}
	k.Static = bytes.Clone(r.Take(int(r.U8())))
	k.Share = bytes.Clone(r.Take(int(r.U8())))
	return key(k), r.Done()
}

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
	k, err := unpack(plain)
	if err != nil {
		return keyFile{}, key{}, errors.New("reading key file: it was made by another version of this program")
	}
	return f, k, nil
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
		s.Memory > maxMemory || s.Time > maxTime || s.Time == 0 {
		return nil, errors.New("reading key file: this is not a teller's key file, or it is damaged")
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
	return writeNew(f.path, b)
}

// save replaces the file's content in one step: after a crash there is the old
// key or the new one, never half of either.
func (f keyFile) save(k key) error {
	b, err := f.seal(k)
	if err != nil {
		return err
	}
	// Always the same name, so that what a crash leaves there goes with the
	// next save, or is destroyed with the key.
	if err := remove(f.beside()); err != nil {
		return fmt.Errorf("saving key file: %w", err)
	}
	if err := writeNew(f.beside(), b); err != nil {
		return err
	}
	if err := os.Rename(f.beside(), f.path); err != nil {
		return fmt.Errorf("saving key file: %w", err)
	}
	return syncDir(filepath.Dir(f.path))
}

// beside is where a key is written before it takes the file's place.
func (f keyFile) beside() string {
	return filepath.Join(filepath.Dir(f.path), "."+filepath.Base(f.path)+".new")
}

// remove removes a file that may be there.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeNew writes a file that was not there. What is left after an error is no
// key yet, and would only be in the way.
func writeNew(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return existsError{path}
	}
	if err != nil {
		return fmt.Errorf("creating key file: %w", err)
	}
	if err := finish(file, b); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncDir(filepath.Dir(path))
}

// An existsError says that a key file would take the place of another file. It
// is [fs.ErrExist].
type existsError struct{ path string }

func (e existsError) Error() string { return e.path + " is there already; name a new file" }
func (existsError) Unwrap() error   { return fs.ErrExist }

// finish writes a file and closes it.
func finish(file *os.File, b []byte) error {
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
	return nil
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
func (f *keyFile) destroy() error {
	defer f.release() // nobody can open it any more
	for _, path := range []string{f.beside(), f.path} {
		if err := destroy(path); err != nil {
			return fmt.Errorf("destroying key file: %w", err)
		}
	}
	return syncDir(filepath.Dir(f.path))
}

func destroy(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if err := finish(file, make([]byte, info.Size())); err != nil {
		return err
	}
	return os.Remove(path)
}
