package committee

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// ProposeDeclaration keeps the declaration of the roll that the committee is
// asked to sign, see package agenda. Until the election is sealed another one may
// take its place, and is then signed anew: the roll may have changed.
func (s *Service) ProposeDeclaration(ctx context.Context, id suite.ElectionID, declaration []byte, by string) error {
	if err := checkWho(by); err != nil {
		return err
	}
	d, err := agenda.ParseDeclaration(declaration)
	if err != nil {
		return &RefusedError{err}
	}
	if d.ElectionID != id {
		return &RefusedError{errors.New("the declaration is of another election")}
	}
	draft, err := s.Draft(ctx, id)
	if err != nil {
		return err
	}
	if err := declares(d, draft.Groups); err != nil {
		return &RefusedError{err}
	}
	return s.store.alone(ctx, id, func(tx store) error {
		sealed, err := tx.sealed(ctx, id)
		if err != nil {
			return err
		}
		if sealed {
			return &RefusedError{errors.New("the election is sealed, and with it the roll; a member who is missing is added by an act")}
		}
		return s.propose(ctx, tx, id, 1, declarationPaper, declaration, by)
	})
}

// declares returns an error unless the declaration is about the draft's groups.
func declares(d *agenda.Declaration, groups []election.Group) error {
	if len(groups) != len(d.Groups) {
		return fmt.Errorf("it is about %d groups, and the election has %d", len(d.Groups), len(groups))
	}
	for i, g := range groups {
		if d.Groups[i].ID != g.ID || d.Groups[i].Name != g.Name {
			return fmt.Errorf("its groups are not those of the election: group %d is %s", g.ID, g.Name)
		}
	}
	return nil
}

// ProposedDeclaration returns the declaration to be signed, or [ErrNotYet].
func (s *Service) ProposedDeclaration(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	return s.store.proposal(ctx, id, declarationPaper)
}

// SignDeclaration keeps one member's signature over the proposed declaration. It
// counts the committee of the draft.
func (s *Service) SignDeclaration(ctx context.Context, id suite.ElectionID, sig election.MemberSignature) error {
	draft, err := s.Draft(ctx, id)
	if err != nil {
		return err
	}
	return s.sign(ctx, id, declarationPaper, sig, func(_ store, declaration []byte) (string, error) {
		return checkMember(draft.Committee, agenda.DeclarationMessage(declaration), sig)
	})
}

// Declaration returns the declaration in force and the file of the first quorum
// of signatures over it, or [ErrNotYet] while the last one proposed has fewer.
func (s *Service) Declaration(ctx context.Context, id suite.ElectionID) (declaration, signatures []byte, err error) {
	draft, err := s.Draft(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	return s.store.declaration(ctx, id, &draft.Committee)
}

func (s store) declaration(ctx context.Context, id suite.ElectionID, c *election.Committee) (declaration, signatures []byte, err error) {
	number, declaration, err := s.last(ctx, id, 1, declarationPaper.proposed)
	if err != nil {
		return nil, nil, err
	}
	got, err := s.all(ctx, id, 1, declarationPaper.signatures(number))
	if err != nil {
		return nil, nil, err
	}
	if signatures, err = firstOf(got, c.Quorum); err != nil {
		return nil, nil, err
	}
	// The table is no authority.
	list, err := election.ParseSignatures(signatures)
	if err == nil {
		err = c.Verify(agenda.DeclarationMessage(declaration), list.Signatures)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("verifying the roll's declaration: %w", err)
	}
	return declaration, signatures, nil
}

// checkRoll is the gate before a manifest: in a vote that counts, the roll in it
// is the one that a quorum has compared with a second list. The wrong list is
// the mistake that voids an election.
func checkRoll(ctx context.Context, tx store, m *election.Manifest) error {
	if m.Demo {
		return nil
	}
	draft, err := tx.readDraft(ctx, m.ElectionID)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(m.Committee, draft.Committee) {
		return &RefusedError{errors.New("the manifest's committee is not the one that declares the roll")}
	}
	body, _, err := tx.declaration(ctx, m.ElectionID, &draft.Committee)
	if errors.Is(err, ErrNotYet) {
		return &RefusedError{fmt.Errorf("the roll is not declared: reconcile it with a second list, and let %d of the committee sign the declaration", draft.Committee.Quorum)}
	}
	if err != nil {
		return err
	}
	d, err := agenda.ParseDeclaration(body)
	if err != nil {
		return err
	}
	if err := d.Fits(m.Groups); err != nil {
		return &RefusedError{err}
	}
	return nil
}
