package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuNow returns the processor time until now of this process, of the service
// and of the service's children, which are its databases. What cannot be read
// counts as nothing: it is missing in the figures, and no reason to have none.
func cpuNow(s *service) cpuTime {
	var u cpuTime
	var self syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) == nil {
		u.voters = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	}
	if s == nil {
		return u
	}
	all := processes()
	pid := s.cmd.Process.Pid
	u.service = all[pid].own
	for p := range all {
		if p != pid && below(all, p, pid) {
			u.databases += all[p].own + all[p].waited
		}
	}
	return u
}

// A process is what /proc says of one.
type process struct {
	parent      int
	own, waited time.Duration // processor time; of children that have ended
}

// clockTick is the unit of /proc: USER_HZ is 100 wherever Go runs.
const clockTick = time.Second / 100

func processes() map[int]process {
	all := make(map[int]process)
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // fails on a bad pattern only
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may hold anything.
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 15 {
			continue
		}
		number := func(i int) int { n, _ := strconv.Atoi(f[i]); return n }
		ticks := func(i int) time.Duration { return time.Duration(number(i)) * clockTick }
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		all[pid] = process{parent: number(1), own: ticks(11) + ticks(12), waited: ticks(13) + ticks(14)}
	}
	return all
}

func below(all map[int]process, pid, ancestor int) bool {
	for ; pid > 1; pid = all[pid].parent {
		if pid == ancestor {
			return true
		}
	}
	return false
}

// memory returns the resident set of the service, or 0.
func (s *service) memory() int64 {
	if s == nil {
		return 0
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
