package ballotbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// Tick does what time and numbers make due: it opens and closes casting by the
// clock, moves batches that are full into the log, and signs what a crash left
// unsigned. The service calls it about once a second; an error means that
// something was left for the next call.
func (b *Box) Tick(ctx context.Context) error {
	phase, err := b.advance(ctx)
	if err != nil {
		return fmt.Errorf("moving phase: %w", err)
	}
	if phase == election.PhaseOpen || phase == election.PhaseClosed {
		for _, g := range b.c.Manifest.Groups {
			if err := b.batch(ctx, g.ID); err != nil {
				return fmt.Errorf("batching ballots: %w", err)
			}
		}
	}
	// A head without a checkpoint is what a crash leaves, here or in another
	// process that serves this box.
	behind, err := b.c.Log.Unsigned(ctx)
	if err != nil || !behind {
		return err
	}
	return b.sign(ctx)
}

// advance moves the phase where the clock says so and returns it. A clock that
// is set back undoes nothing: sealed and open are left once, and casting is
// begun again by an act only.
func (b *Box) advance(ctx context.Context) (election.Phase, error) {
	phase, err := readPhase(ctx, b.c.Pool)
	if err != nil {
		return "", err
	}
	a, err := b.loadActs(ctx, b.c.Pool)
	if err != nil {
		return "", err
	}
	if b.due(phase, a) == phase {
		return phase, nil
	}
	err = b.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockPhase(ctx, tx); err != nil {
			return err
		}
		// Read again under the lock: an act may have moved the close, another
		// process the phase.
		if phase, err = readPhase(ctx, tx); err != nil {
			return err
		}
		if a, err = b.loadActs(ctx, tx); err != nil {
			return err
		}
		next := b.due(phase, a)
		if next == phase {
			return nil
		}
		if err := setPhase(ctx, tx, phase, next); err != nil {
			return err
		}
		phase = next
		return nil
	})
	if err == nil {
		b.c.Logger.InfoContext(ctx, "phase of the ballot box", "phase", phase)
	}
	return phase, err
}

// due returns the phase that follows from the clock.
func (b *Box) due(phase election.Phase, a *acts) election.Phase {
	now := b.c.Now()
	begun := now.Unix() >= b.c.Manifest.Schedule.Open
	switch {
	case phase == election.PhaseSealed && begun && b.casting(a, now):
		return election.PhaseOpen
	case (phase == election.PhaseSealed || phase == election.PhaseOpen) && begun && !b.casting(a, now):
		return election.PhaseClosed
	}
	return phase
}

// batch moves ballots of one group into the log if twice the smallest batch is
// pending: all but a random smallest batch of them, sorted by ballot_id, in one
// transaction. So nobody who watches the log learns which of the ballots that
// are in it came last, and no batch hides among fewer than the smallest.
//
// Who leaves is drawn in a transaction of its own. What a transaction has written can
// be read in the files of the database although it never commits, because somebody
// killed it. If each attempt drew anew, a few of them would show all that wait, and
// one more after each ballot the ballot that came last.
func (b *Box) batch(ctx context.Context, g suite.GroupID) error {
	var waiting, drawn int
	err := b.c.Pool.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE leaving) FROM ballotbox.pending WHERE group_id = $1`, int32(g)).
		Scan(&waiting, &drawn)
	if err != nil {
		return err
	}
	if drawn == 0 {
		if waiting < 2*b.groups[g].batchMin {
			return nil
		}
		if err := b.draw(ctx, g); err != nil {
			return err
		}
	}
	moved := 0
	err = b.atomically(ctx, func(ctx context.Context, tx pgx.Tx) error {
		moved = 0
		phase, err := b.lockBatch(ctx, tx)
		if err != nil || after(phase) {
			return err
		}
		list, err := b.take(ctx, tx, g, true)
		if err != nil {
			return err
		}
		moved = len(list)
		return b.publish(ctx, tx, list)
	})
	if err != nil || moved == 0 { // another process was faster
		return err
	}
	b.c.Metrics.batches.Inc()
	b.c.Metrics.ballots.Add(float64(moved))
	return b.sign(ctx)
}

// errNoDraw makes a draw roll back for which there is no reason.
var errNoDraw = errors.New("there is nothing to draw")

// draw decides which of the pending ballots of a group leave, and writes the rows of
// all of them anew: see [Box.take] and [Box.putBack].
func (b *Box) draw(ctx context.Context, g suite.GroupID) error {
	stay := b.groups[g].batchMin
	err := b.atomically(ctx, func(ctx context.Context, tx pgx.Tx) error {
		phase, err := b.lockBatch(ctx, tx)
		if err != nil {
			return err
		}
		var drawn bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM ballotbox.pending WHERE group_id = $1 AND leaving)`, int32(g)).Scan(&drawn); err != nil {
			return err
		}
		if drawn || after(phase) {
			return errNoDraw
		}
		list, err := b.take(ctx, tx, g, false)
		if err != nil {
			return err
		}
		if len(list) < 2*stay {
			return errNoDraw // another process was faster; what was taken goes back
		}
		leave := len(list) - stay
		if err := choose(list, leave); err != nil {
			return err
		}
		return b.putBack(ctx, tx, g, list, leave)
	})
	if errors.Is(err, errNoDraw) {
		return nil
	}
	return err
}

// atomically runs a transaction of the box's own work, which no request waits
// for and none cancels.
func (b *Box) atomically(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	return postgres.InTx(ctx, b.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error { return fn(ctx, tx) })
}

func (b *Box) sign(ctx context.Context) error {
	_, err := b.c.Log.Sign(context.WithoutCancel(ctx))
	return err
}

// lockBatch takes the locks under which ballots move into the log and returns
// the phase.
func (b *Box) lockBatch(ctx context.Context, tx pgx.Tx) (election.Phase, error) {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, phaseLock)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, batchLock)
	}
	if err != nil {
		return "", fmt.Errorf("locking batches: %w", err)
	}
	return readPhase(ctx, tx)
}

// take takes rows of one group out of pending: all, whoever of them stays, or those
// that were drawn to leave. All are taken and written anew before any leaves: the
// database's log keeps which rows a transaction deletes, and in which order they came,
// and members are issued ballots in an order that is known.
func (b *Box) take(ctx context.Context, tx pgx.Tx, g suite.GroupID, drawn bool) ([]*cast, error) {
	rows, err := tx.Query(ctx, `DELETE FROM ballotbox.pending WHERE group_id = $1 AND (leaving OR NOT $2) RETURNING key, sealed`, int32(g), drawn)
	if err != nil {
		return nil, fmt.Errorf("taking pending ballots: %w", err)
	}
	var list []*cast
	var key, row []byte
	_, err = pgx.ForEachRow(rows, []any{&key, &row}, func() error {
		c, err := b.unseal(key, row)
		if err == nil && c.group != g {
			err = errors.New("pending ballot is of another group than its row")
		}
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("taking pending ballots: %w", err)
	}
	return list, nil
}

// choose moves n of a list to its front, every choice equally likely (Fisher and
// Yates). The order of arrival must not decide who waits, and nobody may predict it.
func choose[T any](list []T, n int) error {
	for i := range n {
		j, err := rand.Int(rand.Reader, big.NewInt(int64(len(list)-i)))
		if err != nil {
			return fmt.Errorf("choosing ballots of a batch: %w", err)
		}
		at := i + int(j.Int64())
		list[i], list[at] = list[at], list[i]
	}
	return nil
}

// putBack writes the rows of ballots anew, of which the first are to leave. Nothing ties
// a row to the one that it was: it has another key, is sealed anew, and stands in the
// order of the keys, which are random.
func (b *Box) putBack(ctx context.Context, tx pgx.Tx, g suite.GroupID, list []*cast, leave int) error {
	s := b.sealer.Load()
	if s == nil {
		return ErrLocked
	}
	type row struct {
		key     rowKey
		c       *cast
		leaving bool
	}
	rows := make([]row, len(list))
	for i, c := range list {
		rows[i] = row{newRowKey(), c, i < leave}
	}
	slices.SortFunc(rows, func(x, y row) int { return bytes.Compare(x.key[:], y.key[:]) })
	keys, sealed, leaving := make([][]byte, len(rows)), make([][]byte, len(rows)), make([]bool, len(rows))
	for i, r := range rows {
		keys[i], sealed[i], leaving[i] = rows[i].key[:], s.seal(r.key, r.c.sealed), r.leaving
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO ballotbox.pending (key, sealed, leaving, group_id)
		SELECT *, $4 FROM unnest($1::bytea[], $2::bytea[], $3::boolean[])`, keys, sealed, leaving, int32(g))
	if err != nil {
		return fmt.Errorf("putting ballots back: %w", err)
	}
	return nil
}

// unseal opens a pending row. One that was moved to another key does not open.
func (b *Box) unseal(key, row []byte) (*cast, error) {
	s := b.sealer.Load()
	if s == nil {
		return nil, ErrLocked
	}
	if len(key) != len(rowKey{}) {
		return nil, errors.New("pending ballot's key has another length")
	}
	sealed, err := s.open(rowKey(key), row)
	if err != nil {
		return nil, err
	}
	return b.parse(sealed)
}

// publish appends ballots to the log as one sorted batch and notes where each is.
func (b *Box) publish(ctx context.Context, tx pgx.Tx, list []*cast) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(x, y *cast) int { return bytes.Compare(x.id[:], y.id[:]) })
	entries := make([][]byte, len(list))
	ids := make([][]byte, len(list))
	for i, c := range list {
		entries[i] = ledger.BallotEntry(c.sealed)
		ids[i] = c.id[:]
	}
	head, err := b.c.Log.AppendTx(ctx, tx, entries)
	if err != nil {
		return err
	}
	index := make([]int64, len(list))
	for i := range list {
		index[i] = head.Size - int64(len(list)) + int64(i)
	}
	// The primary key is what keeps a ballot from entering twice.
	_, err = tx.Exec(ctx, `
		INSERT INTO ballotbox.cast_index (ballot_id, index)
		SELECT * FROM unnest($1::bytea[], $2::bigint[])`, ids, index)
	if err != nil {
		return fmt.Errorf("noting ballots of a batch: %w", err)
	}
	return nil
}
