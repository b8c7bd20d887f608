package ballotbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// Errors of [Box.Lock].
var (
	// ErrTooEarly is returned before the close in force and the grace, and,
	// while an envelope is undecided, before decide_until.
	ErrTooEarly = errors.New("the election cannot be locked yet")
	// ErrMissing is returned while the box does not hold every ballot that the
	// committee accepted.
	ErrMissing = errors.New("an accepted ballot has not come to the box")
	// ErrOtherLock is returned to a proof of another ledger than the one the
	// box locked on.
	ErrOtherLock = errors.New("the box is locked on another end of the ledger")
)

// A ProofError reports a proof that does not show the end of the ledger, or an
// end that the box's own counts contradict.
type ProofError struct {
	Err error
}

func (e *ProofError) Error() string { return "invalid proof of the ledger's end: " + e.Err.Error() }
func (e *ProofError) Unwrap() error { return e.Err }

// A Closing is the end of the ballot log: what the tellers open on.
type Closing struct {
	Root suite.Hash
	Size int64
}

// Lock ends the ballot log. proof is a tlog-proof of the ledger's final entry,
// with the entry as extra, under a checkpoint that satisfies the manifest's
// policy. What is pending enters the log, the close record follows, and from
// there nothing is accepted; the same proof again gets the same answer. The
// pending key is forgotten; whoever keeps its file destroys that and then calls
// [Box.StateDestroyed].
//
// It returns a [*ProofError], [ErrTooEarly], [ErrMissing] or [ErrOtherLock].
func (b *Box) Lock(ctx context.Context, proof []byte) (Closing, error) {
	end, err := b.checkEnd(proof)
	if err != nil {
		return Closing{}, &ProofError{Err: err}
	}
	locked := false
	err = b.atomically(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockPhase(ctx, tx); err != nil {
			return err
		}
		phase, err := readPhase(ctx, tx)
		if err != nil {
			return err
		}
		if locked = after(phase); locked {
			return nil
		}
		return b.lock(ctx, tx, phase, end)
	})
	if err != nil {
		return Closing{}, fmt.Errorf("locking ballot box: %w", err)
	}
	if locked {
		if err := b.sameEnd(ctx, end); err != nil {
			return Closing{}, fmt.Errorf("locking ballot box: %w", err)
		}
	}
	b.Forget()
	if err := b.sign(ctx); err != nil {
		return Closing{}, fmt.Errorf("locking ballot box: %w", err)
	}
	head, err := b.c.Log.Head(ctx)
	if err != nil {
		return Closing{}, fmt.Errorf("locking ballot box: %w", err)
	}
	return Closing{Root: head.Root, Size: head.Size}, nil
}

// An end is the ledger's final entry and the checkpoint that shows it.
type end struct {
	final ledger.Final
	text  string // of the checkpoint
}

// checkEnd verifies that a proof shows the last entry of the ledger: cosigned
// as the manifest demands, of this election, and at the very end.
func (b *Box) checkEnd(proof []byte) (*end, error) {
	p, err := tlog.ParseProof(proof)
	if err != nil {
		return nil, err
	}
	policy, err := b.c.Manifest.LedgerPolicy()
	if err != nil {
		return nil, err
	}
	opened, err := p.Check(policy, tlog.LeafHash(p.Extra))
	if err != nil {
		return nil, err
	}
	if p.Index != opened.Checkpoint.Size-1 {
		return nil, errors.New("the entry is not the last of its checkpoint")
	}
	entry, err := ledger.ParseLedger(p.Extra)
	if err != nil {
		return nil, err
	}
	final, ok := entry.(ledger.Final)
	if !ok || final.MID != b.c.MID {
		return nil, errors.New("the entry is not this election's final one")
	}
	return &end{final: final, text: opened.Checkpoint.Text()}, nil
}

// lock drains what is pending and writes the close record, under the exclusive
// lock of the phase.
func (b *Box) lock(ctx context.Context, tx pgx.Tx, phase election.Phase, e *end) error {
	a, err := b.loadActs(ctx, tx)
	if err != nil {
		return err
	}
	if err := b.checkTime(a, e.final); err != nil {
		return err
	}
	if err := b.checkFinal(a, e.final); err != nil {
		return &ProofError{Err: err}
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, batchLock); err != nil {
		return fmt.Errorf("locking batches: %w", err)
	}
	for _, g := range b.c.Manifest.Groups {
		list, err := b.take(ctx, tx, g.ID, false)
		if err != nil {
			return err
		}
		if err := b.publish(ctx, tx, list); err != nil {
			return err
		}
	}
	if err := checkEmpty(ctx, tx); err != nil {
		return err
	}
	if err := b.checkAccepted(ctx, tx, a); err != nil {
		return err
	}
	if err := b.writeClose(ctx, tx, e); err != nil {
		return err
	}
	return setPhase(ctx, tx, phase, election.PhaseLocked)
}

// checkTime refuses a lock that comes too early. A cancelled election is
// locked at once.
func (b *Box) checkTime(a *acts, f ledger.Final) error {
	if a.state.Cancelled {
		return nil
	}
	now, s := b.c.Now().Unix(), b.c.Manifest.Schedule
	if now < s.LockFrom(a.state.Close) {
		return ErrTooEarly
	}
	for _, g := range f.Groups {
		if g.Undecided() > 0 && now < s.DecideUntil {
			return ErrTooEarly
		}
	}
	return nil
}

// checkFinal compares the ledger's counts with the manifest and with the acts
// that came to the box: an act that the box was not brought would show here.
func (b *Box) checkFinal(a *acts, f ledger.Final) error {
	if len(f.Groups) != len(b.c.Manifest.Groups) {
		return errors.New("the counts are not of the manifest's groups")
	}
	for i, g := range b.c.Manifest.Groups {
		x := f.Groups[i]
		if x.Group != g.ID {
			return errors.New("the counts are not of the manifest's groups")
		}
		d := a.counts[g.ID]
		if int(x.Added) != len(a.state.Added[g.ID]) || int(x.Struck) != len(a.state.Struck[g.ID]) {
			return fmt.Errorf("group %d: additions and strikes are not those of the acts", g.ID)
		}
		if (decided{x.AcceptedOn, x.AcceptedOff, x.RejectedOn, x.RejectedOff}) != d {
			return fmt.Errorf("group %d: decisions are not those of the acts", g.ID)
		}
		if err := x.Check(g.RollSize); err != nil {
			return fmt.Errorf("group %d: %w", g.ID, err)
		}
	}
	return nil
}

func checkEmpty(ctx context.Context, tx pgx.Tx) error {
	var left bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM ballotbox.pending)`).Scan(&left); err != nil {
		return fmt.Errorf("reading pending ballots: %w", err)
	}
	if left {
		return errors.New("a pending ballot is of no group")
	}
	return nil
}

// checkAccepted returns [ErrMissing] unless every ballot that the committee
// accepted is in the log.
func (b *Box) checkAccepted(ctx context.Context, tx pgx.Tx, a *acts) error {
	if len(a.accepted) == 0 {
		return nil
	}
	ids := make([][]byte, 0, len(a.accepted))
	for id := range a.accepted {
		ids = append(ids, id[:])
	}
	var found int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM ballotbox.cast_index WHERE ballot_id = ANY($1)`, ids).Scan(&found)
	if err != nil {
		return fmt.Errorf("looking for accepted ballots: %w", err)
	}
	if found != len(ids) {
		return ErrMissing
	}
	return nil
}

// writeClose appends the close record: how many ballots of each group there
// are, the chain before it, and the ledger's end.
func (b *Box) writeClose(ctx context.Context, tx pgx.Tx, e *end) error {
	cast, err := countCast(ctx, tx)
	if err != nil {
		return err
	}
	record := ledger.Close{MID: b.c.MID, Ledger: e.text}
	for i, g := range b.c.Manifest.Groups {
		x := e.final.Groups[i]
		// More ballots than credentials means that an issuer's key is out, or
		// that the registrar hides issuances: a human must look, not the box.
		if cast[g.ID] > uint64(x.Issued)+x.Accepted() {
			return &ProofError{Err: fmt.Errorf("group %d: the box holds more ballots than were issued and accepted", g.ID)}
		}
		record.Groups = append(record.Groups, ledger.CloseGroup{Group: g.ID, Cast: uint32(cast[g.ID])})
	}
	head, err := b.c.Log.AppendTx(ctx, tx, nil)
	if err != nil {
		return err
	}
	record.Chain = head.Chain
	_, err = b.c.Log.AppendTx(ctx, tx, [][]byte{record.Bytes()})
	return err
}

// countCast counts the ballots of the log by group, from the entries that are
// published: type 01, then the body: a version, the mid, the group.
func countCast(ctx context.Context, tx pgx.Tx) (map[suite.GroupID]uint64, error) {
	rows, err := tx.Query(ctx, `
		SELECT get_byte(body, 34) * 256 + get_byte(body, 35), count(*)
		FROM board.entry WHERE get_byte(body, 0) = 1 GROUP BY 1`)
	if err != nil {
		return nil, fmt.Errorf("counting ballots: %w", err)
	}
	counts := make(map[suite.GroupID]uint64)
	var g int32
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&g, &n}, func() error {
		counts[suite.GroupID(g)] = uint64(n)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting ballots: %w", err)
	}
	return counts, nil
}

// sameEnd returns an error unless the box is locked on this end of the ledger.
func (b *Box) sameEnd(ctx context.Context, e *end) error {
	head, err := b.c.Log.Head(ctx)
	if err != nil {
		return err
	}
	last, err := b.c.Log.Entry(ctx, head.Size-1)
	if err != nil {
		return err
	}
	entry, err := ledger.ParseBallots(last)
	if err != nil {
		return fmt.Errorf("reading close record: %w", err)
	}
	if c, ok := entry.(ledger.Close); !ok || c.Ledger != e.text {
		return ErrOtherLock
	}
	return nil
}

// Forget forgets the pending key, in a process beside the one that has stated its
// destruction. Nothing is pending any more.
func (b *Box) Forget() { b.sealer.Store(nil) }

// StateDestroyed publishes the statement that the pending key is destroyed
// (SPEC 20). The caller has destroyed it, every copy; the box only knows that
// it is locked.
func (b *Box) StateDestroyed(ctx context.Context) error {
	phase, err := readPhase(ctx, b.c.Pool)
	if err != nil {
		return fmt.Errorf("stating destruction: %w", err)
	}
	if !after(phase) {
		return errors.New("stating destruction: the box still needs its pending key")
	}
	b.Forget()
	note, err := b.c.Log.SignText(statement.Text(b.c.MID, statement.PendingKey))
	if err != nil {
		return fmt.Errorf("stating destruction: %w", err)
	}
	if err := b.c.Log.PutFile(ctx, layout.StatementBox, note); err != nil {
		return fmt.Errorf("stating destruction: %w", err)
	}
	return nil
}
