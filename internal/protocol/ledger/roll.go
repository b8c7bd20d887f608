package ledger

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// Salt returns the salt of a member's leaf. The index counts from 0 within the
// group. Whoever holds the roll key can tell whose leaf is whose; a member is
// told her own salt alone.
func Salt(rollKey [32]byte, eid suite.ElectionID, g suite.GroupID, index uint32) [32]byte {
	mac := hmac.New(sha256.New, rollKey[:])
	mac.Write(suite.Frame(eid[:], suite.U16(uint16(g)), suite.U32(index)))
	return [32]byte(mac.Sum(nil))
}

// Leaf returns the leaf of a member. memberNo is the member number as it was
// imported, without white space at its ends.
func Leaf(g suite.GroupID, index uint32, salt [32]byte, memberNo string) suite.Hash {
	return suite.H("roll-leaf", suite.U16(uint16(g)), suite.U32(index), salt[:], []byte(memberNo))
}

// Blinded stands for a leaf until the roll is published: an entry that carries
// it matches nothing that anybody could guess.
func Blinded(leaf suite.Hash) suite.Hash { return suite.H("roll-blind", leaf[:]) }

// Applicant is what a deposit carries for somebody who is not on the roll:
// random bytes and the ballot's id, so that it tells nobody apart.
func Applicant(random [32]byte, id suite.BallotID) suite.Hash {
	return suite.H("applicant", random[:], id[:])
}

// Root returns the roll_root of a group's leaves, in any order. It does not
// change them.
func Root(leaves []suite.Hash) suite.Hash {
	values := make([][]byte, len(leaves))
	for i, l := range sorted(leaves) {
		values[i] = bytes.Clone(l[:])
	}
	return tlog.RootOf(values)
}

// sorted hides the order of the indexes, which may be alphabetical.
func sorted(leaves []suite.Hash) []suite.Hash {
	s := slices.Clone(leaves)
	slices.SortFunc(s, func(a, b suite.Hash) int { return bytes.Compare(a[:], b[:]) })
	return s
}

// EncodeRoll returns the file `roll/<id>` of a group's leaves, in any order.
func EncodeRoll(leaves []suite.Hash) []byte {
	out := make([]byte, 0, len(leaves)*sha256.Size)
	for _, l := range sorted(leaves) {
		out = append(out, l[:]...)
	}
	return out
}

// ParseRoll reads a file `roll/<id>`: at least one leaf, strictly ascending.
// Two equal leaves would be two members with one place.
func ParseRoll(b []byte) ([]suite.Hash, error) {
	if len(b) == 0 || len(b)%sha256.Size != 0 {
		return nil, fmt.Errorf("reading roll: %d bytes are no list of leaves", len(b))
	}
	leaves := make([]suite.Hash, len(b)/sha256.Size)
	for i := range leaves {
		leaves[i] = suite.Hash(b[i*sha256.Size:])
		if i > 0 && bytes.Compare(leaves[i-1][:], leaves[i][:]) >= 0 {
			return nil, errors.New("reading roll: leaves do not ascend")
		}
	}
	return leaves, nil
}
