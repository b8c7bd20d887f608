package registrar

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// ErrNotYet is returned by [Registrar.Lock] before its time.
var ErrNotYet = errors.New("it is too early to lock")

// Tick does what is due by the clock: it opens and closes, moves waiting entries
// into the ledger, signs what a crash left unsigned, and looks at the turnout. It is
// called every second or so, by every process.
func (r *Registrar) Tick(ctx context.Context) error {
	phase, err := r.Advance(ctx)
	if err != nil {
		return err
	}
	switch phase {
	case election.PhaseOpen, election.PhaseClosed:
		err = r.batch(ctx)
	case election.PhaseCancelled:
		err = r.Lock(ctx) // at once, with the counts it has
	}
	if phase != election.PhaseSealed {
		err = errors.Join(err, r.turnout(ctx, phase))
	}
	return errors.Join(err, r.sign(ctx))
}

// Advance opens and closes voting at its time and returns the phase.
func (r *Registrar) Advance(ctx context.Context) (election.Phase, error) {
	s, err := r.Phase(ctx)
	if err != nil {
		return "", err
	}
	// Looked at without the lock first: taken alone every second it would stop
	// everybody for a moment, every second.
	if r.next(s) == s.Phase {
		return s.Phase, nil
	}
	// Asked before the lock is taken: it may need a connection of its own, and
	// those who wait for the lock may hold all of them.
	if s.Phase == election.PhaseSealed && r.c.Ready != nil {
		if err := r.c.Ready(ctx); err != nil {
			return "", fmt.Errorf("voting cannot open yet: %w", err)
		}
	}
	var reached election.Phase
	err = alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		e, err := readRow(ctx, tx)
		if err != nil {
			return err
		}
		reached = r.next(State{Phase: e.phase, Close: e.close})
		if reached == e.phase {
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE registrar.election SET phase = $1`, reached)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("changing the phase: %w", err)
	}
	if reached != s.Phase {
		r.c.Log.InfoContext(ctx, "phase changed", "election", r.manifest.ElectionID.String(), "phase", reached)
	}
	return reached, nil
}

// next returns the phase that the clock demands; a phase never goes back.
func (r *Registrar) next(s State) election.Phase {
	if s.Phase != election.PhaseSealed && s.Phase != election.PhaseOpen {
		return s.Phase
	}
	if at := r.manifest.Schedule.PhaseAt(s.Close, r.c.Now()); at != election.PhaseSealed {
		return at
	}
	return s.Phase
}

// A State is where the election stands.
type State struct {
	Phase election.Phase `json:"phase"`
	Close int64          `json:"close"` // in force
}

// Phase returns where the election stands.
func (r *Registrar) Phase(ctx context.Context) (State, error) {
	var s State
	if err := r.c.Pool.QueryRow(ctx, `SELECT phase, close_at FROM registrar.election`).Scan(&s.Phase, &s.Close); err != nil {
		return State{}, fmt.Errorf("reading the phase: %w", err)
	}
	return s, nil
}

// over reports whether nobody can use a link any more. Until the end of the grace one
// still finishes a ballot that was under way, and is sent again to whoever asks.
func (r *Registrar) over(s State) bool {
	switch r.next(s) {
	case election.PhaseSealed, election.PhaseOpen:
		return false
	case election.PhaseClosed:
		return r.c.Now().Unix() >= r.manifest.Schedule.LockFrom(s.Close)
	}
	return true
}

// finishing reports whether voting has closed and the grace has not passed: a link still
// finishes a ballot that was issued before, and is of no other use. An envelope takes none.
func (r *Registrar) finishing(s State) bool {
	return r.next(s) == election.PhaseClosed && !r.over(s)
}

// early reports whether no link has left yet: see [Registrar.Resend].
func (r *Registrar) early(s State) bool { return s.Phase == election.PhaseSealed && !r.over(s) }

// SetPhase notes that an election was tallied, certified or archived, which is
// decided by files beside the logs. It goes one step only.
func (r *Registrar) SetPhase(ctx context.Context, from, to election.Phase) error {
	steps := []election.Phase{election.PhaseLocked, election.PhaseTallied, election.PhaseCertified, "archived"}
	if i := slices.Index(steps, to); i < 1 || steps[i-1] != from {
		return fmt.Errorf("changing the phase: there is no step from %s to %s", from, to)
	}
	err := alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE registrar.election SET phase = $2 WHERE phase IN ($1, $2)`, from, to)
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("it is not %s", from)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("changing the phase: %w", err)
	}
	return nil
}

// Lock ends the ledger: the last batches, then the counts (SPEC 11). It returns
// [ErrNotYet] before its time, and nil if it was locked before. The caller then
// calls [Registrar.Wipe] in every process that serves this election.
func (r *Registrar) Lock(ctx context.Context) error {
	err := alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		e, err := readRow(ctx, tx)
		if err != nil {
			return err
		}
		if done, err := finished(ctx, tx); err != nil || done {
			return err
		}
		groups, err := r.count(ctx, tx)
		if err != nil {
			return err
		}
		if err := r.lockable(e, groups); err != nil {
			return err
		}
		entries, err := r.drain(ctx, tx)
		if err != nil {
			return err
		}
		entries = append(entries, ledger.Final{MID: r.mid, Groups: groups}.Bytes())
		if err := r.c.Ledger.AppendTx(ctx, tx, entries); err != nil {
			return err
		}
		// A cancelled election stays one.
		_, err = tx.Exec(ctx, `UPDATE registrar.election SET phase = 'locked' WHERE phase = 'closed'`)
		return err
	})
	if err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	if _, err := r.c.Ledger.Sign(ctx); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	return nil
}

func (r *Registrar) lockable(e row, groups []ledger.FinalGroup) error {
	now := r.c.Now().Unix()
	switch e.phase {
	case election.PhaseCancelled:
		return nil
	case election.PhaseClosed:
	default:
		return ErrNotYet
	}
	if now < r.manifest.Schedule.LockFrom(e.close) {
		return ErrNotYet
	}
	if now < r.manifest.Schedule.DecideUntil && slices.ContainsFunc(groups, func(g ledger.FinalGroup) bool { return g.Undecided() > 0 }) {
		return fmt.Errorf("%w: envelopes are undecided", ErrNotYet)
	}
	return nil
}

// finished reports whether the ledger has its last entry.
func finished(ctx context.Context, tx pgx.Tx) (bool, error) {
	var last []byte
	err := tx.QueryRow(ctx, `SELECT body FROM board.entry ORDER BY index DESC LIMIT 1`).Scan(&last)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the ledger's last entry: %w", err)
	}
	return len(last) > 0 && last[0] == 0xff, nil
}

// drain takes everything out of the queue, by group, sorted.
func (r *Registrar) drain(ctx context.Context, tx pgx.Tx) ([][]byte, error) {
	rows, err := tx.Query(ctx, `DELETE FROM registrar.queue RETURNING group_id, entry`)
	if err != nil {
		return nil, fmt.Errorf("emptying the queue: %w", err)
	}
	type waiting struct {
		Group suite.GroupID
		Entry []byte
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[waiting])
	if err != nil {
		return nil, fmt.Errorf("emptying the queue: %w", err)
	}
	slices.SortFunc(all, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), bytes.Compare(a.Entry, b.Entry))
	})
	entries := make([][]byte, len(all))
	for i, w := range all {
		entries[i] = w.Entry
	}
	return entries, nil
}
