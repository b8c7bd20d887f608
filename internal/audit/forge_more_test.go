package audit_test

import (
	"bytes"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// Forgeries in which everything is done again that follows from the lie: logs,
// roots, checkpoints, shares, result and certificate.
var moreForgeries = []forgery{
	{
		name: "a ballot dropped after the box was closed", check: "close record", words: "counts 13 ballots of group 1, the log holds 12",
		do: func(_ *testing.T, e *audittest.Election) {
			chain := chainOf(e)
			e.Ballots = slices.Delete(e.Ballots, 0, 1)
			e.Forge.Close = func(c *ledger.Close) { c.Chain = chain; c.Groups[0].Cast = 13 }
		},
	},
	{
		name: "a ballot exchanged after the box was closed", check: "close record", words: "another chain",
		do: func(t *testing.T, e *audittest.Election) {
			chain := chainOf(e)
			e.Ballots[0] = e.Cast(t, 1, 500)
			e.Forge.Close = func(c *ledger.Close) { c.Chain = chain }
		},
	},
	{
		name: "a ballot exchanged after the tellers opened", check: "shares", words: "not made with the teller's key",
		do: func(t *testing.T, e *audittest.Election) {
			before := e.Publish(t)
			e.Ballots[0] = e.Cast(t, 1, 500)
			e.Forge.Shares = func(f *share.File) { f.Shares = shares(t, before, f.Teller).Shares }
		},
	},
	{
		name: "a ballot whose choice was altered", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			b := e.Cast(t, 1, 500)
			yes := e.Seal(t, 1, 500, ballot.Choices{0, 0}).Body
			uncounted(e, ledger.BallotEntry(slices.Concat(yes, b[len(b)-ballot.SignatureSize:])))
		},
	},
	{
		name: "a ballot moved to another group", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			b := e.Cast(t, 2, 500)
			b[1+1+32+1] = 1
			uncounted(e, b)
		},
	},
	{
		name: "a credential of another election", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			body := e.Seal(t, 1, 500, ballot.Choices{0, 0}).Body
			id := suite.BallotID(suite.H("ballot-id", body))
			sig, err := e.Issuers[1].SignMessage(credential.Message(suite.MID{1}, 1, id))
			if err != nil {
				t.Fatal(err)
			}
			uncounted(e, ledger.BallotEntry(slices.Concat(body, sig[:])))
		},
	},
	{
		name: "a ballot sealed for another election", check: "ballots", words: "entry 28",
		o: audittest.Options{Stage: layout.Locked},
		do: func(t *testing.T, e *audittest.Election) {
			other := *e
			other.MID[0] ^= 1
			e.Ballots = append(e.Ballots, e.Sign(t, 1, other.Seal(t, 1, 500, ballot.Choices{0, 0}).Body))
		},
	},
	{
		name: "a ballot sealed to another key", check: "ballots", words: "entry 28",
		o: audittest.Options{Stage: layout.Locked},
		do: func(t *testing.T, e *audittest.Election) {
			c := e.Context(t, 1)
			c.Key = group.Generator()
			s, err := ballot.Seal(c, ballot.Secret(make([]byte, 16)), "", ballot.Choices{0, 0})
			if err != nil {
				t.Fatal(err)
			}
			e.Ballots = append(e.Ballots, e.Sign(t, 1, s.Body))
		},
	},
	{
		name: "more issued than stands in the ledger, to cover a ballot", check: "final entry", words: "counts",
		do: func(t *testing.T, e *audittest.Election) {
			e.Ballots = append(e.Ballots, e.Cast(t, 2, 500))
			e.Forge.Final = func(f *ledger.Final) { f.Groups[1].Issued++ }
		},
		why: "the ballots are compared with the entries themselves then, and the counts do not fit",
	},
	{
		name: "one envelope accepted twice", check: "acts", words: "accepted before",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Decide{Group: 3, AcceptedOn: 1, Accepted: []suite.BallotID{e.BallotID(t, e.Ballots[len(e.Ballots)-1])}}, audittest.EarlyClose)
		},
		also: []string{"envelopes"}, why: "it cannot be a ballot of both groups",
	},
	{
		name: "one envelope accepted twice in its group", check: "acts", words: "accepted before",
		do: func(t *testing.T, e *audittest.Election) {
			insert(e, ledger.Deposit{MID: e.MID, Group: 2, Ref: suite.Hash{9}}.Bytes())
			e.AddAct(t, act.Decide{Group: 2, AcceptedOff: 1, Accepted: []suite.BallotID{e.BallotID(t, e.Ballots[len(e.Ballots)-1])}}, audittest.EarlyClose)
			e.Ballots = append(e.Ballots, e.Cast(t, 2, 500)) // for which it would make room
		},
	},
	{
		name: "a roll root changed", check: "roll", words: "its root is not the manifest's", o: audittest.Options{Lie: audittest.LieRoll},
	},
	{
		name: "a roll with a member more than the manifest says", check: "roll", words: "it has 40 members, the manifest says 39",
		o: audittest.Options{Lie: audittest.LieRollSize},
	},
	{
		name: "the checkpoint of a fork", check: "ballot log", words: "its root is not that of the tiles",
		after: func(t *testing.T, e *audittest.Election, f audittest.Files) {
			f[layout.Checkpoint(layout.Ballots)].Data = cosigned(t, e, int64(len(e.Ballots)+2), suite.Hash{1})
		},
	},
	{
		name: "the ledger of a fork", check: "close record", words: "not the checkpoint that the close record binds",
		do: func(t *testing.T, e *audittest.Election) {
			var bound string
			e.Forge.Close = func(c *ledger.Close) { bound = c.Ledger }
			e.Publish(t)
			insert(e, e.Issuance(1, 35))
			e.Forge.Close = func(c *ledger.Close) { c.Ledger = bound }
		},
	},
	{
		name: "a log of a size that cannot be", check: "ballot log", words: "cannot be",
		after: func(t *testing.T, e *audittest.Election, f audittest.Files) {
			f[layout.Checkpoint(layout.Ballots)].Data = cosigned(t, e, layout.MaxLogSize+1, suite.Hash{1})
		},
	},
	{
		name: "the share of another teller", check: "shares", words: "shares/2: it is the file of teller 1",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[layout.Shares(2)] = f[layout.Shares(1)]
		},
	},
	{
		name: "the share of another teller under one's own number", check: "shares", words: "shares/2: checking share of teller 2",
		after: func(t *testing.T, _ *audittest.Election, f audittest.Files) {
			file := shares(t, f, 1)
			file.Teller = 2
			put(t, f, layout.Shares(2), file)
		},
	},
	{
		name: "one teller too few", check: "shares", words: "1 tellers opened the sums, and it takes 2",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { delete(f, layout.Shares(3)) },
	},
	{
		name: "a no counted as a yes", check: "result", words: "not those of the sum",
		do: func(_ *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) {
				r.Sets[0].Votes[0][0]++
				r.Sets[0].Votes[0][1]--
				r.Units[0].Yes++
				r.Units[0].No--
				e.Judge(r)
			}
		},
	},
	{
		name: "a vote of the second question moved", check: "result", words: "not those of the sum",
		do: func(_ *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Sets[1].Votes[1][0]++; r.Sets[1].Votes[1][1]-- }
		},
	},
	{
		name: "another fraction", check: "result", words: "not what follows",
		do: judgedBy(func(r *election.Rule) { r.Numerator, r.Denominator = 9, 10 }),
	},
	{
		name: "another quorum", check: "result", words: "not what follows",
		do: judgedBy(func(r *election.Rule) { r.QuorumNumerator = 1 }),
	},
	{
		name: "another support", check: "result", words: "not what follows",
		do: judgedBy(func(r *election.Rule) { r.SupportNumerator = 1 }),
	},
	{
		name: "approved without being so", check: "result", words: "not what follows",
		do: func(_ *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) { r.Units[0].Approved = !r.Units[0].Approved }
		},
	},
	{
		name: "a sentence for one group", check: "result", words: "not what follows", o: audittest.Options{PerGroup: true},
		do: func(_ *testing.T, e *audittest.Election) {
			e.Forge.Result = func(r *tally.Result) {
				r.Sentence = "HX authorizes the leadership to call a strike, RX and TX do not."
			}
		},
	},
	{
		name: "another election", check: "mid", words: "it is another election",
		ask: func(*testing.T, *audittest.Election) audit.Options { return audit.Options{MID: &suite.MID{1}} },
	},
	{
		name: "less than was asked for", check: "stage", words: "it is opened, and certified was asked for",
		o:   audittest.Options{Stage: layout.Opened},
		ask: func(*testing.T, *audittest.Election) audit.Options { return audit.Options{Stage: layout.Certified} },
	},
	{
		name: "what cannot be asked for", check: "stage", words: "there is no stage",
		ask: func(*testing.T, *audittest.Election) audit.Options { return audit.Options{Stage: "counted"} },
	},
}

// TestTortureLimits makes records false in the ways that no record can show
// (THREATS.md, sections 6 and 15): they hold. Whoever would say more of a record
// than this finds the limit here.
func TestTortureLimits(t *testing.T) {
	t.Parallel()
	limits := map[string]func(t *testing.T, e *audittest.Election){
		"a ballot left out before the box was closed": func(_ *testing.T, e *audittest.Election) { e.Ballots = e.Ballots[1:] },
		"a ballot of a member who did not cast":       func(t *testing.T, e *audittest.Election) { e.Ballots = append(e.Ballots, e.Cast(t, 1, 500)) },
		"a credential for a member who did not ask": func(t *testing.T, e *audittest.Election) {
			insert(e, e.Issuance(1, 35))
			e.Ballots = append(e.Ballots, e.Cast(t, 1, 500), e.Cast(t, 1, 501), e.Cast(t, 1, 502))
		},
	}
	for name, do := range limits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := made(t, audittest.Options{})
			do(t, e)
			if r := verify(t, e.Publish(t), audit.Options{Workers: 1}); !r.Verified {
				t.Errorf("it is noticed, and THREATS.md says that it is not: %s", faults(r))
			}
		})
	}
}

// chainOf is the head of the chain over all entries of the ballot log but the last.
func chainOf(e *audittest.Election) suite.Hash {
	chain := tlog.NewChain(e.MID)
	chain.Add(tlog.LeafHash(ledger.ManifestEntry(e.MID)))
	for _, b := range e.Ballots {
		chain.Add(tlog.LeafHash(b))
	}
	return chain.Head()
}

// shares reads a teller's file.
func shares(t *testing.T, f audittest.Files, teller uint8) *share.File {
	t.Helper()
	file, err := share.Parse(f[layout.Shares(int(teller))].Data)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func put(t *testing.T, f audittest.Files, path string, file interface{ Encode() ([]byte, error) }) {
	t.Helper()
	b, err := file.Encode()
	if err != nil {
		t.Fatal(err)
	}
	f[path] = &fstest.MapFile{Data: b}
}

// judgedBy judges the true counts by another rule, by which the members do not
// authorize, and says so in sentence and certificate.
func judgedBy(change func(*election.Rule)) func(*testing.T, *audittest.Election) {
	return func(t *testing.T, e *audittest.Election) {
		e.Forge.Result = func(r *tally.Result) {
			before := r.Sentence
			m, other := *e.Manifest, *e
			change(&m.Rule)
			other.Manifest = &m
			other.Judge(r)
			if r.Sentence == before {
				t.Error("by the other rule the outcome is the same")
			}
		}
	}
}

// Forgeries of the files themselves, by whoever publishes them.
var sourceForgeries = []forgery{
	{
		name: "a file that is missing", check: "files", words: "sealing: the file is missing",
		also: []string{"sealing"}, why: "whoever reads a file says that it is missing",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { delete(f, layout.Sealing) },
	},
	{
		name: "a file that belongs to no record", check: "files", words: `"readme": no such file belongs`,
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { f["readme"] = f[layout.Manifest] },
	},
	{
		name: "a link", check: "files", words: `"readme": it is not a plain file`,
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f["readme"] = &fstest.MapFile{Data: []byte(layout.Manifest), Mode: fs.ModeSymlink | 0o777}
		},
	},
	{
		name: "a start of the ceremony that is too short", check: "ceremony", words: "it has 31 bytes, not 32",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { cut(f, layout.CeremonyFresh, 1) },
	},
	{
		name: "a ceremony that the manifest does not name", check: "ceremony", words: "another certificate",
		o: audittest.Options{Stage: layout.Locked, Lie: audittest.LieCertificate},
	},
	{
		name: "statements of some tellers", check: "statements", words: "there are statements of 2 tellers",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { delete(f, layout.StatementTeller(2)) },
	},
	{
		name: "a tile that is too short", check: "ballot log", words: "a tile of 29 hashes has 896 bytes",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			cut(f, layout.Tile(layout.Ballots, tlog.Tile{Width: 29}), 32)
		},
	},
	{
		name: "a tile above the leaves that is another", check: "ballot log", words: "does not hold the hashes of the tiles below it",
		o: manyTiles,
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[upper].Data = make([]byte, len(f[upper].Data))
		},
	},
	tooLarge("ballot log", upper, manyTiles),
	{
		name: "a bundle that is none", check: "entries", words: "bundle", o: empty,
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) { cut(f, bundle, 1) },
	},
	{
		name: "the entries of a fork", check: "entries", words: "entry 1 does not have the leaf hash", o: empty,
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[bundle].Data = slices.Clone(f[bundle].Data)
			f[bundle].Data[len(f[bundle].Data)-1] ^= 1
		},
	},
	tooLarge("entries", bundle, empty),
	tooLarge("roll", layout.Roll(1), empty),
	tooLarge("ballot log", layout.FirstCheckpoint(layout.Ballots), empty),
	tooLarge("ballot log", layout.Checkpoint(layout.Ballots), empty),
	tooLarge("ballot log", layout.Tile(layout.Ballots, tlog.Tile{Width: 2}), empty),
	tooLarge("ceremony", layout.CeremonyFresh, empty),
	tooLarge("certificate", layout.Certificate, audittest.Options{}),
}

var (
	manyTiles = audittest.Options{Ballots: 300, Single: true, Stage: layout.Locked}
	upper     = layout.Tile(layout.Ballots, tlog.Tile{Level: 1, Width: 1})
	// An election in which nobody did anything has no act whose file, and no
	// envelope whose ballot, would be missed as well.
	empty  = audittest.Options{Nobody: true, Stage: layout.Locked}
	bundle = layout.Tile(layout.Ledger, tlog.Tile{Level: tlog.Entries, Width: 2})
)

// tooLarge is a file of which an auditor reads only so much.
func tooLarge(check, path string, o audittest.Options) forgery {
	return forgery{
		name: path + " larger than it can be", check: check, words: path + ": larger than", o: o,
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[path] = &fstest.MapFile{Data: bytes.Repeat([]byte{1}, int(layout.Limit(path))+1)}
		},
	}
}

// cut takes bytes off the end of a file.
func cut(f audittest.Files, path string, n int) {
	f[path] = &fstest.MapFile{Data: f[path].Data[:len(f[path].Data)-n]}
}
