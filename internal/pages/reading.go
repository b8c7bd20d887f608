package pages

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// ends are the last entries of both logs of an election. They never change.
type ends struct {
	final  ledger.Final
	closed ledger.Close
}

// figures reads what the record says in numbers so far. What a page calls opened or
// certified has at least the form and the signatures of it; whether it follows from
// the ballots is what `strikevote verify` finds.
func (s *Site) figures(ctx context.Context, v *view) (*figures, error) {
	f := &figures{manifest: v.Manifest}
	e, err := s.ends(ctx, v)
	if err != nil {
		return nil, err
	}
	if e == nil && v.Has(layout.Result) && v.Phase != Cancelled {
		// There is a result, and nobody is to read that there is none.
		return nil, errors.New("reading the ends of the logs: a half of the record is not to be had")
	}
	if e == nil {
		return f, nil
	}
	if err := f.locked(e.final, e.closed); err != nil {
		return nil, err
	}
	if !v.Has(layout.Result) || v.Phase == Cancelled {
		return f, nil
	}
	b, err := v.record.Resource(ctx, layout.Result)
	if err != nil {
		return nil, fmt.Errorf("reading result: %w", err)
	}
	if f.result, err = tally.ParseResult(b); err != nil {
		return nil, err
	}
	if f.result.MID != v.MID {
		return nil, errors.New("reading result: it is another election's")
	}
	if err := f.checkResult(); err != nil {
		return nil, err
	}
	if !v.Has(layout.Certificate) || !v.Has(layout.Certification) {
		return f, nil
	}
	return f, f.readCertificate(ctx, v, sha256.Sum256(b))
}

// checkResult refuses a result that does not fit the manifest, so that no page has to
// look twice.
func (f *figures) checkResult() error {
	var groups []suite.GroupID
	for _, u := range f.result.Units {
		groups = append(groups, u.Groups...)
	}
	for _, s := range f.result.Sets {
		groups = append(groups, s.Groups...)
		if len(s.Votes) != len(f.manifest.Questions) {
			return errors.New("reading result: it has another number of questions")
		}
		for i, q := range f.manifest.Questions {
			if len(s.Votes[i]) != len(q.Options) {
				return errors.New("reading result: it has another number of options")
			}
		}
	}
	for _, id := range groups {
		if f.manifest.Group(id) == nil {
			return fmt.Errorf("reading result: there is no group %d", id)
		}
	}
	return nil
}

// readCertificate reads the certificate of a result, and checks who signed it.
func (f *figures) readCertificate(ctx context.Context, v *view, result suite.Hash) error {
	b, err := v.record.Resource(ctx, layout.Certificate)
	if err != nil {
		return fmt.Errorf("reading certificate: %w", err)
	}
	signatures, err := v.record.Resource(ctx, layout.Certification)
	if err != nil {
		return fmt.Errorf("reading certification: %w", err)
	}
	c, err := tally.ParseCertificate(b)
	if err != nil {
		return err
	}
	if c.MID != v.MID || c.Result != result {
		return errors.New("reading certificate: it is of another result")
	}
	// The committee's signatures do not make a group of what is none.
	if len(c.Groups) != len(v.Manifest.Groups) {
		return errors.New("reading certificate: it does not count the manifest's groups")
	}
	for i := range c.Groups {
		if c.Groups[i].ID != v.Manifest.Groups[i].ID {
			return fmt.Errorf("reading certificate: it does not count group %d in its place", v.Manifest.Groups[i].ID)
		}
	}
	if err := tally.VerifyCertification(&v.Acts.Committee, v.MID, b, signatures); err != nil {
		return err
	}
	signed, err := election.ParseSignatures(signatures)
	if err != nil {
		return err
	}
	for _, m := range signed.Signatures {
		f.signed = append(f.signed, v.Acts.Committee.Members[m.Member].Name)
	}
	f.certificate = c
	return nil
}

// ends returns the last entries of both logs, or nil while one of them goes on or is
// not to be had here.
func (s *Site) ends(ctx context.Context, v *view) (*ends, error) {
	// What was read before is there also while the box's side, which lists its files
	// itself, does not answer.
	s.mu.Lock()
	e := s.ended[v.ID]
	s.mu.Unlock()
	if e != nil || !v.Has(layout.StatementRegistrar) || !v.Has(layout.StatementBox) {
		return e, nil
	}
	last, err := lastEntry(ctx, v.record, layout.Ledger)
	if err != nil {
		return nil, ignoreAbsent(err)
	}
	entry, err := ledger.ParseLedger(last)
	if err != nil {
		return nil, err
	}
	final, ok := entry.(ledger.Final)
	if !ok || final.MID != v.MID {
		return nil, nil
	}
	if last, err = lastEntry(ctx, v.record, layout.Ballots); err != nil {
		return nil, ignoreAbsent(err)
	}
	if entry, err = ledger.ParseBallots(last); err != nil {
		return nil, err
	}
	closed, ok := entry.(ledger.Close)
	if !ok || closed.MID != v.MID {
		return nil, nil
	}
	e = &ends{final, closed}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = make(map[suite.ElectionID]*ends)
	}
	s.ended[v.ID] = e
	return e, nil
}

// ignoreAbsent lets a page go without what is not there yet: the second half of a
// record may come a moment after the first.
func ignoreAbsent(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// checkpointOf reads the newest checkpoint of a log. Nothing of it is verified.
func checkpointOf(ctx context.Context, r Record, log string) (tlog.Checkpoint, []byte, error) {
	note, err := r.Resource(ctx, layout.Checkpoint(log))
	if err != nil {
		return tlog.Checkpoint{}, nil, err
	}
	c, err := tlog.ParseCheckpointText(textOf(note))
	return c, note, err
}

// textOf returns the text of a note without its signatures.
func textOf(note []byte) string {
	for i := 1; i < len(note); i++ {
		if note[i] == '\n' && note[i-1] == '\n' {
			return string(note[:i])
		}
	}
	return string(note)
}

// lastEntry reads the last entry of a log.
func lastEntry(ctx context.Context, r Record, log string) ([]byte, error) {
	c, _, err := checkpointOf(ctx, r, log)
	if err != nil {
		return nil, err
	}
	if c.Size < 1 {
		return nil, ErrNotFound
	}
	return entryAt(ctx, r, log, c.Size-1, c.Size)
}

// entryAt reads one entry of a log of that size.
func entryAt(ctx context.Context, r Record, log string, index, size int64) ([]byte, error) {
	t := bundleOf(index, size)
	b, err := r.Resource(ctx, layout.Tile(log, t))
	if err != nil {
		return nil, err
	}
	entries, err := tlog.DecodeBundle(b, t.Width)
	if err != nil {
		return nil, err
	}
	return entries[index%tlog.TileWidth], nil
}

// bundleOf names the bundle in which a log of that size has an entry.
func bundleOf(index, size int64) tlog.Tile {
	at := index / tlog.TileWidth
	return tlog.Tile{Level: tlog.Entries, Index: at, Width: int(min(tlog.TileWidth, size-at*tlog.TileWidth))}
}
