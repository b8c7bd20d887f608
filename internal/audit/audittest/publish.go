package audittest

import (
	"cmp"
	"crypto/ed25519"
	"testing"
	"testing/fstest"
	"time"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// Files are a record.
type Files = fstest.MapFS

// Forge changes what is published before it is hashed and signed, as somebody
// can who holds the keys. All fields may be nil.
type Forge struct {
	First       map[string][]byte // another first entry, by the log's folder; checkpoint-1 stays
	Last        map[string][]byte // another last entry
	Final       func(*ledger.Final)
	Close       func(*ledger.Close)
	Proof       func(sequence int, p *tlog.Proof) // of an act
	Sets        func([]tally.Set) []tally.Set     // the sets that the tellers open
	Shares      func(*share.File)
	Result      func(*tally.Result)
	Certificate func(*tally.Certificate)
	Uncounted   int // of the last ballots, that are in no number and no sum
}

// Publish makes the record. It counts and signs whatever the logs now hold.
func (e *Election) Publish(t testing.TB) Files {
	t.Helper()
	f := make(Files)
	put := func(path string, b []byte) { f[path] = &fstest.MapFile{Data: b} }
	put(layout.Manifest, e.Raw)
	put(layout.Sealing, e.signatures(t, election.SealMessage(e.MID)))
	put(layout.CeremonyFresh, e.Ceremony.Fresh[:])
	put(layout.CeremonyTranscript, e.Ceremony.Transcript)
	put(layout.CeremonySignatures, e.Ceremony.Signatures)
	for i, x := range e.Shares {
		key, own := must(e.Manifest.Key())(t), must(e.Manifest.TellerKey(i+1))(t)
		d := &share.DrillFile{Teller: uint8(i + 1)}
		for n := range d.Copies {
			d.Copies[n] = *share.Drill(x, e.Manifest.ElectionID, uint8(i+1), key, own)
		}
		put(layout.Drill(i+1), must(d.Encode())(t))
	}
	for id, leaves := range e.Rolls {
		if e.Options.Lie != LieRollSize {
			leaves = leaves[:e.Manifest.Group(id).RollSize]
		}
		put(layout.Roll(id), ledger.EncodeRoll(leaves))
	}
	put(layout.StatementRegistrar, e.Ledger.SignText(statement.Text(e.MID, statement.IssuerKeys)))
	put(layout.StatementBox, e.Box.SignText(statement.Text(e.MID, statement.PendingKey)))
	closed := e.publishLogs(t, put)
	if e.Options.Stage.Rank() >= layout.Opened.Rank() {
		e.open(t, put, closed)
	}
	return f
}

// publishLogs publishes both logs and the acts.
func (e *Election) publishLogs(t testing.TB, put func(string, []byte)) tally.Close {
	t.Helper()
	entries := [][]byte{e.first(layout.Ledger)}
	for _, entry := range e.Entries {
		entries = append(entries, entry.Bytes)
	}
	final := e.final()
	if e.Forge.Final != nil {
		e.Forge.Final(&final)
	}
	entries = append(entries, e.last(layout.Ledger, final.Bytes()))
	policy := must(e.Manifest.LedgerPolicy())(t)
	e.head = e.publishLog(t, put, layout.Ledger, e.Ledger, policy, entries)
	e.publishActs(t, put, policy, entries)

	ballots := append([][]byte{e.first(layout.Ballots)}, e.Ballots...)
	c := e.close(ballots, e.head)
	if e.Forge.Close != nil {
		e.Forge.Close(&c)
	}
	ballots = append(ballots, e.last(layout.Ballots, c.Bytes()))
	head := e.publishLog(t, put, layout.Ballots, e.Box, must(e.Manifest.BallotsPolicy())(t), ballots)
	return tally.Close{MID: e.MID, Root: head.Root, Size: uint64(head.Size)}
}

func (e *Election) first(log string) []byte {
	if b := e.Forge.First[log]; b != nil {
		return b
	}
	return ledger.ManifestEntry(e.MID)
}

func (e *Election) last(log string, b []byte) []byte {
	if other := e.Forge.Last[log]; other != nil {
		return other
	}
	return b
}

// final counts the ledger; entries that are none count nothing.
func (e *Election) final() ledger.Final {
	c := ledger.NewCounter(e.Manifest)
	for _, entry := range e.Entries {
		if parsed, err := ledger.ParseLedger(entry.Bytes); err == nil {
			_ = c.Add(parsed) // of another group, in some forgeries
		}
	}
	groups, err := c.Groups()
	if err != nil { // more decided than deposited, in a forgery
		groups, _ = ledger.NewCounter(e.Manifest).Groups()
	}
	return ledger.Final{MID: e.MID, Groups: groups}
}

// close counts the ballots.
func (e *Election) close(entries [][]byte, head tlog.Checkpoint) ledger.Close {
	c := ledger.Close{MID: e.MID, Ledger: head.Text()}
	chain := tlog.NewChain(e.MID)
	for _, b := range entries {
		chain.Add(tlog.LeafHash(b))
	}
	c.Chain = chain.Head()
	cast := e.sums().Cast()
	for _, g := range e.Manifest.Groups {
		c.Groups = append(c.Groups, ledger.CloseGroup{Group: g.ID, Cast: uint32(cast[g.ID])})
	}
	return c
}

// sums adds up the ballots, valid or not.
func (e *Election) sums() *tally.Sums {
	s := new(tally.Sums)
	for _, entry := range e.Ballots[:len(e.Ballots)-e.Forge.Uncounted] {
		body, _, err := ballot.ParseCast(entry[1:], e.Manifest.Options())
		if err != nil {
			continue
		}
		if b, err := ballot.Parse(body); err == nil {
			s.Add(b)
		}
	}
	return s
}

// publishLog publishes a log of these entries and returns its checkpoint.
func (e *Election) publishLog(t testing.TB, put func(string, []byte), name string, signer *tlog.LogSigner, policy tlog.Policy, entries [][]byte) tlog.Checkpoint {
	t.Helper()
	var tree tlog.Tree
	for _, b := range entries {
		tree.Append(tlog.LeafHash(b))
	}
	size := tree.Size()
	for tile := range tlog.Tiles(size) {
		from := tile.Index * tlog.TileWidth
		if tile.Level == tlog.Entries {
			put(layout.Tile(name, tile), tlog.EncodeBundle(entries[from:from+int64(tile.Width)]))
			continue
		}
		put(layout.Tile(name, tile), must(tlog.ReadTile(tile, tree.Reader()))(t))
	}
	var begun tlog.Tree
	begun.Append(tlog.LeafHash(ledger.ManifestEntry(e.MID)))
	put(layout.FirstCheckpoint(name), e.Checkpoint(t, signer, policy, &begun, 1, Open-day))
	put(layout.Checkpoint(name), e.Checkpoint(t, signer, policy, &tree, size, cmp.Or(e.Lock[name], Locked)))
	return tlog.Checkpoint{Origin: policy.Log.Name(), Size: size, Root: tree.Root()}
}

// Checkpoint signs and cosigns a tree at a size. The last witness is away.
func (e *Election) Checkpoint(t testing.TB, signer *tlog.LogSigner, policy tlog.Policy, tree *tlog.Tree, size, moment int64) []byte {
	t.Helper()
	c := tlog.Checkpoint{Origin: policy.Log.Name(), Size: size, Root: must(tree.RootAt(size))(t)}
	note := signer.Sign(c)
	for i, w := range e.Witnesses[:policy.Threshold] {
		note = must(policy.AddCosignature(note, w.Cosign(c.Text(), time.Unix(moment+int64(i), 0))))(t)
	}
	return note
}

// publishActs publishes every act under a checkpoint that ends with it.
func (e *Election) publishActs(t testing.TB, put func(string, []byte), policy tlog.Policy, entries [][]byte) {
	t.Helper()
	var tree tlog.Tree
	sequence := 0
	for i, b := range entries {
		tree.Append(tlog.LeafHash(b))
		if i == 0 || i == len(entries)-1 || e.Entries[i-1].Moment == 0 {
			continue
		}
		sequence++
		note := e.Checkpoint(t, e.Ledger, policy, &tree, tree.Size(), e.Entries[i-1].Moment)
		p := must(tlog.Prove(tree.Size(), int64(i), tree.Reader(), note, b))(t)
		if e.Forge.Proof != nil {
			e.Forge.Proof(sequence, p)
		}
		put(layout.Act(sequence), p.Bytes())
	}
}

// signatures makes a file of signatures of the first two of the committee.
func (e *Election) signatures(t testing.TB, message []byte) []byte {
	t.Helper()
	var list []election.MemberSignature
	for i, key := range e.Committee[:2] {
		list = append(list, election.MemberSignature{Member: uint8(i), Signature: ed25519.Sign(key, message)})
	}
	return must(election.EncodeSignatures(list))(t)
}
