package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settleTimeout bounds the wait for the server of a program that was killed.
// It has been told to shut down by the kernel.
const settleTimeout = time.Minute

// orphanTime is how long the processes of a server outlive their first one, at
// most: they see that it is gone when they next wait for anything but a lock.
const orphanTime = 2 * time.Second

// settle waits until no server works on the data any more. The caller holds the
// lock, so one that does was left behind by a program that is gone.
//
// Processes whose first one was killed are killed in the end. One may wait for ever
// for a lock whose holder died, and nobody is left to tell it. They answer nobody any
// more, and what they had not committed is undone by the recovery that has to come.
func settle(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	began := time.Now()
	for {
		pids, err := servers(data)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return removeStale(data)
		}
		if time.Since(began) > orphanTime && orphans(data, pids) {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a database server of an earlier run, process %d, still works in %s: "+
				"stop it with kill -INT %d", pids[0], data, pids[0])
		case <-tick.C:
		}
	}
}

// orphans reports whether the first process of a server, which the others were
// started by, is not among those that are left.
func orphans(data string, pids []int) bool {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return false // it removes the file as the last thing that it does
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	// A server that an operator started by hand, for a single user, writes its number
	// with a minus. It is alive.
	return err == nil && pid > 0 && !slices.Contains(pids, pid)
}

// servers lists the processes of PostgreSQL that work in a data directory: all
// of them have it as their current directory.
func servers(data string) ([]int, error) {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		// A process that ends now, or is somebody else's, cannot be read.
		cwd, err := os.Readlink(filepath.Join("/proc", p.Name(), "cwd"))
		if err != nil || cwd != data {
			continue
		}
		exe, err := os.Readlink(filepath.Join("/proc", p.Name(), "exe"))
		if err == nil && strings.HasPrefix(filepath.Base(exe), "postgres") {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// removeStale removes postmaster.pid if its number now belongs to a process
// that is not a server of these data: after a restart of a container, numbers
// come again, and PostgreSQL would take the stranger for itself. A file whose
// process is gone is left to PostgreSQL, which checks more.
func removeStale(data string) error {
	name := filepath.Join(data, "postmaster.pid")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading postmaster.pid: %w", err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return fmt.Errorf("%s does not begin with the number of a process: "+
			"see that no server runs on these data, and move the file away", name)
	}
	if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); err != nil {
		return nil
	}
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("removing a stale postmaster.pid: %w", err)
	}
	return nil
}
