package audittest

import (
	"testing"

	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// openers are the tellers who open: the first and the last.
func (e *Election) openers() []int {
	if p := e.Options.Plan; p != nil {
		return p.Openers
	}
	n, t := e.Options.tellers()
	var list []int
	for i := range t - 1 {
		list = append(list, i+1)
	}
	return append(list, n)
}

// open publishes the shares of as many tellers as it takes, the result, and, if
// it comes to that, the certificate.
func (e *Election) open(t testing.TB, put func(string, []byte), closed tally.Close) {
	t.Helper()
	o := &tally.Opening{Manifest: e.Manifest, Close: closed, Sums: e.sums()}
	var files []*share.File
	for _, i := range e.openers() {
		file := e.share(t, o, i)
		if e.Forge.Shares != nil {
			e.Forge.Shares(file)
		}
		put(layout.Shares(i), must(file.Encode())(t))
		files = append(files, must(o.Shares(uint8(i), e.Shares[i-1]))(t))
	}
	r := must(o.Assemble(files, e.entitled(), nil))(t)
	if e.Forge.Result != nil {
		e.Forge.Result(r)
	}
	b := must(r.Encode())(t)
	put(layout.Result, b)
	if e.Options.Stage == layout.Certified {
		e.certify(t, put, closed, b)
	}
}

// share makes a teller's file, of the sets of a forgery if there is one.
func (e *Election) share(t testing.TB, o *tally.Opening, i int) *share.File {
	t.Helper()
	if e.Forge.Sets == nil {
		return must(o.Shares(uint8(i), e.Shares[i-1]))(t)
	}
	file := &share.File{Teller: uint8(i), MID: e.MID, CloseRoot: o.Close.Root, CloseSize: o.Close.Size}
	for _, set := range e.Forge.Sets(o.Sets()) {
		for q := range e.Manifest.Questions {
			s := &share.Statement{
				MID: e.MID, Set: set.ID, Question: uint8(q), Teller: uint8(i), TellerKey: must(e.Manifest.TellerKey(i))(t),
				CloseRoot: o.Close.Root, CloseSize: o.Close.Size, Count: set.Count, Sum: o.Sums.Sum(set, q),
			}
			file.Shares = append(file.Shares, share.Item{Set: set.ID, Question: uint8(q), Share: *share.Decrypt(e.Shares[i-1], s)})
		}
	}
	return file
}

// counts are the final entry's, before any forgery of it.
func (e *Election) counts() map[suite.GroupID]ledger.FinalGroup {
	counts := make(map[suite.GroupID]ledger.FinalGroup)
	for _, g := range e.final().Groups {
		counts[g.Group] = g
	}
	return counts
}

func (e *Election) entitled() map[suite.GroupID]uint64 {
	entitled := make(map[suite.GroupID]uint64)
	for id, n := range e.counts() {
		entitled[id] = n.Entitled(e.Manifest.Group(id).RollSize)
	}
	return entitled
}

// Judge fills in what follows from the votes of a result, for forgeries that
// change them.
func (e *Election) Judge(r *tally.Result) {
	var judged []outcome.Judged
	for i := range r.Units {
		u := &r.Units[i]
		j := outcome.Judge(e.Manifest.Rule, u.Unit())
		u.Approved, u.Quorum, u.Support, u.Authorized = j.Approved, j.Quorum, j.Support, j.Authorized
		judged = append(judged, outcome.Judged{Unit: u.Unit(), Judgement: j})
	}
	r.Sentence = outcome.Sentence(func(id suite.GroupID) string { return e.Manifest.Group(id).Name }, judged)
}

// certify publishes the certificate and the statements of all tellers.
func (e *Election) certify(t testing.TB, put func(string, []byte), closed tally.Close, result []byte) {
	t.Helper()
	final := &tally.Final{Manifest: e.Manifest, Close: closed, LedgerRoot: e.head.Root, LedgerSize: uint64(e.head.Size), Result: result}
	cast := e.sums().Cast()
	for _, g := range e.Manifest.Groups {
		n := e.counts()[g.ID]
		final.Groups = append(final.Groups, tally.GroupCounts{
			ID: g.ID, RollSize: uint64(g.RollSize), Added: uint64(n.Added), Struck: uint64(n.Struck),
			Entitled: n.Entitled(g.RollSize), Issued: uint64(n.Issued), Cast: cast[g.ID],
			Deposited: n.Deposited(), Accepted: n.Accepted(), AcceptedOff: uint64(n.AcceptedOff),
			Rejected: n.Rejected(), Undecided: n.Undecided(), UndecidedOff: uint64(n.UndecidedOff),
		})
	}
	c, err := final.Certificate(1, Certified)
	if err != nil { // the counts do not fit, in a forgery
		c = &tally.Certificate{MID: e.MID, Groups: final.Groups, Sentence: outcome.None, CertifiedAt: Certified}
	}
	if e.Forge.Certificate != nil {
		e.Forge.Certificate(c)
	}
	b := must(c.Encode())(t)
	put(layout.Certificate, b)
	put(layout.Certification, e.signatures(t, tally.CertificateMessage(e.MID, b)))
	for i := 1; i <= len(e.Static); i++ {
		put(layout.StatementTeller(i), statement.SignTeller(e.Static[i-1], i, e.MID))
	}
}
