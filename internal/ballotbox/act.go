package ballotbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// Errors of [Box.ApplyAct].
var (
	// ErrActGap is returned for an act before which others are missing.
	ErrActGap = errors.New("acts before this one are missing")
	// ErrActConflict is returned for another act under a sequence that is taken.
	ErrActConflict = errors.New("another act has this sequence")
)

// An ActError reports an act that the manifest and the acts before it do not
// allow.
type ActError struct {
	Err error
}

func (e *ActError) Error() string { return "invalid act: " + e.Err.Error() }
func (e *ActError) Unwrap() error { return e.Err }

// acts are the committee's acts as far as the database has them. They are never
// changed once made.
type acts struct {
	state    *act.State
	accepted map[suite.BallotID]suite.GroupID // envelopes that are to be counted
	counts   map[suite.GroupID]decided
}

// decided adds up what acts of one group say about envelopes.
type decided struct {
	acceptedOn, acceptedOff, rejectedOn, rejectedOff uint32
}

func (a *acts) last() uint32 { return a.state.Next - 1 }

// A reader is a pool or a transaction.
type reader interface {
	querier
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// loadActs returns the acts in force, verified anew from the manifest: the box
// believes its database no more than whoever sent it an act. Acts only grow, so
// what was read before is good while there is no further one.
func (b *Box) loadActs(ctx context.Context, q reader) (*acts, error) {
	var last uint32
	err := q.QueryRow(ctx, lastAct).Scan(&last)
	if err != nil {
		return nil, fmt.Errorf("reading acts: %w", err)
	}
	return b.actsAt(ctx, q, last)
}

// actsAt is loadActs for whoever knows the sequence of the last act.
func (b *Box) actsAt(ctx context.Context, q reader, last uint32) (*acts, error) {
	if known := b.acts.Load(); known != nil && known.last() == last {
		return known, nil
	}
	a, err := b.readActs(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading acts: %w", err)
	}
	b.acts.Store(a)
	return a, nil
}

const lastAct = `SELECT coalesce(max(sequence), 0) FROM ballotbox.act`

func (b *Box) readActs(ctx context.Context, q reader) (*acts, error) {
	rows, err := q.Query(ctx, `SELECT body FROM ballotbox.act ORDER BY sequence`)
	if err != nil {
		return nil, err
	}
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, err
	}
	a := &acts{
		state:    act.NewState(b.c.Manifest, b.c.MID),
		accepted: make(map[suite.BallotID]suite.GroupID),
		counts:   make(map[suite.GroupID]decided),
	}
	for _, body := range bodies {
		if err := a.apply(body); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *acts) apply(body []byte) error {
	x, err := act.Parse(body)
	if err != nil {
		return err
	}
	if err := a.state.Apply(x); err != nil {
		return err
	}
	payload, err := x.Decode()
	if err != nil {
		return err
	}
	if d, ok := payload.(act.Decide); ok {
		c := a.counts[d.Group]
		c.acceptedOn += d.AcceptedOn
		c.acceptedOff += d.AcceptedOff
		c.rejectedOn += d.RejectedOn
		c.rejectedOff += d.RejectedOff
		a.counts[d.Group] = c
		for _, id := range d.Accepted {
			a.accepted[id] = d.Group
		}
	}
	return nil
}

// open reports whether a phase admits a ballot at a moment. The row decides; the
// clock makes an end of casting that nobody has written yet hold to the second.
// After it the box still takes what the committee accepted: those envelopes were
// deposited in time.
func (b *Box) open(p election.Phase, a *acts, at time.Time, c *cast) bool {
	switch p {
	case election.PhaseOpen:
		if b.casting(a, at) {
			return true
		}
	case election.PhaseClosed:
	default:
		return false
	}
	g, ok := a.accepted[c.id]
	return ok && g == c.group
}

// ApplyProven takes an act with the proof that the ledger holds it: a tlog-proof
// of the act's entry under a checkpoint that satisfies the manifest's policy,
// the entry as extra, as it is published.
//
// Signatures alone are not enough to change the box. The registrar refuses some
// acts that are well signed, such as a strike of somebody who was issued a
// ballot; were the box to take one, its sequence and the ledger's would part, and
// it could never be locked.
//
// It returns what [Box.ApplyAct] returns.
func (b *Box) ApplyProven(ctx context.Context, proof []byte) (uint32, error) {
	p, err := tlog.ParseProof(proof)
	if err != nil {
		return 0, &ActError{Err: err}
	}
	policy, err := b.c.Manifest.LedgerPolicy()
	if err != nil {
		return 0, err
	}
	if _, err := p.Check(policy, tlog.LeafHash(p.Extra)); err != nil {
		return 0, &ActError{Err: err}
	}
	entry, err := ledger.ParseLedger(p.Extra)
	if err != nil {
		return 0, &ActError{Err: err}
	}
	a, ok := entry.(ledger.Act)
	if !ok {
		return 0, &ActError{Err: errors.New("the entry is not an act")}
	}
	return b.ApplyAct(ctx, a.Act.Bytes())
}

// ApplyAct takes the exact bytes of an act that the ledger holds and returns
// its sequence. Acts come in sequence without gaps; the same bytes again are
// answered again, in every phase. The box checks signatures and meaning itself,
// from the manifest and the acts before, and trusts nobody who brings them.
//
// It returns [ErrActGap], [ErrActConflict], [ErrLocked] or an [*ActError].
func (b *Box) ApplyAct(ctx context.Context, body []byte) (uint32, error) {
	x, err := act.Parse(body)
	if err != nil {
		return 0, &ActError{Err: err}
	}
	done, err := b.checkAct(ctx, x, body)
	if err != nil {
		return 0, fmt.Errorf("applying act: %w", err)
	}
	if done {
		return x.Sequence, nil
	}
	err = b.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockPhase(ctx, tx); err != nil {
			return err
		}
		return b.applyAct(ctx, tx, x.Sequence, body)
	})
	if err != nil {
		return 0, fmt.Errorf("applying act: %w", err)
	}
	return x.Sequence, nil
}

// checkAct answers an act that is known, and refuses one that is not valid,
// without the phase's lock: while it is taken alone nobody casts, and everybody
// can send acts. done reports that the act is kept. What a check without the
// lock lets pass is checked again under it.
func (b *Box) checkAct(ctx context.Context, x *act.Act, body []byte) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var kept []byte
	err = b.c.Pool.QueryRow(ctx, `SELECT body FROM ballotbox.act WHERE sequence = $1`, int64(x.Sequence)).Scan(&kept)
	switch {
	case err == nil && bytes.Equal(kept, body):
		return true, b.confirm(ctx)
	case err == nil:
		return false, ErrActConflict
	case !errors.Is(err, pgx.ErrNoRows):
		return false, fmt.Errorf("reading act: %w", err)
	}
	phase, err := readPhase(ctx, b.c.Pool)
	if err != nil {
		return false, err
	}
	if after(phase) {
		return false, ErrLocked
	}
	a, err := b.loadActs(ctx, b.c.Pool)
	if err != nil {
		return false, err
	}
	switch {
	case x.Sequence > a.state.Next:
		return false, ErrActGap
	case x.Sequence < a.state.Next:
		return false, nil // came here meanwhile
	}
	if err := a.state.Clone().Apply(x); err != nil {
		return false, &ActError{Err: err}
	}
	return false, nil
}

func (b *Box) applyAct(ctx context.Context, tx pgx.Tx, sequence uint32, body []byte) error {
	var kept []byte
	err := tx.QueryRow(ctx, `SELECT body FROM ballotbox.act WHERE sequence = $1`, int64(sequence)).Scan(&kept)
	switch {
	case err == nil && bytes.Equal(kept, body):
		_, err := tx.Exec(ctx, emit) // see confirm
		return err
	case err == nil:
		return ErrActConflict
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("reading act: %w", err)
	}
	phase, err := readPhase(ctx, tx)
	if err != nil {
		return err
	}
	if after(phase) {
		return ErrLocked
	}
	a, err := b.readActs(ctx, tx)
	if err != nil {
		return fmt.Errorf("reading acts: %w", err)
	}
	if sequence > a.state.Next {
		return ErrActGap
	}
	if err := a.apply(body); err != nil {
		return &ActError{Err: err}
	}
	_, err = tx.Exec(ctx, `INSERT INTO ballotbox.act (sequence, body) VALUES ($1, $2)`, int64(sequence), body)
	if err != nil {
		return fmt.Errorf("keeping act: %w", err)
	}
	return b.follow(ctx, tx, phase, a)
}

// follow moves the phase as an act demands at once: a cancellation ends
// casting, an extension that comes to the box late begins it again. Everything
// else waits for [Box.Tick].
func (b *Box) follow(ctx context.Context, tx pgx.Tx, phase election.Phase, a *acts) error {
	next := phase
	switch {
	case a.state.Cancelled:
		next = election.PhaseCancelled
	case phase == election.PhaseClosed && b.casting(a, b.c.Now()):
		next = election.PhaseOpen
	}
	if next == phase {
		return nil
	}
	return setPhase(ctx, tx, phase, next)
}

// casting reports whether the clock lets the box take ballots: until the grace
// after the close in force has passed.
func (b *Box) casting(a *acts, at time.Time) bool {
	return b.c.Manifest.Schedule.CastingAt(a.state.Close, at)
}
