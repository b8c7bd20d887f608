package pages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A Phase is where an election stands for those who only read.
type Phase string

// The phases, in their order. A page says no more than is published.
const (
	Before    Phase = "before"
	Open      Phase = "open"
	Counting  Phase = "counting" // closed, and nothing is opened yet
	Opened    Phase = "opened"   // the totals are, and nobody has signed them yet
	Certified Phase = "certified"
	Cancelled Phase = "cancelled"
)

// facts are what is public of one election: read once, and not changed after.
type facts struct {
	ID        suite.ElectionID
	Manifest  *election.Manifest
	MID       suite.MID
	SixWords  string
	Acts      *act.State // after the acts that are published
	Extended  bool       // the close in force is later than the first one
	Early     bool       // or earlier
	Cancelled time.Time  // when witnesses saw that it was; zero: it was not
	Edition   *Edition   // what the union wrote; never nil

	record Record
	files  []string
	zone   *time.Location

	turnout func() ([]byte, error) // see [Site.askTurnout]
}

// Has reports whether a file of the record is published.
func (f *facts) Has(path string) bool { return slices.Contains(f.files, path) }

// phase returns where the election stands.
func (f *facts) phase(now time.Time) Phase {
	switch {
	case f.Acts.Cancelled:
		return Cancelled
	case f.Has(layout.Certification):
		return Certified
	case f.Has(layout.Result):
		return Opened
	}
	switch f.Manifest.Schedule.PhaseAt(f.Acts.Close, now) {
	case election.PhaseSealed:
		return Before
	case election.PhaseOpen:
		return Open
	}
	return Counting
}

// kept are the facts of an election that were read last, for all who ask meanwhile.
type kept struct {
	mu    sync.Mutex
	facts *facts
	at    time.Time
	// failed is when they could not be read anew.
	failed time.Time
}

// facts reads what is public of an election, or returns what was read a moment ago:
// a page that everybody opens at once must not ask the databases for each of them.
func (s *Site) facts(ctx context.Context, id suite.ElectionID) (*facts, error) {
	s.mu.Lock()
	if s.kept == nil {
		s.kept = make(map[suite.ElectionID]*kept)
	}
	k := s.kept[id]
	if k == nil {
		k = new(kept)
		s.kept[id] = k
	}
	s.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	// Where the other side takes its time to fail, those who waited must not wait for it
	// one after the other: the last of them would be told nothing at all.
	if k.facts != nil && (time.Since(k.at) < s.Keep || time.Since(k.failed) < s.Keep && time.Since(k.at) < stale) {
		return k.facts, nil
	}
	f, err := s.read(ctx, id)
	switch {
	case err == nil:
		k.facts, k.at = f, time.Now()
		return f, nil
	case k.facts != nil && time.Since(k.at) < stale && !errors.Is(err, ErrNotFound):
		// While a part of the service is down, this is where its news are looked for.
		k.failed = time.Now()
		if s.Log != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "pages show what was read before", "err", err)
		}
		return k.facts, nil
	case k.facts == nil:
		s.forget(id, k)
	}
	return nil, err
}

// stale is for how long pages show what was read before, where it cannot be read anew.
const stale = 10 * time.Minute

// forget drops what holds nothing: addresses of elections that there never were would
// fill the memory.
func (s *Site) forget(id suite.ElectionID, k *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[id] == k {
		delete(s.kept, id)
	}
}

func (s *Site) read(ctx context.Context, id suite.ElectionID) (*facts, error) {
	record, ok := s.Lookup(id)
	if !ok {
		return nil, ErrNotFound
	}
	b, err := record.Resource(ctx, layout.Manifest)
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	f := &facts{ID: id, MID: election.MID(b), record: record}
	f.SixWords = election.SixWords(f.MID)
	if f.Manifest, err = election.Parse(b); err != nil {
		return nil, err
	}
	if f.files, err = record.Files(ctx); err != nil {
		return nil, fmt.Errorf("listing what is published: %w", err)
	}
	if err := f.readActs(ctx); err != nil {
		return nil, err
	}
	f.Edition = new(Edition)
	if s.Content != nil {
		e, err := s.edition(ctx, id)
		switch {
		case err == nil:
			f.Edition = e
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	f.zone, f.turnout = s.zone(f), s.askTurnout(ctx, id)
	return f, nil
}

// zone returns the zone of an election's dates.
func (s *Site) zone(f *facts) *time.Location {
	if f.Edition.Content.Zone != "" {
		if zone, err := time.LoadLocation(f.Edition.Content.Zone); err == nil {
			return zone
		}
	}
	if s.Zone != nil {
		return s.Zone(f.ID)
	}
	return time.UTC
}

// readActs applies the acts that are published. Those that change a roll or decide
// on an envelope are withheld until the lock (SPEC 9), so that there may be gaps.
func (f *facts) readActs(ctx context.Context) error {
	f.Acts = act.NewState(f.Manifest, f.MID)
	policy, err := f.Manifest.LedgerPolicy()
	if err != nil {
		return err
	}
	for _, path := range f.files {
		if !strings.HasPrefix(path, "acts/") {
			continue
		}
		b, err := f.record.Resource(ctx, path)
		if err != nil {
			return fmt.Errorf("reading an act: %w", err)
		}
		a, moment, err := readAct(b, policy)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		f.Acts.Skip(a.Sequence)
		if err := f.Acts.Apply(a); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if a.Kind == act.KindCancel {
			f.Cancelled = time.Unix(moment, 0)
		}
	}
	f.Extended = f.Acts.Close > f.Manifest.Schedule.Close
	f.Early = f.Acts.Close < f.Manifest.Schedule.Close
	return nil
}

// readAct reads the file of an act: the proof of its entry, and when the witnesses
// had seen it.
func readAct(file []byte, policy tlog.Policy) (*act.Act, int64, error) {
	p, err := tlog.ParseProof(file)
	if err != nil {
		return nil, 0, err
	}
	entry, err := ledger.ParseLedger(p.Extra)
	if err != nil {
		return nil, 0, err
	}
	a, ok := entry.(ledger.Act)
	if !ok {
		return nil, 0, errors.New("it is the proof of another kind of entry")
	}
	opened, err := p.Check(policy, tlog.LeafHash(p.Extra))
	if err != nil {
		return nil, 0, err
	}
	return a.Act, opened.Moment(policy.Threshold), nil
}
