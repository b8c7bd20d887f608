package act

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// maxTime is the latest moment a payload may name: the largest number of a
// JSON file, so that every program holds it exactly.
const maxTime = 1<<53 - 1

// Extend moves the close to a later moment.
type Extend struct{ Close int64 }

// CloseEarly moves the close to an earlier moment.
type CloseEarly struct{ Close int64 }

// Cancel ends the election without a result.
type Cancel struct{}

// An Op says what an amendment does.
type Op uint8

// The operations of an [Amend].
const (
	OpAdd    Op = 1
	OpStrike Op = 2
)

// Amend adds a leaf to a group's roll or strikes one. Hash is the leaf when
// adding and the blinded leaf when striking: a struck member's leaf must not be
// told before the lock.
type Amend struct {
	Op    Op
	Group suite.GroupID
	Hash  suite.Hash
}

// Decide decides on envelopes of one group: of people on the roll and off it,
// how many are accepted, and which, and how many are rejected.
type Decide struct {
	Group                                            suite.GroupID
	AcceptedOn, AcceptedOff, RejectedOn, RejectedOff uint32
	Accepted                                         []suite.BallotID // strictly ascending; AcceptedOn + AcceptedOff of them
}

// ClientBundle announces another bundle of the booth.
type ClientBundle struct {
	SHA256 suite.Hash
	URL    string
}

// Replace gives a place in the committee another key and name. The old keys
// sign nothing any more.
type Replace struct {
	Member uint8
	Kind   string // as in [election.Key]
	Key    []byte
	Name   string
}

// The bytes of a passkey's and a key file's kind.
const (
	keyEd25519 = 1
	keyPasskey = 2
)

// Bytes returns the payload.
func (p Extend) Bytes() []byte { return suite.U64(uint64(p.Close)) }

// Bytes returns the payload.
func (p CloseEarly) Bytes() []byte { return suite.U64(uint64(p.Close)) }

// Bytes returns the payload, which is empty.
func (p Cancel) Bytes() []byte { return []byte{} }

// Bytes returns the payload.
func (p Amend) Bytes() []byte {
	out := binary.BigEndian.AppendUint16([]byte{byte(p.Op)}, uint16(p.Group))
	return append(out, p.Hash[:]...)
}

// Bytes returns the payload.
func (p Decide) Bytes() []byte {
	out := suite.U16(uint16(p.Group))
	for _, n := range []uint32{p.AcceptedOn, p.AcceptedOff, p.RejectedOn, p.RejectedOff} {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	for _, id := range p.Accepted {
		out = append(out, id[:]...)
	}
	return out
}

// Bytes returns the payload.
func (p ClientBundle) Bytes() []byte {
	return appendString(bytes.Clone(p.SHA256[:]), p.URL)
}

// Bytes returns the payload.
func (p Replace) Bytes() []byte {
	kind := byte(keyEd25519)
	if p.Kind == election.KindPasskey {
		kind = keyPasskey
	}
	return appendString(appendString([]byte{p.Member, kind}, string(p.Key)), p.Name)
}

func appendString(out []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(out, uint16(len(s))), s...)
}

// Decode returns the payload: an [Extend], [CloseEarly], [Cancel], [Amend],
// [Decide], [ClientBundle] or [Replace].
func (a *Act) Decode() (any, error) {
	decode, ok := decoders[a.Kind]
	if !ok {
		return nil, errors.New("no such kind of act")
	}
	r := suite.NewReader(a.Payload)
	p, err := decode(r)
	if err == nil {
		err = r.Done()
	}
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", a.Kind, err)
	}
	return p, nil
}

var decoders = map[Kind]func(*suite.Reader) (any, error){
	KindExtend: func(r *suite.Reader) (any, error) {
		at, err := moment(r)
		return Extend{at}, err
	},
	KindCloseEarly: func(r *suite.Reader) (any, error) {
		at, err := moment(r)
		return CloseEarly{at}, err
	},
	KindCancel:       func(*suite.Reader) (any, error) { return Cancel{}, nil },
	KindAmend:        decodeAmend,
	KindDecide:       decodeDecide,
	KindClientBundle: decodeClientBundle,
	KindReplace:      decodeReplace,
}

func moment(r *suite.Reader) (int64, error) {
	at := r.U64()
	if at > maxTime {
		return 0, errors.New("moment out of range")
	}
	return int64(at), nil
}

func decodeAmend(r *suite.Reader) (any, error) {
	p := Amend{Op: Op(r.U8()), Group: suite.GroupID(r.U16()), Hash: suite.Hash(r.Take(32))}
	if p.Op != OpAdd && p.Op != OpStrike {
		return nil, errors.New("neither add nor strike")
	}
	return p, nil
}

func decodeDecide(r *suite.Reader) (any, error) {
	p := Decide{
		Group:      suite.GroupID(r.U16()),
		AcceptedOn: r.U32(), AcceptedOff: r.U32(),
		RejectedOn: r.U32(), RejectedOff: r.U32(),
	}
	// In 64 bits: two counts that wrap around must not agree with a short list.
	n := uint64(p.AcceptedOn) + uint64(p.AcceptedOff)
	if n*32 != uint64(r.Rest()) {
		return nil, errors.New("number of ballot ids is not the number accepted")
	}
	for range n {
		id := suite.BallotID(r.Take(32))
		if k := len(p.Accepted); k > 0 && bytes.Compare(p.Accepted[k-1][:], id[:]) >= 0 {
			return nil, errors.New("ballot ids do not ascend")
		}
		p.Accepted = append(p.Accepted, id)
	}
	return p, nil
}

func decodeClientBundle(r *suite.Reader) (any, error) {
	p := ClientBundle{SHA256: suite.Hash(r.Take(32)), URL: string(r.Take(int(r.U16())))}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := election.CheckURL(p.URL); err != nil {
		return nil, fmt.Errorf("URL: %w", err)
	}
	return p, nil
}

func decodeReplace(r *suite.Reader) (any, error) {
	p := Replace{Member: r.U8()}
	switch r.U8() {
	case keyEd25519:
		p.Kind = election.KindEd25519
	case keyPasskey:
		p.Kind = election.KindPasskey
	default:
		return nil, errors.New("no such kind of key")
	}
	p.Key = clone(r.Take(int(r.U16())))
	p.Name = string(r.Take(int(r.U16())))
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := election.CheckName(p.Name); err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	return p, nil
}
