package audit

import (
	"slices"

	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
)

// checkShares checks the partial decryptions of every teller: that they open
// the sums of the sets that follow from the ballots, all of them and nothing
// else, and every proof.
func (a *auditor) checkShares(f *finding) string {
	if a.opening == nil {
		f.cannot("the sums of the ballots are not known")
		return ""
	}
	for i := 1; i <= int(a.m.Tellers.N); i++ {
		path := layout.Shares(i)
		b, err := a.read(path)
		if err == errMissing {
			continue // any t will do
		}
		if err != nil {
			f.fail(14, path, err)
			continue
		}
		file, err := share.Parse(b)
		if err != nil {
			f.fail(14, path, err)
			continue
		}
		if int(file.Teller) != i {
			f.fault(14, path, "it is the file of teller %d", file.Teller)
			continue
		}
		if err := a.opening.VerifyShares(file); err != nil {
			f.fail(14, path, err)
			continue
		}
		a.shares = append(a.shares, file)
	}
	if len(a.shares) < int(a.m.Tellers.T) {
		f.fault(17, "shares/", "%d tellers opened the sums, and it takes %d", len(a.shares), a.m.Tellers.T)
	}
	return say("%d tellers proved that they opened exactly these sums; it takes %d.", len(a.shares), a.m.Tellers.T)
}

// checkSets checks that the result counts those groups together that the
// number of ballots demands, and no others: sets chosen otherwise could single
// out a few voters.
func (a *auditor) checkSets(f *finding) string {
	if a.opening == nil {
		f.cannot("the numbers of ballots are not known")
		return ""
	}
	var err error
	if a.resultFile, err = a.read(layout.Result); err != nil {
		f.fail(16, layout.Result, err)
		return ""
	}
	r, err := tally.ParseResult(a.resultFile)
	if err != nil {
		f.fail(16, layout.Result, err)
		return ""
	}
	want := a.opening.Sets()
	same := func(got tally.SetResult, want tally.Set) bool {
		return got.ID == want.ID && got.Count == want.Count && slices.Equal(got.Groups, want.Groups)
	}
	if !slices.EqualFunc(r.Sets, want, same) {
		f.fault(14, layout.Result, "its sets are not those that follow from the numbers of ballots, %v", want)
	}
	return say("%d, each of at least %d ballots where there are several.", len(want), a.m.KMin)
}

// checkResult checks that the totals are what the tellers opened, by computing
// the opened sum from the totals, and that the rule makes of them what the
// result says.
func (a *auditor) checkResult(f *finding) string {
	if a.opening == nil || a.counts == nil || len(a.shares) < int(a.m.Tellers.T) || a.resultFile == nil {
		f.cannot("the sums are not opened")
		return ""
	}
	r, err := a.opening.Verify(a.resultFile, a.shares, a.entitled())
	if err != nil {
		f.fail(16, layout.Result, err)
		return ""
	}
	a.result = r
	return "The totals are those in the opened sums, and the outcome is what the rule makes of them."
}

// final is what a certificate of this record is about, the result left open.
func (a *auditor) final() *tally.Final {
	c := a.ledger.final.Checkpoint
	final := &tally.Final{Manifest: a.m, Close: a.opening.Close, LedgerRoot: c.Root, LedgerSize: uint64(c.Size)}
	for _, g := range a.m.Groups {
		n := a.count(g.ID)
		final.Groups = append(final.Groups, tally.GroupCounts{
			ID: g.ID, RollSize: uint64(g.RollSize), Added: uint64(n.Added), Struck: uint64(n.Struck),
			Entitled: n.Entitled(g.RollSize), Issued: uint64(n.Issued), Cast: a.cast.count[g.ID],
			Deposited: n.Deposited(), Accepted: n.Accepted(), AcceptedOff: uint64(n.AcceptedOff),
			Rejected: n.Rejected(), Undecided: n.Undecided(), UndecidedOff: uint64(n.UndecidedOff),
		})
	}
	return final
}

// entitled returns how many may vote, by group.
func (a *auditor) entitled() map[suite.GroupID]uint64 {
	entitled := make(map[suite.GroupID]uint64)
	for _, g := range a.m.Groups {
		entitled[g.ID] = a.count(g.ID).Entitled(g.RollSize)
	}
	return entitled
}

// checkCertificate checks everything in the certificate that follows from the
// record: all but the number of disputes and the moment.
func (a *auditor) checkCertificate(f *finding) string {
	var err error
	if a.certificate, err = a.read(layout.Certificate); err != nil {
		f.fail(16, layout.Certificate, err)
		return ""
	}
	if a.result == nil {
		f.cannot("the result does not hold")
		return ""
	}
	final := a.final()
	final.Result = a.resultFile
	cert, err := final.Verify(a.certificate)
	if err != nil {
		f.fail(16, layout.Certificate, err)
		return ""
	}
	could := "could not"
	if cert.Material {
		could = "COULD"
	}
	return say("It says what the record says. %d credentials were not cast, %d reports are upheld; with the undecided envelopes they %s change the outcome.",
		cert.NotCast, cert.Disputed, could)
}

// checkCertification checks who signed the certificate: the committee in force
// after all acts, since the keys of a replaced member are dead.
func (a *auditor) checkCertification(f *finding) string {
	if a.acts == nil || a.certificate == nil {
		f.cannot("the acts do not hold, or there is no certificate")
		return ""
	}
	signatures, err := a.read(layout.Certification)
	if err == nil {
		err = tally.VerifyCertification(&a.acts.Committee, a.mid, a.certificate, signatures)
	}
	if err != nil {
		f.fail(16, layout.Certification, err)
	}
	return say("At least %d of the committee signed the certificate.", a.m.Committee.Quorum)
}

// describeSet turns votes into words for the report.
func (a *auditor) describeSet(s tally.SetResult, q int, votes []uint64) Set {
	out := Set{Groups: s.Groups, Question: q, Count: s.Count}
	for i, n := range votes {
		out.Options = append(out.Options, Option{Text: a.m.Questions[q].Options[i].Text[0], Votes: n})
	}
	return out
}
