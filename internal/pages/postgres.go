package pages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
)

// A Store keeps the content of one election in its database, beside the ledger. It is
// safe for concurrent use, also by several processes.
type Store struct{ pool *pgxpool.Pool }

var _ Source = (*Store)(nil)

// NewStore returns a Store. The pool's role needs to read; to add an edition, also to
// insert.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool} }

// Edition returns an edition as JSON, the newest for number 0, or [ErrNotFound].
func (s *Store) Edition(ctx context.Context, number int) ([]byte, error) {
	return edition(ctx, s.pool, number)
}

// A querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func edition(ctx context.Context, q querier, number int) (body []byte, err error) {
	err = q.QueryRow(ctx, `
		SELECT body FROM content.edition WHERE number = $1 OR $1 = 0
		ORDER BY number DESC LIMIT 1`, number).Scan(&body)
	return body, absent(err)
}

// Document returns a file that some edition names, or [ErrNotFound].
func (s *Store) Document(ctx context.Context, hash suite.Hash) (body []byte, err error) {
	err = s.pool.QueryRow(ctx, `SELECT body FROM content.document WHERE sha256 = $1`, hash[:]).Scan(&body)
	return body, absent(err)
}

func absent(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("reading what the union wrote: %w", err)
	}
	return nil
}

// Newest returns the newest edition, and an empty one where there is none.
func (s *Store) Newest(ctx context.Context) (*Edition, error) { return newest(ctx, s.pool) }

func newest(ctx context.Context, q querier) (*Edition, error) {
	b, err := edition(ctx, q, 0)
	if errors.Is(err, ErrNotFound) {
		return new(Edition), nil
	}
	if err != nil {
		return nil, err
	}
	return parseEdition(b)
}

// Add stores content as the edition behind the newest there is, with the files that it
// names, and returns it. Two processes that add at once add one after the other.
func (s *Store) Add(ctx context.Context, f *Folder, now time.Time) (stored *Edition, err error) {
	err = postgres.InTx(ctx, s.pool, pgx.Serializable, func(tx pgx.Tx) error {
		before, err := newest(ctx, tx)
		if err != nil {
			return err
		}
		stored = f.Content.Next(before, now)
		stored.Number = before.Number + 1
		if err := put(ctx, tx, stored); err != nil {
			return err
		}
		for hash, body := range f.Documents {
			_, err := tx.Exec(ctx, `INSERT INTO content.document (sha256, body) VALUES ($1, $2) ON CONFLICT DO NOTHING`, hash[:], body)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("storing what the union wrote: %w", err)
	}
	return stored, nil
}

// put stores an edition.
func put(ctx context.Context, tx pgx.Tx, e *Edition) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if len(b) > maxEdition {
		return fmt.Errorf("all texts together are longer than %d bytes", maxEdition)
	}
	_, err = tx.Exec(ctx, `INSERT INTO content.edition (number, body) VALUES ($1, $2)`, e.Number, b)
	return err
}

// Withdraw stores the edition that follows the newest, without what is named, as
// [Changes] names it, and returns it. Nobody is given that part any more, of this edition
// or any before. Unless it is to be done it only returns what it would store.
func (s *Store) Withdraw(ctx context.Context, names []string, now time.Time, do bool) (stored *Edition, err error) {
	err = postgres.InTx(ctx, s.pool, pgx.Serializable, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT body FROM content.edition ORDER BY number`)
		if err != nil {
			return err
		}
		editions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Edition, error) {
			var b []byte
			if err := row.Scan(&b); err != nil {
				return nil, err
			}
			return parseEdition(b)
		})
		if err != nil {
			return err
		}
		if stored, err = withdraw(editions, names, now); err != nil || !do {
			return err
		}
		return put(ctx, tx, stored)
	})
	if err != nil {
		return nil, fmt.Errorf("withdrawing what the union wrote: %w", err)
	}
	return stored, nil
}
