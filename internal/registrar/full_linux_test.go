package registrar_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
	"strikevote/migrations"
)

// startDurable starts a cluster that waits for the disk, as in production.
func startDurable(t testing.TB, dir string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(context.Background(), cluster.Config{Dir: dir, Name: "registrar", Roles: migrations.RegistrarRoles})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) }) // it may have ended by itself
	return c
}

// connectAdmin connects to a database as the superuser.
func connectAdmin(t testing.TB, db *pgtest.DB) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(context.Background(), db.Server.AdminURL(db.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

// An issued credential is what a member asked for and was answered.
type issued struct {
	link   registrar.Credential
	z      []byte
	answer [credential.Size]byte
}

// TestTortureFullLog lets the write-ahead log of the registrar's database find no
// place. Members are told to come back, and the server ends, as it does on a full
// disk. Started with space, it answers who was answered before the same, byte for
// byte, and the others for the first time.
//
// The negative control is a commit that does not wait for the disk: it is
// acknowledged, and gone.
func TestTortureFullLog(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	c := startDurable(t, dir)
	f := &faulty{world: newWorldOn(t, pgtest.On(t, c, migrations.Registrar)), mail: t.TempDir()}
	f.world.at(electiontest.Open)
	var kept, refused []issued
	var links []registrar.Credential // read before the database is gone
	for i := range 20 {
		links = append(links, f.show(1, uint32(i)))
	}
	issue := func() error {
		f.link, f.z, f.first = links[0], request(t), [credential.Size]byte{}
		links = links[1:]
		return f.issueAgain()
	}
	for range 10 {
		if err := issue(); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, issued{f.link, f.z, f.first})
	}
	admin := connectAdmin(t, f.db)
	exec(t, admin, `CREATE TABLE public.control AS SELECT 0 AS a`)
	exec(t, admin, `SET synchronous_commit = off`)
	pgtest.LimitFiles(t, c, 4096) // less than a page
	exec(t, admin, `INSERT INTO public.control VALUES (1)`)
	for range 10 {
		err := issue()
		if status, _, _ := registrar.Answer(err); err == nil || status != http.StatusServiceUnavailable {
			t.Errorf("what could not be written is answered %d, %v", status, err)
		}
		refused = append(refused, issued{link: f.link, z: f.z})
	}
	<-c.Done()
	_ = c.Stop(ctx) // gives the directory back
	f.db = f.db.Restarted(startDurable(t, dir))
	f.through(f.db.Service)
	var control int
	if err := connectAdmin(t, f.db).QueryRow(ctx, `SELECT count(*) FROM public.control WHERE a = 1`).Scan(&control); err != nil || control != 0 {
		t.Errorf("the control: %d rows that were never written are there (%v)", control, err)
	}
	for _, m := range append(kept, refused...) {
		f.link, f.z, f.first = m.link, m.z, m.answer
		if err := f.issueAgain(); err != nil {
			t.Error(err)
		}
	}
	f.mustAgree()
	torture.Report(t, torture.Row{
		What:     "the registrar's write-ahead log cannot be written, as on a full disk (limit of the server's files)",
		Target:   "503, 0 answers changed, goes on when started with space",
		Measured: fmt.Sprintf("%d requests refused with 503, %d answers the same afterwards", len(refused), len(kept)),
		Control:  "a commit that does not wait for the disk is acknowledged and lost",
	})
}
