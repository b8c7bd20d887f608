package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/elgamal"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/record/layout"
)

var ballotForgeries = []forgery{
	{
		name: "a ballot without a credential", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			b := e.Cast(t, 1, 500)
			clear(b[len(b)-ballot.SignatureSize:])
			uncounted(e, b)
		},
	},
	{
		name: "a ballot with another's credential", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			b, own := e.Cast(t, 1, 500), e.Cast(t, 1, 0)
			copy(b[len(b)-ballot.SignatureSize:], own[len(own)-ballot.SignatureSize:])
			uncounted(e, b)
		},
	},
	{
		name: "a ballot of one group signed for another", check: "ballots", words: "credential is not valid",
		do: func(t *testing.T, e *audittest.Election) {
			s := e.Seal(t, 1, 500, ballot.Choices{0, 0})
			uncounted(e, e.Sign(t, 2, s.Body))
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
		name: "a ballot that is moved to another group and signed there", check: "ballots", words: "entry 28",
		o: audittest.Options{Stage: layout.Locked},
		do: func(t *testing.T, e *audittest.Election) {
			body := slices.Clone(e.Seal(t, 2, 500, ballot.Choices{0, 0}).Body)
			body[1+32+1] = 1 // where two have a credential and did not cast
			e.Ballots = append(e.Ballots, e.Sign(t, 1, body))
		},
	},
	{
		name: "a ballot for more than one choice", check: "ballots", words: "entry 28",
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
		name: "a ballot with a response of its proof changed", check: "ballots", words: "entry 28: a proof in the ballot does not hold",
		o: audittest.Options{Stage: layout.Locked},
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
		name: "a ballot by the issuer's own hand", check: "counts", words: "group 2 has 12 ballots, and 11",
		do: func(t *testing.T, e *audittest.Election) { e.Ballots = append(e.Ballots, e.Cast(t, 2, 500)) },
	},
	{
		name: "an accepted envelope left out", check: "envelopes", words: "not among its ballots",
		do: func(t *testing.T, e *audittest.Election) { e.Ballots = e.Ballots[:len(e.Ballots)-1] },
	},
	{
		name: "a ballot not counted", check: "close record", words: "counts 12 ballots of group 1, the log holds 13",
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
			e.Forge.Close = func(c *ledger.Close) { c.Ledger = strings.Replace(c.Ledger, "\n38\n", "\n39\n", 1) }
		},
	},
	{
		name: "a close record of another election", check: "ballots", words: "close record of this election",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Close = func(c *ledger.Close) { c.MID[0] ^= 1 }
		},
	},
	{
		name: "another first entry", check: "ballots", words: "entry 0 is not that of the manifest",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.First = map[string][]byte{layout.Ballots: e.Cast(t, 1, 500)}
		},
	},
	{
		name: "a close record that is none", check: "ballots", words: "no such type of entry",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Last = map[string][]byte{layout.Ballots: {7}}
		},
	},
	{
		name: "a ballot in the place of the close record", check: "ballots", words: "close record of this election",
		do: func(t *testing.T, e *audittest.Election) {
			e.Forge.Last = map[string][]byte{layout.Ballots: e.Cast(t, 1, 500)}
		},
	},
	{
		name: "a final checkpoint with a cosignature missing", check: "ballot log", words: "fewer cosignatures",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			note := f[layout.Checkpoint(layout.Ballots)]
			note.Data = cutLine(note.Data)
		},
	},
	{
		name: "a first checkpoint with a cosignature missing", check: "ledger", words: "fewer cosignatures",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			note := f[layout.FirstCheckpoint(layout.Ledger)]
			note.Data = cutLine(note.Data)
		},
	},
	{
		name: "a first checkpoint that is the last", check: "ballot log", words: "this manifest's entry alone",
		after: func(_ *testing.T, _ *audittest.Election, f audittest.Files) {
			f[layout.FirstCheckpoint(layout.Ballots)] = f[layout.Checkpoint(layout.Ballots)]
		},
	},
	{
		name: "a lock before the end of deciding", check: "lock", words: "before the last moment for deciding",
		// Two witnesses sign a second apart, and the second of them counts.
		do: func(t *testing.T, e *audittest.Election) { lock(e, audittest.DecideUntil-302, audittest.Locked) },
	},
	{
		name: "a lock before the grace has passed", check: "lock", words: "before the end of casting",
		do: func(t *testing.T, e *audittest.Election) {
			e.AddAct(t, act.Decide{Group: 3, RejectedOn: 1}, audittest.EarlyClose)
			lock(e, audittest.EarlyClose+audittest.Grace-302, audittest.Locked)
		},
	},
	{
		name: "ballots locked before the ledger", check: "lock", words: "before the ledger that it binds",
		do: func(t *testing.T, e *audittest.Election) { lock(e, audittest.Locked, audittest.Locked-301) },
	},
}

// uncounted adds a ballot that counts nowhere: whoever forges knows that an
// auditor does not add up what is not signed.
func uncounted(e *audittest.Election, entry []byte) {
	e.Ballots = append(e.Ballots, entry)
	e.Forge.Uncounted++
}

func lock(e *audittest.Election, ledger, ballots int64) {
	e.Lock = map[string]int64{layout.Ledger: ledger, layout.Ballots: ballots}
}

// TestLockInTime locks at the first moment that is allowed, by clocks that are as
// far behind as clocks may be.
func TestLockInTime(t *testing.T) {
	t.Parallel()
	e := made(t, audittest.Options{})
	lock(e, audittest.DecideUntil-301, audittest.DecideUntil-601)
	if r := verify(t, e.Publish(t), audit.Options{}); !r.Verified {
		t.Errorf("with an envelope undecided: %s", faults(r))
	} else if said := detail(r, "lock"); !strings.Contains(said, ", before the last moment for deciding") || !strings.HasSuffix(said, ", by no more than clocks may differ.") {
		t.Errorf("with an envelope undecided: %q", said)
	}
	e.AddAct(t, act.Decide{Group: 3, RejectedOn: 1}, audittest.EarlyClose)
	for early, want := range map[int64]string{
		301: "UTC, before the end of casting at ", 2: "UTC, before the end of casting at ",
		1: "UTC, not before the end of casting.", // the second witness signs a second later
	} {
		lock(e, audittest.EarlyClose+audittest.Grace-early, audittest.EarlyClose+audittest.Grace-early)
		r := verify(t, e.Publish(t), audit.Options{})
		if said := detail(r, "lock"); !r.Verified || !strings.Contains(said, want) || early > 1 && !strings.HasSuffix(said, " UTC, by no more than clocks may differ.") {
			t.Errorf("%d seconds early, with all decided: %q, %s", early, said, faults(r))
		}
	}
}

// detail returns what a report says of one check.
func detail(r *audit.Report, name string) string {
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Detail
		}
	}
	return ""
}
