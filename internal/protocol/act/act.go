// Package act holds the acts of the committee: signed, numbered changes to an
// election that is sealed, each an entry of the ledger.
//
// It knows no member of the roll and no voter: an amendment carries a hash, a
// decision carries ballot ids. It must never decide whether an act came in
// time, or whether a hash is on the roll: that is for those who hold the clock
// or the roll. The bytes are those of SPEC.md section 10.
package act

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// MaxSize is the largest act, in bytes: an entry of a log must fit a tile's
// 16-bit length.
const MaxSize = 65000

// A Kind says what an act does.
type Kind uint8

// The kinds of an act.
const (
	KindExtend       Kind = 1
	KindCloseEarly   Kind = 2
	KindCancel       Kind = 3
	KindAmend        Kind = 4
	KindDecide       Kind = 5
	KindClientBundle Kind = 6
	KindReplace      Kind = 7
)

func (k Kind) String() string {
	switch k {
	case KindExtend:
		return "extend"
	case KindCloseEarly:
		return "close early"
	case KindCancel:
		return "cancel"
	case KindAmend:
		return "amend"
	case KindDecide:
		return "decide"
	case KindClientBundle:
		return "client bundle"
	case KindReplace:
		return "replace member"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// An Act is one act, signed.
type Act struct {
	Kind       Kind
	Sequence   uint32 // from 1, without gaps
	Payload    []byte // see [Act.Decode]
	Signatures []Signature
}

// A Signature is one member's. Both numbers are indexes, from 0, into the
// committee in force and into that member's keys.
type Signature struct {
	Member, Key uint8
	Bytes       []byte
}

// Parse reads an act. It accepts exactly what [Act.Bytes] makes of an act whose
// payload is one of its kind and whose signers ascend. Nothing is verified; see
// [State.Apply].
func Parse(b []byte) (*Act, error) {
	a, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading act: %w", err)
	}
	return a, nil
}

func parse(b []byte) (*Act, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("longer than %d bytes", MaxSize)
	}
	r := suite.NewReader(b)
	a := &Act{Kind: Kind(r.U8()), Sequence: r.U32()}
	a.Payload = clone(r.Take(length(r)))
	n := int(r.U8())
	for i := 0; i < n && r.Err() == nil; i++ {
		s := Signature{Member: r.U8(), Key: r.U8()}
		s.Bytes = clone(r.Take(int(r.U16())))
		if i > 0 && s.Member <= a.Signatures[i-1].Member {
			return nil, errors.New("signers do not ascend")
		}
		a.Signatures = append(a.Signatures, s)
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	if a.Sequence == 0 {
		return nil, errors.New("sequence is 0")
	}
	if _, err := a.Decode(); err != nil {
		return nil, err
	}
	return a, nil
}

// length reads a u32 that is a length. One that does not fit an int is as good
// as any other that is too long.
func length(r *suite.Reader) int {
	n := r.U32()
	if n > MaxSize {
		return -1
	}
	return int(n)
}

// clone copies: an act outlives the buffer it was read from.
func clone(b []byte) []byte { return append([]byte{}, b...) }

// Bytes returns the act's bytes.
func (a *Act) Bytes() []byte {
	out := []byte{byte(a.Kind)}
	out = binary.BigEndian.AppendUint32(out, a.Sequence)
	out = binary.BigEndian.AppendUint32(out, uint32(len(a.Payload)))
	out = append(out, a.Payload...)
	out = append(out, byte(len(a.Signatures)))
	for _, s := range a.Signatures {
		out = append(out, s.Member, s.Key)
		out = binary.BigEndian.AppendUint16(out, uint16(len(s.Bytes)))
		out = append(out, s.Bytes...)
	}
	return out
}

// Message returns what the members sign.
func Message(mid suite.MID, kind Kind, sequence uint32, payload []byte) []byte {
	return suite.Message("act", mid[:], suite.U8(uint8(kind)), suite.U32(sequence), payload)
}

// SignEd25519 signs with a key file.
func SignEd25519(priv ed25519.PrivateKey, mid suite.MID, kind Kind, sequence uint32, payload []byte) []byte {
	return ed25519.Sign(priv, Message(mid, kind, sequence, payload))
}

// VerifySignature checks one signature over the bytes signed. rpID is the
// committee's, for passkeys. It returns [election.ErrSignature] for one that
// is not the key's.
func VerifySignature(key election.Key, rpID string, signed, sig []byte) error {
	return key.Verify(rpID, signed, sig)
}
