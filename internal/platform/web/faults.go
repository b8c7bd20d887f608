package web

import (
	"log/slog"
	"sync"
	"time"
)

// Faults gathers requests that failed on this side and says once a minute how
// many there were. A database that is away makes every request fail; a line for
// each would bury all others, and in the ballot box each line would say when
// somebody tried to cast. Lines are written at full minutes only, so that not
// even the first of them is the time of a request.
type Faults struct {
	log *slog.Logger

	mu      sync.Mutex
	waiting bool              // a line will be written; guarded by mu
	seen    map[string]*fault // by route; guarded by mu
}

// A fault is what failed on one route since the last line.
type fault struct {
	requests int
	status   int
	err      error // the last one
}

// NewFaults returns a gatherer that writes to a log, which may be nil.
func NewFaults(log *slog.Logger) *Faults {
	return &Faults{log: log, seen: make(map[string]*fault)}
}

// note counts a request that failed. Routes are patterns, so there are few.
func (f *Faults) note(route string, status int, err error) {
	if f.log == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.seen[route]
	if x == nil {
		x = new(fault)
		f.seen[route] = x
	}
	x.requests++
	x.status, x.err = status, err
	if f.waiting {
		return
	}
	f.waiting = true
	now := time.Now()
	time.AfterFunc(now.Truncate(time.Minute).Add(time.Minute).Sub(now), f.write)
}

// write writes one line for each route on which something failed.
func (f *Faults) write() {
	f.mu.Lock()
	seen := f.seen
	f.waiting, f.seen = false, make(map[string]*fault)
	f.mu.Unlock()
	for route, x := range seen {
		f.log.Error("requests failed in the last minute", "route", route, "requests", x.requests, "status", x.status, "last", x.err)
	}
}
