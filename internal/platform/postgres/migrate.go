package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// migrationLock is the key of the advisory lock under which migrations run:
// the first bytes of SHA-256("strikevote migrations"). Advisory locks are per
// database, so that elections do not wait for each other.
const migrationLock = 0x1d1f7a36

var migrationName = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+\.sql$`)

// A migration is one file.
type migration struct {
	number int
	name   string // "registrar/0001_registrar.sql"
	body   []byte
	sum    [sha256.Size]byte
}

// Migrate applies the files of a directory that the database does not have, in
// order, each in a transaction of its own, and records their checksums in the
// table migration.applied. It only goes forward. It refuses a file that was
// changed after it was applied, and a database with files that this program
// does not know.
//
// The connection is the owner's. Programs that migrate one database at the same
// time wait for each other.
func Migrate(ctx context.Context, conn *pgx.Conn, fsys fs.FS, dir string) (err error) {
	all, err := load(fsys, dir)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock)); err != nil {
		return fmt.Errorf("locking the database for migration: %w", err)
	}
	defer func() {
		// If the connection broke, the server has released the lock.
		_, unlockErr := conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(migrationLock))
		if err == nil && unlockErr != nil {
			err = fmt.Errorf("unlocking the database after migration: %w", unlockErr)
		}
	}()
	_, err = conn.Exec(ctx, `
		CREATE SCHEMA IF NOT EXISTS migration;
		CREATE TABLE IF NOT EXISTS migration.applied (
			dir    text    NOT NULL,
			number integer NOT NULL,
			name   text    NOT NULL,
			sha256 bytea   NOT NULL,
			PRIMARY KEY (dir, number)
		)`)
	if err != nil {
		return fmt.Errorf("preparing the record of migrations: %w", err)
	}
	pending, err := compare(ctx, conn, all, dir)
	if err != nil {
		return err
	}
	for _, m := range pending {
		if err := apply(ctx, conn, m, dir); err != nil {
			return fmt.Errorf("applying migration %s: %w", m.name, err)
		}
	}
	return nil
}

// apply runs a file and records it in one transaction.
func apply(ctx context.Context, conn *pgx.Conn, m migration, dir string) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := conn.PgConn().Exec(ctx, string(m.body)).ReadAll(); err != nil {
		return err
	}
	// A file that commits would leave half of itself behind when it fails.
	if conn.PgConn().TxStatus() != 'T' {
		return errors.New("the file ends its transaction")
	}
	_, err = tx.Exec(ctx, `INSERT INTO migration.applied (dir, number, name, sha256) VALUES ($1, $2, $3, $4)`,
		dir, m.number, m.name, m.sum[:])
	if err != nil {
		return err
	}
	return tx.Commit(context.WithoutCancel(ctx))
}

// A Querier is a connection, a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Pending returns the names of the files of a directory that the database does
// not have. It changes nothing, and works as any role that may read
// migration.applied.
func Pending(ctx context.Context, q Querier, fsys fs.FS, dir string) ([]string, error) {
	all, err := load(fsys, dir)
	if err != nil {
		return nil, err
	}
	var exists bool
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_tables
		WHERE schemaname = 'migration' AND tablename = 'applied')`).Scan(&exists)
	if err != nil {
		return nil, fmt.Errorf("looking for the record of migrations: %w", err)
	}
	pending := all
	if exists {
		if pending, err = compare(ctx, q, all, dir); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, m := range pending {
		names = append(names, m.name)
	}
	return names, nil
}

// compare returns the files that the database does not have.
func compare(ctx context.Context, q Querier, all []migration, dir string) ([]migration, error) {
	rows, err := q.Query(ctx, `SELECT number, name, sha256 FROM migration.applied WHERE dir = $1 ORDER BY number`, dir)
	if err != nil {
		return nil, fmt.Errorf("reading the record of migrations: %w", err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var number int
		var name string
		var sum []byte
		if err := rows.Scan(&number, &name, &sum); err != nil {
			return nil, fmt.Errorf("reading the record of migrations: %w", err)
		}
		switch {
		case number != n+1:
			return nil, fmt.Errorf("record of migrations: number %d of %s is missing", n+1, dir)
		case n >= len(all):
			return nil, fmt.Errorf("the database has migration %s, which this program does not know: it is older than the database", name)
		case string(sum) != string(all[n].sum[:]):
			return nil, fmt.Errorf("migration %s was changed after it was applied", all[n].name)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the record of migrations: %w", err)
	}
	return all[n:], nil
}

// load reads the files of a directory. Their numbers count from 1 without gaps,
// so that two branches that added the same number do not both fit.
func load(fsys fs.FS, dir string) ([]migration, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	var all []migration
	for _, e := range entries {
		match := migrationName.FindStringSubmatch(e.Name())
		if match == nil || e.IsDir() {
			return nil, fmt.Errorf("migration %s/%s: name is not NNNN_name.sql", dir, e.Name())
		}
		number, err := strconv.Atoi(match[1])
		if err != nil {
			return nil, fmt.Errorf("migration %s/%s: %w", dir, e.Name(), err)
		}
		// Entries are sorted by name, and so by number.
		if number != len(all)+1 {
			return nil, fmt.Errorf("migration %s/%s: the next number is %04d", dir, e.Name(), len(all)+1)
		}
		m := migration{number: number, name: path.Join(dir, e.Name())}
		if m.body, err = fs.ReadFile(fsys, m.name); err != nil {
			return nil, fmt.Errorf("reading migration %s: %w", m.name, err)
		}
		m.sum = sha256.Sum256(m.body)
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no migrations in %s", dir)
	}
	return all, nil
}
