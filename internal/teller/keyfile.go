package teller

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"strikevote/internal/keyfile"
	"strikevote/internal/platform/durable"
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

// A keyFile is where a key is kept, sealed under a passphrase.
type keyFile struct {
	path   string
	sealer *keyfile.Sealer
	cost   keyfile.Cost // of copies of it
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

// kind is the file of a key. Nothing of it is in the clear. Tests, which open many
// files, lower the cost.
var kind = keyfile.Kind{
	What: "teller's key, sealed with a passphrase", Name: "a teller's key file",
	Max: 1 << 20, Cost: keyfile.Usual,
}

// demoCost is what a guess costs where everybody knows the passphrase.
var demoCost = keyfile.Cost{Time: 1, Memory: 1 << 10}

// newKeyFile derives a key for a new file from a passphrase.
func newKeyFile(path string, passphrase []byte, cost keyfile.Cost) keyFile {
	k := kind
	k.Cost = cost
	return keyFile{path: path, sealer: k.New(passphrase), cost: cost}
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
	return f.sealer.Seal(nil, plain)
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
	sealer, _, plain, err := kind.Open(path, passphrase)
	switch {
	case errors.Is(err, keyfile.ErrNone):
		return keyFile{}, key{}, ErrNoKeyFile
	case errors.Is(err, keyfile.ErrPassphrase):
		return keyFile{}, key{}, ErrPassphrase
	case err != nil:
		return keyFile{}, key{}, err
	}
	defer clear(plain)
	k, err := unpack(plain)
	if err != nil {
		return keyFile{}, key{}, errors.New("reading key file: it was made by another version of this program")
	}
	return keyFile{path: path, sealer: sealer, cost: kind.Cost}, k, nil
}

// create writes a new file and never replaces one: a key that was lost by an
// overwriting cannot be had again.
func (f keyFile) create(k key) error {
	b, err := f.seal(k)
	if err != nil {
		return err
	}
	return keyfile.Write(f.path, b)
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
	if err := keyfile.Write(f.beside(), b); err != nil {
		return err
	}
	if err := os.Rename(f.beside(), f.path); err != nil {
		return fmt.Errorf("saving key file: %w", err)
	}
	if err := durable.SyncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("saving key file: %w", err)
	}
	return nil
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

// destroy overwrites and removes the key file. What a disk or a backup keeps
// beside it is beyond a program's reach.
func (f *keyFile) destroy() error {
	for _, path := range []string{f.beside(), f.path} {
		if err := durable.Destroy(path); err != nil {
			return fmt.Errorf("destroying key file: %w", err)
		}
	}
	f.release() // not before: what is left could be opened
	return nil
}
