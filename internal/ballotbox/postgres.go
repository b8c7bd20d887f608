package ballotbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// Advisory locks of the box's database. Whoever takes both takes the phase
// first.
const (
	// phaseLock is held shared by whoever keeps a ballot and exclusively by
	// whoever changes the phase: after a transition nothing is under way that
	// read the old phase.
	phaseLock int64 = 0x7374726b01
	// batchLock is held by whoever moves ballots from pending to the log, so
	// that two processes do not choose among the same rows.
	batchLock int64 = 0x7374726b02
)

// patience bounds the statements of one request; not its commit, which must be
// waited for.
const patience = 20 * time.Second

// inTx runs a transaction that a client cannot cancel.
func (b *Box) inTx(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return postgres.InTx(ctx, b.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error { return fn(ctx, tx) })
}

// attach compares the election's row with the configuration. The first host to
// start leaves a check value of its pending key; any other key is refused from
// then on, because ballots sealed under two keys could not be batched by either
// host.
func (b *Box) attach(ctx context.Context) error {
	return b.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockPhase(ctx, tx); err != nil {
			return err
		}
		var manifest, check []byte
		var phase election.Phase
		err := tx.QueryRow(ctx, `SELECT manifest, key_check, phase FROM ballotbox.election`).Scan(&manifest, &check, &phase)
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.New("the box's database was not created")
		}
		if err != nil {
			return fmt.Errorf("reading election: %w", err)
		}
		if election.MID(manifest) != b.c.MID {
			return errors.New("the box's database is of another manifest")
		}
		if b.c.PendingKey == [32]byte{} && after(phase) {
			return nil // destroyed, as it has to be
		}
		s, err := newSealer(b.c.PendingKey, b.c.MID)
		if err != nil {
			return err
		}
		if check == nil {
			_, err := tx.Exec(ctx, `UPDATE ballotbox.election SET key_check = $1 WHERE key_check IS NULL`, s.check[:])
			if err != nil {
				return fmt.Errorf("keeping check of the pending key: %w", err)
			}
		} else if string(check) != string(s.check[:]) {
			return ErrOtherKey
		}
		b.sealer.Store(s)
		return nil
	})
}

// after reports whether a phase is the lock or later: nothing is pending.
func after(p election.Phase) bool {
	switch p {
	case election.PhaseSealed, election.PhaseOpen, election.PhaseClosed, election.PhaseCancelled:
		return false
	}
	return true
}

// lockPhase takes the phase's lock exclusively.
func lockPhase(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, phaseLock); err != nil {
		return fmt.Errorf("locking phase: %w", err)
	}
	return nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readPhase(ctx context.Context, q querier) (election.Phase, error) {
	var p election.Phase
	if err := q.QueryRow(ctx, `SELECT phase FROM ballotbox.election`).Scan(&p); err != nil {
		return "", fmt.Errorf("reading phase: %w", err)
	}
	return p, nil
}

func setPhase(ctx context.Context, tx pgx.Tx, from, to election.Phase) error {
	tag, err := tx.Exec(ctx, `UPDATE ballotbox.election SET phase = $1 WHERE phase = $2`, to, from)
	if err != nil {
		return fmt.Errorf("setting phase: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return errors.New("the phase moved although it was locked")
	}
	return nil
}

// A place is where a ballot was found, and the phase and the last act at that
// moment.
type place struct {
	state State
	index int64 // in the log
	phase election.Phase
	last  uint32
}

// find looks one ballot up: whether it came, and where it is in the log. Both
// are read by key and by nothing else, however large the tables are, and with a plan
// that the server makes once for each connection. One statement for a whole group of
// ballots was planned anew each time, which took longer than running it.
const find = `
	SELECT e.phase, (` + lastAct + `), (SELECT true FROM ballotbox.received WHERE key = $1),
		(SELECT index FROM ballotbox.cast_index WHERE ballot_id = $2)
	FROM ballotbox.election AS e`

// locate looks ballots up, all in one round trip. One statement has one snapshot,
// so a ballot that came is seen, in the log or on its way there.
func (b *Box) locate(ctx context.Context, ids []suite.BallotID) ([]place, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := b.sealer.Load()
	out := make([]place, len(ids))
	q := new(pgx.Batch)
	for i, id := range ids {
		// Once the pending key is gone nothing is pending: NULL matches no row.
		var key []byte
		if s != nil {
			k := s.key(id)
			key = k[:]
		}
		q.Queue(find, key, id[:]).QueryRow(func(row pgx.Row) (err error) {
			out[i], err = scanPlace(row)
			return err
		})
	}
	if err := b.c.Pool.SendBatch(ctx, q).Close(); err != nil {
		return nil, fmt.Errorf("looking for ballots: %w", err)
	}
	return out, nil
}

func scanPlace(row pgx.Row) (place, error) {
	p := place{state: Unknown}
	var received *bool
	var index *int64
	if err := row.Scan(&p.phase, &p.last, &received, &index); err != nil {
		return p, err
	}
	switch {
	case index != nil:
		p.state, p.index = InTheLog, *index
	case received != nil:
		p.state = Received
	}
	return p, nil
}

// confirm commits something that waits for whatever the commits before it had
// to wait for. A row may be visible although its commit was cancelled while it
// waited for a second copy of the database; to acknowledge it on sight would
// be to promise what a failover takes back (security finding 4).
func (b *Box) confirm(ctx context.Context) error {
	err := b.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, emit)
		return err
	})
	if err != nil {
		return fmt.Errorf("confirming ballot: %w", err)
	}
	return nil
}

// emit writes to the database's log, in the transaction, a message that says
// nothing and goes nowhere.
const emit = `SELECT pg_logical_emit_message(true, 'strikevote', '')`

// phaseError says why nothing is kept in a phase at a moment. Where the clock of
// this host is behind that of the one that opened, voting has not begun here: its
// voters must not hear that it has ended.
func (b *Box) phaseError(p election.Phase, at time.Time) error {
	switch {
	case p == election.PhaseSealed, p == election.PhaseOpen && at.Unix() < b.c.Manifest.Schedule.Open:
		return ErrNotOpen
	case after(p):
		return ErrLocked
	}
	return ErrClosed
}

// admits returns an error unless a ballot may be kept in a phase. It saves the
// work of checking; what decides is [Box.insert].
func (b *Box) admits(ctx context.Context, at place, c *cast) error {
	a, err := b.actsAt(ctx, b.c.Pool, at.last)
	if err != nil {
		return err
	}
	if now := b.c.Now(); !b.open(at.phase, a, now, c) {
		return b.phaseError(at.phase, now)
	}
	return nil
}

// proof returns a tlog-proof of a ballot's entry, or nil if it is not cosigned
// yet. Whoever deposited an envelope does not have the credential that it was
// given afterwards, and could not check a proof without it: theirs has the entry
// as extra.
func (b *Box) proof(ctx context.Context, id suite.BallotID, at place) ([]byte, error) {
	a, err := b.actsAt(ctx, b.c.Pool, at.last)
	if err != nil {
		return nil, err
	}
	var extra []byte
	if _, ok := a.accepted[id]; ok {
		if extra, err = b.c.Log.Entry(ctx, at.index); err != nil {
			return nil, err
		}
	}
	proof, err := b.c.Log.Proof(ctx, at.index, extra)
	if errors.Is(err, board.ErrNotCosigned) {
		return nil, nil
	}
	return proof, err
}
