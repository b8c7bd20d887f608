package audittest

import (
	"testing"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// A Plan is an election in which the test says who votes what. Nobody closes
// it early.
type Plan struct {
	ID        suite.ElectionID
	Questions []election.Question
	Rule      election.Rule
	KMin      uint32
	Groups    []GroupPlan // numbered from 1, at most five
	Openers   []int       // the tellers who open, ascending
}

// A GroupPlan says what becomes of the members of a group: of the roll, those
// below vote, and so on in this order; there are at least as many.
type GroupPlan struct {
	Parent    suite.GroupID
	Roll      int
	Ballots   []ballot.Choices // with a credential
	Idle      int              // have a credential and do not cast
	Accepted  []ballot.Choices // envelopes
	Rejected  int
	Undecided int
	Struck    int

	Late      []ballot.Choices // of members who are added and vote with a credential
	Strangers []ballot.Choices // accepted envelopes of people who are not on the roll
	Outside   int              // undecided ones
}

// follow fills both logs.
func (e *Election) follow(t testing.TB, p *Plan) {
	for i := range p.Groups {
		e.amend(t, suite.GroupID(i+1), &p.Groups[i])
	}
	var cast [][]byte
	decisions := make([]act.Decide, len(p.Groups))
	for i := range p.Groups {
		g := &p.Groups[i]
		id := suite.GroupID(i + 1)
		var entries [][]byte
		for n, c := range g.Ballots {
			entries = append(entries, e.Issuance(id, n))
			cast = append(cast, e.castChoices(t, id, n, c))
		}
		for n, c := range g.Late {
			entries = append(entries, e.Issuance(id, g.Roll+n))
			cast = append(cast, e.castChoices(t, id, g.Roll+n, c))
		}
		for n := range g.Idle {
			entries = append(entries, e.Issuance(id, len(g.Ballots)+n))
		}
		e.batch(entries)
		envelopes := e.deposit(t, id, g, &decisions[i])
		cast = append(cast, envelopes...)
	}
	e.Ballots = e.byID(t, cast)
	for _, d := range decisions {
		if d.AcceptedOn+d.AcceptedOff+d.RejectedOn > 0 {
			e.AddAct(t, d, Close+3600)
		}
	}
}

// amend adds and strikes members.
func (e *Election) amend(t testing.TB, id suite.GroupID, g *GroupPlan) {
	for n := range g.Late {
		leaf := e.Leaf(e.Manifest.ElectionID, id, g.Roll+n)
		e.AddAct(t, act.Amend{Op: act.OpAdd, Group: id, Hash: leaf}, Open+day)
	}
	for n := range g.Struck {
		e.AddAct(t, act.Amend{Op: act.OpStrike, Group: id, Hash: e.Blinded(id, g.Roll-1-n)}, Open+day)
	}
}

// deposit deposits a group's envelopes, decides, and returns the ballots of
// those that are accepted.
func (e *Election) deposit(t testing.TB, id suite.GroupID, g *GroupPlan, d *act.Decide) [][]byte {
	first := len(g.Ballots) + g.Idle
	var entries, cast [][]byte
	for n := range len(g.Accepted) + g.Rejected + g.Undecided {
		entries = append(entries, ledger.Deposit{MID: e.MID, Group: id, OnRoll: true, Ref: e.Blinded(id, first+n)}.Bytes())
	}
	for n := range len(g.Strangers) + g.Outside {
		ref := suite.Hash{byte(id), byte(n), 1}
		entries = append(entries, ledger.Deposit{MID: e.MID, Group: id, Ref: ref}.Bytes())
	}
	e.batch(entries)
	for n, c := range append(g.Accepted[:len(g.Accepted):len(g.Accepted)], g.Strangers...) {
		cast = append(cast, e.castChoices(t, id, 1<<20+n, c))
	}
	*d = act.Decide{
		Group: id, AcceptedOn: uint32(len(g.Accepted)), AcceptedOff: uint32(len(g.Strangers)), RejectedOn: uint32(g.Rejected),
	}
	cast = e.byID(t, cast)
	for _, b := range cast {
		d.Accepted = append(d.Accepted, e.BallotID(t, b))
	}
	return cast
}

// castChoices makes a ballot.
func (e *Election) castChoices(t testing.TB, g suite.GroupID, index int, c ballot.Choices) []byte {
	t.Helper()
	return e.Sign(t, g, e.Seal(t, g, index, c).Body)
}
