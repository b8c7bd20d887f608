package teller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// An Opening is what a teller is about to open: the sums of a record that this
// program verified itself.
type Opening struct {
	Report *audit.Report
	by     *Teller // who examined it
}

// Options say how a record is examined.
type Options struct {
	// MID is the manifest the teller expects, from a mail or a notice. May be
	// nil: then the teller must compare the six words.
	MID *suite.MID
	// First is the close root that the first copy of the key answered for. The
	// second copy of a key demands it.
	First *suite.Hash
	// Progress may be nil.
	Progress func(step string, done, total int)
	// Now is the teller's clock; nil is the computer's.
	Now func() time.Time
}

// Examine reads the locked record and verifies all of it. It opens and changes
// nothing.
func (t *Teller) Examine(ctx context.Context, o Options) (*Opening, error) {
	if !t.done() {
		return nil, errNotDone
	}
	r, err := t.verify(ctx, layout.Locked, o)
	if err != nil {
		return nil, err
	}
	if err := t.mayOpen(r, o.First); err != nil {
		return nil, err
	}
	return &Opening{Report: r, by: t}, nil
}

// ErrSecondCopy is returned for the second copy of a key without the close root,
// or with another one than the record's: two copies must not open two boxes.
var ErrSecondCopy = errors.New("this is the second copy of the key: it opens only the closed box whose check digits the first copy answered for")

var errNotDone = errors.New("this key has not been through the ceremony")

// verify verifies all of the record.
func (t *Teller) verify(ctx context.Context, stage layout.Stage, o Options) (*audit.Report, error) {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	c, live := t.coordinator.(network)
	fsys, closer, err := t.coordinator.record(ctx, stage, o.Progress)
	if live && errors.Is(err, layout.ErrNotLocked) {
		return nil, c.untilLock(ctx, now())
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	options := audit.Options{Stage: stage, MID: o.MID, Progress: o.Progress}
	if live {
		options.Fetched = now()
	}
	r, err := audit.Verify(ctx, fsys, options)
	if errors.Is(err, layout.ErrNotLocked) || errors.Is(err, layout.ErrLocking) {
		return nil, err // a sentence of its own
	}
	if err != nil {
		return nil, fmt.Errorf("verifying the record: %w", err)
	}
	return r, nil
}

// mayOpen holds the rules under which a teller answers (SPEC.md section 14).
// first is the close root that the first copy of the key answered for.
func (t *Teller) mayOpen(r *audit.Report, first *suite.Hash) error {
	if r.Stage == layout.Cancelled {
		return errors.New("the election was cancelled; nothing of it is ever opened")
	}
	if err := t.mine(r); err != nil {
		return err
	}
	switch {
	case len(t.k.CloseRoot) > 0 && (!bytes.Equal(t.k.CloseRoot, r.CloseRoot[:]) || !bytes.Equal(t.k.MID, r.MID[:])):
		return ErrOtherClose
	case t.k.Copy > 1 && (first == nil || *first != r.CloseRoot):
		return ErrSecondCopy
	}
	return nil
}

// mine checks that a record holds and is of this teller's election and key.
func (t *Teller) mine(r *audit.Report) error {
	if !r.Verified {
		return fmt.Errorf("the record does not hold: %s", r.Fault())
	}
	return t.named(r.Manifest)
}

// Send makes this teller's shares of exactly the sums in the opening, and
// sends them. What it answers for is in the key file before anything leaves.
func (t *Teller) Send(ctx context.Context, o *Opening) error {
	if o.by != t {
		return errors.New("this program has not examined the record")
	}
	r := o.Report
	if err := t.coordinator.ready(); err != nil {
		return err
	}
	// Since then it may have opened another.
	if err := t.mayOpen(r, &r.CloseRoot); err != nil {
		return err
	}
	err := t.keep(func(k *key) { k.MID, k.CloseRoot = bytes.Clone(r.MID[:]), bytes.Clone(r.CloseRoot[:]) })
	if err != nil {
		return err
	}
	x, err := t.share()
	if err != nil {
		return err
	}
	defer wipe(x)
	f, err := r.Opening.Shares(t.k.Number, x)
	if err != nil {
		return err
	}
	body, err := f.Encode()
	if err != nil {
		return fmt.Errorf("encoding shares: %w", err)
	}
	return t.coordinator.post(ctx, t.k.Session, ceremony.RoundShares, body)
}

// Standing is how far the opening is. It is the service's word: a person is told it, and
// nothing is done because of it.
type Standing struct {
	There, Needed int
	Mine          bool // this teller's is there
	Phase         election.Phase
}

// Standing asks the service how far the opening is.
func (t *Teller) Standing(ctx context.Context) (Standing, error) {
	st, err := t.coordinator.state(ctx)
	if err != nil {
		return Standing{}, err
	}
	p := Standing{Needed: int(st.T), Phase: election.Phase(st.Phase)}
	for i, there := range st.Shared {
		if there {
			p.There++
			p.Mine = p.Mine || i+1 == t.Number()
		}
	}
	return p, nil
}

// An Ending is a certified result whose record this program verified itself: the key
// is needed no more.
type Ending struct {
	mid suite.MID
	by  *Teller // who verified it
}

// End verifies that the result is certified. Before that a recount would still need the
// key, so the service is not believed: the whole record is verified. It destroys and
// changes nothing. The progress function may be nil.
func (t *Teller) End(ctx context.Context, progress func(step string, done, total int)) (*Ending, error) {
	if !t.done() {
		return nil, errNotDone
	}
	r, err := t.verify(ctx, layout.Certified, Options{Progress: progress})
	if err != nil {
		return nil, err
	}
	if err := t.mine(r); err != nil {
		return nil, err
	}
	if len(t.k.MID) > 0 && !bytes.Equal(t.k.MID, r.MID[:]) {
		return nil, errors.New("the record is of another election than this key has opened")
	}
	return &Ending{mid: r.MID, by: t}, nil
}

// Destroy destroys the key file and sends the statement of it. Another call sends
// the statement again.
func (t *Teller) Destroy(ctx context.Context, e *Ending) error {
	if e.by != t {
		return errors.New("this program has not verified the record")
	}
	if err := t.coordinator.ready(); err != nil {
		return err
	}
	s, err := t.static()
	if err != nil {
		return err
	}
	defer wipe(s)
	// The key goes first: a statement that comes before the deed may turn out
	// to be false.
	signed := statement.SignTeller(s, int(t.k.Number), e.mid)
	if err := t.file.destroy(); err != nil {
		return err
	}
	if err := t.coordinator.post(ctx, t.k.Session, ceremony.RoundStatement, signed); err != nil {
		return fmt.Errorf("the key is destroyed, but its statement did not reach the committee: %w", err)
	}
	return nil
}
