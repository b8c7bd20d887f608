// Package election holds the manifest: everything about one election that must
// not change once its first mail has left, and the rules a manifest keeps.
//
// It knows no member, no token and no ballot, and must never import a package
// that does: both sides of the service stand on it. It decides nothing about
// time by itself; moments are arguments. The bytes are those of SPEC.md,
// sections 2, 3 and 11.
package election

import (
	"fmt"

	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// Suite is the only value of a manifest's first key.
const Suite = "SV1"

// A Manifest is the JSON file `manifest` of the record. Its fields stand in the
// order of SPEC.md section 3, which is their order in the file.
type Manifest struct {
	Suite      string           `json:"suite"`
	ElectionID suite.ElectionID `json:"election_id"`
	Demo       bool             `json:"demo"`
	Rehearsal  bool             `json:"rehearsal"`
	Languages  []string         `json:"languages"` // the first is the default
	Title      []string         `json:"title"`     // texts: one for each language
	Statement  []string         `json:"statement"`
	Questions  []Question       `json:"questions"`
	Rule       Rule             `json:"rule"`
	Groups     []Group          `json:"groups"`
	Tellers    Tellers          `json:"tellers"`
	Committee  Committee        `json:"committee"`
	Schedule   Schedule         `json:"schedule"`
	KMin       uint32           `json:"k_min"` // a set of fewer ballots is merged with another
	Factor     *Factor          `json:"factor"`
	Separation Separation       `json:"separation"`
	Ledger     Log              `json:"ledger"`
	Ballots    Log              `json:"ballots"`
	Witnesses  Witnesses        `json:"witnesses"`
	TokenKey   Key32            `json:"token_key"`   // Ed25519, verifies tokens
	PromiseKey Key32            `json:"promise_key"` // Ed25519, verifies promises
	Origins    Origins          `json:"origins"`
	Client     *Client          `json:"client"`
	Help       Help             `json:"help"`
	Program    string           `json:"program"` // informative, not checked
}

// A Question is what members are asked, with two to four options.
type Question struct {
	Text    []string `json:"text"`
	Options []Option `json:"options"`
}

// An Option is one possible answer. Its role says how the rule counts it.
type Option struct {
	Text []string `json:"text"`
	Role string   `json:"role"`
}

// The roles of an option.
const (
	RoleYes     = "yes"
	RoleNo      = "no"
	RoleNeutral = "neutral"
)

// A Group is a bargaining unit, or several small ones pooled. It has a roll and
// an issuer's key of its own.
type Group struct {
	ID       suite.GroupID `json:"id"`
	Name     string        `json:"name"`
	Units    []string      `json:"units"` // values of the roll's unit column
	RollSize uint32        `json:"roll_size"`
	RollRoot suite.Hash    `json:"roll_root"`
	Parent   suite.GroupID `json:"parent"` // 0: none
	BatchMin uint32        `json:"batch_min"`
	Issuer   suite.Bytes   `json:"issuer"` // SPKI, SPEC.md section 7
}

// Tellers hold the opening key, any T of the N of them. They are numbered
// from 1, in the order of these lists.
type Tellers struct {
	N           uint8      `json:"n"`
	T           uint8      `json:"t"`
	Names       []string   `json:"names"`
	StaticKeys  []Point    `json:"static_keys"`
	Key         Point      `json:"key"`    // Y, to which ballots are sealed
	Shares      []Point    `json:"shares"` // Y_i
	Certificate suite.Hash `json:"certificate"`
}

// A Committee signs what no one person may do: at least Quorum distinct members.
type Committee struct {
	Quorum  uint8    `json:"quorum"`
	RPID    string   `json:"rp_id"` // WebAuthn relying party; empty where no passkey is used
	Members []Member `json:"members"`
}

// A Member is one of the committee, with one to four keys.
type Member struct {
	Name string `json:"name"`
	Keys []Key  `json:"keys"`
}

// A Schedule holds moments in seconds since 1970 and, in Grace, seconds.
type Schedule struct {
	Open        int64 `json:"open"`
	Close       int64 `json:"close"`
	LatestClose int64 `json:"latest_close"` // no extension goes beyond it
	Grace       int64 `json:"grace"`        // casting ends so long after the close
	DecideUntil int64 `json:"decide_until"` // envelopes undecided then stay sealed
}

// A Factor is the second thing a member is asked for, in the committee's words.
type Factor struct {
	Label []string `json:"label"`
}

// Separation declares who runs the two sides; pages describe secrecy by it.
type Separation struct {
	Kind      string   `json:"kind"`
	Operators []string `json:"operators"`
}

// The kinds of separation.
const (
	OneMachine   = "one-machine"
	TwoMachines  = "two-machines"
	TwoOperators = "two-operators"
)

// A Log names one of the two logs and its key.
type Log struct {
	Origin string `json:"origin"`
	Key    string `json:"key"` // vkey of a signed note, type 0x01
}

// Witnesses cosign the growth of both logs.
type Witnesses struct {
	Threshold uint8    `json:"threshold"`
	Keys      []string `json:"keys"` // vkeys of cosignatures, type 0x04
}

// Origins are where the five parts of the service answer.
type Origins struct {
	Booth     string `json:"booth"`
	Registrar string `json:"registrar"`
	Box       string `json:"box"`
	Board     string `json:"board"`
	Console   string `json:"console"`
}

// A Client is the bundle the booth serves.
type Client struct {
	URL    string     `json:"url"`
	SHA256 suite.Hash `json:"sha256"`
}

// Help says whom a member may ask.
type Help struct {
	Email string `json:"email"`
	Phone string `json:"phone"`
}

// A Point is the encoding of an element of the group. In a valid manifest it is
// canonical and not the identity.
type Point [group.Size]byte

// A Key32 is an Ed25519 public key.
type Key32 [32]byte

// MarshalText returns lowercase hexadecimal.
func (p Point) MarshalText() ([]byte, error) { return suite.Bytes(p[:]).MarshalText() }

// UnmarshalText accepts exactly what MarshalText returns.
func (p *Point) UnmarshalText(t []byte) error { return suite.UnmarshalHex(p[:], t) }

// Element decodes the point.
func (p Point) Element() (*group.Element, error) { return group.DecodeElement(p[:]) }

// MarshalText returns lowercase hexadecimal.
func (k Key32) MarshalText() ([]byte, error) { return suite.Bytes(k[:]).MarshalText() }

// UnmarshalText accepts exactly what MarshalText returns.
func (k *Key32) UnmarshalText(t []byte) error { return suite.UnmarshalHex(k[:], t) }

// Parse reads a manifest. It accepts exactly what [Manifest.Encode] makes: the
// one encoding of a manifest that keeps every rule. Broken rules are reported
// together, see [Problems].
func Parse(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := suite.DecodeJSON(b, m); err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("checking manifest: %w", err)
	}
	return m, nil
}

// Encode returns the manifest's bytes, the ones that are published and hashed.
// It fails if a rule is broken.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("checking manifest: %w", err)
	}
	b, err := suite.EncodeJSON(m)
	if err != nil {
		return nil, fmt.Errorf("writing manifest: %w", err)
	}
	return b, nil
}

// MID hashes a manifest's published bytes. They are never written anew: hash
// what was received, not what [Manifest.Encode] makes of it.
func MID(b []byte) suite.MID { return suite.MID(suite.H("manifest", b)) }

// BatchMin is the batch_min that a group of that size must declare: at least
// that many ballots of a group always stay behind to hide the ones that enter.
func BatchMin(rollSize uint32) uint32 { return max(10, min(100, rollSize/20)) }

// Group returns the group with that id, or nil.
func (m *Manifest) Group(id suite.GroupID) *Group {
	for i := range m.Groups {
		if m.Groups[i].ID == id {
			return &m.Groups[i]
		}
	}
	return nil
}

// Options returns how many options each question has.
func (m *Manifest) Options() []int {
	k := make([]int, len(m.Questions))
	for i, q := range m.Questions {
		k[i] = len(q.Options)
	}
	return k
}

// Key returns Y, the key to which ballots are sealed.
func (m *Manifest) Key() (*group.Element, error) {
	y, err := m.Tellers.Key.Element()
	if err != nil {
		return nil, fmt.Errorf("reading the tellers' key: %w", err)
	}
	return y, nil
}

// TellerKey returns Y_i, the public key of teller i's share. Tellers count
// from 1.
func (m *Manifest) TellerKey(i int) (*group.Element, error) {
	if i < 1 || i > len(m.Tellers.Shares) {
		return nil, fmt.Errorf("reading a teller's key: no teller %d", i)
	}
	y, err := m.Tellers.Shares[i-1].Element()
	if err != nil {
		return nil, fmt.Errorf("reading the key of teller %d: %w", i, err)
	}
	return y, nil
}

// IssuerKey returns the key that credentials of a group verify with.
func (m *Manifest) IssuerKey(id suite.GroupID) (*credential.PublicKey, error) {
	g := m.Group(id)
	if g == nil {
		return nil, fmt.Errorf("reading an issuer's key: no group %d", id)
	}
	pk, err := credential.ParsePublicKey(g.Issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer's key of group %d: %w", id, err)
	}
	return pk, nil
}

// LedgerPolicy returns what a checkpoint of the eligibility ledger must satisfy.
func (m *Manifest) LedgerPolicy() (tlog.Policy, error) { return m.policy(m.Ledger) }

// BallotsPolicy returns what a checkpoint of the ballot log must satisfy.
func (m *Manifest) BallotsPolicy() (tlog.Policy, error) { return m.policy(m.Ballots) }

func (m *Manifest) policy(l Log) (tlog.Policy, error) {
	key, err := tlog.ParseLogKey(l.Key)
	if err != nil {
		return tlog.Policy{}, fmt.Errorf("reading a log's key: %w", err)
	}
	p := tlog.Policy{Log: key, Threshold: int(m.Witnesses.Threshold)}
	for i, v := range m.Witnesses.Keys {
		w, err := tlog.ParseWitnessKey(v)
		if err != nil {
			return tlog.Policy{}, fmt.Errorf("reading the key of witness %d: %w", i, err)
		}
		p.Witnesses = append(p.Witnesses, w)
	}
	return p, nil
}
