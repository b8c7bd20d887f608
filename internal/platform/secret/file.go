package secret

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"strikevote/internal/platform/durable"
)

// ErrReadable is returned by [Read] for a file that more than its owner and its
// group may read.
var ErrReadable = errors.New("everybody on this machine may read it; run chmod 0600 on it")

// Load reads a master key from a file: 64 hexadecimal digits, as [Create] writes
// them, or 32 bytes.
func Load(path string) (*Sealer, error) {
	b, err := Read(path)
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	raw := b
	if text := strings.TrimSpace(string(b)); len(b) != KeySize {
		if raw, err = hex.DecodeString(text); err != nil || len(raw) != KeySize {
			// What the file holds may be half of a key and stays out of the error.
			return nil, fmt.Errorf("reading the master key: %s holds neither 64 hexadecimal digits nor 32 bytes; make one with strikevote keys new FILE", path)
		}
	}
	key := [KeySize]byte(raw)
	if key == ([KeySize]byte{}) {
		return nil, fmt.Errorf("reading the master key: %s holds zeros only; make one with strikevote keys new FILE", path)
	}
	return New(key), nil
}

// maxFile bounds what is read of a file that is named as a secret.
const maxFile = 64 << 10

// Read reads a small file that holds a secret. It refuses one that everybody on
// the machine may read. A group may: systemd and container engines hand secrets
// over so.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than any secret", path)
	}
	// Windows has no such bits.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrReadable)
	}
	return os.ReadFile(path)
}

// Create makes a master key in a new file that only its owner can read. It never
// replaces a file: what was sealed under a lost master key is lost.
func Create(path string) (*Sealer, error) {
	var key [KeySize]byte
	rand.Read(key[:])
	if err := durable.WriteNew(path, []byte(hex.EncodeToString(key[:])+"\n")); err != nil {
		return nil, fmt.Errorf("making a master key: %w", err)
	}
	return New(key), nil
}
