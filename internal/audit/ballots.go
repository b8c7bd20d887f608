package audit

import (
	"bytes"
	"errors"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// bundlesPerBatch is how many entry bundles a worker holds at a time. Proofs
// of about a thousand ballots are cheapest to check together.
const bundlesPerBatch = 4

// castings are the ballots of the log.
type castings struct {
	groups map[suite.BallotID]suite.GroupID
	count  map[suite.GroupID]uint64
	sums   *tally.Sums // of the ballots found valid
	close  *ledger.Close
}

// groupKeys are what the ballots of a group are checked with.
type groupKeys struct {
	context ballot.Context
	issuer  *credential.PublicKey
}

// A batch is what a worker makes of some bundles.
type batch struct {
	parsed []parsed // in the order in which they entered proofs
	proofs *ballot.Batch
	ids    []cast
	sums   tally.Sums
	close  *ledger.Close
}

type cast struct {
	id    suite.BallotID
	group suite.GroupID
	index int64
}

type parsed struct {
	cast
	path    string
	ballot  *ballot.Ballot
	refused bool // and reported
}

// checkBallots checks every entry of the ballot log: that it is a ballot of
// this election and of a group, canonical, signed by that group's issuer, that
// its proofs hold, and that it stands there once.
func (a *auditor) checkBallots(f *finding) string {
	if a.ballots == nil {
		f.cannot("the ballot log does not hold")
		return ""
	}
	keys := a.groupKeys(f)
	if keys == nil {
		return ""
	}
	bundles := a.ballots.bundles()
	batches := make([]batch, (len(bundles)+bundlesPerBatch-1)/bundlesPerBatch)
	a.parallel(f, "ballots", len(batches), func(i int, f *finding) {
		b := &batches[i]
		b.proofs = ballot.NewBatch()
		for _, t := range bundles[i*bundlesPerBatch : min((i+1)*bundlesPerBatch, len(bundles))] {
			if a.ctx.Err() != nil {
				return // nobody waits for the rest, which takes longest
			}
			a.readBallots(f, t, keys, b)
		}
		if a.ctx.Err() != nil {
			return
		}
		b.finish(f)
	})
	a.cast = mergeBatches(f, batches)
	if a.live() && a.cast.close == nil {
		a.ballots.ending = true
		f.await(9, layout.Checkpoint(layout.Ballots), "the ballot log has no close record")
	}
	head := a.ballots.final.Checkpoint
	a.opening = &tally.Opening{
		Manifest: a.m, Sums: a.cast.sums,
		Close: tally.Close{MID: a.mid, Root: head.Root, Size: uint64(head.Size)},
	}
	return say("%d ballots: each is of this election and its group, stands there once, carries a credential of its "+
		"group's issuer, and proves that it holds one choice for every question.", len(a.cast.groups))
}

func (a *auditor) groupKeys(f *finding) map[suite.GroupID]*groupKeys {
	key, err := a.m.Key()
	if err != nil {
		f.fail(3, layout.Manifest, err)
		return nil
	}
	keys := make(map[suite.GroupID]*groupKeys, len(a.m.Groups))
	for _, g := range a.m.Groups {
		issuer, err := a.m.IssuerKey(g.ID)
		if err != nil {
			f.fail(3, layout.Manifest, err)
			return nil
		}
		keys[g.ID] = &groupKeys{
			context: ballot.Context{MID: a.mid, Group: g.ID, Key: key, Options: a.m.Options()},
			issuer:  issuer,
		}
	}
	return keys
}

// readBallots checks all of a bundle's entries but their proofs.
func (a *auditor) readBallots(f *finding, t tlog.Tile, keys map[suite.GroupID]*groupKeys, b *batch) {
	path := layout.Tile(layout.Ballots, t)
	last := int64(len(a.ballots.leaves)) - 1
	for i, entry := range a.bundle(f, a.ballots, t) {
		index := t.Index*tlog.TileWidth + int64(i)
		switch {
		case index == 0:
			if !bytes.Equal(entry, ledger.ManifestEntry(a.mid)) {
				f.fault(9, path, "entry 0 is not that of the manifest")
			}
		case index == last && !a.grows(entry):
			b.close = a.readClose(f, path, entry)
		default:
			p := parsed{cast: cast{index: index}, path: path}
			if err := a.readBallot(&p, entry, keys, b); err != nil {
				f.fault(6, path, "entry %d: %v", index, err)
			}
		}
	}
}

// grows reports whether the last entry is a ballot like those before it, which it is
// until the lock of a record that is read live is done.
func (a *auditor) grows(entry []byte) bool {
	e, err := ledger.ParseBallots(entry)
	_, sealed := e.(ledger.Ballot)
	return a.live() && err == nil && sealed
}

// readBallot checks one entry but its proofs, which go into the batch.
func (a *auditor) readBallot(p *parsed, entry []byte, keys map[suite.GroupID]*groupKeys, b *batch) error {
	e, err := ledger.ParseBallots(entry)
	if err != nil {
		return err
	}
	sealed, ok := e.(ledger.Ballot)
	if !ok {
		return errors.New("it is not a ballot")
	}
	body, sig, err := ballot.ParseCast(sealed.Cast, a.m.Options())
	if err != nil {
		return err
	}
	if p.ballot, err = ballot.Parse(body); err != nil {
		return err
	}
	k := keys[p.ballot.Group]
	if k == nil {
		return errors.New("its group is none of this election")
	}
	p.id, p.group = p.ballot.ID(), p.ballot.Group
	if err := credential.Verify(k.issuer, credential.Message(a.mid, p.group, p.id), sig); err != nil {
		return err
	}
	b.ids = append(b.ids, p.cast)
	err = b.proofs.Add(&k.context, p.ballot)
	p.refused = err != nil
	b.parsed = append(b.parsed, *p)
	return err
}

// readClose reads the last entry. What it says is compared by checkClose.
func (a *auditor) readClose(f *finding, path string, entry []byte) *ledger.Close {
	e, err := ledger.ParseBallots(entry)
	if err != nil {
		f.fail(9, path, err)
		return nil
	}
	c, ok := e.(ledger.Close)
	if !ok || c.MID != a.mid {
		f.fault(9, path, "the last entry is not the close record of this election")
		return nil
	}
	return &c
}

// finish checks the proofs and adds up the ballots whose proofs hold.
func (b *batch) finish(f *finding) {
	bad := make(map[int]bool)
	if err := b.proofs.Verify(); err != nil {
		found := new(ballot.BatchError)
		if !errors.As(err, &found) {
			f.fault(6, layout.Ballots, "proofs: %v", err)
			return
		}
		for _, i := range found.Bad {
			bad[i] = true
		}
	}
	for i, p := range b.parsed {
		switch {
		case !bad[i]:
			b.sums.Add(p.ballot)
		case !p.refused:
			f.fault(6, p.path, "entry %d: a proof in the ballot does not hold", p.index)
		}
	}
	b.proofs, b.parsed = nil, nil // the ballots themselves are not needed again
}

// mergeBatches joins what the workers made, and finds ballots that stand in
// the log twice.
func mergeBatches(f *finding, batches []batch) *castings {
	c := &castings{
		groups: make(map[suite.BallotID]suite.GroupID),
		count:  make(map[suite.GroupID]uint64),
		sums:   new(tally.Sums),
	}
	for i := range batches {
		b := &batches[i]
		for _, one := range b.ids {
			if _, twice := c.groups[one.id]; twice {
				f.fault(8, layout.Ballots, "entry %d is a ballot that stands in the log before", one.index)
			}
			c.groups[one.id] = one.group
			c.count[one.group]++
		}
		c.sums.Merge(&b.sums)
		if b.close != nil {
			c.close = b.close
		}
	}
	return c
}
