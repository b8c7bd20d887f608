// Package audittest makes complete records of small elections in memory, with
// all their keys, for tests of whatever reads a record.
//
// It plays every part of an election, the honest ones and, by the hooks of
// [Forge], an attacker who holds the keys of the service, of the witnesses, of
// the tellers and of the committee. It must never be part of a program: the
// keys it makes are known to it. SPEC.md sections 3 to 17.
package audittest

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/dkg"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// Options say what election to make. The zero value is the usual one.
type Options struct {
	Stage     layout.Stage     // of the record; empty is certified
	Ballots   int              // with credentials, at most the roll; 0 is 24
	PerGroup  bool             // the rule counts by group
	Single    bool             // one question, not two
	Demo      bool             // one witness, k_min 1
	Cancelled bool             // by the last act
	Nobody    bool             // does anything: both logs have two entries
	Twice     bool             // one leaf is on the rolls of groups 1 and 2
	Lie       Lie              // what the sealed manifest says wrong
	Tellers   int              // 0 is 3
	Threshold int              // of the tellers; 0 is 2, or 1 of 1
	Plan      *Plan            // another election than the usual one
	Booth     string           // its origin; empty is https://vote.example
	Client    *election.Client // the page that the manifest names
}

func (o Options) tellers() (n, t int) {
	n = cmp.Or(o.Tellers, 3)
	return n, cmp.Or(o.Threshold, min(n, 2))
}

// A Lie is a way in which a manifest, and all that was signed for it, does not
// fit the rolls or the ceremony that its key is said to come from.
type Lie string

// The lies.
const (
	LieSignature Lie = "signature" // one teller did not sign
	LieExtension Lie = "extension" // the tellers signed for another election
	LieThreshold Lie = "threshold" // fewer can open than the manifest says
	LieTellers   Lie = "tellers"   // others hold the key
	LieKey       Lie = "key"       // ballots are sealed to another key
	LieShares    Lie = "shares"    // a teller's public share is another

	LieCertificate Lie = "certificate" // the tellers signed another ceremony
	LieRoll        Lie = "roll"        // the first roll's root is another
	LieRollSize    Lie = "roll size"   // the first roll has a member more
)

// The moments of the story.
const (
	Open        = 1_800_000_000
	day         = 86_400
	Close       = Open + 7*day
	EarlyClose  = Open + 5*day
	LatestClose = Open + 10*day
	Grace       = 600
	DecideUntil = Open + 12*day
	Locked      = DecideUntil + 60
	Certified   = Locked + day
)

// An Election is one with all its secrets, and the entries of its logs between
// the first and the last. Tests may change the entries before they publish.
type Election struct {
	Options  Options
	Manifest *election.Manifest
	Raw      []byte // the manifest's bytes
	MID      suite.MID

	Issuers   map[suite.GroupID]*issuer.Key
	Committee []ed25519.PrivateKey
	Static    []*group.Scalar // of the tellers
	Shares    []*group.Scalar // x_i
	Ledger    *tlog.LogSigner
	Box       *tlog.LogSigner
	Witnesses []*tlog.WitnessSigner

	Rolls    map[suite.GroupID][]suite.Hash // leaves in order of index
	Entries  []Entry                        // of the ledger
	Ballots  [][]byte                       // entries of the ballot log
	Ceremony Ceremony
	Forge    Forge

	Lock map[string]int64     // when witnesses see a log locked, by its folder; 0 is Locked
	Dead []ed25519.PrivateKey // the committee's before the last Replace

	head tlog.Checkpoint // of the ledger, once published
}

// A Ceremony is what the tellers published before the opening.
type Ceremony struct {
	Fresh      [32]byte
	Transcript []byte
	Signatures []byte
}

// An Entry is one of the ledger, with the moment at which witnesses saw it
// where that matters: acts.
type Entry struct {
	Bytes  []byte
	Moment int64
}

//go:embed testdata
var testdata embed.FS

// New makes an election up to the moment before its lock.
func New(t testing.TB, o Options) *Election {
	t.Helper()
	if o.Stage == "" {
		o.Stage = layout.Certified
	}
	if o.Cancelled {
		o.Stage = layout.Locked
	}
	e := &Election{Options: o, Issuers: make(map[suite.GroupID]*issuer.Key), Rolls: make(map[suite.GroupID][]suite.Hash)}
	e.makeKeys(t)
	e.makeManifest(t)
	if o.Plan != nil {
		e.follow(t, o.Plan)
	} else {
		e.vote(t)
	}
	return e
}

// Clone returns an election that may be changed without changing e. Making one
// takes a second, most of it for signatures of its issuers.
func (e *Election) Clone() *Election {
	c := *e
	c.Committee = slices.Clone(e.Committee)
	c.Entries = slices.Clone(e.Entries)
	c.Ballots = slices.Clone(e.Ballots)
	c.Rolls = make(map[suite.GroupID][]suite.Hash)
	for g, leaves := range e.Rolls {
		c.Rolls[g] = slices.Clone(leaves)
	}
	return &c
}

// Record makes the record of an election in which nobody cheats.
func Record(t testing.TB, o Options) (*Election, Files) {
	t.Helper()
	e := New(t, o)
	return e, e.Publish(t)
}

func (e *Election) makeKeys(t testing.TB) {
	for i := range 3 {
		seed := sha256.Sum256([]byte{'c', byte(i)})
		e.Committee = append(e.Committee, ed25519.NewKeyFromSeed(seed[:]))
	}
	e.Ledger = must(tlog.NewLogSigner("ledger.example/1", sha256.Sum256([]byte("ledger"))))(t)
	e.Box = must(tlog.NewLogSigner("ballots.example/1", sha256.Sum256([]byte("ballots"))))(t)
	witnesses := 3
	if e.Options.Demo {
		witnesses = 1
	}
	for i := range witnesses {
		name := fmt.Sprintf("witness-%d.example", i+1)
		e.Witnesses = append(e.Witnesses, must(tlog.NewWitnessSigner(name, sha256.Sum256([]byte(name))))(t))
	}
	for i := range maxGroups {
		// Generating takes tenths of a second each, so these are made once.
		der := must(testdata.ReadFile(fmt.Sprintf("testdata/issuer-%d.der", i+1)))(t)
		e.Issuers[suite.GroupID(i+1)] = must(issuer.Parse(der))(t)
	}
}

// must ends the test on an error: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// groups are the three of every election: the third is small, so that its
// ballots are counted with those of its parent.
var groups = []shape{{"HX", 40, 0}, {"RX", 30, 0}, {"TX", 25, 2}}

type shape struct {
	name   string
	size   int
	parent suite.GroupID
}

// maxGroups is how many groups have a key of an issuer.
const maxGroups = 5

func (e *Election) groups() []shape {
	if e.Options.Plan == nil {
		return groups
	}
	var list []shape
	for i, g := range e.Options.Plan.Groups {
		list = append(list, shape{fmt.Sprintf("G%d", i+1), g.Roll, g.Parent})
	}
	return list
}

func (e *Election) makeManifest(t testing.TB) {
	m := &election.Manifest{
		Suite: election.Suite, ElectionID: suite.ElectionID{0xe1, 0xec}, Demo: e.Options.Demo,
		Languages: []string{"en"}, Title: []string{"Strike authorization vote"}, Statement: []string{""},
		Questions: []election.Question{
			question("Do you authorize the leadership to call a strike?", "Yes", "No", "Abstain"),
			question("Do you approve the strike fund?", "Yes", "No"),
		},
		Committee: election.Committee{Quorum: 2},
		Schedule: election.Schedule{
			Open: Open, Close: Close, LatestClose: LatestClose, Grace: Grace, DecideUntil: DecideUntil,
		},
		KMin:       10,
		Separation: election.Separation{Kind: election.OneMachine, Operators: []string{"The union runs all of it."}},
		Ledger:     election.Log{Origin: "ledger.example/1", Key: e.Ledger.VKey()},
		Ballots:    election.Log{Origin: "ballots.example/1", Key: e.Box.VKey()},
		Witnesses:  election.Witnesses{Threshold: uint8(len(e.Witnesses)/2 + 1)},
		TokenKey:   publicKey(1), PromiseKey: publicKey(2), Client: e.Options.Client,
		Origins: election.Origins{
			Booth: cmp.Or(e.Options.Booth, "https://vote.example"), Registrar: "https://registrar.example", Box: "https://box.example",
			Board: "https://board.example", Console: "https://console.example",
		},
		Help:    election.Help{Email: "help@union.example", Phone: "555 0100"},
		Program: "strikevote test",
	}
	if e.Options.Demo {
		m.KMin = 1
	}
	if e.Options.Single {
		m.Questions = m.Questions[:1]
	}
	m.Rule = must(election.Preset("simple"))(t)
	m.Rule.PerGroup = e.Options.PerGroup
	if p := e.Options.Plan; p != nil {
		m.ElectionID, m.Questions, m.Rule, m.KMin = p.ID, p.Questions, p.Rule, p.KMin
	}
	for _, w := range e.Witnesses {
		m.Witnesses.Keys = append(m.Witnesses.Keys, w.VKey())
	}
	for i, key := range e.Committee {
		m.Committee.Members = append(m.Committee.Members, election.Member{
			Name: fmt.Sprintf("Member %d", i+1),
			Keys: []election.Key{{Kind: election.KindEd25519, Key: suite.Bytes(key.Public().(ed25519.PublicKey))}},
		})
	}
	e.makeRolls(m)
	e.makeTellers(t, m)
	e.Manifest, e.Raw = m, must(m.Encode())(t)
	e.MID = election.MID(e.Raw)
}

func question(text string, options ...string) election.Question {
	q := election.Question{Text: []string{text}}
	roles := []string{election.RoleYes, election.RoleNo, election.RoleNeutral}
	for i, o := range options {
		q.Options = append(q.Options, election.Option{Text: []string{o}, Role: roles[i]})
	}
	return q
}

// makeRolls makes rolls large enough for the ballots.
func (e *Election) makeRolls(m *election.Manifest) {
	for i, g := range e.groups() {
		id := suite.GroupID(i + 1)
		size := g.size
		if e.Options.Plan == nil {
			size = max(size, e.ballots(id)+7) // seats for those who do not vote in the story: see vote
		}
		for index := range size {
			e.Rolls[id] = append(e.Rolls[id], e.Leaf(m.ElectionID, id, index))
		}
		if e.Options.Twice && id == 2 {
			e.Rolls[2][25] = e.Rolls[1][39]
		}
		root := ledger.Root(e.Rolls[id])
		switch lie := e.Options.Lie; {
		case lie == LieRoll && id == 1:
			root[0] ^= 1
		case lie == LieRollSize && id == 1:
			size--
		}
		m.Groups = append(m.Groups, election.Group{
			ID: id, Name: g.name, Units: []string{g.name}, RollSize: uint32(size), RollRoot: root,
			Parent: g.parent, BatchMin: election.BatchMin(uint32(size)), Issuer: e.Issuers[id].Public().Bytes(),
		})
	}
}

// ballots is how many members of a group cast one with a credential.
func (e *Election) ballots(g suite.GroupID) int {
	n := e.Options.Ballots
	if n == 0 {
		return []int{12, 9, 3}[g-1]
	}
	return []int{n / 2, n/2 - n/8, n / 8}[g-1]
}

// Leaf is a member's leaf; numbers past the roll are for those added later.
func (e *Election) Leaf(eid suite.ElectionID, g suite.GroupID, index int) suite.Hash {
	salt := ledger.Salt(sha256.Sum256([]byte("roll key")), eid, g, uint32(index))
	return ledger.Leaf(g, uint32(index), salt, fmt.Sprintf("M%d-%05d", g, index))
}

// makeTellers holds the ceremony of the tellers.
func (e *Election) makeTellers(t testing.TB, m *election.Manifest) {
	n, threshold := e.Options.tellers()
	m.Tellers = election.Tellers{N: uint8(n), T: uint8(threshold), Names: []string{"Ada", "Ben", "Cleo", "Dora", "Emil"}[:n]}
	if e.Options.Lie == LieThreshold {
		m.Tellers.T = 3
	}
	var static, stated []*group.Element
	for range n {
		key := group.RandomScalar()
		e.Static = append(e.Static, key)
		static = append(static, group.BaseMul(key))
	}
	if stated = slices.Clone(static); e.Options.Lie == LieTellers {
		stated[2] = group.BaseMul(group.RandomScalar())
	}
	eid := m.ElectionID
	binary.BigEndian.PutUint64(e.Ceremony.Fresh[:], 1)
	setup := &dkg.Setup{T: threshold, Static: static, Context: dkg.Context(eid, e.Ceremony.Fresh, m.Tellers.T, stated)}
	if e.Options.Lie == LieExtension {
		eid[0]++
	}
	setup.Extension = dkg.Extension(eid, m.Tellers.T, stated)
	e.hold(t, m, setup)
	for _, p := range stated {
		m.Tellers.StaticKeys = append(m.Tellers.StaticKeys, election.Point(p.Bytes()))
	}
	secret := group.RandomScalar()
	other := election.Point(group.BaseMul(secret).Bytes())
	switch e.Options.Lie {
	case LieSignature:
		copy(e.Ceremony.Signatures[64:128], e.Ceremony.Signatures[:64])
	case LieKey:
		m.Tellers.Key = other
	case LieShares:
		m.Tellers.Shares[1], e.Shares[1] = other, secret
	}
	m.Tellers.Certificate = dkg.CertificateHash(e.Ceremony.Transcript, e.Ceremony.Signatures)
	if e.Options.Lie == LieCertificate {
		m.Tellers.Certificate[0] ^= 1
	}
}

// hold runs the ceremony.
func (e *Election) hold(t testing.TB, m *election.Manifest, setup *dkg.Setup) {
	n := len(setup.Static)
	states := make([]*dkg.State, n)
	msgs := make([][]byte, n)
	for i := range n {
		var err error
		if states[i], msgs[i], err = dkg.Start(setup, i+1, e.Static[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		r := must(states[i].Finish(msgs))(t)
		e.Shares = append(e.Shares, r.Share)
		e.Ceremony.Transcript = r.Transcript
		e.Ceremony.Signatures = append(e.Ceremony.Signatures, r.Signature[:]...)
		m.Tellers.Key = election.Point(r.Key.Bytes())
		m.Tellers.Shares = append(m.Tellers.Shares, election.Point(r.Shares[i].Bytes()))
	}
}

// publicKey returns the public key of a fixed seed.
func publicKey(seed byte) election.Key32 {
	return election.Key32(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)).Public().(ed25519.PublicKey))
}
