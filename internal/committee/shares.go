package committee

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"strikevote/internal/audit"
	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// roundOpened holds the numbers of the tellers whose shares are opened.
const roundOpened = "opened"

func (s *Service) checkShares(ctx context.Context, st *ceremony.State, number uint8, body []byte) error {
	l, err := s.locked(ctx, st.ElectionID)
	if err != nil {
		return err
	}
	if _, err := readShares(l, number, body); err != nil {
		return &RefusedError{err}
	}
	return nil
}

// readShares reads a teller's share file and checks every proof in it against
// the verified record.
func readShares(l *audit.Report, number uint8, body []byte) (*share.File, error) {
	f, err := share.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading shares: %w", err)
	}
	if f.Teller != number {
		return nil, fmt.Errorf("the file is of teller %d", f.Teller)
	}
	return f, l.Opening.VerifyShares(f)
}

// Open computes the result once t tellers have sent their shares, and publishes
// shares and result. It is safe to call again: what is published is kept once.
// It returns [ErrNotYet] while shares are missing. progress may be nil.
func (s *Service) Open(ctx context.Context, id suite.ElectionID, progress func(done, total int)) error {
	status, ok := s.c.Status(ctx, id)
	if !ok {
		return ErrNotYet
	}
	numbers, bodies, err := s.opened(ctx, id, int(status.Manifest.Tellers.T))
	if err != nil {
		return err
	}
	l, err := s.locked(ctx, id)
	if err != nil {
		return err
	}
	var files []*share.File
	for _, n := range numbers {
		f, err := readShares(l, n, bodies[n])
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
	result, err := l.Opening.Assemble(files, l.EntitledByGroup, report)
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

// opened returns whose t share files are opened, and all files. Whose is noted
// before any of them is published: the result names every file of the record,
// so that one that comes after an interruption must not be taken instead.
func (s *Service) opened(ctx context.Context, id suite.ElectionID, t int) (numbers []uint8, bodies map[uint8][]byte, err error) {
	session, _, err := s.store.session(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	bodies, err = s.store.all(ctx, id, session, string(ceremony.RoundShares))
	if err != nil {
		return nil, nil, err
	}
	if len(bodies) < t {
		return nil, nil, ErrNotYet
	}
	numbers, err = s.store.first(ctx, place{id, session, roundOpened, 0}, slices.Sorted(maps.Keys(bodies))[:t])
	return numbers, bodies, err
}

// checkStatement checks that a teller's statement is theirs, of this election.
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
	return nil
}

// publishStatements publishes the statements of all tellers once all are there:
// a record has all of them or none, so that nobody can take one out of it.
func (s *Service) publishStatements(ctx context.Context, at place) error {
	status, ok := s.c.Status(ctx, at.id)
	if !ok {
		return ErrNotYet
	}
	all, err := s.store.all(ctx, at.id, at.session, at.round)
	if err != nil || len(all) < int(status.Manifest.Tellers.N) {
		return err
	}
	for number, body := range all {
		if err := status.Files.PutFile(ctx, layout.StatementTeller(int(number)), body); err != nil {
			return fmt.Errorf("publishing statement: %w", err)
		}
	}
	return nil
}
