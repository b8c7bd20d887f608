package committee

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"strikevote/internal/audit"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// A locked is what was found when the locked record was verified: it costs
// seconds, and does not change any more.
type locked struct {
	*audit.Report
	committee election.Committee // in force after all acts
}

// memory keeps a locked for each election.
type memory struct {
	mu sync.Mutex
	// found is guarded by mu. One election's verification holds mu, so that two
	// shares that come together do not verify the record twice.
	found map[suite.ElectionID]*locked
}

func newMemory() memory { return memory{found: make(map[suite.ElectionID]*locked)} }

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
func (s *Service) locked(ctx context.Context, id suite.ElectionID) (*locked, error) {
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
	l, err := verify(context.WithoutCancel(ctx), &status)
	if err != nil {
		return nil, err
	}
	s.locks.found[id] = l
	return l, nil
}

func verify(ctx context.Context, status *Status) (*locked, error) {
	fsys, closer, err := record.Open(ctx, status.Record)
	if err != nil {
		return nil, fmt.Errorf("opening the record: %w", err)
	}
	defer closer.Close()
	fsys = lockedPart{fsys}
	r, err := audit.Verify(ctx, fsys, audit.Options{Stage: layout.Locked, MID: &status.MID})
	if err != nil {
		return nil, fmt.Errorf("verifying the locked record: %w", err)
	}
	if !r.Verified {
		return nil, fmt.Errorf("the locked record does not hold: %s", r.Fault())
	}
	c, err := committeeAfter(fsys, r)
	if err != nil {
		return nil, fmt.Errorf("reading the acts: %w", err)
	}
	return &locked{r, c}, nil
}

// committeeAfter returns the committee in force after the acts of a verified
// record: the keys of a replaced member are dead.
func committeeAfter(fsys fs.FS, r *audit.Report) (election.Committee, error) {
	state := act.NewState(r.Manifest, r.MID)
	for {
		b, err := fs.ReadFile(fsys, layout.Act(int(state.Next)))
		if errors.Is(err, fs.ErrNotExist) {
			return state.Committee, nil
		}
		if err != nil {
			return election.Committee{}, err
		}
		p, err := tlog.ParseProof(b)
		if err != nil {
			return election.Committee{}, err
		}
		entry, err := ledger.ParseLedger(p.Extra)
		if err != nil {
			return election.Committee{}, err
		}
		a, ok := entry.(ledger.Act)
		if !ok {
			return election.Committee{}, errors.New("an act's file holds something else")
		}
		if err := state.Apply(a.Act); err != nil {
			return election.Committee{}, err
		}
	}
}
