package ballotbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
			return errors.New("the pending key is not the one that this box began with")
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

// A place is where a ballot was found, and the phase at that moment.
type place struct {
	state State
	index int64 // in the log
	phase election.Phase
}

// locate looks a ballot up. One statement has one snapshot, so a ballot that a
// batch moves at this moment is seen in one of its two places.
func (b *Box) locate(ctx context.Context, id suite.BallotID) (place, error) {
	// Once the pending key is gone nothing is pending, and no key matches nil.
	var key []byte
	if s := b.sealer.Load(); s != nil {
		k := s.key(id)
		key = k[:]
	}
	p := place{state: Unknown}
	var pending bool
	var index *int64
	err := b.c.Pool.QueryRow(ctx, `
		SELECT e.phase,
			EXISTS (SELECT FROM ballotbox.pending WHERE key = $1),
			(SELECT index FROM ballotbox.cast_index WHERE ballot_id = $2)
		FROM ballotbox.election AS e`, key, id[:]).Scan(&p.phase, &pending, &index)
	if err != nil {
		return place{}, fmt.Errorf("looking for ballot: %w", err)
	}
	switch {
	case index != nil:
		p.state, p.index = InTheLog, *index
	case pending:
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

// errRefused makes a transaction roll back when not all of its ballots are to
// be kept; each says why in its outcome.
var errRefused = errors.New("not all ballots can be kept")

// An outcome is what became of one ballot of a transaction. The zero outcome is
// a ballot that was not decided.
type outcome struct {
	state State
	err   error
}

func (o outcome) decided() bool { return o.state != "" || o.err != nil }

// store keeps ballots in one transaction and says what became of each. If some
// cannot be kept, nothing is, those are decided and the others are not: the
// caller tries again with them. Any error means that none is decided.
func (b *Box) store(ctx context.Context, casts []*cast) ([]outcome, error) {
	out := make([]outcome, len(casts))
	err := b.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		clear(out) // of an attempt before
		r, err := b.insert(ctx, tx, casts)
		if err != nil {
			return err
		}
		refused := false
		for i, c := range casts {
			switch at, ok := r.logged[c.id]; {
			case ok:
				// It is in the log already: the row inserted here must go.
				out[i].state, refused = InTheLog, true
				_ = at
			case !r.admitted[i]:
				out[i].err, refused = phaseError(r.phase), true
			}
		}
		if refused {
			return errRefused
		}
		for i := range out {
			out[i].state = Received
		}
		if r.inserted > 0 {
			return nil // the commit waits for this row, and so for all before
		}
		_, err = tx.Exec(ctx, emit)
		return err
	})
	if errors.Is(err, errRefused) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keeping ballots: %w", err)
	}
	return out, nil
}

// An insertion is what the statements of [Box.insert] saw.
type insertion struct {
	phase    election.Phase
	inserted int64
	logged   map[suite.BallotID]int64
	admitted []bool
}

// insert sends the statements that keep ballots, in one round trip. Their order
// matters. The phase is read under its lock. The look into the log comes after
// the insert, as a statement with a snapshot of its own: if a batch is taking
// this very ballot out of pending, the insert waits for it to commit, and only
// what is read after that sees the ballot in the log.
func (b *Box) insert(ctx context.Context, tx pgx.Tx, casts []*cast) (insertion, error) {
	s := b.sealer.Load()
	if s == nil {
		return insertion{}, ErrLocked
	}
	r := insertion{logged: make(map[suite.BallotID]int64), admitted: make([]bool, len(casts))}
	rows := s.rows(casts)
	q := new(pgx.Batch)
	q.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, phaseLock)
	q.Queue(`SELECT phase FROM ballotbox.election`).QueryRow(func(row pgx.Row) error { return row.Scan(&r.phase) })
	q.Queue(`
		INSERT INTO ballotbox.pending (key, sealed, group_id)
		SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::integer[])
		ON CONFLICT (key) DO NOTHING`, rows.keys, rows.sealed, rows.groups).
		Exec(func(tag pgconn.CommandTag) error { r.inserted = tag.RowsAffected(); return nil })
	q.Queue(`SELECT ballot_id, index FROM ballotbox.cast_index WHERE ballot_id = ANY($1)`, rows.ids).
		Query(func(rows pgx.Rows) error {
			var id []byte
			var index int64
			_, err := pgx.ForEachRow(rows, []any{&id, &index}, func() error {
				r.logged[suite.BallotID(id)] = index
				return nil
			})
			return err
		})
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return insertion{}, err
	}
	for i, c := range casts {
		ok, err := b.open(ctx, tx, r.phase, c)
		if err != nil {
			return insertion{}, err
		}
		r.admitted[i] = ok
	}
	return r, nil
}

// pendingRows are the columns of an insert.
type pendingRows struct {
	keys, sealed, ids [][]byte
	groups            []int32
}

// rows seals ballots for their rows, sorted by key: two transactions that
// insert the same ballots then wait for each other in one direction only.
func (s *sealer) rows(casts []*cast) pendingRows {
	type row struct {
		key rowKey
		c   *cast
	}
	list := make([]row, len(casts))
	for i, c := range casts {
		list[i] = row{s.key(c.id), c}
	}
	slices.SortFunc(list, func(x, y row) int { return slices.Compare(x.key[:], y.key[:]) })
	var r pendingRows
	for _, x := range list {
		r.keys = append(r.keys, x.key[:])
		r.sealed = append(r.sealed, s.seal(x.key, x.c.sealed))
		r.ids = append(r.ids, x.c.id[:])
		r.groups = append(r.groups, int32(x.c.group))
	}
	return r
}

// phaseError says why nothing is kept in a phase.
func phaseError(p election.Phase) error {
	switch {
	case p == election.PhaseSealed:
		return ErrNotOpen
	case after(p):
		return ErrLocked
	}
	return ErrClosed
}

// admits returns an error unless a ballot may be kept in a phase. It saves the
// work of checking; what decides is [Box.insert].
func (b *Box) admits(ctx context.Context, p election.Phase, c *cast) error {
	ok, err := b.open(ctx, b.c.Pool, p, c)
	if err != nil {
		return err
	}
	if !ok {
		return phaseError(p)
	}
	return nil
}

// proof returns a tlog-proof of an entry, or nil if it is not cosigned yet.
func (b *Box) proof(ctx context.Context, index int64) ([]byte, error) {
	proof, err := b.c.Log.Proof(ctx, index, nil)
	if errors.Is(err, board.ErrNotCosigned) {
		return nil, nil
	}
	return proof, err
}
