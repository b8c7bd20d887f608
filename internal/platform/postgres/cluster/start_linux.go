package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"strikevote/internal/platform/postgres"
)

const (
	// startTimeout bounds the start of a server, recovery included.
	startTimeout = 5 * time.Minute
	poll         = 20 * time.Millisecond
)

// Start starts a cluster and makes its data directory and its roles if they are
// missing. It returns when the server answers. The context bounds the start
// only; the cluster runs until [Cluster.Stop].
//
// Errors that a caller may want to tell apart are [ErrNoBinaries], [ErrInUse]
// and [*VersionError].
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Dir == "" {
		dir, err := DefaultDir(cfg.Name)
		if err != nil {
			return nil, err
		}
		cfg.Dir = dir
	}
	c, err := start(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting the %s database: %w", cfg.Name, err)
	}
	return c, nil
}

func start(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	releases := installed(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err() // not every release was asked
	}
	if len(releases) == 0 {
		return nil, ErrNoBinaries // before anything is made
	}
	who, err := pick(filepath.Join(cfg.Dir, "data"))
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, who: who, done: make(chan struct{})}
	if c.base, err = who.makeBase(cfg.Dir); err != nil {
		return nil, err
	}
	c.data = filepath.Join(c.base, "data")
	defer func() {
		if err != nil {
			err = errors.Join(err, c.release())
		}
	}()
	if c.lock, err = lock(c.base); err != nil {
		return nil, err
	}
	rel, err := choose(releases, c.data)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx, c.data); err != nil {
		return nil, err
	}
	if err := c.initialize(ctx, rel); err != nil {
		return nil, err
	}
	if err := c.configure(); err != nil {
		return nil, err
	}
	if err := c.launch(rel); err != nil {
		return nil, err
	}
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// lock takes the directory for this program. The lock is the kernel's, so it
// cannot outlive the program, and it is on the directory itself, so there is no
// file that somebody could replace.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the database's directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
		}
		return nil, fmt.Errorf("locking the database's directory: %w", err)
	}
	return f, nil
}

// initialize makes the data directory if there is none. It does so beside it
// and renames the result, so that a crash never leaves half of one in its place.
func (c *Cluster) initialize(ctx context.Context, rel release) error {
	if _, err := os.Lstat(c.data); err == nil {
		return nil
	}
	fresh, err := os.MkdirTemp(c.base, "initdb-")
	if err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := c.who.own(fresh); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	args := []string{"--pgdata=" + fresh, "--username=" + admin, "--encoding=UTF8", "--locale=C",
		"--data-checksums", "--auth-local=peer", "--auth-host=reject"}
	if c.cfg.Scratch {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(rel.bin, "initdb"), args...)
	cmd.Dir, cmd.Env = c.base, environment()
	cmd.SysProcAttr = c.who.attr(0)
	// With the servers that it runs, which would go on writing. All have ended when their
	// output has.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if out, err := cmd.CombinedOutput(); err != nil {
		// It follows no link that somebody put there.
		_ = os.RemoveAll(fresh) // what stays is of no use and does no harm
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err() // what it says of its end is no fault
		}
		return fmt.Errorf("making the data directory: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if err := os.Rename(fresh, c.data); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if c.cfg.Scratch {
		return nil
	}
	return c.lock.Sync() // the lock is the open directory
}

// configure writes who may log in, beside the data and not into them: there,
// the server's account could have put a link to any file of the system.
func (c *Cluster) configure() error {
	for name, text := range map[string]string{
		"hba.conf":   hba,
		"ident.conf": ident(c.who.identities(), c.cfg.Roles),
	} {
		if err := replace(filepath.Join(c.base, name), text); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return c.makeSocketDir()
}

// replace gives a file a content, if it has another.
func replace(path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// makeSocketDir finds a private directory for the socket: beside the data, or a
// new one with a short name if that path is longer than the kernel allows.
func (c *Cluster) makeSocketDir() error {
	dir := filepath.Join(c.base, "run")
	if fits(dir) {
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			err = c.who.own(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making the directory of the database's socket: %w", err)
		}
		c.socket = dir
		return nil
	}
	for _, parent := range []string{"/run", os.TempDir(), "/tmp"} {
		dir, err := os.MkdirTemp(parent, "sv-")
		if err != nil {
			continue
		}
		c.temporary = dir
		if fits(dir) && c.who.own(dir) == nil && c.who.checkReach(dir) == nil {
			c.socket = dir
			return nil
		}
		_ = os.Remove(dir)
	}
	return fmt.Errorf("the path %s is longer than the %d bytes that a socket may have, "+
		"and neither /run nor /tmp can be written: choose a shorter directory",
		filepath.Join(dir, socketFile), maxSocket)
}

// ready waits until the server answers, and makes the roles.
func (c *Cluster) ready(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		conn, err := postgres.Connect(ctx, c.AdminURL("postgres"))
		if err == nil {
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			if err := postgres.CreateRoles(ctx, conn, c.cfg.Roles...); err != nil {
				return err
			}
			return postgres.CloseMaintenance(ctx, conn, c.cfg.Roles...)
		}
		select {
		case <-c.done:
			return fmt.Errorf("the server ended: %s", c.out.last())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("the server does not answer: %w: %s", err, c.out.last())
		case <-tick.C:
		}
	}
}

// environment is what a child sees of ours: nothing. A secret in a variable of
// this program is none of the server's business.
func environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C", "LC_ALL=C", "TZ=UTC"}
}
