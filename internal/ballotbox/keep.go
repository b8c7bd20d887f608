package ballotbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// keep makes ballots durable that were checked, and says of each where it is or
// why it was not kept.
func (b *Box) keep(ctx context.Context, casts []*cast) ([]outcome, error) {
	out := make([]outcome, len(casts))
	left := make([]int, len(casts)) // of casts, not decided yet
	for i := range left {
		left[i] = i
	}
	confirmed := true
	// Every round decides at least one ballot, or is the last.
	for len(left) > 0 {
		list := make([]*cast, len(left))
		for k, i := range left {
			list[k] = casts[i]
		}
		decided, err := b.store(ctx, list)
		if err != nil {
			return nil, err
		}
		var next []int
		for k, i := range left {
			if out[i] = decided[k]; out[i] == (outcome{}) {
				next = append(next, i)
			} else if out[i].state == InTheLog {
				// That transaction rolled back and so waited for nothing.
				confirmed = false
			}
		}
		left = next
	}
	if !confirmed {
		return out, b.confirm(ctx)
	}
	return out, nil
}

// errRefused makes a transaction roll back when not all of its ballots are to
// be kept; each says why in its outcome.
var errRefused = errors.New("not all ballots can be kept")

// An outcome is what became of one ballot of a transaction. The zero outcome is
// a ballot that was not decided.
type outcome struct {
	state State
	err   error
}

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
			switch {
			case r.logged[c.id]:
				// It is in the log already: the row inserted here must go.
				out[i].state, refused = InTheLog, true
			case !r.admitted[i]:
				out[i].err, refused = b.phaseError(r.phase, r.at), true
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
	at       time.Time // of this host's clock
	last     uint32    // act
	inserted int64
	logged   map[suite.BallotID]bool
	admitted []bool
}

// insert sends the statements that keep ballots, in one round trip. Their order
// matters. The phase is read under its lock. A ballot that came before is found by
// its key in received, which stays when the ballot leaves pending; if it is coming
// in another transaction, the insert waits for that to commit. The look into the log
// says where it is, and comes after, as a statement with a snapshot of its own.
func (b *Box) insert(ctx context.Context, tx pgx.Tx, casts []*cast) (insertion, error) {
	s := b.sealer.Load()
	if s == nil {
		return insertion{}, ErrLocked
	}
	r := insertion{logged: make(map[suite.BallotID]bool), admitted: make([]bool, len(casts))}
	rows := s.rows(casts)
	q := new(pgx.Batch)
	q.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, phaseLock)
	q.Queue(`SELECT phase FROM ballotbox.election`).QueryRow(func(row pgx.Row) error { return row.Scan(&r.phase) })
	q.Queue(lastAct).QueryRow(func(row pgx.Row) error { return row.Scan(&r.last) })
	// DISTINCT: of a ballot that comes twice at once one row waits.
	q.Queue(`
		WITH fresh AS (
			INSERT INTO ballotbox.received (key) SELECT * FROM unnest($1::bytea[])
			ON CONFLICT (key) DO NOTHING RETURNING key)
		INSERT INTO ballotbox.pending (key, sealed, group_id)
		SELECT DISTINCT ON (q.key) q.place, q.sealed, q.group_id
		FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::integer[]) AS q (key, place, sealed, group_id) JOIN fresh USING (key)`,
		rows.keys, rows.places, rows.sealed, rows.groups).
		Exec(func(tag pgconn.CommandTag) error { r.inserted = tag.RowsAffected(); return nil })
	q.Queue(`SELECT ballot_id FROM ballotbox.cast_index WHERE ballot_id = ANY($1)`, rows.ids).
		Query(func(rows pgx.Rows) error {
			var id []byte
			_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
				r.logged[suite.BallotID(id)] = true
				return nil
			})
			return err
		})
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return insertion{}, err
	}
	a, err := b.actsAt(ctx, tx, r.last)
	if err != nil {
		return insertion{}, err
	}
	// Read under the lock: whoever waited for it past the close is late.
	r.at = b.c.Now()
	for i, c := range casts {
		r.admitted[i] = b.open(r.phase, a, r.at, c)
	}
	return r, nil
}

// castRows are the columns of an insert: the key in received, the key in pending.
type castRows struct {
	keys, places, sealed, ids [][]byte
	groups                    []int32
}

// rows seals ballots for their rows, sorted by key: two transactions that
// insert the same ballots then wait for each other in one direction only.
func (s *sealer) rows(casts []*cast) castRows {
	type row struct {
		key [32]byte
		c   *cast
	}
	list := make([]row, len(casts))
	for i, c := range casts {
		list[i] = row{s.key(c.id), c}
	}
	slices.SortFunc(list, func(x, y row) int { return slices.Compare(x.key[:], y.key[:]) })
	var r castRows
	for _, x := range list {
		place := newRowKey()
		r.keys = append(r.keys, x.key[:])
		r.places = append(r.places, place[:])
		r.sealed = append(r.sealed, s.seal(place, x.c.sealed))
		r.ids = append(r.ids, x.c.id[:])
		r.groups = append(r.groups, int32(x.c.group))
	}
	return r
}
