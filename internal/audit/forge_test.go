package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// A forgery is a record made false by somebody who holds the keys of the logs
// and of enough witnesses, and signs everything anew. Each is there for one
// check, which must find it: no check is one that cannot fail.
type forgery struct {
	name  string
	o     audittest.Options
	do    func(t *testing.T, e *audittest.Election)      // before hashing and signing
	after func(e *audittest.Election, f audittest.Files) // on the files
	check string                                         // that has to fail
	words string                                         // that its detail has
}

func TestForged(t *testing.T) {
	t.Parallel()
	for _, list := range [][]forgery{ledgerForgeries, actForgeries, ballotForgeries, tallyForgeries, fileForgeries} {
		for _, tt := range list {
			t.Run(tt.check+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				e := made(t, tt.o)
				if tt.do != nil {
					tt.do(t, e)
				}
				files := e.Publish(t)
				if tt.after != nil {
					tt.after(e, files)
				}
				r := verify(t, files, audit.Options{Workers: 1})
				if r.Verified {
					t.Fatal("the record holds")
				}
				i := slices.IndexFunc(r.Checks, func(c audit.Check) bool { return c.Name == tt.check })
				if i < 0 || r.Checks[i].OK || !strings.Contains(r.Checks[i].Detail, tt.words) {
					t.Errorf("check %q did not find %q; found was\n%s", tt.check, tt.words, faults(r))
				}
			})
		}
	}
}

// elections are those made already, by their options.
var elections struct {
	sync.Mutex
	made map[audittest.Options]*audittest.Election
}

// made returns a copy of an election with these options.
func made(t *testing.T, o audittest.Options) *audittest.Election {
	elections.Lock()
	defer elections.Unlock()
	if elections.made == nil {
		elections.made = make(map[audittest.Options]*audittest.Election)
	}
	if elections.made[o] == nil {
		elections.made[o] = audittest.New(t, o)
	}
	return elections.made[o].Clone()
}

// insert puts entries into the ledger before its acts of decision.
func insert(e *audittest.Election, entries ...[]byte) {
	for _, b := range entries {
		e.Entries = slices.Insert(e.Entries, len(e.Entries)-2, audittest.Entry{Bytes: b})
	}
}

var ledgerForgeries = []forgery{
	{
		name: "an issuance to nobody", check: "entries", words: "not on the roll",
		do: func(t *testing.T, e *audittest.Election) { insert(e, e.Issuance(1, 999)) },
	},
	{
		name: "two issuances to one member", check: "entries", words: "issued on before",
		do: func(t *testing.T, e *audittest.Election) { insert(e, e.Issuance(1, 0)) },
	},
	{
		name: "an issuance to a struck member", check: "entries", words: "struck before",
		do: func(t *testing.T, e *audittest.Election) { insert(e, e.Issuance(2, len(e.Rolls[2])-1)) },
	},
	{
		name: "an issuance to a member with an envelope", check: "entries", words: "deposited on before",
		do: func(t *testing.T, e *audittest.Election) { insert(e, e.Issuance(3, 9)) },
	},
	{
		name: "an envelope of a member with a credential", check: "entries", words: "issued on before",
		do: func(t *testing.T, e *audittest.Election) {
			insert(e, ledger.Deposit{MID: e.MID, Group: 1, OnRoll: true, Ref: e.Blinded(1, 0)}.Bytes())
		},
	},
	{
		name: "one envelope twice", check: "entries", words: "deposited before",
		do: func(t *testing.T, e *audittest.Election) {
			d := ledger.Deposit{MID: e.MID, Group: 1, Ref: suite.Hash{9}}
			insert(e, d.Bytes(), d.Bytes())
		},
	},
	{
		name: "an issuance in another group", check: "entries", words: "of group 1, not 2",
		do: func(t *testing.T, e *audittest.Election) {
			insert(e, ledger.Issuance{MID: e.MID, Group: 2, Blinded: e.Blinded(1, 35)}.Bytes())
		},
	},
	{
		name: "an issuance in no group", check: "entries", words: "no group 7",
		do: func(t *testing.T, e *audittest.Election) {
			insert(e, ledger.Issuance{MID: e.MID, Group: 7, Blinded: e.Blinded(1, 35)}.Bytes())
		},
	},
	{
		name: "an issuance of another election", check: "entries", words: "another election",
		do: func(t *testing.T, e *audittest.Election) {
			insert(e, ledger.Issuance{MID: suite.MID{1}, Group: 1, Blinded: e.Blinded(1, 35)}.Bytes())
		},
	},
	{
		name: "an issuance before the member was added", check: "entries", words: "nor was it added before",
		do: func(t *testing.T, e *audittest.Election) {
			added := e.Issuance(1, len(e.Rolls[1]))
			i := slices.IndexFunc(e.Entries, func(x audittest.Entry) bool { return bytes.Equal(x.Bytes, added) })
			e.Entries = slices.Insert(slices.Delete(e.Entries, i, i+1), 0, audittest.Entry{Bytes: added})
		},
	},
	{
		name: "a member added who was on the roll", check: "entries", words: "there before",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Amend{Op: act.OpAdd, Group: 1, Hash: e.Rolls[1][0]}, audittest.Open)
		},
	},
	{
		name: "a member struck after an issuance", check: "entries", words: "issued on before",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Amend{Op: act.OpStrike, Group: 1, Hash: e.Blinded(1, 0)}, audittest.Open)
		},
	},
	{
		name: "the manifest's entry twice", check: "entries", words: "neither stands elsewhere",
		do: func(t *testing.T, e *audittest.Election) { insert(e, ledger.ManifestEntry(e.MID)) },
	},
	{
		name: "entries after the final one", check: "entries", words: "neither stands elsewhere",
		do: func(t *testing.T, e *audittest.Election) {
			e.Entries = append(e.Entries, audittest.Entry{Bytes: ledger.Final{MID: e.MID, Groups: []ledger.FinalGroup{{Group: 1}}}.Bytes()})
		},
	},
	{
		name: "an entry of no kind", check: "entries", words: "no such type of entry",
		do: func(t *testing.T, e *audittest.Election) { insert(e, []byte{2, 3, 4}) },
	},
	{
		name: "an empty entry", check: "entries", words: "no such type of entry",
		do: func(t *testing.T, e *audittest.Election) { insert(e, []byte{}) },
	},
	{
		name: "issued counted wrong", check: "final entry", words: "counts",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Final = func(f *ledger.Final) { f.Groups[0].Issued++ }
		},
	},
	{
		name: "undecided counted wrong", check: "final entry", words: "counts",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Final = func(f *ledger.Final) { f.Groups[2].UndecidedOn-- }
		},
	},
	{
		name: "a group not counted", check: "final entry", words: "2 groups of 3",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Final = func(f *ledger.Final) { f.Groups = f.Groups[:2] }
		},
	},
	{
		name: "more decided than deposited", check: "final entry", words: "more envelopes decided than deposited",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Decide{Group: 3, RejectedOff: 1}, audittest.EarlyClose)
		},
	},
	{
		name: "another member in the place of one", check: "roll", words: "root is not the manifest's",
		do: func(t *testing.T, e *audittest.Election) { e.Rolls[1][5] = suite.Hash{1} },
	},
	{
		name: "a member too many", check: "roll", words: "the manifest says",
		after: func(e *audittest.Election, f audittest.Files) {
			roll := f[layout.Roll(1)]
			roll.Data = append(roll.Data, bytes.Repeat([]byte{0xff}, 32)...)
		},
	},
	{
		name: "one leaf on two rolls", check: "roll", words: "on two rolls",
		o: audittest.Options{Twice: true},
	},
}

var actForgeries = []forgery{
	{
		name: "an act left out", check: "acts", words: "not the next act",
		do: func(t *testing.T, e *audittest.Election) { e.Entries = slices.Delete(e.Entries, 0, 1) },
	},
	{
		name: "an act altered", check: "acts", words: "does not verify",
		do: func(t *testing.T, e *audittest.Election) {
			b := e.Act(t, 6, act.Cancel{})
			b = bytes.Replace(b, []byte{0, 0, 0, 6}, []byte{0, 0, 0, 1}, 1)
			e.Entries[0].Bytes = b
		},
	},
	{
		name: "an act again", check: "acts", words: "not the next act",
		do: func(t *testing.T, e *audittest.Election) { e.Entries = append(e.Entries, e.Entries[0]) },
	},
	{
		name: "an act signed by one member", check: "acts", words: "fewer signatures than the quorum",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Decide{Group: 3, RejectedOn: 1}, audittest.EarlyClose)
			last := &e.Entries[len(e.Entries)-1]
			a, err := act.Parse(last.Bytes[1:])
			if err != nil {
				t.Fatal(err)
			}
			a.Signatures = a.Signatures[:1]
			last.Bytes = ledger.ActEntry(a.Bytes())
		},
	},
	{
		name: "an act signed with a dead key", check: "acts", words: "does not verify",
		do: func(t *testing.T, e *audittest.Election) {
			e.Replace(t, 1)
			e.Committee = e.Dead
			e.AddAct(t, act.Decide{Group: 3, RejectedOn: 1}, audittest.EarlyClose)
		},
	},
	{
		name: "an extension after the close", check: "acts", words: "not before the close",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Extend{Close: audittest.LatestClose}, audittest.EarlyClose)
		},
	},
	{
		name: "an early close after the close", check: "acts", words: "not before the close",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.CloseEarly{Close: audittest.EarlyClose - 1}, audittest.EarlyClose)
		},
	},
	{
		name: "an extension past the latest close", check: "acts", words: "after the latest",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Extend{Close: audittest.LatestClose + 1}, audittest.EarlyClose-1)
		},
	},
	{
		name: "a cancellation after an early close", check: "acts", words: "moved before",
		do: func(t *testing.T, e *audittest.Election) { e.AddAct(t, act.Cancel{}, audittest.EarlyClose) },
	},
	{
		name: "an act after the cancellation", check: "acts", words: "cancelled",
		o: audittest.Options{Cancelled: true},
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Decide{Group: 3, RejectedOn: 1}, audittest.EarlyClose)
		},
	},
	{
		name: "another act in the proof", check: "acts", words: "not the act that is entry",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Proof = func(_ int, p *tlog.Proof) { p.Extra = e.Act(t, 1, act.Cancel{}) }
		},
	},
	{
		name: "another place in the proof", check: "acts", words: "not the act that is entry",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Proof = func(_ int, p *tlog.Proof) { p.Index++ }
		},
	},
	{
		name: "a proof that is none", check: "acts", words: "checking proof",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Proof = func(sequence int, p *tlog.Proof) {
				if sequence == 3 {
					p.Hashes[0][0] ^= 1
				}
			}
		},
	},
	{
		name: "a proof with a cosignature missing", check: "acts", words: "fewer cosignatures",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Proof = func(_ int, p *tlog.Proof) { p.Note = cutLine(p.Note) }
		},
	},
	{
		name: "a proof under another ledger", check: "acts", words: "of another ledger",
		do: func(t *testing.T, e *audittest.Election) {
			policy, err := e.Manifest.LedgerPolicy()
			if err != nil {
				t.Fatal(err)
			}
			e.Forge.Proof = func(sequence int, p *tlog.Proof) {
				var other tlog.Tree
				for i := range p.Index {
					other.Append(suite.Hash{byte(i)})
				}
				other.Append(tlog.LeafHash(p.Extra))
				note := e.Checkpoint(t, e.Ledger, policy, &other, other.Size(), audittest.Open)
				forged, err := tlog.Prove(other.Size(), p.Index, other.Reader(), note, p.Extra)
				if err != nil {
					t.Fatal(err)
				}
				*p = *forged
			}
		},
	},
}

// cutLine takes the last cosignature off a note.
func cutLine(note []byte) []byte {
	return note[:bytes.LastIndexByte(note[:len(note)-1], '\n')+1]
}

var ballotForgeries = []forgery{
	{
		name: "a ballot without a credential", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			b := e.Cast(t, 1, 500)
			clear(b[len(b)-ballot.SignatureSize:])
			e.Ballots = append(e.Ballots, b)
		},
	},
	{
		name: "a ballot with another's credential", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			b, own := e.Cast(t, 1, 500), e.Cast(t, 1, 0)
			copy(b[len(b)-ballot.SignatureSize:], own[len(own)-ballot.SignatureSize:])
			e.Ballots = append(e.Ballots, b)
		},
	},
	{
		name: "a ballot of one group signed for another", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			s := e.Seal(t, 1, 500, ballot.Choices{0, 0})
			e.Ballots = append(e.Ballots, e.Sign(t, 2, s.Body))
		},
	},
	{
		name: "a ballot of no group", check: "ballots", words: "its group is none",
		do: func(t *testing.T, e *audittest.Election) {
			b := e.Cast(t, 1, 500)
			b[1+1+32+1] = 9
			e.Ballots = append(e.Ballots, b)
		},
	},
	{
		name: "a ballot that is moved to another group and signed there", check: "ballots", words: "entry 60",
		do: func(t *testing.T, e *audittest.Election) {
			body := slices.Clone(e.Seal(t, 1, 500, ballot.Choices{0, 0}).Body)
			body[1+32+1] = 2
			e.Ballots = append(e.Ballots, e.Sign(t, 2, body))
		},
	},
	{
		name: "a ballot for more than one choice", check: "ballots", words: "entry 60",
		o: audittest.Options{Stage: layout.Locked},
		do: func(t *testing.T, e *audittest.Election) {
			body := slices.Clone(e.Seal(t, 1, 500, ballot.Choices{0, 0}).Body)
			c := body[68+1+32 : 68+1+64]
			p, err := group.DecodeElement(c)
			if err != nil {
				t.Fatal(err)
			}
			copy(c, p.Add(elgamal.Option(0)).Bytes())
			e.Ballots = append(e.Ballots, e.Sign(t, 1, body))
		},
	},
	{
		name: "a ballot with a response of its proof changed", check: "ballots", words: "entry 60: a proof in the ballot does not hold",
		do: func(t *testing.T, e *audittest.Election) {
			body := slices.Clone(e.Seal(t, 1, 500, ballot.Choices{0, 0}).Body)
			body[len(body)-32] ^= 1 // the last s
			e.Ballots = append(e.Ballots, e.Sign(t, 1, body))
		},
	},
	{
		name: "a ballot twice", check: "ballots", words: "stands in the log before",
		do: func(t *testing.T, e *audittest.Election) { e.Ballots = append(e.Ballots, e.Ballots[0]) },
	},
	{
		name: "a ballot twice with two credentials", check: "ballots", words: "stands in the log before",
		do: func(t *testing.T, e *audittest.Election) {
			again := e.Sign(t, 1, e.Ballots[0][1:len(e.Ballots[0])-ballot.SignatureSize])
			if bytes.Equal(again, e.Ballots[0]) {
				t.Fatal("the second signature is the first")
			}
			e.Ballots = append(e.Ballots, again)
		},
	},
	{
		name: "a ballot of another length", check: "ballots", words: "sealed ballot of",
		do: func(t *testing.T, e *audittest.Election) { e.Ballots = append(e.Ballots, append(e.Cast(t, 1, 500), 0)) },
	},
	{
		name: "an entry that is no ballot", check: "ballots", words: "it is not a ballot",
		do: func(t *testing.T, e *audittest.Election) { e.Ballots = append(e.Ballots, ledger.ManifestEntry(e.MID)) },
	},
	{
		name: "a ballot by the issuer's own hand", check: "counts", words: "group 2 has 23 ballots, and 22",
		do: func(t *testing.T, e *audittest.Election) { e.Ballots = append(e.Ballots, e.Cast(t, 2, 500)) },
	},
	{
		name: "an accepted envelope left out", check: "envelopes", words: "not among its ballots",
		do: func(t *testing.T, e *audittest.Election) { e.Ballots = e.Ballots[:len(e.Ballots)-1] },
	},
	{
		name: "a ballot not counted", check: "close record", words: "counts 30 ballots of group 1, the log holds 31",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Close = func(c *ledger.Close) { c.Groups[0].Cast-- }
		},
	},
	{
		name: "a group not counted", check: "close record", words: "2 groups of 3",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Close = func(c *ledger.Close) { c.Groups = c.Groups[1:] }
		},
	},
	{
		name: "another chain", check: "close record", words: "another chain",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Close = func(c *ledger.Close) { c.Chain[0] ^= 1 }
		},
	},
	{
		name: "another ledger", check: "close record", words: "not the checkpoint that the close record binds",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Close = func(c *ledger.Close) { c.Ledger = strings.Replace(c.Ledger, "\n70\n", "\n71\n", 1) }
		},
	},
	{
		name: "a close record of another election", check: "ballots", words: "close record of this election",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Close = func(c *ledger.Close) { c.MID[0] ^= 1 }
		},
	},
	{
		name: "a final checkpoint with a cosignature missing", check: "ballot log", words: "fewer cosignatures",
		after: func(_ *audittest.Election, f audittest.Files) {
			note := f[layout.Checkpoint(layout.Ballots)]
			note.Data = cutLine(note.Data)
		},
	},
	{
		name: "a first checkpoint with a cosignature missing", check: "ledger", words: "fewer cosignatures",
		after: func(_ *audittest.Election, f audittest.Files) {
			note := f[layout.FirstCheckpoint(layout.Ledger)]
			note.Data = cutLine(note.Data)
		},
	},
	{
		name: "a first checkpoint that is the last", check: "ballot log", words: "this manifest's entry alone",
		after: func(_ *audittest.Election, f audittest.Files) {
			f[layout.FirstCheckpoint(layout.Ballots)] = f[layout.Checkpoint(layout.Ballots)]
		},
	},
	{
		name: "a lock before the end", check: "lock", words: "before the last moment for deciding",
		do: func(t *testing.T, e *audittest.Election) { e.Lock = audittest.DecideUntil - 3600 },
	},
	{
		name: "a lock before the grace has passed", check: "lock", words: "before the end of casting",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Decide{Group: 3, RejectedOn: 1}, audittest.EarlyClose)
			e.Lock = audittest.EarlyClose + audittest.Grace - 3600
		},
	},
}

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
					{ID: 1, Groups: []suite.GroupID{1}, Count: 31},
					{ID: 2, Groups: []suite.GroupID{2}, Count: 22},
					{ID: 3, Groups: []suite.GroupID{3}, Count: 6},
				}
			}
		},
	},
	{
		name: "groups merged that need not be", check: "sets", words: "not those that follow",
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
		name: "the sealing's signatures", check: "certification", words: "does not verify",
		after: func(_ *audittest.Election, f audittest.Files) { f[layout.Certification] = f[layout.Sealing] },
	},
	{
		name: "the certificate's signatures", check: "sealing", words: "does not verify",
		after: func(_ *audittest.Election, f audittest.Files) { f[layout.Sealing] = f[layout.Certification] },
	},
	{
		name: "another start of the ceremony", check: "ceremony", words: "its context",
		after: func(_ *audittest.Election, f audittest.Files) { f[layout.CeremonyFresh].Data = make([]byte, 32) },
	},
	{
		name: "a whole other ceremony", check: "ceremony", words: "another certificate",
		do: func(t *testing.T, e *audittest.Election) {
			e.Ceremony = audittest.New(t, audittest.Options{Ballots: 8}).Ceremony
		},
	},
	{
		name: "the drill of another teller", check: "drill", words: "file of teller 1",
		after: func(_ *audittest.Election, f audittest.Files) { f[layout.Drill(2)] = f[layout.Drill(1)] },
	},
	{
		name: "the other side's statement", check: "statements", words: "statements/box",
		after: func(e *audittest.Election, f audittest.Files) {
			f[layout.StatementBox].Data = e.Ledger.SignText(statement.Text(e.MID, statement.PendingKey))
		},
	},
	{
		name: "a statement on something else", check: "statements", words: "not the statement",
		after: func(e *audittest.Election, f audittest.Files) {
			f[layout.StatementBox].Data = e.Box.SignText(statement.Text(e.MID, statement.IssuerKeys))
		},
	},
	{
		name: "a statement on another election", check: "statements", words: "not the statement",
		after: func(e *audittest.Election, f audittest.Files) {
			f[layout.StatementRegistrar].Data = e.Ledger.SignText(statement.Text(suite.MID{}, statement.IssuerKeys))
		},
	},
	{
		name: "a statement of a teller by another", check: "statements", words: "statements/teller-1",
		after: func(e *audittest.Election, f audittest.Files) {
			f[layout.StatementTeller(1)].Data = statement.SignTeller(e.Static[1], 1, e.MID)
		},
	},
	{
		name: "a cancelled election that was opened", check: "stage", words: "cancelled election has no shares",
		o:     audittest.Options{Cancelled: true},
		after: func(_ *audittest.Election, f audittest.Files) { f[layout.Shares(1)] = f[layout.Drill(1)] },
	},
}
