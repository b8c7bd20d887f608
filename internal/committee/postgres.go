package committee

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// Rounds that are not a teller's. Number 0 where there is only one.
const (
	roundFresh       = "fresh"       // 32 random bytes, one row for each session
	roundManifest    = "manifest"    // the bytes that the committee signs
	roundSeal        = "seal"        // by member: a signature of sealing
	roundCertificate = "certificate" // the bytes that the committee signs
	roundCertify     = "certify"     // by member: a signature of certification
)

// A store keeps the committee's papers in the deployment's database. Its role
// may insert and select, and change nothing but the state of an election.
type store struct{ pool *pgxpool.Pool }

type enrolled struct {
	number uint8
	name   string
	hash   []byte
}

func (s store) create(ctx context.Context, draft *election.Manifest, body []byte, tellers []enrolled, fresh []byte, at time.Time) error {
	id := draft.ElectionID
	return postgres.InTx(ctx, s.pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO committee.election (election_id, title, demo, state, draft, created_at)
			VALUES ($1, $2, $3, 'draft', $4, $5)`,
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
		_, err = tx.Exec(ctx, `
			INSERT INTO committee.message (election_id, session, round, number, body)
			VALUES ($1, 1, $2, 0, $3)`, id[:], roundFresh, fresh)
		return err
	})
}

func (s store) elections(ctx context.Context) ([]suite.ElectionID, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT election_id FROM committee.election ORDER BY created_at, election_id`)
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
	err := s.pool.QueryRow(ctx, `
		SELECT draft FROM committee.election WHERE election_id = $1`, id[:]).Scan(&body)
	return body, unknown(err)
}

func (s store) enrollment(ctx context.Context, id suite.ElectionID, number uint8) ([]byte, error) {
	var hash []byte
	err := s.pool.QueryRow(ctx, `
		SELECT enrollment_hash FROM committee.teller
		WHERE election_id = $1 AND number = $2`, id[:], number).Scan(&hash)
	return hash, unknown(err)
}

func (s store) session(ctx context.Context, id suite.ElectionID) (session uint32, fresh []byte, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT session, body FROM committee.message
		WHERE election_id = $1 AND round = $2
		ORDER BY session DESC LIMIT 1`, id[:], roundFresh).Scan(&session, &fresh)
	return session, fresh, unknown(err)
}

// put keeps a message. The primary key decides a race between two different
// ones: the loser inserts nothing, sees the winner's, and is refused.
func (s store) put(ctx context.Context, id suite.ElectionID, session uint32, round string, number uint8, body []byte) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO committee.message (election_id, session, round, number, body)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, id[:], session, round, number, body)
	if err != nil {
		return fmt.Errorf("inserting message: %w", err)
	}
	kept, err := s.get(ctx, id, session, round, number)
	if err != nil {
		return err
	}
	if !bytes.Equal(kept, body) {
		return ErrConflict
	}
	return nil
}

// get returns a message, or [ErrNotYet].
func (s store) get(ctx context.Context, id suite.ElectionID, session uint32, round string, number uint8) ([]byte, error) {
	var body []byte
	err := s.pool.QueryRow(ctx, `
		SELECT body FROM committee.message
		WHERE election_id = $1 AND session = $2 AND round = $3 AND number = $4`,
		id[:], session, round, number).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotYet
	}
	if err != nil {
		return nil, fmt.Errorf("selecting message: %w", err)
	}
	return body, nil
}

// all returns the messages of a round by number.
func (s store) all(ctx context.Context, id suite.ElectionID, session uint32, round string) (map[uint8][]byte, error) {
	rows, err := s.pool.Query(ctx, `
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

// restart begins a new session of the ceremony, with fresh randomness.
func (s store) restart(ctx context.Context, id suite.ElectionID, session uint32, fresh []byte) error {
	return s.put(ctx, id, session, roundFresh, 0, fresh)
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
