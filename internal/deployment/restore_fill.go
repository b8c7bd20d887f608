package deployment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/backup"
	"strikevote/internal/platform/postgres"
)

// fill fills all databases. The committee's comes last: its list makes the service
// open the others.
func (x *restoration) fill(ctx context.Context, side sideServer) error {
	for i := len(x.a.Databases) - 1; i >= 0; i-- {
		d := &x.a.Databases[i]
		x.Step("filling databases", len(x.a.Databases)-1-i, len(x.a.Databases))
		if err := x.database(ctx, side, d); err != nil {
			return fmt.Errorf("restoring database %s: %w", d.Name, err)
		}
	}
	x.Step("filling databases", len(x.a.Databases), len(x.a.Databases))
	return nil
}

// database fills one database in one transaction: all of it, compared with the
// archive, or nothing.
func (x *restoration) database(ctx context.Context, side sideServer, d *backup.Database) error {
	kind, _, _ := kindOf(x.a.Side, d.Name)
	if err := prepare(ctx, side.server, d.Name, kind); err != nil {
		return err
	}
	conn, err := postgres.Connect(ctx, side.server.URL(d.Name, side.owner))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		tables, err := postgres.Tables(ctx, tx)
		if err != nil {
			return err
		}
		if err := sameTables(tables, d); err != nil {
			return err
		}
		fresh := slices.DeleteFunc(slices.Clone(tables), func(t postgres.Table) bool { return t.Schema == "migration" })
		if err := empty(ctx, tx, fresh); err != nil {
			return err
		}
		if err := x.load(ctx, tx, fresh, d); err != nil {
			return err
		}
		for _, t := range tables {
			if err := holds(ctx, tx, t, d.Table(t.String())); err != nil {
				return err
			}
		}
		if !x.reading(x.states[d.Name]) {
			return nil
		}
		if _, err := tx.Exec(ctx, `INSERT INTO board.restored DEFAULT VALUES ON CONFLICT DO NOTHING`); err != nil {
			return fmt.Errorf("noting that it is for reading: %w", err)
		}
		return nil
	})
}

func (x *restoration) load(ctx context.Context, tx pgx.Tx, tables []postgres.Table, d *backup.Database) error {
	if err := postgres.SuspendTriggers(ctx, tx, tables); err != nil {
		return err
	}
	for _, t := range tables {
		r, err := x.a.Rows(d.Table(t.String()))
		if err != nil {
			return err
		}
		_, err = postgres.CopyIn(ctx, tx, t, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return postgres.ResumeTriggers(ctx, tx, tables)
}

// sameTables compares this program's tables with the archive's.
func sameTables(tables []postgres.Table, d *backup.Database) error {
	if len(tables) != len(d.Tables) {
		return ErrSchema
	}
	for _, t := range tables {
		if kept := d.Table(t.String()); kept == nil || !slices.Equal(kept.Columns, t.Columns) {
			return ErrSchema
		}
	}
	return nil
}

func empty(ctx context.Context, tx pgx.Tx, tables []postgres.Table) error {
	for _, t := range tables {
		rows, err := postgres.CopyOut(ctx, tx, t, io.Discard)
		if err != nil {
			return err
		}
		if rows > 0 {
			return fmt.Errorf("%w: table %s has rows already", ErrTarget, t)
		}
	}
	return nil
}

// holds copies a table out again: it has to give the bytes that are in the archive.
func holds(ctx context.Context, tx pgx.Tx, t postgres.Table, kept *backup.Table) error {
	h := sha256.New()
	rows, err := postgres.CopyOut(ctx, tx, t, h)
	if err != nil {
		return err
	}
	if rows == kept.Rows && hex.EncodeToString(h.Sum(nil)) == kept.SHA256 {
		return nil
	}
	if t.Schema == "migration" {
		return ErrSchema
	}
	return fmt.Errorf("table %s does not hold what is in the backup", t)
}
