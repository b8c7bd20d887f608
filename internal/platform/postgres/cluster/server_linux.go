package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTimeout bounds an orderly shutdown, after which the server is told to
// stop without one. It then recovers from its log at the next start.
const (
	stopTimeout = 30 * time.Second
	quitTimeout = 10 * time.Second
)

// A Cluster is a running server.
type Cluster struct {
	cfg       Config
	who       account
	base      string // Dir without symbolic links
	data      string
	socket    string // the directory of the socket
	temporary string // the same, if it was made for this run
	lock      *os.File

	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when the server has ended

	released sync.Once
}

// URL returns the address of a database for a role. It implements
// postgres.Server.
func (c *Cluster) URL(database, role string) string { return socketURL(c.socket, database, role) }

// AdminURL returns the address of a database for the superuser, for backups and
// tests. No service uses it.
func (c *Cluster) AdminURL(database string) string { return c.URL(database, admin) }

// PID returns the number of the server's first process.
func (c *Cluster) PID() int { return c.cmd.Process.Pid }

// Done returns a channel that is closed when the server has ended, be it by
// Stop or by itself.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// launch starts the server.
func (c *Cluster) launch(rel release) error {
	args := []string{"-D", c.data}
	for _, s := range settings(c.cfg, c.base, c.socket) {
		args = append(args, "-c", s)
	}
	c.out = &output{log: c.cfg.Log}
	c.cmd = exec.Command(filepath.Join(rel.bin, "postgres"), args...)
	c.cmd.Dir, c.cmd.Env = c.base, environment()
	c.cmd.SysProcAttr = c.who.attr(syscall.SIGINT)
	c.cmd.Stderr = c.out
	// A process of a server that was killed may hold the other end of stderr.
	c.cmd.WaitDelay = time.Second

	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the thread ends that started
		// the child, not the process. So this thread stays with it to the end.
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // what it said on leaving is in c.out
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	return nil
}

// Stop shuts the server down: it ends the sessions, writes everything to disk
// and exits. If that takes longer than half a minute, or the context ends, it
// is told to stop at once; what was committed is safe all the same. Calling
// Stop again does nothing.
func (c *Cluster) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	var err error
	if !c.end(ctx, syscall.SIGINT) {
		quit, cancel := context.WithTimeout(context.WithoutCancel(ctx), quitTimeout)
		defer cancel()
		err = errors.New("the database did not shut down in time and was stopped without")
		if !c.end(quit, syscall.SIGQUIT) {
			c.end(context.Background(), syscall.SIGKILL)
		}
	}
	return errors.Join(err, c.release())
}

// end sends a signal and waits until the server has ended or the context has.
func (c *Cluster) end(ctx context.Context, s syscall.Signal) bool {
	select {
	case <-c.done:
		return true
	default:
	}
	_ = c.cmd.Process.Signal(s) // fails if it has just ended
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// release gives the directory back.
func (c *Cluster) release() (err error) {
	c.released.Do(func() {
		if c.temporary != "" {
			_ = os.Remove(c.temporary) // only if it is empty
		}
		if c.lock != nil {
			err = c.lock.Close()
		}
	})
	return err
}

// An output gets what the server writes, by lines. It is safe for concurrent
// use.
type output struct {
	log *slog.Logger // may be nil

	mu    sync.Mutex
	rest  []byte   // a line that is not finished
	lines []string // the last few
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, ok := bytes.Cut(o.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		o.add(string(line))
		o.rest = rest
	}
}

func (o *output) add(line string) {
	if o.lines = append(o.lines, line); len(o.lines) > 10 {
		o.lines = o.lines[1:]
	}
	if o.log == nil {
		return
	}
	level := slog.LevelDebug
	if (strings.HasPrefix(line, "FATAL") || strings.HasPrefix(line, "PANIC")) && !expected(line) {
		level = slog.LevelWarn
	}
	o.log.Log(context.Background(), level, "database", "says", line)
}

// expected reports whether a line is what a start or a stop always says.
func expected(line string) bool {
	return strings.Contains(line, "the database system is starting up") ||
		strings.Contains(line, "the database system is shutting down") ||
		strings.Contains(line, "terminating connection due to administrator command")
}

// last returns the last few lines.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(append(o.lines, string(o.rest)), "; ")
}
