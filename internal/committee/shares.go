package committee

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"strikevote/internal/audit"
	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// memory keeps, for each election, what was found when the locked record was
// verified: it costs seconds, and does not change any more.
type memory struct {
	mu sync.Mutex
	// reports is guarded by mu. One election's verification holds mu, so that
	// two shares that come together do not verify the record twice.
	reports map[suite.ElectionID]*audit.Report
}

func newMemory() memory { return memory{reports: make(map[suite.ElectionID]*audit.Report)} }

// Locked verifies the locked record as it is published, as everybody else does,
// and returns what it says. The coordinator trusts its own logs no more than an
// outsider would: a share for sums that the record does not have is of no use.
func (s *Service) Locked(ctx context.Context, id suite.ElectionID) (*audit.Report, error) {
	status, ok := s.c.Status(ctx, id)
	if !ok || (status.Phase != string(election.PhaseLocked) && status.Phase != string(election.PhaseTallied) && status.Phase != string(election.PhaseCertified)) {
		return nil, ErrNotYet
	}
	s.locks.mu.Lock()
	defer s.locks.mu.Unlock()
	if r := s.locks.reports[id]; r != nil {
		return r, nil
	}
	fsys, closer, err := record.Open(ctx, status.Record)
	if err != nil {
		return nil, fmt.Errorf("opening the record: %w", err)
	}
	defer closer.Close()
	r, err := audit.Verify(ctx, fsys, audit.Options{Stage: layout.Locked, MID: &status.MID})
	if err != nil {
		return nil, fmt.Errorf("verifying the locked record: %w", err)
	}
	if !r.Verified {
		return nil, fmt.Errorf("the locked record does not hold: %s", r.Fault())
	}
	s.locks.reports[id] = r
	return r, nil
}

func (s *Service) checkShares(ctx context.Context, st *ceremony.State, number uint8, body []byte) error {
	r, err := s.Locked(ctx, st.ElectionID)
	if err != nil {
		return err
	}
	if _, err := readShares(r, number, body); err != nil {
		return &RefusedError{err}
	}
	return nil
}

// readShares reads a teller's share file and checks every proof in it against
// the verified record.
func readShares(r *audit.Report, number uint8, body []byte) (*share.File, error) {
	f, err := share.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading shares: %w", err)
	}
	if f.Teller != number {
		return nil, fmt.Errorf("the file is of teller %d", f.Teller)
	}
	return f, r.Opening.VerifyShares(f)
}

// Open computes the result once t tellers have sent their shares, and publishes
// shares and result. It is safe to call again: what is published is kept once.
// It returns [ErrNotYet] while shares are missing. progress may be nil.
func (s *Service) Open(ctx context.Context, id suite.ElectionID, progress func(done, total int)) error {
	status, ok := s.c.Status(ctx, id)
	if !ok {
		return ErrNotYet
	}
	session, _, err := s.store.session(ctx, id)
	if err != nil {
		return err
	}
	bodies, err := s.store.all(ctx, id, session, string(ceremony.RoundShares))
	if err != nil {
		return err
	}
	t := int(status.Manifest.Tellers.T)
	if len(bodies) < t {
		return ErrNotYet
	}
	r, err := s.Locked(ctx, id)
	if err != nil {
		return err
	}
	// Exactly t, so that a file that comes while this runs changes nothing.
	numbers := slices.Sorted(maps.Keys(bodies))[:t]
	var files []*share.File
	for _, n := range numbers {
		f, err := readShares(r, n, bodies[n])
		if err != nil {
			return fmt.Errorf("checking the shares of teller %d: %w", n, err)
		}
		files = append(files, f)
	}
	report := func(_ suite.GroupID, _, done, total int) {
		if progress != nil {
			progress(done, total)
		}
	}
	result, err := r.Opening.Assemble(files, r.EntitledByGroup, report)
	if err != nil {
		return fmt.Errorf("computing the result: %w", err)
	}
	body, err := result.Encode()
	if err != nil {
		return fmt.Errorf("computing the result: %w", err)
	}
	for _, n := range numbers {
		if err := status.Files.PutFile(ctx, layout.Shares(int(n)), bodies[n]); err != nil {
			return fmt.Errorf("publishing shares: %w", err)
		}
	}
	if err := status.Files.PutFile(ctx, layout.Result, body); err != nil {
		return fmt.Errorf("publishing the result: %w", err)
	}
	return nil
}

func (s *Service) checkStatement(ctx context.Context, st *ceremony.State, number uint8, body []byte) error {
	status, ok := s.c.Status(ctx, st.ElectionID)
	if !ok || status.Phase != string(election.PhaseCertified) {
		return ErrNotYet
	}
	pk, err := group.DecodeElement(st.Keys[number-1])
	if err != nil {
		return &RefusedError{err}
	}
	if err := statement.VerifyTeller(pk, int(number), status.MID, body); err != nil {
		return &RefusedError{err}
	}
	return status.Files.PutFile(ctx, layout.StatementTeller(int(number)), body)
}

// DraftCertificate makes the certificate that the committee is asked to sign,
// once. disputed is how many reports "not me" the committee upholds.
func (s *Service) DraftCertificate(ctx context.Context, id suite.ElectionID, result []byte, disputed uint64, at int64) error {
	if _, err := s.Certificate(ctx, id); !errors.Is(err, ErrNotYet) {
		return err
	}
	r, err := s.Locked(ctx, id)
	if err != nil {
		return err
	}
	final := *r.Final
	final.Result = result
	c, err := final.Certificate(disputed, at)
	if err != nil {
		return fmt.Errorf("making the certificate: %w", err)
	}
	body, err := c.Encode()
	if err != nil {
		return fmt.Errorf("making the certificate: %w", err)
	}
	return s.ProposeCertificate(ctx, id, body)
}
