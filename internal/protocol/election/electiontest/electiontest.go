// Package electiontest makes small, complete, valid elections for tests: a
// manifest of a demo with real keys of everybody in it.
//
// It must never be imported by anything but tests. All its keys but the
// issuers' are the same in every run and known to everybody.
package electiontest

import (
	"crypto/ed25519"
	"fmt"
	"sync"
	"testing"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// The schedule of every election here.
const (
	Open        = 1_900_000_000
	Close       = Open + 86_400
	LatestClose = Close + 86_400
	DecideUntil = LatestClose + 7*86_400
)

// A Plan is what differs between elections. The zero value of a field means the
// default that [Manifest] starts from.
type Plan struct {
	Seed      string     // another one gives other keys, except the issuers'
	Real      bool       // no demo: three members, k_min 10, a grace
	Rolls     []uint32   // roll sizes; group ids count from 1
	Questions [][]string // the roles of each question's options
	Rule      string     // a preset
	Tellers   uint8
	Threshold uint8
	Members   int // of the committee, each with one key file; quorum 2
	Witnesses int
	Languages []string
	// Change is called with the manifest last. It may break a rule: the
	// manifest is not validated after it.
	Change func(*election.Manifest)
}

// Keys are the private keys that belong to a manifest.
type Keys struct {
	Committee []ed25519.PrivateKey // by member
	Opening   *group.Scalar        // y: Y = yG
	Shares    []*group.Scalar      // x_i, teller i at i-1
	Static    []*group.Scalar
	Issuers   map[suite.GroupID]*issuer.Key
	Token     ed25519.PrivateKey
	Promise   ed25519.PrivateKey
	Ledger    *tlog.LogSigner
	Ballots   *tlog.LogSigner
	Witnesses []*tlog.WitnessSigner
	RollKey   [32]byte
	Leaves    map[suite.GroupID][]suite.Hash // by index
}

// Manifest returns a valid manifest and its keys: a demo of two groups of 30
// and 40 members, one question (yes, no, neutral), simple majority, tellers two
// of three, a committee of three, witnesses two of three, English. Options
// change the plan.
func Manifest(t testing.TB, opts ...func(*Plan)) (*election.Manifest, Keys) {
	t.Helper()
	p := &Plan{
		Rolls:     []uint32{30, 40},
		Questions: [][]string{{election.RoleYes, election.RoleNo, election.RoleNeutral}},
		Rule:      "simple",
		Tellers:   3,
		Threshold: 2,
		Members:   3,
		Witnesses: 3,
		Languages: []string{"en"},
	}
	for _, o := range opts {
		o(p)
	}
	m, k := &election.Manifest{}, Keys{Issuers: make(map[suite.GroupID]*issuer.Key), Leaves: make(map[suite.GroupID][]suite.Hash)}
	p.head(t, m)
	p.groups(t, m, &k)
	p.tellers(m, &k)
	p.committee(m, &k)
	p.places(t, m, &k)
	if err := m.Validate(); err != nil {
		t.Fatalf("electiontest: the plan does not make a valid manifest: %v", err)
	}
	if p.Change != nil {
		p.Change(m)
	}
	return m, k
}

// Encode returns a manifest's bytes and their hash.
func Encode(t testing.TB, m *election.Manifest) ([]byte, suite.MID) {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b, election.MID(b)
}

// Sealing returns the file `sealing`, signed by the first members.
func Sealing(t testing.TB, m *election.Manifest, k Keys, mid suite.MID) []byte {
	t.Helper()
	b, err := election.EncodeSignatures(k.Sign(int(m.Committee.Quorum), election.SealMessage(mid)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Sign returns signatures of the first n members.
func (k Keys) Sign(n int, message []byte) []election.MemberSignature {
	var list []election.MemberSignature
	for i, priv := range k.Committee[:n] {
		list = append(list, election.MemberSignature{Member: uint8(i), Signature: ed25519.Sign(priv, message)})
	}
	return list
}

// Act returns an act signed by the given members, each with their first key;
// without any, by members 0 and 1.
func (k Keys) Act(mid suite.MID, kind act.Kind, sequence uint32, payload []byte, members ...int) *act.Act {
	if members == nil {
		members = []int{0, 1}
	}
	a := &act.Act{Kind: kind, Sequence: sequence, Payload: payload}
	for _, i := range members {
		a.Signatures = append(a.Signatures, act.Signature{
			Member: uint8(i),
			Bytes:  act.SignEd25519(k.Committee[i], mid, kind, sequence, payload),
		})
	}
	return a
}

// MemberNo returns the member number that the leaf of a roll here is made of.
func MemberNo(g suite.GroupID, index uint32) string { return fmt.Sprintf("M-%d-%d", g, index) }

var issuers struct {
	sync.Mutex
	keys []*issuer.Key
}

// issuerKey returns the i-th issuer's key of this test binary. Making one takes
// a third of a second, so they are made once, when they are needed.
func issuerKey(t testing.TB, i int) *issuer.Key {
	t.Helper()
	issuers.Lock()
	defer issuers.Unlock()
	for len(issuers.keys) <= i {
		k, err := issuer.Generate()
		if err != nil {
			t.Fatal(err)
		}
		issuers.keys = append(issuers.keys, k)
	}
	return issuers.keys[i]
}
