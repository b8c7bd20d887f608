package ballotbox_test

import (
	"context"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/migrations"
)

const durableName = "sv_durable"

// startDurable starts a cluster that waits for the disk, as in production.
func startDurable(t testing.TB, dir string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(context.Background(), cluster.Config{Dir: dir, Name: "ballotbox", Roles: migrations.BallotboxRoles})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) }) // it may have been killed
	return c
}

// newDurableWorld creates a box in a cluster of its own.
func newDurableWorld(t testing.TB, c *cluster.Cluster, opts ...func(*electiontest.Plan)) *world {
	t.Helper()
	ctx := context.Background()
	w := plan(t, opts...)
	w.clock.Store(electiontest.Open + 1)
	def := migrations.Ballotbox
	maintain := connect(t, c.URL("postgres", def.Owner))
	if err := postgres.CreateDatabase(ctx, maintain, durableName, def.Connect...); err != nil {
		t.Fatal(err)
	}
	owner := connect(t, c.URL(durableName, def.Owner))
	for _, dir := range def.Dirs {
		if err := postgres.Migrate(ctx, owner, migrations.FS, dir); err != nil {
			t.Fatal(err)
		}
	}
	w.attach(c)
	w.create()
	w.box = w.mustOpen()
	w.tick()
	return w
}

// attach opens pools to a durable cluster.
func (w *world) attach(c *cluster.Cluster) {
	w.t.Helper()
	open := func(role string) *pgxpool.Pool {
		p, err := postgres.OpenRole(context.Background(), c, durableName, role)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(p.Close)
		return p
	}
	w.owner, w.service = open(migrations.Ballotbox.Owner), open(migrations.Ballotbox.Service)
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TestUnconfirmed lets commits wait for a second copy of the database that does
// not come. A commit whose wait was cancelled leaves a row that everybody sees
// and a failover would lose: neither the first answer nor any later one may
// acknowledge it before there is a copy.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	c := startDurable(t, t.TempDir())
	w := newDurableWorld(t, c)
	admin := connect(t, c.AdminURL("postgres"))
	m := w.ballot(1)

	// If the test fails before its end, what waits must not wait for ever.
	t.Cleanup(func() { w.standby(admin, "") })
	w.standby(admin, "nobody")
	first := w.inBackground(func() error { _, _, err := w.box.Cast(context.Background(), m.sealed); return err })
	pid := w.waitForStandby(admin, 1, first)
	w.exec(admin, `SELECT pg_cancel_backend($1)`, pid)
	if err := <-first; err == nil {
		t.Fatal("a ballot without a second copy was acknowledged")
	}
	// The negative control: the row is there, and what the naive retry does
	// comes back at once.
	if n := w.waiting(); n != 1 {
		t.Fatalf("%d rows are pending, want 1", n)
	}
	if _, err := w.service.Exec(t.Context(), `
		INSERT INTO ballotbox.received SELECT * FROM ballotbox.received ON CONFLICT DO NOTHING`); err != nil {
		t.Fatal(err)
	}
	again := []<-chan error{
		w.inBackground(func() error { _, _, err := w.box.Cast(context.Background(), m.sealed); return err }),
		w.inBackground(func() error { _, err := w.box.Find(context.Background(), m.id); return err }),
	}
	w.waitForStandby(admin, len(again), again...)
	w.standby(admin, "")
	for _, a := range again {
		if err := <-a; err != nil {
			t.Error(err)
		}
	}
}

func (w *world) inBackground(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// standby sets whom commits wait for, and returns when they do.
func (w *world) standby(admin *pgx.Conn, name string) {
	w.t.Helper()
	w.exec(admin, `ALTER SYSTEM SET synchronous_standby_names = '`+name+`'`)
	w.exec(admin, `SELECT pg_reload_conf()`)
	for got := name + "?"; got != name; {
		if err := admin.QueryRow(context.Background(), `SHOW synchronous_standby_names`).Scan(&got); err != nil {
			w.t.Fatal(err)
		}
	}
	for name != "" && !w.commitWaits(admin) {
	}
}

// commitWaits reports whether commits wait for a second copy: another process of the
// server tells them to, a moment after a session shows the setting.
func (w *world) commitWaits(admin *pgx.Conn) bool {
	w.t.Helper()
	probe, err := pgx.ConnectConfig(context.Background(), admin.Config())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = probe.Close(context.Background()) }()
	pid := probe.PgConn().PID()
	done := w.inBackground(func() error {
		_, err := probe.Exec(context.Background(), `SELECT pg_logical_emit_message(true, '', '')`)
		return err
	})
	for waiting := false; !waiting; {
		select {
		case err := <-done:
			if err != nil {
				w.t.Fatal(err)
			}
			return false
		default:
		}
		if err := admin.QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = $1)`, pid).Scan(&waiting); err != nil {
			w.t.Fatal(err)
		}
	}
	w.exec(admin, `SELECT pg_cancel_backend($1)`, pid)
	if err := <-done; err != nil {
		w.t.Fatal(err) // what is committed stays, and only its second copy is not known of
	}
	return true
}

// waitForStandby returns when n sessions wait for a second copy, with the
// process of one. Nobody may be answered meanwhile.
func (w *world) waitForStandby(admin *pgx.Conn, n int, unanswered ...<-chan error) (pid int32) {
	w.t.Helper()
	for got := 0; got < n; {
		err := admin.QueryRow(context.Background(), `
			SELECT count(*), coalesce(max(pid), 0) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`).Scan(&got, &pid)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range unanswered {
			select {
			case err := <-a:
				w.t.Fatalf("answered without a second copy: %v", err)
			default:
			}
		}
	}
	return pid
}

// TestKill kills the database with SIGKILL while ballots are being cast, starts
// it again, and looks for everything that was acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startDurable(t, dir)
	w := newDurableWorld(t, c, large)
	list := append(w.ballots(1, 60), w.ballots(2, 60)...)
	acknowledged := make([]bool, len(list))
	turn := make(chan int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range turn {
				_, _, err := w.box.Cast(context.Background(), list[i].sealed)
				acknowledged[i] = err == nil
				_ = w.box.Tick(context.Background()) // the database may be gone
			}
		})
	}
	for i := range list {
		if i == len(list)/2 {
			if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		turn <- i
	}
	close(turn)
	wg.Wait()
	<-c.Done()
	_ = c.Stop(context.Background()) // gives the directory back
	w.attach(startDurable(t, dir))
	w.box = w.mustOpen()
	kept := 0
	for i, m := range list {
		f, err := w.box.Find(t.Context(), m.id)
		if err != nil {
			t.Fatal(err)
		}
		if acknowledged[i] {
			kept++
			if f.State == ballotbox.Unknown {
				t.Error("an acknowledged ballot is gone")
			}
		}
		// Whoever was not answered sends the ballot again.
		if _, _, err := w.box.Cast(t.Context(), m.sealed); err != nil {
			t.Error(err)
		}
	}
	if kept < 20 || kept == len(list) {
		t.Errorf("%d of %d were acknowledged", kept, len(list))
	}
	w.mustLock()
	w.mustHold(list...)
}
