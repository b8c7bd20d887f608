// Package suite holds what every structure of suite SV1 is made of: framing and
// labelled hashes, the fixed-size identifiers, base32 for people, texts, and the
// one encoding of a JSON file.
//
// It knows nothing of voting and must never hold a secret for longer than a call.
// The bytes are those of SPEC.md, sections 1 and 2.
package suite

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Prefix separates the hashes and signatures of SV1 from those of anything else.
const Prefix = "strikevote/v1/"

// An ElectionID names an election: 16 random bytes.
type ElectionID [16]byte

// A MID is the hash of a manifest's published bytes. Everything an election
// signs or hashes binds it.
type MID [32]byte

// A GroupID names a tally group (a bargaining unit) of one election. 0 is no group.
type GroupID uint16

// A BallotID is the hash of a sealed ballot's body, its only key of uniqueness.
type BallotID [32]byte

// A Hash is a SHA-256 value that has no narrower type.
type Hash [32]byte

// ErrHex is returned for a text that is not lowercase hexadecimal of the exact length.
var ErrHex = errors.New("not lowercase hexadecimal of the right length")

func (id ElectionID) String() string { return hex.EncodeToString(id[:]) }
func (id MID) String() string        { return hex.EncodeToString(id[:]) }
func (id BallotID) String() string   { return hex.EncodeToString(id[:]) }
func (h Hash) String() string        { return hex.EncodeToString(h[:]) }

// MarshalText returns lowercase hexadecimal.
func (id ElectionID) MarshalText() ([]byte, error) { return marshalHex(id[:]), nil }

// MarshalText returns lowercase hexadecimal.
func (id MID) MarshalText() ([]byte, error) { return marshalHex(id[:]), nil }

// MarshalText returns lowercase hexadecimal.
func (id BallotID) MarshalText() ([]byte, error) { return marshalHex(id[:]), nil }

// MarshalText returns lowercase hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return marshalHex(h[:]), nil }

// UnmarshalText accepts exactly what MarshalText returns.
func (id *ElectionID) UnmarshalText(t []byte) error { return UnmarshalHex(id[:], t) }

// UnmarshalText accepts exactly what MarshalText returns.
func (id *MID) UnmarshalText(t []byte) error { return UnmarshalHex(id[:], t) }

// UnmarshalText accepts exactly what MarshalText returns.
func (id *BallotID) UnmarshalText(t []byte) error { return UnmarshalHex(id[:], t) }

// UnmarshalText accepts exactly what MarshalText returns.
func (h *Hash) UnmarshalText(t []byte) error { return UnmarshalHex(h[:], t) }

// ParseElectionID reads 32 lowercase hexadecimal digits.
func ParseElectionID(s string) (id ElectionID, err error) {
	return id, UnmarshalHex(id[:], []byte(s))
}

// ParseMID reads 64 lowercase hexadecimal digits.
func ParseMID(s string) (id MID, err error) { return id, UnmarshalHex(id[:], []byte(s)) }

// ParseBallotID reads 64 lowercase hexadecimal digits.
func ParseBallotID(s string) (id BallotID, err error) { return id, UnmarshalHex(id[:], []byte(s)) }

// Bytes is a byte string of any length, lowercase hexadecimal in JSON.
type Bytes []byte

// MarshalText returns lowercase hexadecimal.
func (b Bytes) MarshalText() ([]byte, error) { return marshalHex(b), nil }

// UnmarshalText accepts exactly what MarshalText returns.
func (b *Bytes) UnmarshalText(t []byte) error {
	v := make([]byte, len(t)/2)
	if err := UnmarshalHex(v, t); err != nil {
		return err
	}
	*b = v
	return nil
}

func marshalHex(b []byte) []byte { return hex.AppendEncode(nil, b) }

// UnmarshalHex fills dst from lowercase hexadecimal of exactly its length. It
// serves the fixed-size types of other packages.
func UnmarshalHex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return ErrHex
	}
	for _, c := range text {
		// encoding/hex reads upper case too: a second spelling of one value.
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ErrHex
		}
	}
	_, err := hex.Decode(dst, text)
	return err
}

// Frame joins byte strings so that no two lists of parts give the same bytes:
// each part is preceded by its length as a u32.
func Frame(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

func labelled(label string, parts [][]byte) []byte {
	all := make([][]byte, 0, len(parts)+1)
	all = append(all, []byte(Prefix+label))
	return Frame(append(all, parts...)...)
}

// H is SHA-256 over the framed label and parts (SPEC.md section 1).
func H(label string, parts ...[]byte) Hash { return sha256.Sum256(labelled(label, parts)) }

// H512 is SHA-512 over the framed label and parts.
func H512(label string, parts ...[]byte) [64]byte { return sha512.Sum512(labelled(label, parts)) }

// Message is what is signed under a label: the framed label and parts, unhashed.
func Message(label string, parts ...[]byte) []byte { return labelled(label, parts) }

// U8 returns one byte.
func U8(v uint8) []byte { return []byte{v} }

// U16 returns v big-endian.
func U16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// U32 returns v big-endian.
func U32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// U64 returns v big-endian.
func U64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// ErrTruncated is returned by [Reader.Done] when a structure ended too early.
var ErrTruncated = errors.New("truncated")

// A Reader takes a binary structure apart. After the first read past the end
// every read returns zeros, and [Reader.Done] returns [ErrTruncated], so that a
// parser checks once. It is not safe for concurrent use.
type Reader struct {
	b      []byte
	failed bool
}

// NewReader returns a Reader over b, which it does not copy.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Take returns the next n bytes, which alias the input.
func (r *Reader) Take(n int) []byte {
	if r.failed || n < 0 || n > len(r.b) {
		r.failed = true
		// Zeros of a hostile length must not be allocated: the caller gets at
		// most what a fixed-size field needs.
		return make([]byte, min(max(n, 0), 512))
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// U8 reads one byte.
func (r *Reader) U8() uint8 { return r.Take(1)[0] }

// U16 reads a big-endian u16.
func (r *Reader) U16() uint16 { return binary.BigEndian.Uint16(r.Take(2)) }

// U32 reads a big-endian u32.
func (r *Reader) U32() uint32 { return binary.BigEndian.Uint32(r.Take(4)) }

// U64 reads a big-endian u64.
func (r *Reader) U64() uint64 { return binary.BigEndian.Uint64(r.Take(8)) }

// Rest returns how many bytes are left.
func (r *Reader) Rest() int { return len(r.b) }

// Err returns [ErrTruncated] if a read went past the end.
func (r *Reader) Err() error {
	if r.failed {
		return ErrTruncated
	}
	return nil
}

// Done returns an error unless exactly the whole input was read.
func (r *Reader) Done() error {
	if r.failed {
		return ErrTruncated
	}
	if len(r.b) != 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	return nil
}
