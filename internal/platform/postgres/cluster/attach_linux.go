package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"strikevote/internal/platform/postgres"
)

// An Attached cluster is one that another process of this program runs. It ends
// when that process does.
type Attached struct {
	socket string
}

// URL returns the address of a database for a role. It implements
// postgres.Server.
func (a *Attached) URL(database, role string) string { return socketURL(a.socket, database, role) }

// Attach finds the cluster that another process runs in a directory, and checks
// that it answers. Only the user who started it, or root, gets in. It returns
// [ErrNotRunning] where none runs, and another error where that is not known: the
// server starts, or is busy, or this process has no file left for a connection.
func Attach(ctx context.Context, cfg Config) (*Attached, error) {
	if cfg.Dir == "" {
		dir, err := DefaultDir(cfg.Name)
		if err != nil {
			return nil, err
		}
		cfg.Dir = dir
	}
	a, err := attach(ctx, cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("reaching the %s database: %w", cfg.Name, err)
	}
	return a, nil
}

func attach(ctx context.Context, dir string) (*Attached, error) {
	b, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	// PostgreSQL writes there where its socket is, on the fifth line: that may be
	// another directory, where this one's path is too long for a socket.
	lines := strings.Split(string(b), "\n")
	if len(lines) < 5 || !filepath.IsAbs(lines[4]) {
		return nil, ErrNotRunning // it is about to start
	}
	a := &Attached{socket: lines[4]}
	conn, err := postgres.Connect(ctx, a.URL("postgres", admin))
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		// A crash leaves the file behind.
		return nil, errors.Join(ErrNotRunning, err)
	}
	if err != nil {
		return nil, err
	}
	return a, conn.Close(ctx)
}
