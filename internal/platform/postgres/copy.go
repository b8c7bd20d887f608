package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A Table is one table of a database, for copying.
type Table struct {
	Schema, Name string
	Columns      []string // in their order
	Key          []string // the columns of the primary key
	// Counts are the columns that the server numbers itself.
	Counts []string
}

// String returns the table's name with its schema.
func (t Table) String() string { return t.Schema + "." + t.Name }

func (t Table) quoted() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

func list(columns []string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = quote(c)
	}
	return strings.Join(quoted, ", ")
}

// Tables lists the tables of a database, those that others refer to first. It
// refuses one without a primary key: its rows have no order but that of their
// arrival, which [CopyOut] must not show.
func Tables(ctx context.Context, tx pgx.Tx) ([]Table, error) {
	rows, err := tx.Query(ctx, `
		SELECT n.nspname, c.relname,
			(SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
				WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
			coalesce((SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum))
				FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
				WHERE i.indrelid = c.oid AND i.indisprimary), '{}'),
			coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
				WHERE a.attrelid = c.oid AND a.attidentity <> ''), '{}')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
		ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Table])
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	for _, t := range all {
		if len(t.Key) == 0 {
			return nil, fmt.Errorf("listing tables: %s has no primary key to be ordered by", t)
		}
	}
	return parentsFirst(ctx, tx, all)
}

// parentsFirst orders tables so that a row comes after those that it refers to.
func parentsFirst(ctx context.Context, tx pgx.Tx, all []Table) ([]Table, error) {
	rows, err := tx.Query(ctx, `
		SELECT k.conrelid::regclass::text, k.confrelid::regclass::text
		FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conrelid <> k.confrelid`)
	if err != nil {
		return nil, fmt.Errorf("ordering tables: %w", err)
	}
	parents := make(map[string][]string)
	var child, parent string
	if _, err := pgx.ForEachRow(rows, []any{&child, &parent}, func() error {
		parents[child] = append(parents[child], parent)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("ordering tables: %w", err)
	}
	var ordered []Table
	placed := make(map[string]bool)
	for len(ordered) < len(all) {
		before := len(ordered)
		for _, t := range all {
			waits := slices.ContainsFunc(parents[t.String()], func(p string) bool { return !placed[p] })
			if !placed[t.String()] && !waits {
				ordered, placed[t.String()] = append(ordered, t), true
			}
		}
		if len(ordered) == before {
			return nil, errors.New("ordering tables: some refer to each other in a circle")
		}
	}
	return ordered, nil
}

// CopyOut writes the rows of a table, as COPY does in its text format, and returns
// how many there are. They are ordered by the primary key, never as they came to lie
// on the disk, and so the same rows are always the same bytes. The connection has to
// come from [Connect].
func CopyOut(ctx context.Context, tx pgx.Tx, t Table, w io.Writer) (int64, error) {
	if err := format(ctx, tx); err != nil {
		return 0, err
	}
	sql := `COPY (SELECT ` + list(t.Columns) + ` FROM ` + t.quoted() + ` ORDER BY ` + list(t.Key) + `) TO STDOUT`
	tag, err := tx.Conn().PgConn().CopyTo(ctx, w, sql)
	if err != nil {
		return 0, fmt.Errorf("copying table %s: %w", t, err)
	}
	return tag.RowsAffected(), nil
}

// format fixes how values are written, whatever the server's settings are.
func format(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		SELECT set_config('bytea_output', 'hex', true), set_config('DateStyle', 'ISO, YMD', true),
			set_config('IntervalStyle', 'postgres', true), set_config('TimeZone', 'UTC', true),
			set_config('client_encoding', 'UTF8', true), set_config('extra_float_digits', '1', true)`)
	if err != nil {
		return fmt.Errorf("fixing the format of values: %w", err)
	}
	return nil
}

// CopyIn reads rows that [CopyOut] wrote into a table, between [SuspendTriggers] and
// [ResumeTriggers]. It returns how many there were.
func CopyIn(ctx context.Context, tx pgx.Tx, t Table, r io.Reader) (int64, error) {
	if err := format(ctx, tx); err != nil {
		return 0, err
	}
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, r, `COPY `+t.quoted()+` (`+list(t.Columns)+`) FROM STDIN`)
	if err != nil {
		return 0, fmt.Errorf("filling table %s: %w", t, scrub(err))
	}
	return tag.RowsAffected(), nil
}

// SuspendTriggers lets a copy be read in that the database's own rules about single
// steps would refuse, such as a roll that was sealed. Keys and checks hold. The
// connection is the owner's.
func SuspendTriggers(ctx context.Context, tx pgx.Tx, tables []Table) error {
	return triggers(ctx, tx, tables, "DISABLE")
}

// ResumeTriggers ends what [SuspendTriggers] began, and lets the server number on
// where the copy ended.
func ResumeTriggers(ctx context.Context, tx pgx.Tx, tables []Table) error {
	for _, t := range tables {
		for _, c := range t.Counts {
			// Nothing that is not quoted can be given as an argument here.
			_, err := tx.Exec(ctx, `SELECT setval(pg_get_serial_sequence($1, $2),
				greatest(1, (SELECT coalesce(max(`+quote(c)+`), 0) FROM `+t.quoted()+`) + 1), false)`, t.quoted(), c)
			if err != nil {
				return fmt.Errorf("numbering table %s: %w", t, err)
			}
		}
	}
	return triggers(ctx, tx, tables, "ENABLE")
}

func triggers(ctx context.Context, tx pgx.Tx, tables []Table, what string) error {
	for _, t := range tables {
		if _, err := tx.Exec(ctx, `ALTER TABLE `+t.quoted()+` `+what+` TRIGGER USER`); err != nil {
			return fmt.Errorf("setting the triggers of table %s: %w", t, err)
		}
	}
	return nil
}

// scrub takes the values out of an error of the server, which quotes them.
func scrub(err error) error {
	if code := code(err); code != "" {
		return fmt.Errorf("the server refuses a row (%s)", code)
	}
	return err
}

// Databases lists the databases that the connection's role owns, by name.
func Databases(ctx context.Context, owner *pgx.Conn) ([]string, error) {
	rows, err := owner.Query(ctx, `
		SELECT d.datname::text FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
		WHERE r.rolname = current_user AND d.datallowconn ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("listing databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing databases: %w", err)
	}
	return names, nil
}

// Sessions counts the sessions of roles in a database. Every role sees them all.
func Sessions(ctx context.Context, q Querier, database string, roles []string) (int, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = $1 AND usename = ANY($2)`,
		database, roles).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting sessions: %w", err)
	}
	return n, nil
}
