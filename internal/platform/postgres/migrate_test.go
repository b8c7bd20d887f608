package postgres_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/migrations"
)

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m["d/"+pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := pgtest.Ballotbox(t)
	conn := connect(t, db.URL("sv_ballotbox_owner"))
	first := files("0001_a.sql", `CREATE SCHEMA d; CREATE TABLE d.a (x integer);`)
	second := files("0001_a.sql", `CREATE SCHEMA d; CREATE TABLE d.a (x integer);`,
		"0002_b.sql", `INSERT INTO d.a VALUES (1); INSERT INTO d.a VALUES (2);`)
	for _, fsys := range []fstest.MapFS{first, first, second, second} {
		if err := postgres.Migrate(ctx, conn, fsys, "d"); err != nil {
			t.Fatal(err)
		}
	}
	var rows int
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM d.a`).Scan(&rows); err != nil || rows != 2 {
		t.Errorf("got %d rows, %v; want 2", rows, err)
	}
	// The service may look, and sees what is missing.
	third := files("0001_a.sql", string(second["d/0001_a.sql"].Data), "0002_b.sql", string(second["d/0002_b.sql"].Data),
		"0003_c.sql", `SELECT 1`, "0004_d.sql", `SELECT 1`)
	pending, err := postgres.Pending(ctx, db.Service, third, "d")
	if err != nil || strings.Join(pending, " ") != "d/0003_c.sql d/0004_d.sql" {
		t.Errorf("got %v, %v", pending, err)
	}
	for _, dir := range migrations.Ballotbox.Dirs {
		if pending, err := postgres.Pending(ctx, db.Service, migrations.FS, dir); err != nil || len(pending) != 0 {
			t.Errorf("%s: got %v, %v", dir, pending, err)
		}
	}
}

func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	const one = `CREATE SCHEMA d;`
	for _, tt := range []struct {
		name    string
		applied fstest.MapFS
		files   fstest.MapFS
		want    string // in the error
	}{
		{"changed", files("0001_a.sql", one), files("0001_a.sql", one+" "), "changed after it was applied"},
		{"older program", files("0001_a.sql", one, "0002_b.sql", "SELECT 1"), files("0001_a.sql", one), "0002_b.sql, which this program does not know"},
		{"gap", nil, files("0001_a.sql", one, "0003_c.sql", "SELECT 1"), "next number is 0002"},
		{"twice", nil, files("0001_a.sql", one, "0001_b.sql", one), "next number is 0002"},
		{"not from one", nil, files("0002_a.sql", one), "next number is 0001"},
		{"name", nil, files("1_a.sql", one), "not NNNN_name.sql"},
		{"another file", nil, files("0001_a.sql", one, "README", ""), "not NNNN_name.sql"},
		{"nothing", nil, fstest.MapFS{"d": {Mode: fs.ModeDir}}, "no migrations"},
		{"no directory", nil, fstest.MapFS{}, "reading migrations"},
		{"bad SQL", nil, files("0001_a.sql", `CREATE SCHEMA d; CREATE TABLE d.a (x nonsense)`), "0001_a.sql"},
		{"ends its transaction", nil, files("0001_a.sql", `CREATE SCHEMA d; COMMIT;`), "ends its transaction"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.Ballotbox(t).URL("sv_ballotbox_owner"))
			if tt.applied != nil {
				if err := postgres.Migrate(t.Context(), conn, tt.applied, "d"); err != nil {
					t.Fatal(err)
				}
			}
			err := postgres.Migrate(t.Context(), conn, tt.files, "d")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			// The lock is free again, and nothing is half done.
			var locks, schemas int
			err = conn.QueryRow(t.Context(), `SELECT
				(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
				(SELECT count(*) FROM pg_namespace WHERE nspname = 'd')`).Scan(&locks, &schemas)
			if err != nil || locks != 0 {
				t.Errorf("got %d locks, %v", locks, err)
			}
			if tt.applied == nil && tt.name != "ends its transaction" && schemas != 0 {
				t.Error("something was applied")
			}
		})
	}
}

// TestMigrateTogether starts several at once, as several hosts would.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	fsys := files("0001_a.sql", `CREATE SCHEMA d; CREATE TABLE d.a (x integer); INSERT INTO d.a VALUES (1)`)
	const n = 4
	done := make(chan error, n)
	for range n {
		conn := connect(t, db.URL("sv_ballotbox_owner"))
		go func() { done <- postgres.Migrate(t.Context(), conn, fsys, "d") }()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var rows int
	if err := db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM d.a`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("got %d rows, %v; want 1", rows, err)
	}
}

// TestCreateAtOnce lets programs create one database at once: one makes it, and
// the others find it whole.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	server := pgtest.BallotboxServer(t)
	const n = 8
	results := make(chan error, n)
	for range n {
		owner := connect(t, server.URL("postgres", "sv_ballotbox_owner"))
		go func() { results <- postgres.CreateDatabase(t.Context(), owner, "sv_once", "sv_board") }()
	}
	made := 0
	for range n {
		if err := <-results; err == nil {
			made++
		} else if !errors.Is(err, postgres.ErrExists) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d of %d made it", made, n)
	}
	if err := postgres.DropDatabase(t.Context(), connect(t, server.URL("postgres", "sv_ballotbox_owner")), "sv_once"); err != nil {
		t.Error(err)
	}
}

func TestCreateDatabase(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := pgtest.BallotboxServer(t)
	owner := connect(t, server.URL("postgres", "sv_ballotbox_owner"))
	const name = `sv_"quoted"`
	if err := postgres.CreateDatabase(ctx, owner, name, "sv_board"); err != nil {
		t.Fatal(err)
	}
	if err := postgres.CreateDatabase(ctx, owner, name, "sv_board"); !errors.Is(err, postgres.ErrExists) {
		t.Errorf("again: got %v, want ErrExists", err)
	}
	session := connect(t, server.URL(name, "sv_board"))
	if conn, err := postgres.Connect(ctx, server.URL(name, "sv_ballotbox")); err == nil {
		_ = conn.Close(ctx)
		t.Error("a role that was not named may connect")
	}
	// What a crash in the middle leaves is finished.
	if _, err := owner.Exec(ctx, `CREATE DATABASE half ALLOW_CONNECTIONS false`); err != nil {
		t.Fatal(err)
	}
	if err := postgres.CreateDatabase(ctx, owner, "half", "sv_board"); err != nil {
		t.Errorf("half-made: %v", err)
	}
	var public bool
	if err := owner.QueryRow(ctx, `SELECT has_database_privilege('public', 'half', 'CONNECT')`).Scan(&public); err != nil || public {
		t.Errorf("half-made: PUBLIC may connect (%v)", err)
	}
	for _, db := range []string{name, "half", "half"} { // the last is gone already
		if err := postgres.DropDatabase(ctx, owner, db); err != nil {
			t.Error(err)
		}
	}
	if err := session.Ping(ctx); err == nil {
		t.Error("a session outlived its database")
	}
}
