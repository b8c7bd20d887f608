package postgres_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
)

// makeTables makes tables with what is hard to copy: every kind of value, references,
// a column that the server numbers, a rule about single steps. The rows come in no
// order.
func makeTables(t *testing.T, db *pgtest.DB) {
	t.Helper()
	for _, sql := range []string{
		`CREATE SCHEMA a`,
		`CREATE TABLE a.child (id integer PRIMARY KEY, parent bytea NOT NULL, body text)`,
		`CREATE TABLE a.parent (key bytea PRIMARY KEY, at timestamptz, list bytea[], yes boolean, UNIQUE (at))`,
		`ALTER TABLE a.child ADD FOREIGN KEY (parent) REFERENCES a.parent (key)`,
		`CREATE TABLE a.log (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL)`,
		`CREATE FUNCTION a.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$`,
	} {
		if _, err := db.Owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

func fillTables(t *testing.T, db *pgtest.DB) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO a.parent VALUES ('\x09', '2026-01-02 03:04:05.678901+02', ARRAY['\x00','\xff']::bytea[], true),
			('\x01', 'infinity', '{}', NULL), ('\x0500', '2026-07-01', NULL, false)`,
		`INSERT INTO a.child VALUES (30, '\x01', E'tab\t, line\n, \\N and \\. and back\\slash'), (4, '\x09', ''), (200, '\x0500', NULL)`,
		`INSERT INTO a.log (what) SELECT 'x' FROM generate_series(1, 7)`,
		`CREATE TRIGGER never BEFORE INSERT ON a.parent FOR EACH STATEMENT EXECUTE FUNCTION a.refuse()`,
	} {
		if _, err := db.Owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// inTx runs something as the owner, over a connection without time-outs.
func inTx(t *testing.T, db *pgtest.DB, do func(tx pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), connect(t, db.URL("sv_ballotbox_owner")), do); err != nil {
		t.Fatal(err)
	}
}

// tablesOf lists the tables of makeTables, those that are referred to first.
func tablesOf(t *testing.T, tx pgx.Tx) []postgres.Table {
	t.Helper()
	tables, err := postgres.Tables(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(tables, func(t postgres.Table) bool { return t.Schema != "a" })
}

func copyAll(t *testing.T, tx pgx.Tx) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, table := range tablesOf(t, tx) {
		var b bytes.Buffer
		rows, err := postgres.CopyOut(t.Context(), tx, table, &b)
		if err != nil || rows != int64(strings.Count(b.String(), "\n")) {
			t.Errorf("%s: %d rows, %v", table, rows, err)
		}
		all[table.String()] = b.String()
	}
	return all
}

// TestCopy copies a database into another: it holds the same, goes on numbering where
// the first one ended, and its rules hold again.
func TestCopy(t *testing.T) {
	t.Parallel()
	from, to := pgtest.Ballotbox(t), pgtest.Ballotbox(t)
	makeTables(t, from)
	fillTables(t, from)
	makeTables(t, to)
	if _, err := to.Owner.Exec(t.Context(), `CREATE TRIGGER never BEFORE INSERT ON a.parent FOR EACH STATEMENT EXECUTE FUNCTION a.refuse()`); err != nil {
		t.Fatal(err)
	}
	var was map[string]string
	inTx(t, from, func(tx pgx.Tx) error { was = copyAll(t, tx); return nil })
	inTx(t, to, func(tx pgx.Tx) error {
		tables := tablesOf(t, tx)
		if err := postgres.SuspendTriggers(t.Context(), tx, tables); err != nil {
			return err
		}
		for _, table := range tables {
			if _, err := postgres.CopyIn(t.Context(), tx, table, strings.NewReader(was[table.String()])); err != nil {
				return err
			}
		}
		if err := postgres.ResumeTriggers(t.Context(), tx, tables); err != nil {
			return err
		}
		for name, text := range copyAll(t, tx) {
			if text != was[name] {
				t.Errorf("%s: got\n%s\nwant\n%s", name, text, was[name])
			}
		}
		return nil
	})
	var number int64
	if err := to.Owner.QueryRow(t.Context(), `INSERT INTO a.log (what) VALUES ('next') RETURNING number`).Scan(&number); err != nil || number != 8 {
		t.Errorf("the next number is %d, %v; want 8", number, err)
	}
	if _, err := to.Owner.Exec(t.Context(), `INSERT INTO a.parent (key) VALUES ('\x77')`); err == nil {
		t.Error("the rules were not put in force again")
	}
}

// TestCopyOrder reads rows that were written in another order: a copy shows nothing of
// it. Read as they lie, they would: the control.
func TestCopyOrder(t *testing.T) {
	t.Parallel()
	var copies, lying []string
	for _, order := range []string{"ASC", "DESC"} {
		db := pgtest.Ballotbox(t)
		makeTables(t, db)
		if _, err := db.Owner.Exec(t.Context(), `INSERT INTO a.parent (key) SELECT sha256(n::text::bytea) FROM generate_series(1, 50) n ORDER BY n `+order); err != nil {
			t.Fatal(err)
		}
		inTx(t, db, func(tx pgx.Tx) error { copies = append(copies, copyAll(t, tx)["a.parent"]); return nil })
		var text string
		if err := db.Owner.QueryRow(t.Context(), `SELECT string_agg(key::text, ' ' ORDER BY ctid) FROM a.parent`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		lying = append(lying, text)
	}
	if copies[0] != copies[1] {
		t.Error("the order of arrival is in a copy")
	}
	if lying[0] == lying[1] {
		t.Error("control: the rows lie in one order")
	}
}

// TestCopyRefuses shows that a table without a key is not copied in the order of its
// rows, and that an error has no value in it.
func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	makeTables(t, db)
	conn := connect(t, db.URL("sv_ballotbox_owner"))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tables := tablesOf(t, tx)
	log := tables[slices.IndexFunc(tables, func(t postgres.Table) bool { return t.Name == "log" })]
	if _, err := postgres.CopyIn(t.Context(), tx, log, strings.NewReader("secret\tx\n")); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Owner.Exec(t.Context(), `CREATE TABLE a.heap (x integer)`); err != nil {
		t.Fatal(err)
	}
	inTx(t, db, func(tx pgx.Tx) error {
		if _, err := postgres.Tables(t.Context(), tx); err == nil || !strings.Contains(err.Error(), "a.heap") {
			t.Errorf("a table without a key: got %v", err)
		}
		return nil
	})
}
