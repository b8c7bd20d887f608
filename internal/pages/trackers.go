package pages

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// Trackers find ballots in the published log by the first bits of their ids. They are
// made of what everybody can download, grow with the log, and hold 16 bytes for each
// ballot: no ballot, no group, no order of search, and nothing of who looks.
type trackers struct {
	mu     sync.Mutex
	size   int64   // entries of the log that were read
	sorted []print // by first, then by index
	note   []byte  // the newest checkpoint that enough witnesses had cosigned
	opened tlog.Checkpoint
	// bare is the newest checkpoint where it had too few cosignatures. Signatures are
	// verified once for each checkpoint, and not for everybody who looks.
	bare []byte
}

// errUnseen is returned while no checkpoint is known that enough witnesses have
// cosigned, as after a start: whether a ballot is there cannot be said yet.
var errUnseen = errors.New("no checkpoint that enough witnesses have cosigned is known yet")

// A print is where the ballot stands whose id begins so.
type print struct {
	first uint64 // 64 bits of the 100 that a tracker has; the entry itself decides
	index uint32
}

// find looks for a tracker in the log up to its newest checkpoint that enough
// witnesses have cosigned, and returns the proof of its entry (c2sp.org/tlog-proof)
// with the entry as extra: all that somebody needs who believes nobody. It returns nil
// for a tracker that is not there, or not yet, and [errUnseen] where that cannot be said.
func (t *trackers) find(ctx context.Context, r Record, m *election.Manifest, prefix []byte) (*tlog.Proof, error) {
	note, c, err := t.checkpoint(ctx, r, m)
	if err != nil || note == nil {
		return nil, err
	}
	candidates, err := t.candidates(ctx, r, m, c.Size, prefix)
	if err != nil {
		return nil, err
	}
	for _, index := range candidates {
		entry, err := entryAt(ctx, r, layout.Ballots, index, c.Size)
		if err != nil {
			return nil, err
		}
		if id, ok := ballotID(entry, m); ok && receipt.Match(id, prefix) {
			return tlog.Prove(c.Size, index, tilesOf(ctx, r, c), note, entry)
		}
	}
	return nil, nil
}

// checkpoint returns the newest checkpoint of the ballots that enough witnesses have
// cosigned, as far as was seen, nil where the box has published nothing yet, or
// [errUnseen]. One that was signed a moment ago has no cosignatures: a proof under it
// would be refused by its reader.
func (t *trackers) checkpoint(ctx context.Context, r Record, m *election.Manifest) ([]byte, tlog.Checkpoint, error) {
	policy, err := m.BallotsPolicy()
	if err != nil {
		return nil, tlog.Checkpoint{}, err
	}
	newest, err := r.Resource(ctx, layout.Checkpoint(layout.Ballots))
	if errors.Is(err, ErrNotFound) {
		return nil, tlog.Checkpoint{}, nil
	}
	if err != nil {
		return nil, tlog.Checkpoint{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !bytes.Equal(newest, t.note) && !bytes.Equal(newest, t.bare) {
		opened, err := policy.Open(newest)
		switch {
		case err == nil:
			t.note, t.opened = newest, opened.Checkpoint
		case errors.Is(err, tlog.ErrThreshold):
			t.bare = newest
		default:
			return nil, tlog.Checkpoint{}, fmt.Errorf("reading the newest checkpoint: %w", err)
		}
	}
	if t.note == nil {
		return nil, tlog.Checkpoint{}, errUnseen
	}
	return t.note, t.opened, nil
}

// candidates reads what came since and returns the entries below a size that may be a
// tracker's.
func (t *trackers) candidates(ctx context.Context, r Record, m *election.Manifest, size int64, prefix []byte) ([]int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.grow(ctx, r, m, min(size, layout.MaxLogSize)); err != nil {
		return nil, err
	}
	first := binary.BigEndian.Uint64(prefix)
	at := sort.Search(len(t.sorted), func(i int) bool { return t.sorted[i].first >= first })
	var list []int64
	for ; at < len(t.sorted) && t.sorted[at].first == first; at++ {
		if index := int64(t.sorted[at].index); index < size {
			list = append(list, index)
		}
	}
	return list, nil
}

// grow reads the entries up to a size, a bundle at a time. What was read stays, in
// order, where a later bundle is not to be had: the next search goes on from there.
func (t *trackers) grow(ctx context.Context, r Record, m *election.Manifest, size int64) error {
	if t.size >= size {
		return nil
	}
	defer func() {
		slices.SortFunc(t.sorted, func(a, b print) int {
			return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.index, b.index))
		})
	}()
	for t.size < size {
		bundle := bundleOf(t.size, size)
		b, err := r.Resource(ctx, layout.Tile(layout.Ballots, bundle))
		if err != nil {
			return fmt.Errorf("reading ballots: %w", err)
		}
		entries, err := tlog.DecodeBundle(b, bundle.Width)
		if err != nil {
			return err
		}
		for ; t.size < bundle.Index*tlog.TileWidth+int64(bundle.Width); t.size++ {
			if id, ok := ballotID(entries[t.size%tlog.TileWidth], m); ok {
				t.sorted = append(t.sorted, print{binary.BigEndian.Uint64(id[:]), uint32(t.size)})
			}
		}
	}
	return nil
}

// ballotID returns the id of the ballot that an entry holds, if it holds one.
func ballotID(entry []byte, m *election.Manifest) (suite.BallotID, bool) {
	parsed, err := ledger.ParseBallots(entry)
	if err != nil {
		return suite.BallotID{}, false
	}
	b, ok := parsed.(ledger.Ballot)
	if !ok {
		return suite.BallotID{}, false
	}
	body, _, err := ballot.ParseCast(b.Cast, m.Options())
	if err != nil {
		return suite.BallotID{}, false
	}
	return ballot.ID(body), true
}

// tilesOf reads hashes from the published tiles of a log, each checked against the
// checkpoint's root.
func tilesOf(ctx context.Context, r Record, c tlog.Checkpoint) tlog.HashReader {
	return tlog.TileReader(c.Size, c.Root, func(tiles []tlog.Tile) ([][]byte, error) {
		var list [][]byte
		for _, t := range tiles {
			b, err := r.Resource(ctx, layout.Tile(layout.Ballots, t))
			if err != nil {
				return nil, err
			}
			list = append(list, b)
		}
		return list, nil
	})
}
