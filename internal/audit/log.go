package audit

import (
	"bytes"
	"errors"
	"slices"

	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A logState is a log whose tiles are tied to its signed root.
type logState struct {
	name   string // "ledger" or "ballots", its folder
	policy tlog.Policy
	final  *tlog.Opened
	leaves []suite.Hash
	tree   tlog.Tree
	chain  suite.Hash // h over all entries but the last
	begun  int64      // when witnesses had seen the first entry
	ending bool       // its end, or the witnesses' signatures for it, is awaited
}

func (a *auditor) checkLedgerLog(f *finding) string {
	policy, err := a.m.LedgerPolicy()
	if err != nil {
		f.fail(3, layout.Manifest, err)
		return ""
	}
	a.ledger = a.openLog(f, layout.Ledger, policy)
	return describeLog(a.ledger)
}

func (a *auditor) checkBallotLog(f *finding) string {
	policy, err := a.m.BallotsPolicy()
	if err != nil {
		f.fail(3, layout.Manifest, err)
		return ""
	}
	a.ballots = a.openLog(f, layout.Ballots, policy)
	return describeLog(a.ballots)
}

func describeLog(l *logState) string {
	if l == nil {
		return ""
	}
	return say("%d entries under the root %s, signed by %d of %d witnesses, who saw its first entry alone at %s.",
		l.final.Checkpoint.Size, l.final.Checkpoint.Root, len(l.final.Cosignatures), len(l.policy.Witnesses), clock(l.begun))
}

// openLog checks a log down to its leaf hashes: the size-1 checkpoint, the
// final checkpoint with its cosignatures, every tile, and the root. It returns
// nil if the leaf hashes are not those under the signed root: then nothing in
// the log is worth looking at.
func (a *auditor) openLog(f *finding, name string, policy tlog.Policy) *logState {
	l := &logState{name: name, policy: policy}
	path := layout.Checkpoint(name)
	note, err := a.read(path)
	if err == nil && a.begins(name, policy, note) {
		f.broken = &sourceError{layout.ErrNotLocked}
		return nil
	}
	a.checkFirst(f, l)
	if err != nil {
		f.fail(9, path, err)
		return nil
	}
	if l.final = a.openFinal(f, l, path, note); l.final == nil {
		return nil
	}
	size := l.final.Checkpoint.Size
	// Nothing enters a ballot log of few ballots before the lock.
	least := int64(2)
	if a.live() && name == layout.Ballots {
		least = 1
	}
	if size < least || size > layout.MaxLogSize {
		f.fault(9, path, "%d cannot be the number of entries: a log has a first and a last entry and at most %d", size, layout.MaxLogSize)
		return nil
	}
	if !a.readLeaves(f, l, size) {
		return nil
	}
	if l.tree.Root() != l.final.Checkpoint.Root {
		f.fault(9, path, "its root is not that of the tiles")
		for _, t := range l.bundles() { // to say where, if it is not everywhere
			a.bundle(f, l, t)
		}
		return nil
	}
	for t := range tlog.Tiles(size) {
		if t.Level > 0 {
			a.checkTile(f, l, t)
		}
	}
	return l
}

// openFinal opens a log's last checkpoint. One that the witnesses have not signed
// for is opened too where the record is read live, so that all else is checked: it
// is a fault all the same.
func (a *auditor) openFinal(f *finding, l *logState, path string, note []byte) *tlog.Opened {
	o, err := l.policy.Open(note)
	if err == nil {
		return o
	}
	_, remote := a.fsys.(layout.Remote)
	if !errors.Is(err, tlog.ErrThreshold) || !remote && !a.live() {
		f.fail(9, path, err)
		return nil
	}
	if remote && a.withheld(l.name, l.policy, note) {
		f.broken = &sourceError{layout.ErrNotLocked}
		return nil
	}
	f.await(9, path, "%v; if it was locked just now the witnesses still sign it: try again in a minute", err)
	if !a.live() {
		return nil
	}
	l.ending = true
	o, _ = l.policy.OpenLog(note) // all but the number is in order, or Open had said so
	return o
}

// begins reports whether a board shows a ledger that holds nothing yet but its
// first entry. It withholds no file of such a log, so that only the size says
// that the election runs: that is no false record. In a folder it is one: nobody
// has a reason to keep it, and a cut log must not pass for an early one.
func (a *auditor) begins(name string, policy tlog.Policy, note []byte) bool {
	if _, remote := a.fsys.(layout.Remote); !remote && !a.live() || name != layout.Ledger {
		return false
	}
	o, err := policy.OpenLog(note)
	return err == nil && o.Checkpoint.Size == 1 && o.Checkpoint.Root == tlog.LeafHash(ledger.ManifestEntry(a.mid))
}

// withheld reports whether a board shows a log that grows: the witnesses have not
// signed its newest checkpoint, and of its last entries the board says that they
// come with the lock. Whoever says so of a log that is locked is not believed
// either: nothing is verified then.
func (a *auditor) withheld(name string, policy tlog.Policy, note []byte) bool {
	o, err := policy.OpenLog(note)
	if err != nil || o.Checkpoint.Size < 1 || o.Checkpoint.Size > layout.MaxLogSize {
		return false
	}
	var last tlog.Tile
	for t := range tlog.Tiles(o.Checkpoint.Size) {
		if t.Level == tlog.Entries {
			last = t
		}
	}
	_, err = a.read(layout.Tile(name, last))
	return errors.Is(err, layout.ErrNotLocked)
}

// checkFirst checks that witnesses saw the log begin with this manifest and
// nothing else.
func (a *auditor) checkFirst(f *finding, l *logState) {
	path := layout.FirstCheckpoint(l.name)
	note, err := a.read(path)
	if err != nil {
		f.fail(9, path, err)
		return
	}
	first, err := l.policy.Open(note)
	if err != nil {
		f.fail(9, path, err)
		return
	}
	if first.Checkpoint.Size != 1 || first.Checkpoint.Root != tlog.LeafHash(ledger.ManifestEntry(a.mid)) {
		f.fault(9, path, "it is not the checkpoint of this manifest's entry alone")
	}
	l.begun = first.Moment(l.policy.Threshold)
}

// readLeaves reads the tiles of level 0 and builds the tree and the chain.
func (a *auditor) readLeaves(f *finding, l *logState, size int64) bool {
	chain := tlog.NewChain(a.mid)
	l.leaves = make([]suite.Hash, 0, size)
	for t := range tlog.Tiles(size) {
		if t.Level != 0 {
			continue
		}
		path := layout.Tile(l.name, t)
		b, err := a.read(path)
		if err != nil {
			f.fail(9, path, err)
			return false
		}
		if len(b) != t.Width*len(suite.Hash{}) {
			f.fault(9, path, "a tile of %d hashes has %d bytes", t.Width, len(b))
			return false
		}
		for h := range slices.Chunk(b, len(suite.Hash{})) {
			l.chain = chain.Head()
			l.leaves = append(l.leaves, suite.Hash(h))
			l.tree.Append(suite.Hash(h))
			chain.Add(suite.Hash(h))
		}
	}
	return true
}

// checkTile compares a tile above the leaves with what it has to be.
func (a *auditor) checkTile(f *finding, l *logState, t tlog.Tile) {
	path := layout.Tile(l.name, t)
	b, err := a.read(path)
	if err != nil {
		f.fail(9, path, err)
		return
	}
	want, err := tlog.ReadTile(t, l.tree.Reader())
	if err != nil || !bytes.Equal(b, want) {
		f.fault(9, path, "it does not hold the hashes of the tiles below it")
	}
}

// bundles lists the entry bundles of the log.
func (l *logState) bundles() []tlog.Tile {
	var list []tlog.Tile
	for t := range tlog.Tiles(int64(len(l.leaves))) {
		if t.Level == tlog.Entries {
			list = append(list, t)
		}
	}
	return list
}

// bundle reads a bundle and returns its entries once each is known to be the
// one under its leaf hash.
func (a *auditor) bundle(f *finding, l *logState, t tlog.Tile) [][]byte {
	path := layout.Tile(l.name, t)
	b, err := a.read(path)
	if err != nil {
		f.fail(9, path, err)
		return nil
	}
	entries, err := tlog.DecodeBundle(b, t.Width)
	if err != nil {
		f.fail(9, path, err)
		return nil
	}
	for i, e := range entries {
		index := t.Index*tlog.TileWidth + int64(i)
		if tlog.LeafHash(e) != l.leaves[index] {
			leaf := tlog.Tile{Index: t.Index, Width: t.Width}
			f.fault(9, path, "entry %d does not have the leaf hash in %s", index, layout.Tile(l.name, leaf))
			return nil
		}
	}
	return entries
}
