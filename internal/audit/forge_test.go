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
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A forgery is a record made false by somebody who holds the keys of the logs
// and of enough witnesses, and signs everything anew. Each is there for one
// check, which must find it: no check is one that cannot fail.
type forgery struct {
	name  string
	o     audittest.Options
	do    func(t *testing.T, e *audittest.Election) // before hashing and signing
	after func(t *testing.T, e *audittest.Election, f audittest.Files)
	ask   func(t *testing.T, e *audittest.Election) audit.Options // what the reader demands
	check string                                                  // that has to fail
	words string                                                  // that its detail has
	also  []string                                                // other checks that find it as well
	why   string                                                  // without the check it is still found
}

// all are the forgeries.
var all = [][]forgery{ledgerForgeries, actForgeries, ballotForgeries, tallyForgeries, fileForgeries, sourceForgeries, moreForgeries}

// publish makes the record of a forgery.
func (f *forgery) publish(t *testing.T) (audittest.Files, audit.Options) {
	e := made(t, f.o)
	if f.do != nil {
		f.do(t, e)
	}
	files := e.Publish(t)
	if f.after != nil {
		f.after(t, e, files)
	}
	var o audit.Options
	if f.ask != nil {
		o = f.ask(t, e)
	}
	o.Workers = 1
	return files, o
}

// TestTortureForgeries makes every forgery and demands that the check it is made
// for finds it, in these words, and that no other check does but those named. The
// control is the same record before an auditor who leaves out that check: the
// forgery then passes.
func TestTortureForgeries(t *testing.T) {
	t.Parallel()
	seen := newSeen(t)
	t.Run("forgeries", func(t *testing.T) {
		for _, list := range all {
			for i := range list {
				tt := &list[i]
				t.Run(tt.check+"/"+tt.name, func(t *testing.T) {
					t.Parallel()
					files, o := tt.publish(t)
					r := verify(t, files, o)
					if r.Verified {
						t.Fatal("the record holds")
					}
					i := slices.IndexFunc(r.Checks, func(c audit.Check) bool { return c.Name == tt.check })
					if i < 0 || r.Checks[i].OK || !strings.Contains(r.Checks[i].Detail, tt.words) {
						t.Errorf("check %q did not find %q; found was\n%s", tt.check, tt.words, faults(r))
					}
					seen.leaveOut(t, tt, files, o)
				})
			}
		}
	})
	seen.report(t)
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
		do: func(t *testing.T, e *audittest.Election) { insert(e, e.Issuance(3, 6)) },
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
		o: audittest.Options{Stage: layout.Opened},
		do: func(t *testing.T, e *audittest.Election) {
			insert(e, ledger.Issuance{MID: suite.MID{1}, Group: 1, Blinded: e.Blinded(1, 35)}.Bytes())
			e.Forge.Final = func(f *ledger.Final) { f.Groups[0].Issued-- }
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
		name: "another first entry", check: "entries", words: "entry 0: it is of another election",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.First = map[string][]byte{layout.Ledger: ledger.ManifestEntry(suite.MID{1})}
		},
	},
	{
		name: "no final entry", check: "entries", words: "the final entry the last",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Last = map[string][]byte{layout.Ledger: e.Issuance(1, 35)}
		},
	},
	{
		name: "more issued than there are members", check: "counts", words: "more issued, deposited and struck than on the roll",
		also: []string{"entries"}, why: "where each stands on a leaf of its own, there are no more than leaves",
		do: func(t *testing.T, e *audittest.Election) {
			for i := range 25 {
				insert(e, e.Issuance(3, 100+i))
			}
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
		also: []string{"entries"}, why: "each decision is counted where it stands, and all of them at the end",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Decide{Group: 3, RejectedOff: 1}, audittest.EarlyClose)
		},
	},
	{
		name: "a decision before the deposit", check: "entries", words: "more envelopes decided than deposited",
		do: func(t *testing.T, e *audittest.Election) {
			late := func(x audittest.Entry) bool {
				d, err := ledger.ParseLedger(x.Bytes)
				deposit, ok := d.(ledger.Deposit)
				return err == nil && ok && deposit.Group == 2
			}
			var moved []audittest.Entry
			for _, x := range e.Entries {
				if late(x) {
					moved = append(moved, x)
				}
			}
			e.Entries = append(slices.DeleteFunc(e.Entries, late), moved...)
		},
	},
	{
		name: "another member in the place of one", check: "roll", words: "root is not the manifest's",
		do: func(t *testing.T, e *audittest.Election) { e.Rolls[1][35] = suite.Hash{1} },
	},
	{
		name: "a member too many", check: "roll", words: "the manifest says",
		after: func(_ *testing.T, e *audittest.Election, f audittest.Files) {
			roll := f[layout.Roll(1)]
			roll.Data = append(roll.Data, bytes.Repeat([]byte{0xff}, 32)...)
		},
	},
	{
		name: "members out of order", check: "roll", words: "do not ascend",
		o: audittest.Options{Nobody: true},
		after: func(_ *testing.T, e *audittest.Election, f audittest.Files) {
			roll := f[layout.Roll(1)].Data
			f[layout.Roll(1)].Data = slices.Concat(roll[32:64], roll[:32], roll[64:])
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
		do: func(t *testing.T, e *audittest.Election) {
			i := early(t, e)
			e.Entries = slices.Delete(e.Entries, i, i+1)
		},
	},
	{
		name: "an act altered", check: "acts", words: "does not verify",
		do: func(t *testing.T, e *audittest.Election) {
			x := &e.Entries[early(t, e)]
			x.Bytes = bytes.Replace(x.Bytes, act.CloseEarly{Close: audittest.EarlyClose}.Bytes(), act.CloseEarly{Close: audittest.EarlyClose - 60}.Bytes(), 1)
		},
	},
	{
		name: "an act again", check: "acts", words: "not the next act",
		do: func(t *testing.T, e *audittest.Election) { e.Entries = append(e.Entries, e.Entries[early(t, e)]) },
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
			e.AddAct(t, act.Extend{Close: audittest.LatestClose + 1}, audittest.EarlyClose-2)
		},
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

// early is the act that closes the voting early, on which no other entry depends.
func early(t *testing.T, e *audittest.Election) int {
	i := slices.IndexFunc(e.Entries, func(x audittest.Entry) bool {
		entry, err := ledger.ParseLedger(x.Bytes)
		a, ok := entry.(ledger.Act)
		return err == nil && ok && a.Act.Kind == act.KindCloseEarly
	})
	if i < 0 {
		t.Fatal("nobody closed early")
	}
	return i
}

// cutLine takes the last cosignature off a note.
func cutLine(note []byte) []byte {
	return note[:bytes.LastIndexByte(note[:len(note)-1], '\n')+1]
}
