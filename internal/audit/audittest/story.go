package audittest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// vote fills both logs: somebody is added and somebody struck, most members
// cast, two have a credential and do not cast, four envelopes are deposited,
// of which two are accepted, one is rejected and one stays undecided, and the
// voting is closed early.
func (e *Election) vote(t testing.TB) {
	if e.Options.Nobody {
		return
	}
	eid := e.Manifest.ElectionID
	added := len(e.Rolls[1])
	struck := ledger.Blinded(e.Rolls[2][len(e.Rolls[2])-1])
	e.AddAct(t, act.Amend{Op: act.OpAdd, Group: 1, Hash: e.Leaf(eid, 1, added)}, Open+day)
	e.AddAct(t, act.Amend{Op: act.OpStrike, Group: 2, Hash: struck}, Open+2*day)

	for _, g := range e.Manifest.Groups {
		n := e.ballots(g.ID)
		var issued, cast [][]byte
		for i := range n {
			issued = append(issued, e.Issuance(g.ID, i))
			cast = append(cast, e.Cast(t, g.ID, i))
		}
		if g.ID == 1 {
			issued = append(issued, e.Issuance(1, added), e.Issuance(1, n), e.Issuance(1, n+1))
			cast = append(cast, e.Cast(t, 1, added))
		}
		e.batch(issued)
		e.Ballots = append(e.Ballots, e.byID(t, cast)...)
		if g.ID == 1 && !e.Options.Cancelled {
			e.AddAct(t, act.CloseEarly{Close: EarlyClose}, Open+4*day)
		}
	}
	e.envelopes(t)
	if e.Options.Cancelled {
		e.AddAct(t, act.Cancel{}, EarlyClose)
	}
}

// envelopes deposits and decides.
func (e *Election) envelopes(t testing.TB) {
	n := func(g suite.GroupID) int { return e.ballots(g) + 3 }
	var outside suite.Hash
	outside[0] = 1
	e.batch([][]byte{ledger.Deposit{MID: e.MID, Group: 1, OnRoll: true, Ref: e.Blinded(1, n(1))}.Bytes()})
	e.batch([][]byte{
		ledger.Deposit{MID: e.MID, Group: 2, OnRoll: true, Ref: e.Blinded(2, n(2))}.Bytes(),
		ledger.Deposit{MID: e.MID, Group: 2, OnRoll: false, Ref: outside}.Bytes(),
	})
	e.batch([][]byte{ledger.Deposit{MID: e.MID, Group: 3, OnRoll: true, Ref: e.Blinded(3, n(3))}.Bytes()})
	envelopes := e.byID(t, [][]byte{e.Cast(t, 2, 1<<20), e.Cast(t, 2, 1<<20+1)})
	e.Ballots = append(e.Ballots, envelopes...)
	var ids []suite.BallotID
	for _, b := range envelopes {
		ids = append(ids, e.BallotID(t, b))
	}
	e.AddAct(t, act.Decide{Group: 1, RejectedOn: 1}, EarlyClose+3600)
	e.AddAct(t, act.Decide{Group: 2, AcceptedOn: 1, AcceptedOff: 1, Accepted: ids}, EarlyClose+3600)
}

// Blinded is the value that stands for a member in the ledger.
func (e *Election) Blinded(g suite.GroupID, index int) suite.Hash {
	return ledger.Blinded(e.Leaf(e.Manifest.ElectionID, g, index))
}

// Issuance is the entry that a credential was issued to a member.
func (e *Election) Issuance(g suite.GroupID, index int) []byte {
	request := sha256.Sum256(binary.BigEndian.AppendUint32([]byte{byte(g)}, uint32(index)))
	return ledger.Issuance{MID: e.MID, Group: g, Blinded: e.Blinded(g, index), Request: request}.Bytes()
}

// batch adds entries as the registrar does, sorted.
func (e *Election) batch(entries [][]byte) {
	for _, b := range sorted(entries) {
		e.Entries = append(e.Entries, Entry{Bytes: b})
	}
}

// A Payload is one of package act.
type Payload interface{ Bytes() []byte }

func kind(p Payload) act.Kind {
	switch p.(type) {
	case act.Extend:
		return act.KindExtend
	case act.CloseEarly:
		return act.KindCloseEarly
	case act.Cancel:
		return act.KindCancel
	case act.Amend:
		return act.KindAmend
	case act.Decide:
		return act.KindDecide
	case act.ClientBundle:
		return act.KindClientBundle
	}
	return act.KindReplace
}

// AddAct adds an act that the first two of the committee sign, seen by the
// witnesses at a moment.
func (e *Election) AddAct(t testing.TB, payload Payload, moment int64) {
	t.Helper()
	e.addAct(e.Act(t, e.next(), payload), moment)
}

// next is the sequence of the next act.
func (e *Election) next() uint32 {
	sequence := uint32(1)
	for _, entry := range e.Entries {
		if entry.Moment != 0 {
			sequence++
		}
	}
	return sequence
}

func (e *Election) addAct(entry []byte, moment int64) {
	e.Entries = append(e.Entries, Entry{Bytes: entry, Moment: moment})
}

// Replace gives a member of the committee another key, by an act of two others.
func (e *Election) Replace(t testing.TB, member int) {
	t.Helper()
	e.Dead = slices.Clone(e.Committee)
	seed := sha256.Sum256([]byte{'d', byte(member)})
	key := ed25519.NewKeyFromSeed(seed[:])
	payload := act.Replace{
		Member: uint8(member), Kind: election.KindEd25519, Key: key.Public().(ed25519.PublicKey), Name: "Another",
	}
	e.addAct(e.act(e.next(), payload, (member+1)%3, (member+2)%3), EarlyClose)
	e.Committee[member] = key
}

// Act makes the ledger entry of an act that the first two of the committee
// sign.
func (e *Election) Act(t testing.TB, sequence uint32, payload Payload) []byte {
	t.Helper()
	return e.act(sequence, payload, 0, 1)
}

func (e *Election) act(sequence uint32, payload Payload, members ...int) []byte {
	a := &act.Act{Kind: kind(payload), Sequence: sequence, Payload: payload.Bytes()}
	slices.Sort(members)
	for _, i := range members {
		sig := act.SignEd25519(e.Committee[i], e.MID, a.Kind, a.Sequence, a.Payload)
		a.Signatures = append(a.Signatures, act.Signature{Member: uint8(i), Bytes: sig})
	}
	return ledger.ActEntry(a.Bytes())
}

// Context is what ballots of a group are sealed for.
func (e *Election) Context(t testing.TB, g suite.GroupID) *ballot.Context {
	t.Helper()
	return &ballot.Context{MID: e.MID, Group: g, Key: must(e.Manifest.Key())(t), Options: e.Manifest.Options()}
}

// Cast makes a ballot of a member, a different one for each index: of ten, six
// say yes, three no, one abstains; the second question is two to one.
func (e *Election) Cast(t testing.TB, g suite.GroupID, index int) []byte {
	t.Helper()
	choice := []uint8{0, 0, 1, 0, 1, 0, 2, 0, 1, 0}[index%10]
	choices := ballot.Choices{choice, uint8(index % 3 / 2)}
	s := e.Seal(t, g, index, choices[:len(e.Manifest.Questions)])
	return e.Sign(t, g, s.Body)
}

// Seal seals choices with a secret that depends on the index.
func (e *Election) Seal(t testing.TB, g suite.GroupID, index int, c ballot.Choices) *ballot.Sealed {
	t.Helper()
	secret := sha256.Sum256(binary.BigEndian.AppendUint32([]byte{'s', byte(g)}, uint32(index)))
	return must(ballot.Seal(e.Context(t, g), ballot.Secret(secret[:16]), "", c))(t)
}

// Sign makes the log entry of a body with a credential of a group's issuer.
func (e *Election) Sign(t testing.TB, g suite.GroupID, body []byte) []byte {
	t.Helper()
	id := suite.BallotID(suite.H("ballot-id", body))
	sig := must(e.Issuers[g].SignMessage(credential.Message(e.MID, g, id)))(t)
	return ledger.BallotEntry(slices.Concat(body, sig[:]))
}

// BallotID is the id of the ballot in a log entry.
func (e *Election) BallotID(t testing.TB, entry []byte) suite.BallotID {
	t.Helper()
	body, _, err := ballot.ParseCast(entry[1:], e.Manifest.Options())
	if err != nil {
		t.Fatal(err)
	}
	return suite.BallotID(suite.H("ballot-id", body))
}

// byID sorts the entries of a batch as the box does.
func (e *Election) byID(t testing.TB, entries [][]byte) [][]byte {
	t.Helper()
	byID := make(map[suite.BallotID][]byte)
	for _, b := range entries {
		byID[e.BallotID(t, b)] = b
	}
	order := slices.SortedFunc(maps.Keys(byID), func(a, b suite.BallotID) int { return bytes.Compare(a[:], b[:]) })
	out := make([][]byte, len(order))
	for i, id := range order {
		out[i] = byID[id]
	}
	return out
}

func sorted(list [][]byte) [][]byte {
	list = slices.Clone(list)
	slices.SortFunc(list, bytes.Compare)
	return list
}
