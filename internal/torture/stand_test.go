package torture_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/demo"
	"strikevote/internal/platform/host"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/migrations"
)

// program is the real program, built once for all tests.
var program string

func TestMain(m *testing.M) {
	if at := os.Getenv(weakEnv); at != "" {
		weak(at)
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "strikevote-torture-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program = filepath.Join(dir, "strikevote")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "strikevote/cmd/strikevote")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("building the program: %w", err)
	}
	return m.Run(), nil
}

// The two database clusters and the processes of a stand.
const (
	registrarCluster = "registrar"
	boxCluster       = "ballotbox"

	registrarService = "registrar"
	boxService       = "box"
	boardService     = "board"
)

// A stand is an election that is open for voting, whose databases and services are
// processes of their own that a test may kill. A witness follows it to the end.
// Its methods are not safe for concurrent use, if they do not say so.
type stand struct {
	t        testing.TB
	p        *demo.Prepared
	clusters map[string]*cluster.Cluster
	services map[string]*process
	admin    map[string]string // address of each service's metrics
	ledger   string            // of the registrar's half of the record
	ballots  string            // of the box's
	log      *lines            // of all services
	env      []string          // of services that are started from now on, beside that of the test
	cwd      string            // of the same; empty: the test's own
	files    int               // that a service which is started may open; 0 is what this process may
}

// newStand prepares an election and starts everything: two clusters, one process
// for the registrar with console and booth, one for the box, one for the board.
func newStand(t testing.TB, o demo.Options) *stand {
	t.Helper()
	// A path below the test's own temporary folder may be too deep for a socket
	// or closed to the database's account.
	dir, err := os.MkdirTemp("", "strikevote-stand-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o.Data = dir
	s := &stand{t: t, clusters: make(map[string]*cluster.Cluster), services: make(map[string]*process),
		admin: make(map[string]string), ledger: freeAddress(t), ballots: freeAddress(t), log: new(lines)}
	if s.p, err = demo.Prepare(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.startCluster(registrarCluster)
	s.startCluster(boxCluster)
	for _, name := range []string{registrarService, boxService, boardService} {
		s.admin[name] = freeAddress(t)
		s.startService(name)
	}
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startCluster starts a database cluster as serve does: one that waits for the disk.
func (s *stand) startCluster(name string) {
	s.t.Helper()
	roles := migrations.RegistrarRoles
	if name == boxCluster {
		roles = migrations.BallotboxRoles
	}
	c, err := cluster.Start(context.Background(), cluster.Config{
		Dir: filepath.Join(s.p.Data, "postgres", name), Name: name, Roles: roles, Log: s.logger()})
	if err != nil {
		s.t.Fatalf("starting the cluster of the %s: %v", name, err)
	}
	s.clusters[name] = c
}

// killCluster kills a database server as a power cut does, and returns when it is gone.
func (s *stand) killCluster(name string) {
	s.t.Helper()
	c := s.clusters[name]
	_ = syscall.Kill(c.PID(), syscall.SIGKILL)
	<-c.Done()
	_ = c.Stop(context.Background()) // gives the directory back
	delete(s.clusters, name)
}

func (s *stand) logger() *slog.Logger {
	// What a database server says is on the level of debugging.
	return slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// arguments are those of serve for a service of the stand.
func (s *stand) arguments(name string) []string {
	args := []string{"serve", "-data", s.p.Data, "-pace", "100ms", "-mail-spread", "0s", "-admin", s.admin[name]}
	switch name {
	case registrarService:
		return append(args, "-only", "registrar,console,booth", "-ledger", s.ledger, "-upstream-ballots", "http://"+s.ballots)
	case boxService:
		return append(args, "-only", "box", "-ballots", s.ballots)
	}
	return append(args, "-only", "board", "-upstream-ledger", "http://"+s.ledger, "-upstream-ballots", "http://"+s.ballots)
}

// startService starts a service and returns when it says that it is ready.
func (s *stand) startService(name string) {
	s.t.Helper()
	s.services[name] = s.spawn(name, s.arguments(name)...)
}

// killService kills a service as kill -9 does.
func (s *stand) killService(name string) {
	s.services[name].kill()
	delete(s.services, name)
}

// A process is one of the program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it is gone
}

// spawn starts the program and waits for the line "ready".
func (s *stand) spawn(name string, args ...string) *process {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	if s.files > 0 {
		cmd = exec.Command("sh", append([]string{"-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(s.files), program}, args...)...)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	p.cmd.Env = append(withoutSettings(os.Environ()), s.env...)
	p.cmd.Dir = s.cwd
	p.cmd.Stderr = s.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	wait, err := host.StartChild(p.cmd, syscall.SIGKILL)
	if err != nil {
		s.t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		defer close(p.done)
		for r := bufio.NewScanner(out); r.Scan(); {
			if r.Text() == "ready" {
				close(ready)
			}
		}
		_ = wait() // it may have been killed
	}()
	select {
	case <-ready:
	case <-p.done:
		s.t.Fatalf("the %s did not start:\n%s", name, s.log.tail())
	case <-time.After(2 * time.Minute):
		p.kill()
		s.t.Fatalf("the %s is not ready:\n%s", name, s.log.tail())
	}
	return p
}

func withoutSettings(environment []string) []string {
	return slices.DeleteFunc(slices.Clone(environment), func(v string) bool { return strings.HasPrefix(v, "STRIKEVOTE_") })
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// end ends a process in order, as systemctl stop does.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.kill()
	}
}

// stop ends everything that runs.
func (s *stand) stop() {
	for name, p := range s.services {
		p.end()
		delete(s.services, name)
	}
	for name, c := range s.clusters {
		_ = c.Stop(context.Background())
		delete(s.clusters, name)
	}
}

// finish ends the election as a demo does: the services are started again in this
// process, the committee closes, tellers open, the committee certifies. It returns
// the audit of the record, which stands in the folder out.
func (s *stand) finish(out string) *audit.Report {
	s.t.Helper()
	s.stop()
	report, err := s.p.Finish(s.t.Context(), out)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.log.tail())
	}
	if !report.Verified {
		var b bytes.Buffer
		_ = report.WriteText(&b)
		s.t.Errorf("the record does not hold:\n%s", &b)
	}
	return report
}

// A client of one voter, with connections of its own.
func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 1
	return &http.Client{Timeout: time.Minute, Transport: t}
}

// lines keeps what the services log. It is safe for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// text returns all of it.
func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tail returns the end of it.
func (l *lines) tail() string {
	all := l.text()
	return all[max(0, len(all)-4000):]
}
