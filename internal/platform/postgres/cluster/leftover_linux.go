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
			return disown(data)
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

// disown makes a server start where an earlier one was killed. Both of its lock files name
// a process, and PostgreSQL does not start while one of this number lives and is of its
// account: after a restart of a container numbers come again, and the other database's
// server, which starts at the same time, may have it in the next moment. The caller holds
// the lock and has seen that no server works on the data.
//
// Of postmaster.pid only the number is replaced, by that of the process that PostgreSQL is
// started by, which it takes for no other server; what else stands there it still checks.
func disown(data string) error {
	socket := filepath.Join(filepath.Dir(data), "run", socketFile+".lock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a stale lock: %w", err)
	}
	name := filepath.Join(data, "postmaster.pid")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading postmaster.pid: %w", err)
	}
	first, rest, _ := strings.Cut(string(b), "\n")
	if _, err := strconv.Atoi(strings.TrimSpace(first)); err != nil {
		return fmt.Errorf("%s does not begin with the number of a process: "+
			"see that no server runs on these data, and move the file away", name)
	}
	if err := renew(name, fmt.Sprintf("%d\n%s", os.Getpid(), rest)); err != nil {
		return fmt.Errorf("renewing a stale postmaster.pid: %w", err)
	}
	return nil
}

// renew puts another text into a file of the server's account, in one step. That account
// could have put a link to any file of the system in its place: none is followed.
func renew(name, text string) error {
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t) // on Linux it is one
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+"-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chown(int(owner.Uid), int(owner.Gid)), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
