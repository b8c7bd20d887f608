// Package agenda is what the committee's service and the programs of its members
// say to each other: what waits to be signed, and the papers that are signed
// beside the public record.
//
// It is pure: neither side needs the other's packages. It knows no member of
// the roll and must never hold a key. Sections 10, 16 and 19 of
// internal/protocol/SPEC.md.
package agenda

import (
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/suite"
)

// The states of what members sign one by one.
const (
	Open      = "open"      // more signatures are needed
	Signed    = "signed"    // a quorum has signed
	Applied   = "applied"   // it took effect
	Refused   = "refused"   // the service that it is for refused it
	Withdrawn = "withdrawn" // it was taken back, or one before it was
)

// Acts are the acts that were proposed for an election, and those that were
// applied, by sequence.
type Acts struct {
	MID  suite.MID `json:"mid"`
	Acts []Act     `json:"acts"`
}

// An Act is one of them. Whoever signs it makes what is signed from mid, kind,
// sequence and payload, with [act.Message].
type Act struct {
	Sequence uint32      `json:"sequence"`
	Kind     act.Kind    `json:"kind"`
	Payload  suite.Bytes `json:"payload"`
	State    string      `json:"state"`
	Reason   string      `json:"reason"`
	Signed   []int       `json:"signed"` // members, in the order in which they signed
}
