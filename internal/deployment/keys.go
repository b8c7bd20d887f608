package deployment

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"strikevote/internal/platform/durable"
	"strikevote/internal/platform/secret"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/suite"
)

// Names of key files. Each side has a folder of its own, so that the two can
// be given to two users or two machines.
const (
	sideRegistrar = "registrar"
	sideMailer    = "mailer"
	sideBox       = "box"

	keyRoll    = "roll"
	keyFactor  = "factor"
	keyLedger  = "ledger"
	keyToken   = "token"
	keyCode    = "code"
	keyPending = "pending"
	keyPromise = "promise"
	keyBallots = "ballots"
)

// A keyring keeps the keys of one election as files that only the service's
// user can read, sealed under the master key if there is one. They are never in
// a database or its backup: a backup together with the keys would undo what the
// keys are for.
type keyring struct {
	dir    string         // its last element is the election's id
	master *secret.Sealer // nil: the files are plain
}

func (k keyring) path(side, name string) string { return filepath.Join(k.dir, side, name+".key") }

// ErrNoKey is returned for a key file that is missing. A sealed election's keys
// are named in its manifest, so a new one in its place would only fail later.
var ErrNoKey = errors.New("a key file is missing; restore it from its copy")

// ErrNoMaster is returned for a key file that is sealed, without a master key.
var ErrNoMaster = errors.New("the key files are sealed, and no master key was given; set STRIKEVOTE_MASTER_KEY_FILE")

// ErrPlainKey is returned for a key file that is not sealed, with a master key.
// It is not read: whoever set a master key believes that no plain key is left.
var ErrPlainKey = errors.New("a key file is not sealed, and a master key was given; stop the service and run strikevote keys seal -data DIR")

// read returns what a key file holds, opened. A missing one is
// [fs.ErrNotExist].
func (k keyring) read(side, name string) ([]byte, error) {
	path := k.path(side, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if k.master == nil {
		if secret.Sealed(b) {
			return nil, ErrNoMaster
		}
		return b, nil
	}
	plain, err := k.master.Open(sealedName(path), filepath.Base(k.dir), b)
	if errors.Is(err, secret.ErrPlain) {
		return nil, ErrPlainKey
	}
	return plain, err
}

// seal returns what a key's file is to hold.
func (k keyring) seal(path string, b []byte) []byte {
	if k.master == nil {
		return b
	}
	return k.master.Seal(sealedName(path), filepath.Base(k.dir), b)
}

// sealedName is the name that is sealed with a key, such as box/pending. It does
// not say where the data folder is, which may be moved.
func sealedName(path string) string {
	return filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".key")
}

// seed returns a 32-byte key, or [ErrNoKey].
func (k keyring) seed(side, name string) (seed [32]byte, err error) {
	b, err := k.read(side, name)
	if errors.Is(err, fs.ErrNotExist) {
		return seed, fmt.Errorf("reading %s of the %s: %w: %s", name, side, ErrNoKey, k.path(side, name))
	}
	if err != nil {
		return seed, fmt.Errorf("reading key %s of the %s: %w", name, side, err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(raw) != len(seed) {
		// The text itself is a secret and stays out of the error.
		return seed, fmt.Errorf("the key file %s of the %s does not hold 64 hexadecimal digits; restore it from its copy: %s", name, side, k.path(side, name))
	}
	return [32]byte(raw), nil
}

// create makes a key at the first call, and returns it.
func (k keyring) create(side, name string) (seed [32]byte, err error) {
	if seed, err = k.seed(side, name); !errors.Is(err, ErrNoKey) {
		return seed, err
	}
	rand.Read(seed[:])
	return seed, k.write(k.path(side, name), []byte(hex.EncodeToString(seed[:])+"\n"))
}

func issuerName(g suite.GroupID) string { return fmt.Sprintf("issuer-%05d", g) }

// issuer returns a group's issuer key, and makes it at the first call.
func (k keyring) issuer(g suite.GroupID) (*issuer.Key, error) {
	key, err := k.existingIssuer(g)
	if err != nil || key != nil {
		return key, err
	}
	if key, err = issuer.Generate(); err != nil {
		return nil, fmt.Errorf("making issuer key: %w", err)
	}
	der, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making issuer key: %w", err)
	}
	return key, k.write(k.path(sideRegistrar, issuerName(g)), der)
}

// existingIssuer returns a group's issuer key, or nil if it was destroyed.
func (k keyring) existingIssuer(g suite.GroupID) (*issuer.Key, error) {
	der, err := k.read(sideRegistrar, issuerName(g))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading issuer key of group %d: %w", g, err)
	}
	key, err := issuer.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("reading issuer key of group %d: %w", g, err)
	}
	return key, nil
}

// write keeps a new key durably before anything is signed or sealed with it,
// and never replaces one: of two processes that make a key at once, one fails.
func (k keyring) write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keeping a key: %w", err)
	}
	if err := place(path, k.seal(path, b), os.Link); err != nil {
		return fmt.Errorf("keeping a key: %w", err)
	}
	return nil
}

// place writes a file that only this user reads beside path and then puts it
// there, with os.Rename in place of one, with os.Link only where none is: after
// a crash there is never half a file.
func place(path string, b []byte, put func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = put(f.Name(), path)
	}
	_ = os.Remove(f.Name()) // a rename has taken it away
	if err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// destroyLinks destroys what links and codes are made with.
func (k keyring) destroyLinks() error {
	return errors.Join(k.destroy(sideMailer, keyToken), k.destroy(sideMailer, keyCode))
}

// destroy overwrites and removes a key. It is not an error if there is none.
// What a disk keeps of overwritten blocks, and copies made by others, are
// beyond a program's reach: deploy/README.md says what to do about them.
func (k keyring) destroy(side, name string) error {
	path := k.path(side, name)
	// An interrupted sealing may have left the plain file beside the sealed one.
	for _, p := range []string{path, path + replaced} {
		if err := durable.Destroy(p); err != nil {
			return fmt.Errorf("destroying key %s: %w", name, err)
		}
	}
	return nil
}
