package ballotbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrEmpty is returned by [Manifest] for a database in which no box was created
// yet.
var ErrEmpty = errors.New("the database holds no election yet")

// Manifest returns the manifest that a box was created with, for a host that has
// nothing but the box. The pool connects as the box's service.
func Manifest(ctx context.Context, pool *pgxpool.Pool) ([]byte, error) {
	var manifest []byte
	err := pool.QueryRow(ctx, `SELECT manifest FROM ballotbox.election`).Scan(&manifest)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("reading the box's manifest: %w", err)
	}
	return manifest, nil
}
