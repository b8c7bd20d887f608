package committee

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// ErrFixed is returned for a change of the roll once the manifest is fixed, which
// is before all of it is sealed.
var ErrFixed = errors.New("sealing has begun, and fixed the roll; a member who is missing is added by an act of the committee")

// Regroup runs the import of a roll, and gives the draft the groups that it asks
// for, where the roll shows that some are too small to be counted by themselves.
// It is given those that the election was created with, so that a corrected roll
// undoes what a wrong one has pooled. The manifest is not fixed meanwhile; once it
// is, nothing is imported and Regroup returns [ErrFixed].
func (s *Service) Regroup(ctx context.Context, id suite.ElectionID, by string, imports func(created []election.Group) ([]election.Group, error)) error {
	return s.store.alone(ctx, id, func(tx store) error {
		sealed, err := tx.sealed(ctx, id)
		if err != nil {
			return err
		}
		if sealed {
			return ErrFixed
		}
		created, err := tx.groups(ctx, id)
		if err != nil {
			return err
		}
		before, err := tx.draft(ctx, id)
		if err != nil {
			return err
		}
		m, err := parseDraft(before, nil)
		if err != nil {
			return err
		}
		if m.Groups, err = imports(created); err != nil {
			return err
		}
		body, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encoding draft: %w", err)
		}
		if err := s.note(ctx, tx, id, byOperator, "roll imported", ""); err != nil {
			return err
		}
		if bytes.Equal(body, before) {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE committee.election SET draft = $2 WHERE election_id = $1`, id[:], body); err != nil {
			return fmt.Errorf("updating draft: %w", err)
		}
		return s.note(ctx, tx, id, by, "groups made for the roll", fmt.Sprintf("groups: %d", len(m.Groups)))
	})
}

// Sealed reports whether sealing of an election has begun: the manifest is fixed.
// Before, there is nothing to serve.
func (s *Service) Sealed(ctx context.Context, id suite.ElectionID) (bool, error) {
	return s.store.sealed(ctx, id)
}

// sealed reports whether the manifest is fixed, which is the first step of sealing.
func (s store) sealed(ctx context.Context, id suite.ElectionID) (bool, error) {
	session, _, err := s.session(ctx, id)
	if err != nil {
		return false, err
	}
	_, err = s.get(ctx, place{id, session, manifestPaper.fixed, 0})
	if errors.Is(err, ErrNotYet) {
		return false, nil
	}
	return err == nil, err
}

// Forget takes an election off the list for good, before its databases are
// dropped, and can be repeated. What tellers and members handed in stays, so that
// nobody can say that there was no such election. It returns a [*RefusedError] for
// a sealed one that decides something. Sealing waits for it or it for sealing, so
// that what is being sealed is not dropped.
func (s *Service) Forget(ctx context.Context, id suite.ElectionID, by string) error {
	return s.store.aloneIn(ctx, id, func(tx store, wiped bool) error {
		if wiped {
			return nil
		}
		m, err := tx.readDraft(ctx, id)
		if err != nil {
			return err
		}
		sealed, err := tx.sealed(ctx, id)
		if err != nil {
			return err
		}
		if sealed && !m.Demo && !m.Rehearsal {
			return &RefusedError{errors.New("this is a real election that was sealed; its record and its roll are kept for as long as the union has to keep them")}
		}
		if _, err := tx.Exec(ctx, `UPDATE committee.election SET state = 'wiped' WHERE election_id = $1`, id[:]); err != nil {
			return fmt.Errorf("forgetting election: %w", err)
		}
		return s.note(ctx, tx, id, by, "election wiped", "")
	})
}
