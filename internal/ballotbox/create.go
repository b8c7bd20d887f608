package ballotbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// Create prepares the database of an election's box: the manifest as it was
// sealed, its signatures, and the manifest entry of the ballot log. The
// service signs that when it starts. The pool connects as the owner of a
// migrated database and was opened by postgres.Open.
//
// The same manifest and sealing again change nothing; others are refused.
func Create(ctx context.Context, owner *pgxpool.Pool, manifest, sealing []byte) error {
	m, err := election.Parse(manifest)
	if err != nil {
		return fmt.Errorf("creating ballot box: %w", err)
	}
	mid := election.MID(manifest)
	if err := m.VerifySealing(mid, sealing); err != nil {
		return fmt.Errorf("creating ballot box: %w", err)
	}
	policy, err := m.BallotsPolicy()
	if err != nil {
		return fmt.Errorf("creating ballot box: %w", err)
	}
	log := board.New(board.Config{Pool: owner, MID: mid, Policy: policy})
	err = postgres.InTx(ctx, owner, pgx.ReadCommitted, func(tx pgx.Tx) error {
		return create(ctx, tx, log, mid, manifest, sealing)
	})
	if err != nil {
		return fmt.Errorf("creating ballot box: %w", err)
	}
	for path, body := range map[string][]byte{layout.Manifest: manifest, layout.Sealing: sealing} {
		if err := log.PutFile(ctx, path, body); err != nil {
			return fmt.Errorf("creating ballot box: %w", err)
		}
	}
	return nil
}

func create(ctx context.Context, tx pgx.Tx, log *board.Log, mid suite.MID, manifest, sealing []byte) error {
	tag, err := tx.Exec(ctx, `
		INSERT INTO ballotbox.election (manifest, sealing) VALUES ($1, $2)
		ON CONFLICT DO NOTHING`, manifest, sealing)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 1 {
		_, err := log.AppendTx(ctx, tx, [][]byte{ledger.ManifestEntry(mid)})
		return err
	}
	var same bool
	err = tx.QueryRow(ctx, `SELECT manifest = $1 AND sealing = $2 FROM ballotbox.election`, manifest, sealing).Scan(&same)
	if err == nil && !same {
		err = errors.New("the database holds another election")
	}
	return err
}
