// Package pgtest gives a test a database of its own: fresh, migrated, on a real
// PostgreSQL.
//
// Each test binary starts at most one cluster for each side, when a test first
// asks for it, and one migrated template there for each kind of database; a test
// gets a copy, which takes about a tenth of a second. The clusters end with the
// test binary, however it ends. They do not wait for the disk; a test of
// durability starts its own with [Durable].
//
// Only tests may import it.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/migrations"
)

// A DB is a database that belongs to one test.
type DB struct {
	Name    string
	Kind    migrations.Database
	Server  *cluster.Cluster
	Owner   *pgxpool.Pool // as the owner of the database
	Service *pgxpool.Pool // as the service that it is for

	t     testing.TB
	mu    sync.Mutex
	pools map[string]*pgxpool.Pool
}

// A side is one of the two clusters of this test binary.
type side struct {
	name  string
	roles []string

	mu        sync.Mutex
	dir       string
	cluster   *cluster.Cluster
	err       error
	templates map[string]bool
}

// Globals, because the life of a cluster is that of the test binary.
var (
	registrar = &side{name: "registrar", roles: migrations.RegistrarRoles}
	ballotbox = &side{name: "ballotbox", roles: migrations.BallotboxRoles}
)

// Main runs the tests of a package and then stops the clusters and removes
// their files. A package that uses pgtest calls it from its TestMain:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// Without it the clusters stop all the same, since they do not outlive the
// process that started them; only their files stay until the next run.
func Main(m *testing.M) { os.Exit(Tests{m}.Run()) }

// Tests are the tests of a package whose TestMain hands them to something else
// that runs them, as testscript.Main does.
type Tests struct{ *testing.M }

// Run is what Main does, without the exit.
func (t Tests) Run() int {
	code := t.M.Run()
	registrar.stop()
	ballotbox.stop()
	return code
}

// Registrar returns a database of an election on the registrar's side.
func Registrar(t testing.TB) *DB { return registrar.open(t, "registrar", migrations.Registrar) }

// Ballotbox returns a database of an election on the ballot box's side.
func Ballotbox(t testing.TB) *DB { return ballotbox.open(t, "ballotbox", migrations.Ballotbox) }

// Committee returns a deployment's database, on the registrar's side.
func Committee(t testing.TB) *DB { return registrar.open(t, "committee", migrations.Committee) }

// RegistrarServer and BallotboxServer return the clusters of this test binary,
// for tests that create databases themselves.
func RegistrarServer(t testing.TB) *cluster.Cluster { return registrar.start(t) }

// BallotboxServer is the other one.
func BallotboxServer(t testing.TB) *cluster.Cluster { return ballotbox.start(t) }

// Durable starts a cluster for one test, with the settings of a real one, in
// its own directory.
func Durable(t testing.TB, name string, roles []string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Dir: t.TempDir(), Name: name, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// On makes a database of a kind on a cluster that a test started itself.
func On(t testing.TB, c *cluster.Cluster, def migrations.Database) *DB {
	t.Helper()
	ctx := context.Background()
	d := &DB{Name: fresh(), Kind: def, Server: c, t: t, pools: make(map[string]*pgxpool.Pool)}
	connected := func(database string, fn func(*pgx.Conn) error) {
		t.Helper()
		conn, err := postgres.Connect(ctx, c.URL(database, def.Owner))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		if err := fn(conn); err != nil {
			t.Fatal(err)
		}
	}
	connected("postgres", func(conn *pgx.Conn) error {
		return postgres.CreateDatabase(ctx, conn, d.Name, def.Connect...)
	})
	connected(d.Name, func(conn *pgx.Conn) error {
		for _, dir := range def.Dirs {
			if err := postgres.Migrate(ctx, conn, migrations.FS, dir); err != nil {
				return err
			}
		}
		return nil
	})
	d.open()
	return d
}

// Restarted is the database on its cluster after a restart. What the test has of
// the other one is of no use any more.
func (d *DB) Restarted(c *cluster.Cluster) *DB {
	d.t.Helper()
	again := &DB{Name: d.Name, Kind: d.Kind, Server: c, t: d.t, pools: make(map[string]*pgxpool.Pool)}
	again.open()
	return again
}

// open opens the two pools that every test wants, and sees to it that all end.
func (d *DB) open() {
	d.t.Helper()
	d.t.Cleanup(func() {
		for _, p := range d.pools {
			p.Close()
		}
	})
	d.Owner, d.Service = d.Pool(d.Kind.Owner), d.Pool(d.Kind.Service)
}

// URL returns the address of the database for a role.
func (d *DB) URL(role string) string { return d.Server.URL(d.Name, role) }

// Pool returns a pool that is connected as a role. It lasts as long as the test.
func (d *DB) Pool(role string) *pgxpool.Pool {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.pools[role]; ok {
		return p
	}
	p, err := postgres.Open(context.Background(), d.URL(role))
	if err != nil {
		d.t.Fatal(err)
	}
	d.pools[role] = p
	return p
}

// Text returns every row of those tables that only says, as text: for a search for what
// must not be in them.
func (d *DB) Text(only func(schema, table string) bool) string {
	d.t.Helper()
	ctx := context.Background()
	rows, err := d.Owner.Query(ctx, `SELECT table_schema, table_name FROM information_schema.tables
		WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`)
	if err != nil {
		d.t.Fatal(err)
	}
	var tables []pgx.Identifier
	var schema, table string
	if _, err := pgx.ForEachRow(rows, []any{&schema, &table}, func() error {
		if only(schema, table) {
			tables = append(tables, pgx.Identifier{schema, table})
		}
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range tables {
		rows, err := d.Owner.Query(ctx, `SELECT x::text FROM `+name.Sanitize()+` x`)
		if err != nil {
			d.t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			d.t.Fatal(err)
		}
		for _, line := range lines {
			all.WriteString(line + "\n")
		}
	}
	return all.String()
}

// start returns the cluster of a side, and starts it the first time.
func (s *side) start(t testing.TB) *cluster.Cluster {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started(t)
}

// started is start for callers that hold the mutex.
func (s *side) started(t testing.TB) *cluster.Cluster {
	t.Helper()
	if s.cluster == nil && s.err == nil {
		s.templates = make(map[string]bool)
		sweep()
		if s.dir, s.err = os.MkdirTemp("", prefix); s.err == nil {
			// Not the context of the test: the cluster outlives it.
			s.cluster, s.err = cluster.Start(context.Background(),
				cluster.Config{Dir: s.dir, Name: s.name, Roles: s.roles, Scratch: true})
		}
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

func (s *side) open(t testing.TB, kind string, def migrations.Database) *DB {
	t.Helper()
	ctx := context.Background()
	template := s.template(t, kind, def)
	d := &DB{Name: fresh(), Kind: def, Server: s.cluster, t: t, pools: make(map[string]*pgxpool.Pool)}
	s.maintain(t, def.Owner, func(conn *pgx.Conn) error {
		return postgres.CloneDatabase(ctx, conn, d.Name, template, def.Connect...)
	})
	t.Cleanup(func() {
		for _, p := range d.pools {
			p.Close()
		}
		s.maintain(t, def.Owner, func(conn *pgx.Conn) error { return postgres.DropDatabase(ctx, conn, d.Name) })
	})
	d.Owner, d.Service = d.Pool(def.Owner), d.Pool(def.Service)
	return d
}

// template returns the name of the migrated database of a kind, and makes it
// the first time.
func (s *side) template(t testing.TB, kind string, def migrations.Database) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started(t)
	name := "template_" + kind
	if s.templates[name] {
		return name
	}
	ctx := context.Background()
	s.maintain(t, def.Owner, func(conn *pgx.Conn) error { return postgres.CreateDatabase(ctx, conn, name) })
	conn, err := postgres.Connect(ctx, s.cluster.URL(name, def.Owner))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range def.Dirs {
		if err := postgres.Migrate(ctx, conn, migrations.FS, dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s.templates[name] = true
	return name
}

// maintain runs fn on a connection of an owner to the maintenance database.
func (s *side) maintain(t testing.TB, owner string, fn func(*pgx.Conn) error) {
	t.Helper()
	ctx := context.Background()
	conn, err := postgres.Connect(ctx, s.cluster.URL("postgres", owner))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := fn(conn); err != nil {
		t.Fatal(err)
	}
}

func (s *side) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.cluster.Stop(ctx) // the data are thrown away next
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// fresh returns a name that no other test has.
func fresh() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "test_" + hex.EncodeToString(b[:])
}

const prefix = "strikevote-pgtest-"

// sweep removes what test binaries left behind that were killed: no test runs
// for a day.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*")) // fails on a bad pattern only
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(dir) // it may be somebody else's
		}
	}
}
