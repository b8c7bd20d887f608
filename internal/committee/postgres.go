package committee

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// roundFresh holds 32 random bytes, one row for each session of the ceremony.
const roundFresh = "fresh"

// A store keeps the committee's papers in the deployment's database. Its role
// may insert and select; what was handed in is never changed.
type store struct {
	pool *pgxpool.Pool // nil in a transaction
	querier
}

// A querier is the pool, or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// alone runs fn while nobody else restarts a ceremony or proposes and fixes a
// paper of the same election: each of those depends on what it read before.
func (s store) alone(ctx context.Context, id suite.ElectionID, fn func(store) error) error {
	return s.aloneIn(ctx, id, func(tx store, wiped bool) error {
		if wiped {
			return ErrUnknown
		}
		return fn(tx)
	})
}

// aloneIn is alone also for an election that was wiped.
func (s store) aloneIn(ctx context.Context, id suite.ElectionID, fn func(tx store, wiped bool) error) error {
	return postgres.InTx(ctx, s.pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		var wiped bool
		err := tx.QueryRow(ctx, `
			SELECT state = 'wiped' FROM committee.election WHERE election_id = $1 FOR NO KEY UPDATE`, id[:]).Scan(&wiped)
		if err != nil {
			return unknown(err)
		}
		return fn(store{querier: tx}, wiped)
	})
}

type enrolled struct {
	number uint8
	name   string
	hash   []byte
}

func (s store) create(ctx context.Context, draft *election.Manifest, body []byte, tellers []enrolled, fresh []byte, at time.Time, made func(store) error) error {
	id := draft.ElectionID
	return postgres.InTx(ctx, s.pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO committee.election (election_id, title, demo, state, draft, created, created_at)
			VALUES ($1, $2, $3, 'draft', $4, $4, $5)`,
			id[:], draft.Title[0], draft.Demo, body, at.UTC().Truncate(time.Second))
		if err != nil {
			return err
		}
		for _, t := range tellers {
			_, err := tx.Exec(ctx, `
				INSERT INTO committee.teller (election_id, number, name, enrollment_hash)
				VALUES ($1, $2, $3, $4)`, id[:], t.number, t.name, t.hash)
			if err != nil {
				return err
			}
		}
		if err := (store{querier: tx}).put(ctx, place{id, 1, roundFresh, 0}, fresh); err != nil {
			return err
		}
		return made(store{querier: tx})
	})
}

func (s store) elections(ctx context.Context) ([]suite.ElectionID, error) {
	rows, err := s.Query(ctx, `
		SELECT election_id FROM committee.election WHERE state <> 'wiped' ORDER BY created_at, election_id`)
	if err != nil {
		return nil, fmt.Errorf("selecting elections: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (id suite.ElectionID, err error) {
		var b []byte
		err = row.Scan(&b)
		copy(id[:], b)
		return id, err
	})
}

func (s store) draft(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	var body []byte
	err := s.QueryRow(ctx, `
		SELECT draft FROM committee.election WHERE election_id = $1`, id[:]).Scan(&body)
	return body, unknown(err)
}

func (s store) created(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	var body []byte
	err := s.QueryRow(ctx, `
		SELECT created FROM committee.election WHERE election_id = $1`, id[:]).Scan(&body)
	return body, unknown(err)
}

func (s store) enrollment(ctx context.Context, id suite.ElectionID, number uint8) ([]byte, error) {
	var hash []byte
	err := s.QueryRow(ctx, `
		SELECT enrollment_hash FROM committee.teller
		WHERE election_id = $1 AND number = $2`, id[:], number).Scan(&hash)
	return hash, unknown(err)
}

func (s store) session(ctx context.Context, id suite.ElectionID) (session uint32, fresh []byte, err error) {
	err = s.QueryRow(ctx, `
		SELECT session, body FROM committee.message
		WHERE election_id = $1 AND round = $2
		ORDER BY session DESC LIMIT 1`, id[:], roundFresh).Scan(&session, &fresh)
	return session, fresh, unknown(err)
}

// A place is where a message is kept: one message for each.
type place struct {
	id      suite.ElectionID
	session uint32
	round   string
	number  uint8
}

// put keeps a message. The primary key decides a race between two different
// ones: the loser inserts nothing, sees the winner's, and is refused.
func (s store) put(ctx context.Context, p place, body []byte) error {
	kept, err := s.first(ctx, p, body)
	if err == nil && !bytes.Equal(kept, body) {
		return ErrConflict
	}
	return err
}

// first keeps a message unless there is one already, and returns the one that
// is kept.
func (s store) first(ctx context.Context, p place, body []byte) ([]byte, error) {
	if _, err := s.add(ctx, p, body); err != nil {
		return nil, err
	}
	return s.get(ctx, p)
}

// add keeps a message unless there is one already, and reports whether it did.
func (s store) add(ctx context.Context, p place, body []byte) (bool, error) {
	tag, err := s.Exec(ctx, `
		INSERT INTO committee.message (election_id, session, round, number, body)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, p.id[:], p.session, p.round, p.number, body)
	if err != nil {
		return false, fmt.Errorf("inserting message: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// get returns a message, or [ErrNotYet].
func (s store) get(ctx context.Context, p place) ([]byte, error) {
	var body []byte
	err := s.QueryRow(ctx, `
		SELECT body FROM committee.message
		WHERE election_id = $1 AND session = $2 AND round = $3 AND number = $4`,
		p.id[:], p.session, p.round, p.number).Scan(&body)
	return body, notYet(err)
}

// last returns the message of a round with the highest number, or [ErrNotYet].
func (s store) last(ctx context.Context, id suite.ElectionID, session uint32, round string) (number uint8, body []byte, err error) {
	err = s.QueryRow(ctx, `
		SELECT number, body FROM committee.message
		WHERE election_id = $1 AND session = $2 AND round = $3
		ORDER BY number DESC LIMIT 1`, id[:], session, round).Scan(&number, &body)
	return number, body, notYet(err)
}

// all returns the messages of a round by number.
func (s store) all(ctx context.Context, id suite.ElectionID, session uint32, round string) (map[uint8][]byte, error) {
	rows, err := s.Query(ctx, `
		SELECT number, body FROM committee.message
		WHERE election_id = $1 AND session = $2 AND round = $3`, id[:], session, round)
	if err != nil {
		return nil, fmt.Errorf("selecting messages: %w", err)
	}
	out := make(map[uint8][]byte)
	var number uint8
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&number, &body}, func() error {
		out[number] = bytes.Clone(body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("selecting messages: %w", err)
	}
	return out, nil
}

// senders returns who sent something in a round, without reading what: share
// files are long, and everybody may ask.
func (s store) senders(ctx context.Context, id suite.ElectionID, session uint32, round string) ([]uint8, error) {
	rows, err := s.Query(ctx, `
		SELECT number FROM committee.message
		WHERE election_id = $1 AND session = $2 AND round = $3`, id[:], session, round)
	if err != nil {
		return nil, fmt.Errorf("selecting senders: %w", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[uint8])
	if err != nil {
		return nil, fmt.Errorf("selecting senders: %w", err)
	}
	return numbers, nil
}

func notYet(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotYet
	}
	if err != nil {
		return fmt.Errorf("selecting message: %w", err)
	}
	return nil
}

func unknown(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("selecting election: %w", err)
	}
	return nil
}
