// Package ledger holds the roll's leaves and the entries of the two logs: the
// ledger of eligibility, and the ballots.
//
// It must never learn what a ballot says: a ballot entry is bytes to it. Nor
// does it keep an order of its own; entries come in the log's. Salts and member
// numbers pass through and are not kept. The bytes are those of SPEC.md,
// sections 4 and 9.
package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// MaxEntry is the largest entry of a log: tiles give its length 16 bits.
const MaxEntry = 1<<16 - 1

// The first byte of an entry.
const (
	typeManifest = 0x00
	typeIssuance = 0x01 // in the ledger
	typeBallot   = 0x01 // in the ballots
	typeDeposit  = 0x03
	typeAct      = 0x05
	typeFinal    = 0xff
)

// A Manifest entry is the first of both logs and stands nowhere else.
type Manifest struct{ MID suite.MID }

// An Issuance records that a credential was signed for a leaf.
type Issuance struct {
	MID     suite.MID
	Group   suite.GroupID
	Blinded suite.Hash // of the leaf
	Request suite.Hash // SHA-256 of z
}

// A Deposit records an envelope.
type Deposit struct {
	MID    suite.MID
	Group  suite.GroupID
	OnRoll bool
	Ref    suite.Hash // [Blinded] leaf, or [Applicant] for somebody not on the roll
}

// An Act is an entry with an act of the committee.
type Act struct{ Act *act.Act }

// A Ballot is an entry with a sealed ballot and its credential: body || sig.
type Ballot struct{ Cast []byte }

// Final is the ledger's last entry. It counts every group of the manifest, in
// ascending order.
type Final struct {
	MID    suite.MID
	Groups []FinalGroup
}

// Close is the last entry of the ballots. It counts every group of the
// manifest, in ascending order, and binds the ledger as it ended.
type Close struct {
	MID    suite.MID
	Groups []CloseGroup
	Chain  suite.Hash // h_n over the entries before it
	Ledger string     // text of the ledger's final checkpoint
}

// A CloseGroup is how many ballots of a group are in the log.
type CloseGroup struct {
	Group suite.GroupID
	Cast  uint32
}

// ManifestEntry returns entry 0 of both logs.
func ManifestEntry(mid suite.MID) []byte { return Manifest{mid}.Bytes() }

// BallotEntry returns the entry of body || sig.
func BallotEntry(cast []byte) []byte { return Ballot{cast}.Bytes() }

// ActEntry returns the entry of an act's bytes.
func ActEntry(b []byte) []byte { return append([]byte{typeAct}, b...) }

// Bytes returns the entry.
func (e Manifest) Bytes() []byte { return append([]byte{typeManifest}, e.MID[:]...) }

// Bytes returns the entry.
func (e Issuance) Bytes() []byte {
	out := head(typeIssuance, e.MID, uint16(e.Group))
	return append(append(out, e.Blinded[:]...), e.Request[:]...)
}

// Bytes returns the entry.
func (e Deposit) Bytes() []byte {
	on := byte(0)
	if e.OnRoll {
		on = 1
	}
	return append(append(head(typeDeposit, e.MID, uint16(e.Group)), on), e.Ref[:]...)
}

// Bytes returns the entry.
func (e Act) Bytes() []byte { return ActEntry(e.Act.Bytes()) }

// Bytes returns the entry.
func (e Ballot) Bytes() []byte { return append([]byte{typeBallot}, e.Cast...) }

// Bytes returns the entry.
func (e Final) Bytes() []byte {
	out := head(typeFinal, e.MID, uint16(len(e.Groups)))
	for _, g := range e.Groups {
		out = binary.BigEndian.AppendUint16(out, uint16(g.Group))
		for _, n := range g.counters() {
			out = binary.BigEndian.AppendUint32(out, *n)
		}
	}
	return out
}

// Bytes returns the entry.
func (e Close) Bytes() []byte {
	out := head(typeFinal, e.MID, uint16(len(e.Groups)))
	for _, g := range e.Groups {
		out = binary.BigEndian.AppendUint16(out, uint16(g.Group))
		out = binary.BigEndian.AppendUint32(out, g.Cast)
	}
	out = append(out, e.Chain[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(e.Ledger)))
	return append(out, e.Ledger...)
}

func head(kind byte, mid suite.MID, v uint16) []byte {
	return binary.BigEndian.AppendUint16(append([]byte{kind}, mid[:]...), v)
}

// ParseLedger reads an entry of the ledger: a [Manifest], [Issuance],
// [Deposit], [Act] or [Final]. It accepts exactly what their Bytes make.
// Whether an entry is of this election, or may stand where it stands, is for
// the caller.
func ParseLedger(entry []byte) (any, error) {
	e, err := parse(entry, map[byte]func(*suite.Reader) (any, error){
		typeManifest: parseManifest,
		typeIssuance: parseIssuance,
		typeDeposit:  parseDeposit,
		typeAct:      parseAct,
		typeFinal:    parseFinal,
	})
	if err != nil {
		return nil, fmt.Errorf("reading ledger entry: %w", err)
	}
	return e, nil
}

// ParseBallots reads an entry of the ballots: a [Manifest], [Ballot] or
// [Close]. A ballot's own bytes are not looked into.
func ParseBallots(entry []byte) (any, error) {
	e, err := parse(entry, map[byte]func(*suite.Reader) (any, error){
		typeManifest: parseManifest,
		typeBallot:   parseBallot,
		typeFinal:    parseClose,
	})
	if err != nil {
		return nil, fmt.Errorf("reading ballots entry: %w", err)
	}
	return e, nil
}

func parse(entry []byte, parsers map[byte]func(*suite.Reader) (any, error)) (any, error) {
	if len(entry) > MaxEntry {
		return nil, fmt.Errorf("longer than %d bytes", MaxEntry)
	}
	r := suite.NewReader(entry)
	parseRest, ok := parsers[r.U8()]
	if r.Err() != nil || !ok {
		return nil, errors.New("no such type of entry")
	}
	e, err := parseRest(r)
	if err != nil {
		return nil, err
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	return e, nil
}

func hash(r *suite.Reader) suite.Hash { return suite.Hash(r.Take(32)) }

func group(r *suite.Reader) suite.GroupID { return suite.GroupID(r.U16()) }

func parseManifest(r *suite.Reader) (any, error) { return Manifest{suite.MID(hash(r))}, nil }

func parseIssuance(r *suite.Reader) (any, error) {
	return Issuance{MID: suite.MID(hash(r)), Group: group(r), Blinded: hash(r), Request: hash(r)}, nil
}

func parseDeposit(r *suite.Reader) (any, error) {
	e := Deposit{MID: suite.MID(hash(r)), Group: group(r)}
	on := r.U8()
	if on > 1 {
		return nil, errors.New("on_roll is neither 0 nor 1")
	}
	e.OnRoll, e.Ref = on == 1, hash(r)
	return e, nil
}

func parseAct(r *suite.Reader) (any, error) {
	a, err := act.Parse(r.Take(r.Rest()))
	if err != nil {
		return nil, err
	}
	return Act{a}, nil
}

func parseBallot(r *suite.Reader) (any, error) {
	if r.Rest() == 0 {
		return nil, errors.New("no ballot")
	}
	return Ballot{append([]byte{}, r.Take(r.Rest())...)}, nil
}

func parseFinal(r *suite.Reader) (any, error) {
	e := Final{MID: suite.MID(hash(r))}
	last := suite.GroupID(0)
	for n := r.U16(); n > 0 && r.Err() == nil; n-- {
		g := FinalGroup{Group: group(r)}
		for _, c := range g.counters() {
			*c = r.U32()
		}
		if g.Group <= last {
			return nil, errors.New("groups do not ascend")
		}
		last = g.Group
		e.Groups = append(e.Groups, g)
	}
	if e.Groups == nil {
		return nil, errors.New("no groups")
	}
	return e, nil
}

func parseClose(r *suite.Reader) (any, error) {
	e := Close{MID: suite.MID(hash(r))}
	last := suite.GroupID(0)
	for n := r.U16(); n > 0 && r.Err() == nil; n-- {
		g := CloseGroup{Group: group(r), Cast: r.U32()}
		if g.Group <= last {
			return nil, errors.New("groups do not ascend")
		}
		last = g.Group
		e.Groups = append(e.Groups, g)
	}
	if e.Groups == nil {
		return nil, errors.New("no groups")
	}
	e.Chain = hash(r)
	n := r.U32()
	if uint64(n) != uint64(r.Rest()) {
		return nil, errors.New("length of the ledger's checkpoint is wrong")
	}
	e.Ledger = string(r.Take(int(n)))
	if _, err := tlog.ParseCheckpointText(e.Ledger); err != nil {
		return nil, err
	}
	return e, nil
}
