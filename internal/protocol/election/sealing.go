package election

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"strikevote/internal/protocol/suite"
)

// Signatures is the JSON file `sealing` of the record, and `certification`.
type Signatures struct {
	Signatures []MemberSignature `json:"signatures"`
}

// A MemberSignature is one signature of a member of the committee: both are
// indexes, from 0, into the committee and into that member's keys.
type MemberSignature struct {
	Member    uint8       `json:"member"`
	Key       uint8       `json:"key"`
	Signature suite.Bytes `json:"signature"`
}

// ErrQuorum is returned where fewer members have signed than it takes.
var ErrQuorum = errors.New("fewer signatures than the quorum")

// ParseSignatures reads a file of signatures. Nothing is verified but the form:
// distinct members in ascending order.
func ParseSignatures(b []byte) (*Signatures, error) {
	s := new(Signatures)
	if err := suite.DecodeJSON(b, s); err != nil {
		return nil, fmt.Errorf("reading signatures: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("reading signatures: %w", err)
	}
	return s, nil
}

// EncodeSignatures returns the file of these signatures.
func EncodeSignatures(list []MemberSignature) ([]byte, error) {
	s := &Signatures{Signatures: list}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("writing signatures: %w", err)
	}
	b, err := suite.EncodeJSON(s)
	if err != nil {
		return nil, fmt.Errorf("writing signatures: %w", err)
	}
	return b, nil
}

func (s *Signatures) check() error {
	if n := len(s.Signatures); n < 1 || n > maxMembers {
		return fmt.Errorf("%d signatures, not 1 to %d", n, maxMembers)
	}
	for i, one := range s.Signatures {
		if i > 0 && one.Member <= s.Signatures[i-1].Member {
			return errors.New("members do not ascend")
		}
	}
	return nil
}

// Verify checks signatures of the committee over the bytes signed: at least a
// quorum of distinct members in ascending order, every signature valid. One
// that is not is an error even where the others would be enough.
func (c *Committee) Verify(signed []byte, list []MemberSignature) error {
	if len(list) < int(c.Quorum) {
		return ErrQuorum
	}
	for i, s := range list {
		if i > 0 && s.Member <= list[i-1].Member {
			return errors.New("members do not ascend")
		}
		if int(s.Member) >= len(c.Members) || int(s.Key) >= len(c.Members[s.Member].Keys) {
			return fmt.Errorf("no member %d with a key %d", s.Member, s.Key)
		}
		if err := c.Members[s.Member].Keys[s.Key].Verify(c.RPID, signed, s.Signature); err != nil {
			return fmt.Errorf("member %d: %w", s.Member, err)
		}
	}
	return nil
}

// SealMessage is what the committee signs to seal an election.
func SealMessage(mid suite.MID) []byte { return suite.Message("seal", mid[:]) }

// SignSeal signs with a key file.
func SignSeal(priv ed25519.PrivateKey, mid suite.MID) []byte {
	return ed25519.Sign(priv, SealMessage(mid))
}

// VerifySealing checks the file `sealing` against the committee of the manifest
// with that hash.
func (m *Manifest) VerifySealing(mid suite.MID, file []byte) error {
	s, err := ParseSignatures(file)
	if err != nil {
		return err
	}
	if err := m.Committee.Verify(SealMessage(mid), s.Signatures); err != nil {
		return fmt.Errorf("verifying sealing: %w", err)
	}
	return nil
}
