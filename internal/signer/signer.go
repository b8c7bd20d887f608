// Package signer is the program of a member of the committee, on their own
// computer: it keeps their key, shows in plain words what waits for their
// signature, and signs.
//
// It trusts the service in nothing. What is signed it makes itself from what it
// shows, so that a member never signs anything else; what can be verified from
// the public record it verifies. It must never reach a database or a package of
// the service. Sections 3, 10, 16 and 19 of internal/protocol/SPEC.md.
package signer

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// An Agenda is everything that was proposed to be signed, as this program read
// it.
type Agenda struct {
	Title, Phase string // the service's word
	Items        []*Item
	// Manifest is nil while none is proposed.
	Manifest *election.Manifest
	MID      suite.MID
	record   string
}

// An Item is one thing to sign.
type Item struct {
	Name   string // declaration, manifest, act:3, slips:1, certificate
	State  string // see package agenda; the service's word
	Reason string // why it was refused or withdrawn
	Signed []int  // members who have signed, the service's word
	// Words say what it does, for a person. They are made from Message's parts.
	Words string
	// Committee is the one whose signatures count.
	Committee election.Committee
	Message   []byte // what is signed
	// Barred is the member who must not sign: the one to be replaced. -1 is none.
	Barred int

	path string // below the election's address
	body []byte // of a certificate
}

// Waits reports whether more signatures are needed.
func (i *Item) Waits() bool { return i.State == agenda.Open }

// Fingerprint says which item it is: one that was looked at is the one that is
// signed, also where another took its name in between.
func (i *Item) Fingerprint() string {
	h := sha256.Sum256(i.Message)
	return hex.EncodeToString(h[:8])
}

// Matches reports whether the item is one that a selection names: its kind or
// its name, with or without @ and its fingerprint.
func (i *Item) Matches(selection string) bool {
	name, print, precise := strings.Cut(selection, "@")
	kind, _, _ := strings.Cut(i.Name, ":")
	return (name == i.Name || name == kind) && (!precise || print == i.Fingerprint())
}

// Signers names those who have signed.
func (i *Item) Signers() []string {
	var names []string
	for _, m := range i.Signed {
		if m >= 0 && m < len(i.Committee.Members) {
			names = append(names, i.Committee.Members[m].Name)
		}
	}
	return names
}

// A NotMemberError says that a key is not one of the committee's, or not of the
// member who was named.
type NotMemberError struct{ text string }

func (e *NotMemberError) Error() string { return e.text }

func notMember(format string, args ...any) error {
	return &NotMemberError{fmt.Sprintf(format, args...)}
}

// Place returns which member, and which of their keys, a public key is. as names
// the member, by name or by number from 0, and may be empty. It returns a
// [*NotMemberError].
func Place(c *election.Committee, public ed25519.PublicKey, as string) (member, key uint8, err error) {
	for m := range c.Members {
		for k, one := range c.Members[m].Keys {
			if one.Kind != election.KindEd25519 || !slices.Equal(one.Key, suite.Bytes(public)) {
				continue
			}
			if as != "" && as != c.Members[m].Name && as != fmt.Sprint(m) {
				return 0, 0, notMember("this key is that of %s (number %d), not of %q", c.Members[m].Name, m, as)
			}
			return uint8(m), uint8(k), nil
		}
	}
	return 0, 0, notMember("this key is none of the committee's; its public half is %x", []byte(public))
}
