package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"strikevote/internal/platform/postgres/cluster"
)

// LimitFiles makes every write of a server beyond so many bytes of a file fail,
// also that of sessions to come, or lifts the limit for a size below 0. It is what
// a test can do to a disk that is not its own, and needs no right but to be who
// runs the server: the server finds the same place where no byte more goes that it
// would find on a full disk, with another error number (EFBIG for ENOSPC).
func LimitFiles(t testing.TB, c *cluster.Cluster, size int64) {
	t.Helper()
	value := "--fsize=unlimited:" // the soft limit, which can be raised again
	if size >= 0 {
		value = fmt.Sprintf("--fsize=%d:", size)
	}
	// The postmaster first: whoever it starts after that has the limit already.
	for _, pid := range append([]int{c.PID()}, children(t, c.PID())...) {
		cmd := exec.Command("prlimit", "--pid", strconv.Itoa(pid), value)
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner(pid)}
		}
		if out, err := cmd.CombinedOutput(); err != nil && running(pid) {
			t.Fatalf("limiting the files of the database server with prlimit, of util-linux: %v: %s", err, out)
		}
	}
}

// children lists the processes that another one started.
func children(t testing.TB, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name, in brackets, may hold anything.
		_, rest, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" "))
		var state string
		var ppid int
		if _, err := fmt.Sscan(string(rest), &state, &ppid); err != nil || ppid != parent {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// owner is the account of a process, as whom its limits may be set.
func owner(pid int) *syscall.Credential {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return nil
	}
	s := info.Sys().(*syscall.Stat_t)
	return &syscall.Credential{Uid: s.Uid, Gid: s.Gid}
}

func running(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}
