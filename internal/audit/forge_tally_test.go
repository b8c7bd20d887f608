package audit_test

import (
	"testing"
	"testing/fstest"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

const comparedWhole = "the result is compared whole, sets too"

var tallyForgeries = []forgery{
	{
		name: "a share without its proof", check: "shares", words: "not made with the teller's key",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Shares = func(f *share.File) { f.Shares[0].D = f.Shares[0].D.Add(group.Generator()) }
		},
	},
	{
		name: "shares of another close", check: "shares", words: "another close",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Shares = func(f *share.File) { f.CloseSize++ }
		},
	},
	{
		name: "shares of another teller", check: "shares", words: "file of teller",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Shares = func(f *share.File) { f.Teller = 2 }
		},
	},
	{
		name: "small groups opened alone", check: "shares", words: "",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Sets = func([]tally.Set) []tally.Set {
				return []tally.Set{
					{ID: 1, Groups: []suite.GroupID{1}, Count: 13},
					{ID: 2, Groups: []suite.GroupID{2}, Count: 11},
					{ID: 3, Groups: []suite.GroupID{3}, Count: 3},
				}
			}
		},
	},
	{
		name: "groups merged that need not be", check: "sets", words: "not those that follow",
		also: []string{"result"}, why: comparedWhole,
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) {
				r.Sets[0].Groups = []suite.GroupID{1, 3}
				r.Sets[1].Groups = []suite.GroupID{2}
			}
		},
	},
	{
		name: "yes and no exchanged", check: "result", words: "not those of the sum",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) {
				u := &r.Units[0]
				u.Yes, u.No = u.No, u.Yes
				for i := range r.Sets {
					v := r.Sets[i].Votes[0]
					v[0], v[1] = v[1], v[0]
				}
				e.Judge(r)
			}
		},
	},
	{
		name: "a vote moved between sets", check: "result", words: "not those of the sum",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Sets[0].Votes[0][0]--; r.Sets[1].Votes[0][0]++ }
		},
	},
	{
		name: "more votes than ballots", check: "result", words: "not those of the sum",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Sets[0].Votes[0][0]++ }
		},
	},
	{
		name: "another sentence", check: "result", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Sentence = "The members do not authorize the leadership to call a strike." }
		},
	},
	{
		name: "another turnout", check: "result", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Units[0].Entitled-- }
		},
	},
	{
		name: "another judgement", check: "result", words: "not what follows", o: audittest.Options{PerGroup: true},
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Units[1].Authorized = false }
		},
	},
	{
		name: "other tellers", check: "result", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Tellers = []int{1, 2} }
		},
	},
	{
		name: "a wrong count", check: "certificate", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Certificate = func(c *tally.Certificate) { c.Groups[1].Cast-- }
		},
	},
	{
		name: "a stranger called a member", check: "certificate", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Certificate = func(c *tally.Certificate) { c.Groups[1].AcceptedOff--; c.Groups[1].Added++ }
		},
	},
	{
		name: "a member called a stranger", check: "certificate", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Certificate = func(c *tally.Certificate) { c.Groups[2].UndecidedOff++ }
		},
	},
	{
		name: "a doubt denied", check: "certificate", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Certificate = func(c *tally.Certificate) { c.Material = !c.Material }
		},
	},
	{
		name: "another result", check: "certificate", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Certificate = func(c *tally.Certificate) { c.Result[0] ^= 1 }
		},
	},
	{
		name: "another ledger", check: "certificate", words: "not what follows",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Certificate = func(c *tally.Certificate) { c.LedgerRoot[0] ^= 1 }
		},
	},
	{
		name: "signed with a dead key", check: "certification", words: "does not verify",
		do: func(t *testing.T, e *audittest.Election) { e.Replace(t, 1); e.Committee = e.Dead },
	},
}

var fileForgeries = []forgery{
	{
		name: "shares that are none, besides enough others", check: "shares", words: "shares/2: reading share file",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { f[layout.Shares(2)] = f[layout.Sealing] },
	},
	{
		name: "shares that are too large, besides enough others", check: "shares", words: "shares/2: larger than",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[layout.Shares(2)] = &fstest.MapFile{Data: make([]byte, layout.Limit(layout.Shares(2))+1)}
		},
	},
	{
		name: "a result that is none", check: "sets", words: "result: reading",
		also: []string{"result"}, why: comparedWhole,
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { f[layout.Result] = f[layout.Sealing] },
	},
	{
		name: "the sealing's signatures", check: "certification", words: "does not verify",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[layout.Certification] = f[layout.Sealing]
		},
	},
	{
		name: "the certificate's signatures", check: "sealing", words: "does not verify",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[layout.Sealing] = f[layout.Certification]
		},
	},
	{
		name: "another start of the ceremony", check: "ceremony", words: "its context",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[layout.CeremonyFresh].Data = make([]byte, 32)
		},
	},
	{
		name: "a whole other ceremony", check: "ceremony", words: "another certificate",
		do: func(t *testing.T, e *audittest.Election) {
			e.Ceremony = audittest.New(t, audittest.Options{Ballots: 8}).Ceremony
		},
	},
	{
		name: "a teller who did not sign", check: "ceremony", words: "ceremony/transcript",
		o: audittest.Options{Stage: layout.Locked, Lie: audittest.LieSignature},
	},
	{
		name: "a ceremony of another election", check: "ceremony", words: "its extension",
		o: audittest.Options{Stage: layout.Locked, Lie: audittest.LieExtension},
	},
	{
		name: "a lower threshold", check: "ceremony", words: "its threshold is 2, the manifest's is 3",
		o: audittest.Options{Stage: layout.Locked, Lie: audittest.LieThreshold},
	},
	{
		name: "other tellers", check: "ceremony", words: "its tellers",
		o: audittest.Options{Stage: layout.Locked, Lie: audittest.LieTellers},
	},
	{
		name: "another key", check: "ceremony", words: "its key",
		o: audittest.Options{Stage: layout.Locked, Lie: audittest.LieKey},
	},
	{
		name: "another key of a teller", check: "ceremony", words: "its keys of the tellers",
		o: audittest.Options{Stage: layout.Locked, Lie: audittest.LieShares},
	},
	{
		name: "the drill of another teller", check: "drill", words: "file of teller 1",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { f[layout.Drill(2)] = f[layout.Drill(1)] },
	},
	{
		name: "the other side's statement", check: "statements", words: "statements/box",
		after: func(_ *testing.T, e *audittest.Election, f audittest.Files) {
			f[layout.StatementBox].Data = e.Ledger.SignText(statement.Text(e.MID, statement.PendingKey))
		},
	},
	{
		name: "a statement on something else", check: "statements", words: "not the statement",
		after: func(_ *testing.T, e *audittest.Election, f audittest.Files) {
			f[layout.StatementBox].Data = e.Box.SignText(statement.Text(e.MID, statement.IssuerKeys))
		},
	},
	{
		name: "a statement on another election", check: "statements", words: "not the statement",
		after: func(_ *testing.T, e *audittest.Election, f audittest.Files) {
			f[layout.StatementRegistrar].Data = e.Ledger.SignText(statement.Text(suite.MID{}, statement.IssuerKeys))
		},
	},
	{
		name: "a statement of a teller by another", check: "statements", words: "statements/teller-1",
		after: func(_ *testing.T, e *audittest.Election, f audittest.Files) {
			f[layout.StatementTeller(1)].Data = statement.SignTeller(e.Static[1], 1, e.MID)
		},
	},
	{
		name: "a cancelled election that was opened", check: "stage", words: "cancelled election has no shares",
		o:  audittest.Options{Cancelled: true},
		do: func(_ *testing.T, e *audittest.Election) { e.Options.Stage = layout.Opened },
	},
}
