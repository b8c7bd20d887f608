package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// lines runs a query of one text column.
func lines(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// compare reports what is missing and what is too much.
func compare(t *testing.T, what string, got []string, want string) {
	t.Helper()
	expected := strings.FieldsFunc(want, func(r rune) bool { return r == '\n' })
	for i, line := range expected {
		expected[i] = strings.Join(strings.Fields(line), " ")
	}
	expected = slices.DeleteFunc(expected, func(line string) bool { return line == "" })
	for _, line := range got {
		if !slices.Contains(expected, line) {
			t.Errorf("%s: there is %q, which is not expected", what, line)
		}
	}
	for _, line := range expected {
		if !slices.Contains(got, line) {
			t.Errorf("%s: %q is missing", what, line)
		}
	}
}

// refused checks that the server refuses a statement for want of a right.
func refused(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), sql, args...)
	if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("%s: got %v, want insufficient privilege", sql, err)
	}
}

func must(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// h is 32 bytes that begin with n.
func h(n byte) []byte {
	b := make([]byte, 32)
	b[0] = n
	return b
}

// TestKinds checks that what the package says of its databases is what there is.
func TestKinds(t *testing.T) {
	t.Parallel()
	var dirs []string
	for _, d := range []migrations.Database{migrations.Registrar, migrations.Ballotbox, migrations.Committee} {
		dirs = append(dirs, d.Dirs...)
		if !slices.Contains(d.Connect, d.Service) || slices.Contains(d.Connect, d.Owner) {
			t.Errorf("%v: roles do not fit", d)
		}
	}
	entries, err := migrations.FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(dirs, e.Name()) {
			t.Errorf("directory %s belongs to no database", e.Name())
		}
	}
}

// TestApart checks that the service of one side cannot log in on the other.
func TestApart(t *testing.T) {
	t.Parallel()
	registrar, box := pgtest.Registrar(t), pgtest.Ballotbox(t)
	committee := pgtest.Committee(t)
	for _, tt := range []struct {
		db    *pgtest.DB
		roles []string
	}{
		{registrar, []string{"sv_ballotbox", "sv_ballotbox_owner", "sv_committee"}},
		{committee, []string{"sv_ballotbox", "sv_ballotbox_owner", "sv_registrar", "sv_board"}},
		{box, []string{"sv_registrar", "sv_registrar_owner", "sv_committee"}},
	} {
		for _, role := range tt.roles {
			if conn, err := postgres.Connect(t.Context(), tt.db.URL(role)); err == nil {
				_ = conn.Close(context.Background())
				t.Errorf("%s logs in to the database of %s", role, tt.db.Kind.Service)
			}
		}
	}
}

// TestAppendOnly checks that not even the owner changes what was published.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	registrar, box, committee := pgtest.Registrar(t), pgtest.Ballotbox(t), pgtest.Committee(t)
	board := strings.Fields("entry node checkpoint cosignature file head restored")
	for _, tt := range []struct {
		db     *pgtest.DB
		schema string
		tables []string
	}{
		{registrar, "board", board},
		{box, "board", board},
		{registrar, "registrar", strings.Fields("token token_revoked used envelope rejection act election")},
		{box, "ballotbox", strings.Fields("act cast_index election")},
		{committee, "committee", strings.Fields("teller message proposal proposal_signature proposal_end log outage")},
	} {
		for _, table := range tt.tables {
			name := tt.schema + "." + table
			refused(t, tt.db.Owner, `TRUNCATE `+name+` CASCADE`)
			refused(t, tt.db.Service, `TRUNCATE `+name)
			refused(t, tt.db.Service, `DELETE FROM `+name)
			if table == "head" || table == "election" {
				continue // their rows change, see below
			}
			refused(t, tt.db.Owner, `DELETE FROM `+name)
			column := lines(t, tt.db.Owner, `SELECT attname::text FROM pg_attribute
				WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum DESC LIMIT 1`, name)[0]
			refused(t, tt.db.Owner, fmt.Sprintf(`UPDATE %s SET %s = %s`, name, column, column))
		}
	}
}

// TestRestored marks databases as restored for reading only: then the server refuses
// whatever would be acknowledged or signed, and reads as before.
func TestRestored(t *testing.T) {
	t.Parallel()
	registrar, box := pgtest.Registrar(t), pgtest.Ballotbox(t)
	must(t, registrar.Owner, `INSERT INTO registrar.member (group_id, roll_index, member_no, name) VALUES (1, 0, 'm', 'n')`)
	for _, tt := range []struct {
		db  *pgtest.DB
		sql string
	}{
		{box, `INSERT INTO board.entry (index, body) VALUES (0, '\x00')`},
		{box, `INSERT INTO board.checkpoint (size, note) VALUES (1, '\x00')`},
		{box, `INSERT INTO ballotbox.received (key) VALUES (sha256('\x01'))`},
		{box, `INSERT INTO ballotbox.pending (key, sealed, group_id) VALUES (sha256('\x01'), '\x00', 1)`},
		{registrar, `INSERT INTO board.entry (index, body) VALUES (0, '\x00')`},
		{registrar, `INSERT INTO registrar.used (group_id, roll_index, kind) VALUES (1, 0, 'strike')`},
	} {
		try := func(restored bool) error {
			tx, err := tt.db.Owner.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			if restored {
				if _, err := tx.Exec(t.Context(), `INSERT INTO board.restored DEFAULT VALUES`); err != nil {
					t.Fatal(err)
				}
			}
			_, err = tx.Exec(t.Context(), tt.sql)
			return err
		}
		if err := try(false); err != nil {
			t.Errorf("control, %s: %v", tt.sql, err)
		}
		if err := try(true); !postgres.Violates(err, "restored") {
			t.Errorf("%s: got %v, want a refusal", tt.sql, err)
		}
	}
	must(t, box.Owner, `INSERT INTO board.restored DEFAULT VALUES`)
	if _, err := box.Service.Exec(t.Context(), `SELECT count(*) FROM board.entry`); err != nil {
		t.Error(err)
	}
	refused(t, box.Service, `INSERT INTO board.restored DEFAULT VALUES`)
	refused(t, box.Service, `DELETE FROM board.restored`)
}

func TestHeadGrows(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	must(t, db.Service, `INSERT INTO board.head (size, root, chain) VALUES (3, $1, $1)`, h(0))
	must(t, db.Service, `UPDATE board.head SET size = 4, root = $1 WHERE size = 3`, h(1))
	refused(t, db.Service, `UPDATE board.head SET size = 3`)
	refused(t, db.Service, `UPDATE board.head SET root = $1`, h(2))
	refused(t, db.Owner, `UPDATE board.head SET size = 4, root = $1`, h(2))
	refused(t, db.Owner, `DELETE FROM board.head`)
	if _, err := db.Service.Exec(t.Context(), `INSERT INTO board.head (size, root, chain) VALUES (9, $1, $1)`, h(0)); !postgres.Violates(err, "head_pkey") {
		t.Errorf("a second head: got %v", err)
	}
}
