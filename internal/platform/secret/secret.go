// Package secret keeps small secrets sealed on disk, under a master key that
// lies elsewhere: a disk, a snapshot or a backup without the master key then
// holds no secret.
//
// It knows nothing of voting. It must never print a key: every type that holds
// one redacts itself. It does not protect against whoever may read the memory
// of the running program, or both the files and the master key.
//
// A sealed file is text:
//
//	strikevote sealed v1 <16 hexadecimal digits that name the master key>
//	<base64 of a nonce of 24 bytes and the ciphertext>
//
// The ciphertext is XChaCha20-Poly1305's under a key that HKDF-SHA256 derives
// from the master key and the secret's name. The first line, the name and the
// place are authenticated, so that a file cannot be put in the place of another.
package secret

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	magic    = "strikevote sealed v1 "
	infoFile = "strikevote sealed v1 file "
	infoID   = "strikevote sealed v1 master key id"
	idBytes  = 8
)

var (
	// ErrPlain is returned by [Sealer.Open] for a file that is not sealed.
	ErrPlain = errors.New("it is not sealed")
	// ErrOtherKey is returned by [Sealer.Open] for a file that was sealed under
	// another master key.
	ErrOtherKey = errors.New("it was sealed under another master key; give the one it was sealed with")
	// ErrDamaged is returned by [Sealer.Open] for a file that was changed, cut
	// or put in the place of another.
	ErrDamaged = errors.New("it is damaged, or belongs in another place; restore it from its copy")
)

// KeySize is the size of a master key.
const KeySize = 32

// A Sealer seals and opens under one master key. It is safe for concurrent use.
type Sealer struct {
	// The key is inside a function and not in a field: fmt reads unexported
	// fields of unexported fields, past every method that redacts.
	derive func(info string, size int) []byte
	id     string
}

// New returns a sealer for a master key of 32 random bytes.
func New(key [KeySize]byte) *Sealer {
	derive := func(info string, size int) []byte {
		b, err := hkdf.Key(sha256.New, key[:], nil, info, size)
		if err != nil {
			panic("secret: deriving: " + err.Error()) // the sizes are fixed and allowed
		}
		return b
	}
	return &Sealer{derive: derive, id: hex.EncodeToString(derive(infoID, idBytes))}
}

// ID names the master key. It says nothing about the key itself, and may be
// shown and compared.
func (s *Sealer) ID() string { return s.id }

// Sealed reports whether a file says that it is sealed.
func Sealed(file []byte) bool { return strings.HasPrefix(string(file), magic) }

// Seal returns a sealed file for a secret. The name says which secret it is, the
// place which set it belongs to; [Sealer.Open] needs the same two.
func (s *Sealer) Seal(name, place string, plain []byte) []byte {
	head := magic + s.id
	body := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	rand.Read(body)
	body = s.aead(name).Seal(body, body, plain, bind(head, name, place))
	return []byte(head + "\n" + base64.StdEncoding.EncodeToString(body) + "\n")
}

// Open returns the secret of a sealed file. Its errors are [ErrPlain],
// [ErrOtherKey] and [ErrDamaged].
func (s *Sealer) Open(name, place string, file []byte) ([]byte, error) {
	if !Sealed(file) {
		return nil, ErrPlain
	}
	head, text, ok := strings.Cut(string(file), "\n")
	text, whole := strings.CutSuffix(text, "\n")
	id := strings.TrimPrefix(head, magic)
	if raw, err := hex.DecodeString(id); !ok || !whole || err != nil || len(raw) != idBytes || hex.EncodeToString(raw) != id {
		return nil, ErrDamaged
	}
	if id != s.id {
		return nil, ErrOtherKey
	}
	body, err := base64.StdEncoding.Strict().DecodeString(text)
	// The decoder passes over line ends; a file is written in one way only.
	if err != nil || strings.ContainsAny(text, "\r\n") || len(body) < chacha20poly1305.NonceSizeX {
		return nil, ErrDamaged
	}
	nonce, sealed := body[:chacha20poly1305.NonceSizeX], body[chacha20poly1305.NonceSizeX:]
	plain, err := s.aead(name).Open(nil, nonce, sealed, bind(head, name, place))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

func (s *Sealer) aead(name string) cipher.AEAD {
	a, err := chacha20poly1305.NewX(s.derive(infoFile+name, chacha20poly1305.KeySize))
	if err != nil {
		panic("secret: " + err.Error()) // the size is right
	}
	return a
}

// bind returns what is authenticated beside the secret, each part with its
// length, so that no two lists of parts are the same bytes.
func bind(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

const redacted = "[master key]"

// Format prints no key, whatever the verb.
func (s Sealer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs no key.
func (s Sealer) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText encodes no key, in JSON neither.
func (s Sealer) MarshalText() ([]byte, error) { return []byte(redacted), nil }
