package agenda

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"strikevote/internal/protocol/suite"
)

// Slips allow to print sealed slips with codes, once: whoever prints codes could
// vote with them, so that it takes a quorum, and a list that is fixed before.
type Slips struct {
	MID        suite.MID  `json:"mid"`
	Number     uint32     `json:"number"` // of the permission, from 1
	Count      uint32     `json:"count"`
	Places     suite.Hash `json:"places"` // see [Places]
	Reason     string     `json:"reason"`
	ProposedAt int64      `json:"proposed_at"`
}

// A Place is a member's place on the roll.
type Place struct {
	Group suite.GroupID
	Index uint32
}

// Places is the hash of a list of places, in the order in which they are
// printed: H("slip-places", u16 group || u32 index, for each of them).
func Places(list []Place) suite.Hash {
	var b []byte
	for _, p := range list {
		b = binary.BigEndian.AppendUint16(b, uint16(p.Group))
		b = binary.BigEndian.AppendUint32(b, p.Index)
	}
	return suite.H("slip-places", b)
}

// ParseSlips reads what [Slips.Encode] makes, and nothing else.
func ParseSlips(b []byte) (*Slips, error) {
	s := new(Slips)
	if err := suite.DecodeJSON(b, s); err != nil {
		return nil, fmt.Errorf("reading the permission to print slips: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("checking the permission to print slips: %w", err)
	}
	return s, nil
}

// Encode returns the bytes that are signed.
func (s *Slips) Encode() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("checking the permission to print slips: %w", err)
	}
	b, err := suite.EncodeJSON(s)
	if err != nil {
		return nil, fmt.Errorf("writing the permission to print slips: %w", err)
	}
	return b, nil
}

func (s *Slips) check() error {
	if s.Number == 0 || s.ProposedAt <= 0 {
		return errors.New("number or moment is missing")
	}
	if s.Count == 0 || s.Count > 1<<20 {
		return errors.New("it must be 1 to 1,048,576 slips")
	}
	if err := suite.CheckText(s.Reason, 500); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	return nil
}

// SlipsMessage is what a member of the committee signs.
func SlipsMessage(mid suite.MID, slips []byte) []byte {
	h := sha256.Sum256(slips)
	return suite.Message("slips", mid[:], h[:])
}
