package board

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/record/layout"
)

// PutFile keeps a file of the record beside the log, under its path in the
// record. A file is written once: the same bytes again are fine, so that a
// publication that was interrupted can be repeated, and others are
// [ErrConflict].
func (l *Log) PutFile(ctx context.Context, path string, body []byte) error {
	if err := checkPath(path); err != nil {
		return fmt.Errorf("publishing file: %w", err)
	}
	if int64(len(body)) > layout.Limit(path) {
		return fmt.Errorf("publishing file: %s is longer than a record may hold", path)
	}
	if body == nil {
		body = []byte{} // nil is NULL
	}
	return postgres.InTx(ctx, l.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO board.file (path, body) VALUES ($1, $2)
			ON CONFLICT (path) DO NOTHING`, path, body)
		if err != nil {
			return fmt.Errorf("keeping file: %w", err)
		}
		var same bool
		err = tx.QueryRow(ctx, `SELECT body = $2 FROM board.file WHERE path = $1`, path, body).Scan(&same)
		if err != nil {
			return fmt.Errorf("reading file kept: %w", err)
		}
		if !same {
			return fmt.Errorf("publishing %s: %w", path, ErrConflict)
		}
		return nil
	})
}

// checkPath accepts relative slash-separated paths of plain names that do not
// stand where a log's own resources do. [Export] makes files of them, so dots
// and empty elements are refused here, where they enter.
func checkPath(path string) error {
	if len(path) > 100 {
		return errors.New("path is too long")
	}
	for i, part := range strings.Split(path, "/") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return errors.New("path has a name that no record has")
		}
		if i == 0 && (part == layout.Ledger || part == layout.Ballots) {
			return errors.New("path is one of a log")
		}
	}
	return nil
}

// File returns a file kept beside the log, or [ErrNotFound].
func (l *Log) File(ctx context.Context, path string) ([]byte, error) {
	var body []byte
	err := l.c.Pool.QueryRow(ctx, `SELECT body FROM board.file WHERE path = $1`, path).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("file: %w", ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading file: %w", err)
	}
	return body, nil
}

// Files lists the paths of the files kept beside the log, in order.
func (l *Log) Files(ctx context.Context) ([]string, error) {
	rows, err := l.c.Pool.Query(ctx, `SELECT path FROM board.file ORDER BY path COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("listing files: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing files: %w", err)
	}
	return list, nil
}
