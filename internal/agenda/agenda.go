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
	"strikevote/internal/protocol/election"
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

// The papers of an election, by name.
const (
	PaperDeclaration = "declaration"
	PaperManifest    = "manifest"
	PaperCertificate = "certificate"
)

// An Overview is where an election stands and what waits to be signed in it. It
// tells whom to ask; each paper is read and judged by itself.
type Overview struct {
	Title  string `json:"title"`
	Phase  string `json:"phase"`  // "draft" before sealing
	Record string `json:"record"` // URL of the public record; empty before sealing
	// Committee is the draft's before sealing, then the one in force.
	Committee election.Committee `json:"committee"`
	Papers    []Paper            `json:"papers"` // those that were proposed
}

// A Paper is one that was proposed to be signed.
type Paper struct {
	Name   string     `json:"name"`
	SHA256 suite.Hash `json:"sha256"` // of its bytes
	State  string     `json:"state"`  // open, signed, or applied
	Signed []int      `json:"signed"` // members, ascending
}

// AllSlips are the permissions to print slips of an election, by number.
type AllSlips struct {
	Slips []SlipsToSign `json:"slips"`
}

// SlipsToSign is one of them.
type SlipsToSign struct {
	Body   suite.Bytes `json:"body"` // what is signed, see [ParseSlips]
	State  string      `json:"state"`
	Signed []int       `json:"signed"`
}
