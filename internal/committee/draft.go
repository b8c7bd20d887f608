package committee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// Regroup replaces the groups of a draft, where the roll shows that some are too
// small to be counted by themselves. Once the election is sealed it is refused.
func (s *Service) Regroup(ctx context.Context, id suite.ElectionID, groups []election.Group, by string) error {
	return s.store.alone(ctx, id, func(tx store) error {
		session, _, err := tx.session(ctx, id)
		if err != nil {
			return err
		}
		_, err = tx.get(ctx, place{id, session, manifestPaper.fixed, 0})
		if err == nil {
			return &RefusedError{errors.New("the election is sealed, and with it its groups")}
		}
		if !errors.Is(err, ErrNotYet) {
			return err
		}
		m, err := tx.readDraft(ctx, id)
		if err != nil {
			return err
		}
		m.Groups = groups
		body, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encoding draft: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE committee.election SET draft = $2 WHERE election_id = $1`, id[:], body); err != nil {
			return fmt.Errorf("updating draft: %w", err)
		}
		return s.note(ctx, tx, id, by, "groups pooled", fmt.Sprintf("%d groups", len(groups)))
	})
}

// Forget takes an election off the list for good, before its databases are
// dropped. What tellers and members handed in stays, so that nobody can say that
// there was no such election.
func (s *Service) Forget(ctx context.Context, id suite.ElectionID, by string) error {
	return s.store.alone(ctx, id, func(tx store) error {
		if _, err := tx.Exec(ctx, `UPDATE committee.election SET state = 'wiped' WHERE election_id = $1`, id[:]); err != nil {
			return fmt.Errorf("forgetting election: %w", err)
		}
		return s.note(ctx, tx, id, by, "election wiped", "")
	})
}
