package cluster_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
)

var roles = []string{"x_owner", "x_service"}

// child is set in the process that TestKilledProgram kills.
const child = "STRIKEVOTE_TEST_CLUSTER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(child); dir != "" {
		c, err := cluster.Start(context.Background(), cluster.Config{Dir: dir, Name: "child", Roles: roles})
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		fmt.Println(c.PID())
		<-c.Done()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, dir string, scratch bool) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Dir: dir, Name: "test", Roles: roles, Scratch: scratch})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func stop(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func connect(t *testing.T, c *cluster.Cluster, role string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), c.URL("postgres", role))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestLife starts, stops, kills and starts again, and finds its data each time.
func TestLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, dir, false)
	exec1(t, connect(t, c, "x_owner"), `CREATE DATABASE kept`)

	if _, err := cluster.Start(t.Context(), cluster.Config{Dir: dir, Name: "second"}); !errors.Is(err, cluster.ErrInUse) {
		t.Errorf("second start: got %v, want ErrInUse", err)
	}
	// Another program may share it, and knows when it is gone.
	a, err := cluster.Attach(t.Context(), cluster.Config{Dir: dir, Name: "second"})
	if err != nil {
		t.Fatal(err)
	}
	if a.URL("kept", "x_service") != c.URL("kept", "x_service") {
		t.Errorf("attached at %s", a.URL("kept", "x_service"))
	}
	// A look that was hindered says nothing: whoever shares it would end.
	hindered, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cluster.Attach(hindered, cluster.Config{Dir: dir, Name: "second"}); err == nil || errors.Is(err, cluster.ErrNotRunning) {
		t.Errorf("without time to look: got %v", err)
	}
	stop(t, c)
	for _, dir := range []string{dir, t.TempDir()} {
		if _, err := cluster.Attach(t.Context(), cluster.Config{Dir: dir, Name: "second"}); !errors.Is(err, cluster.ErrNotRunning) {
			t.Errorf("attached to nothing: got %v", err)
		}
	}
	stop(t, c) // does nothing
	if _, err := postgres.Connect(t.Context(), c.URL("postgres", "x_owner")); err == nil {
		t.Error("a stopped server answers")
	}

	c = start(t, dir, false)
	if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if _, err := cluster.Attach(t.Context(), cluster.Config{Dir: dir, Name: "second"}); !errors.Is(err, cluster.ErrNotRunning) {
		t.Errorf("attached to one that was killed: got %v", err)
	}
	<-c.Done()
	stop(t, c)

	c = start(t, dir, false)
	var kept bool
	err = connect(t, c, "x_owner").QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'kept')`).Scan(&kept)
	if err != nil || !kept {
		t.Errorf("the data did not survive: %v", err)
	}
}

// TestBrokenOff breaks a first start off at several moments. It is told of nothing but that,
// nothing is left half made, and the next start works.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, at := range []string{"", "initdb-*", "initdb-*/base", "data"} {
		ctx, cancel := context.WithCancel(t.Context())
		if at == "" {
			cancel()
		}
		ended := make(chan error, 1)
		go func() {
			c, err := cluster.Start(ctx, cluster.Config{Dir: dir, Name: "test", Roles: roles})
			if c != nil {
				err = errors.Join(err, c.Stop(context.Background()))
			}
			ended <- err
		}()
		var err error
		for done := false; !done; {
			if there, _ := filepath.Glob(filepath.Join(dir, at)); len(there) > 0 {
				cancel()
			}
			select {
			case err = <-ended:
				done = true
			case <-time.After(time.Millisecond):
			}
		}
		cancel()
		if err == nil && at == "data" {
			continue // it was ready before
		}
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "initdb") || strings.Contains(err.Error(), "signal") || strings.Contains(err.Error(), "\n") {
			t.Errorf("at %q: got %v", at, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "initdb-*")); len(left) > 0 {
			t.Errorf("at %q: %v is left", at, left)
		}
	}
	start(t, dir, false)
}

// TestKilledProgram kills the program that started a server, and starts it
// again at once.
func TestKilledProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), child+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the child said %q", line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	c := start(t, dir, false)
	if c.PID() == pid {
		t.Error("the same server")
	}
	// Its number may stay in the table until somebody asks how it ended.
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil {
		t.Errorf("the server of the program that was killed still runs: %s", exe)
	}
	exec1(t, connect(t, c, "x_owner"), `SELECT 1`)
}

// TestStalePID starts where the lock files of a server that was killed name a process that
// lives and is no server of these data, as happens when numbers come again: the other
// database's server, which has the same account, or the program itself.
func TestStalePID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, dir, true)
	stop(t, c)
	stranger := start(t, t.TempDir(), true)
	for _, pid := range []int{stranger.PID(), os.Getpid()} {
		run := filepath.Join(filepath.Dir(c.Data()), "run")
		text := fmt.Sprintf("%d\n%s\n%d\n5432\n%s\n", pid, c.Data(), 1, run)
		for _, name := range []string{filepath.Join(c.Data(), "postmaster.pid"), filepath.Join(run, ".s.PGSQL.5432.lock")} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(c.Data()); err != nil {
				t.Fatal(err)
			} else if owner := info.Sys().(*syscall.Stat_t); os.Chown(name, int(owner.Uid), int(owner.Gid)) != nil {
				t.Fatal(name)
			}
		}
		stop(t, start(t, dir, true))
	}

	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "postmaster.pid"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Settle(t.Context(), other); err == nil {
		t.Error("a file that says nothing was taken for granted")
	}
}

// TestSettleWaits checks that a server which does not end is named, not killed.
func TestSettleWaits(t *testing.T) {
	t.Parallel()
	c := start(t, t.TempDir(), true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := cluster.Settle(ctx, c.Data())
	if err == nil || !strings.Contains(err.Error(), "kill -INT") {
		t.Errorf("got %v", err)
	}
	exec1(t, connect(t, c, "x_owner"), `SELECT 1`)
}

// TestOrphan kills a server's first process while another one of it is stuck, as one
// is that waits for a lock whose holder died. It would never end, and the next start
// waits for it.
func TestOrphan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, dir, true)
	conn := connect(t, c, "x_owner")
	var stuck int
	if err := conn.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&stuck); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(stuck, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(stuck, syscall.SIGCONT) }) // if the test fails
	if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	stop(t, c)
	exec1(t, connect(t, start(t, dir, true), "x_owner"), `SELECT 1`)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if v, err := cluster.Choose([]int{18, 15}, data); err != nil || v != 18 {
		t.Errorf("no data: got %d, %v; want the newest", v, err)
	}
	if _, err := cluster.Choose(nil, data); !errors.Is(err, cluster.ErrNoBinaries) ||
		!strings.Contains(err.Error(), "deploy/dependencies.sh") || !strings.Contains(err.Error(), "apt-get install") {
		t.Errorf("no programs: got %v", err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Choose([]int{18}, data); err == nil {
		t.Error("a directory that is not a database is taken for one")
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := cluster.Choose([]int{18, 15}, data); err != nil || v != 15 {
		t.Errorf("data of 15: got %d, %v", v, err)
	}
	_, err := cluster.Choose([]int{18, 17}, data)
	version := new(cluster.VersionError)
	if !errors.As(err, &version) || version.Data != "15" || !strings.Contains(err.Error(), "pg_upgrade") {
		t.Errorf("data of 15, programs of 18 and 17: got %v", err)
	}
}

// TestForeignVersion checks that data of another version are left as they are.
func TestForeignVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, dir, true)
	stop(t, c)
	name := filepath.Join(c.Data(), "PG_VERSION")
	if err := os.WriteFile(name, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := cluster.Start(t.Context(), cluster.Config{Dir: dir, Name: "test"})
	if version := new(cluster.VersionError); !errors.As(err, &version) || version.Data != "9" {
		t.Errorf("got %v, want a VersionError", err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "9\n" {
		t.Errorf("the data were touched: %q, %v", b, err)
	}
}

// TestLongPath checks that a path too long for a socket does not matter.
func TestLongPath(t *testing.T) {
	t.Parallel()
	c := start(t, filepath.Join(t.TempDir(), strings.Repeat("long/", 20)), true)
	if strings.HasPrefix(c.Socket(), filepath.Dir(c.Data())) {
		t.Errorf("the socket is in %s", c.Socket())
	}
	info, err := os.Stat(c.Socket())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's directory: %v, %v", info.Mode(), err)
	}
	exec1(t, connect(t, c, "x_owner"), `SELECT 1`)
	if a, err := cluster.Attach(t.Context(), cluster.Config{Dir: filepath.Dir(c.Data()), Name: "test"}); err != nil || a.URL("x", "y") != c.URL("x", "y") {
		t.Errorf("attached: %v", err)
	}
	stop(t, c)
	if _, err := os.Stat(c.Socket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket's directory stays: %v", err)
	}
}

// TestReach checks the words for a directory that the server may not enter. The
// temporary directory of a test would be opened, so it takes one elsewhere.
func TestReach(t *testing.T) {
	t.Parallel()
	if err := cluster.Reach("/"); err != nil {
		t.Error(err)
	}
	dir, err := os.MkdirTemp(".", "closed-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != "/"; parent = filepath.Dir(parent) {
		if info, err := os.Stat(parent); err != nil || info.Mode()&fs.ModeSticky != 0 {
			return // the sources lie in a temporary directory of our own, which is opened
		}
	}
	err = cluster.Reach(dir)
	if err == nil || !strings.Contains(err.Error(), "may not enter") {
		t.Errorf("got %v", err)
	}
	temporary := t.TempDir()
	if err := os.Chmod(temporary, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Reach(temporary); err != nil {
		t.Errorf("a temporary directory: %v", err)
	}
}

// TestDoors checks who may come in.
func TestDoors(t *testing.T) {
	t.Parallel()
	c := start(t, t.TempDir(), true)
	for role, may := range map[string]bool{"x_owner": true, "x_service": false, "stranger": false} {
		conn, err := postgres.Connect(t.Context(), c.URL("postgres", role))
		if err == nil {
			_ = conn.Close(t.Context())
		}
		if (err == nil) != may {
			t.Errorf("%s: got %v, want to get in: %v", role, err, may)
		}
	}
	if conn, err := postgres.Connect(t.Context(), c.URL("template1", "x_owner")); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the owner may change the template of all databases")
	}
	owner := connect(t, c, "x_owner")
	for name, want := range map[string]string{
		"listen_addresses": "", "data_checksums": "on", "track_commit_timestamp": "off",
		"log_statement": "none", "log_min_error_statement": "panic", "log_min_duration_statement": "-1",
		"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0", "log_connections": "off",
		"archive_mode": "off", "fsync": "off",
	} {
		var got string
		if err := owner.QueryRow(t.Context(), `SELECT current_setting($1)`, name).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(c.PID())))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid == 0 {
		t.Errorf("the server runs as root: %v", err)
	}
	for _, d := range []string{c.Data(), c.Socket()} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s can be entered by others: %v", d, err)
		}
	}
}

// TestDurableSettings checks that a cluster waits for the disk unless it is one
// for tests.
func TestDurableSettings(t *testing.T) {
	t.Parallel()
	owner := connect(t, start(t, t.TempDir(), false), "x_owner")
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var got string
		if err := owner.QueryRow(t.Context(), `SELECT current_setting($1)`, name).Scan(&got); err != nil || got != "on" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// TestLog checks that the server's log holds nothing of a statement, however it
// fails, and does say that the server came up.
func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c, err := cluster.Start(t.Context(), cluster.Config{Dir: t.TempDir(), Name: "test", Roles: roles, Scratch: true,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	exec1(t, connect(t, c, "x_owner"), `CREATE DATABASE d`)
	owner, err := postgres.Connect(t.Context(), c.URL("d", "x_owner"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close(context.Background()) })
	exec1(t, owner, `CREATE TEMPORARY TABLE s (a text PRIMARY KEY, b integer CHECK (b < 9))`)
	exec1(t, owner, `INSERT INTO pg_temp.s VALUES ('secret', 1)`)
	for _, sql := range []string{`INSERT INTO pg_temp.s VALUES ('secret', 2)`, `INSERT INTO pg_temp.s VALUES ('secret2', 10)`,
		`SELECT 'secret' FROM nowhere`, `SELECT 'secret'::integer`, `SELECT secret secret secret`} {
		if _, err := owner.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s succeeded", sql)
		}
	}
	if _, err := owner.Exec(t.Context(), `SELECT $1::text::integer`, "secret"); err == nil {
		t.Error("a word is a number")
	}
	stop(t, c) // the buffer is ours from here on
	if !strings.Contains(log.String(), "database system is ready") {
		t.Errorf("the log does not say that the server is ready: %s", &log)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log repeats what it was sent: %s", &log)
	}
}
