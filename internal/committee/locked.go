package committee

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// memory keeps, for each election, what was found when the locked record was
// verified: it costs seconds, and does not change any more.
type memory struct {
	mu sync.Mutex
	// found is guarded by mu. One election's verification holds mu, so that two
	// shares that come together do not verify the record twice.
	found map[suite.ElectionID]*audit.Report
}

func newMemory() memory { return memory{found: make(map[suite.ElectionID]*audit.Report)} }

// A lockedPart is a record as it was at the lock. What is published later may be
// there in part, when the program was interrupted in the middle of it.
type lockedPart struct{ fs.FS }

var _ layout.Remote = lockedPart{}

// Remote says that the files cannot be listed.
func (lockedPart) Remote() {}

// Open opens a file that belongs to the lock.
func (l lockedPart) Open(name string) (fs.File, error) {
	if layout.Late(name) != layout.Locked {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return l.FS.Open(name)
}

// locked verifies the locked record as it is published, as everybody else does,
// and returns what it says. The coordinator trusts its own logs no more than an
// outsider would: a share for sums that the record does not have is of no use.
func (s *Service) locked(ctx context.Context, id suite.ElectionID) (*audit.Report, error) {
	status, ok := s.c.Status(ctx, id)
	if !ok {
		return nil, ErrNotYet
	}
	switch election.Phase(status.Phase) {
	case election.PhaseLocked, election.PhaseTallied, election.PhaseCertified:
	default:
		return nil, ErrNotYet
	}
	s.locks.mu.Lock()
	defer s.locks.mu.Unlock()
	if l := s.locks.found[id]; l != nil {
		return l, nil
	}
	// A teller who gives up waiting must not take the work of others along:
	// nobody would ever see the end of a verification that takes longer than
	// one waits.
	l, err := verify(context.WithoutCancel(ctx), &status, s.c.Now())
	if err != nil {
		return nil, err
	}
	s.locks.found[id] = l
	return l, nil
}

func verify(ctx context.Context, status *Status, now time.Time) (*audit.Report, error) {
	fsys, closer, err := record.Open(ctx, status.Record)
	if err != nil {
		return nil, fmt.Errorf("opening the record: %w", err)
	}
	defer closer.Close()
	r, err := audit.Verify(ctx, lockedPart{fsys}, audit.Options{Stage: layout.Locked, MID: &status.MID, Fetched: now})
	if errors.Is(err, layout.ErrLocking) {
		return nil, ErrNotYet
	}
	if err != nil {
		return nil, fmt.Errorf("verifying the locked record: %w", err)
	}
	if !r.Verified {
		return nil, fmt.Errorf("the locked record does not hold: %s", r.Fault())
	}
	return r, nil
}
