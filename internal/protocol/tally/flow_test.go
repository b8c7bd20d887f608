package tally

import (
	"crypto/ed25519"
	"fmt"
	"testing"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

// A world is an election of three groups in which everything but the logs is
// real. Its manifest holds what this package reads.
type world struct {
	m        *election.Manifest
	o        *Opening
	x        []*group.Scalar // of teller i at i-1
	bodies   [][]byte
	entitled map[suite.GroupID]uint64
	keys     []ed25519.PrivateKey
}

func seeded(label string) *group.Scalar {
	return group.ScalarFromWide(suite.H512("test-tally", []byte(label)))
}

func manifest() (*election.Manifest, []*group.Scalar, []ed25519.PrivateKey) {
	role := func(roles ...string) (q election.Question) {
		for _, r := range roles {
			q.Options = append(q.Options, election.Option{Role: r})
		}
		return q
	}
	m := &election.Manifest{
		KMin: 3,
		Questions: []election.Question{
			role(election.RoleYes, election.RoleNo, election.RoleNeutral),
			role(election.RoleYes, election.RoleNo),
		},
		Groups: []election.Group{
			{ID: 1, Name: "Depot", RollSize: 8}, {ID: 2, Name: "Office", RollSize: 5, Parent: 1},
			{ID: 7, Name: "Garage", RollSize: 6}, {ID: 9, Name: "Yard", RollSize: 4},
		},
	}
	m.Rule, _ = election.Preset("simple")
	// 2 of 4 tellers share y = f(0) on f(X) = y + bX.
	y, b := seeded("y"), seeded("b")
	m.Tellers.N, m.Tellers.T = 4, 2
	m.Tellers.Key = election.Point(group.BaseMul(y).Bytes())
	var x []*group.Scalar
	for i := range uint64(m.Tellers.N) {
		x = append(x, y.Add(b.Mul(group.ScalarFromUint64(i+1))))
		m.Tellers.Shares = append(m.Tellers.Shares, election.Point(group.BaseMul(x[i]).Bytes()))
	}
	m.Committee.Quorum = 2
	var keys []ed25519.PrivateKey
	for i := range 3 {
		seed := suite.H("test-member", suite.U8(uint8(i)))
		keys = append(keys, ed25519.NewKeyFromSeed(seed[:]))
		m.Committee.Members = append(m.Committee.Members, election.Member{Name: fmt.Sprint(i), Keys: []election.Key{
			{Kind: election.KindEd25519, Key: suite.Bytes(keys[i].Public().(ed25519.PublicKey))},
		}})
	}
	return m, x, keys
}

// The votes of newWorld: by group, one pair of choices a ballot. Group 2 is too
// small and joins group 1, and nobody in group 9 voted.
var choices = map[suite.GroupID][]ballot.Choices{
	1: {{0, 0}, {0, 1}, {0, 0}, {1, 1}, {2, 1}},
	2: {{0, 1}, {0, 0}},
	7: {{1, 0}, {1, 0}, {0, 0}, {2, 1}},
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := new(world)
	w.m, w.x, w.keys = manifest()
	w.o = &Opening{Manifest: w.m, Close: Close{MID: suite.MID{1}, Root: suite.Hash{2}, Size: 13}, Sums: new(Sums)}
	w.entitled = make(map[suite.GroupID]uint64)
	key, err := w.m.Key()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range w.m.Groups {
		w.entitled[g.ID] = uint64(g.RollSize)
		c := &ballot.Context{MID: w.o.Close.MID, Group: g.ID, Key: key, Options: w.m.Options()}
		for i, ch := range choices[g.ID] {
			sealed, err := ballot.Seal(c, ballot.Secret{byte(g.ID), byte(i)}, "", ch)
			if err != nil {
				t.Fatal(err)
			}
			w.bodies = append(w.bodies, sealed.Body)
			w.o.Sums.Add(parsed(t, sealed.Body))
		}
	}
	return w
}

func parsed(t testing.TB, body []byte) *ballot.Ballot {
	t.Helper()
	b, err := ballot.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) shares(t testing.TB, tellers ...uint8) []*share.File {
	t.Helper()
	var files []*share.File
	for _, i := range tellers {
		f, err := w.o.Shares(i, w.x[i-1])
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := share.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, again)
	}
	return files
}

func (w *world) assemble(t testing.TB, files []*share.File) []byte {
	t.Helper()
	r, err := w.o.Assemble(files, w.entitled, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// final returns what a certificate is made of, with one ballot of group 1 and
// one of group 7 that were issued or accepted and not cast.
func (w *world) final(result []byte) *Final {
	f := &Final{
		Manifest: w.m, Close: w.o.Close, LedgerRoot: suite.Hash{3}, LedgerSize: 17, Result: result,
		Groups: []GroupCounts{
			{ID: 1, RollSize: 8, Entitled: 8, Issued: 5, Cast: 5, Deposited: 2, Accepted: 1, Rejected: 1},
			{ID: 2, RollSize: 5, Added: 1, Struck: 1, Entitled: 5, Issued: 2, Cast: 2},
			{ID: 7, RollSize: 6, Struck: 1, Entitled: 6, Issued: 4, Cast: 4, Deposited: 1, Accepted: 1, AcceptedOff: 1},
			{ID: 9, RollSize: 4, Entitled: 4, Deposited: 1, Undecided: 1},
		},
	}
	return f
}

func encode(t testing.TB, v interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	b, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
