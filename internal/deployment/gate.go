package deployment

import (
	"context"
	"errors"
	"slices"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

// A Compared is a roll as it was read to be compared with a second list.
type Compared struct {
	Members []roll.Member // as far as a list is compared with it
	roots   []registrar.RollRoot
}

// Roll returns the imported roll of an election that is not sealed.
func (d *Deployment) Roll(ctx context.Context, id suite.ElectionID) (*Compared, error) {
	m, err := d.committee.Draft(ctx, id)
	if err != nil {
		return nil, err
	}
	draft, err := d.draft(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	defer draft.Pool.Close()
	c := new(Compared)
	// Before the rows: whatever is imported while they are read, or later, has
	// other roots than these.
	roots, unprepared := d.prepareRoll(ctx, id, m.Groups)
	members, err := draft.Members(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(members) == 0:
		return nil, errNoRoll
	case unprepared != nil:
		return nil, unprepared
	}
	c.roots = roots
	c.Members = make([]roll.Member, len(members))
	for i, m := range members {
		c.Members[i] = roll.Member{Number: m.Number, Group: m.Unit, Campus: m.Campus, Worksite: m.Worksite}
	}
	// The roll is in one database and the groups in another.
	pooled, _, err := d.Pooled(ctx, id, c.Members)
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(pooled, m.Groups, func(a, b election.Group) bool { return a.ID == b.ID && slices.Equal(a.Units, b.Units) }) {
		return nil, errHalfImported
	}
	return c, nil
}

var (
	// errNoRoll is returned for a declaration of a roll that was not imported.
	errNoRoll       = errors.New("no roll is imported yet; strikevote roll import")
	errHalfImported = errors.New("the last import of the roll was interrupted; import it again, strikevote roll import")
	// ErrRollChanged is returned for a declaration of a roll that is not the one
	// that was compared.
	ErrRollChanged = errors.New("another roll was imported while this one was compared; compare it again, strikevote roll reconcile")
)

// Declare puts the declaration of the roll before the committee: the roll that
// was compared, and what declared says of it: the second list, what was compared,
// in what they still differ, and why. The election, the groups and the moment are
// filled in. It returns [ErrRollChanged] where that is not the roll any more. No
// manifest is made of a roll that is not declared.
func (d *Deployment) Declare(ctx context.Context, id suite.ElectionID, c *Compared, declared agenda.Declaration, by string) error {
	m, err := d.committee.Draft(ctx, id)
	if err != nil {
		return err
	}
	roots, err := d.prepareRoll(ctx, id, m.Groups)
	if err != nil {
		return err
	}
	if !slices.Equal(roots, c.roots) {
		return ErrRollChanged
	}
	declared.ElectionID, declared.Groups, declared.DeclaredAt = id, nil, d.c.Now().Unix()
	for i, g := range m.Groups {
		if roots[i].Size == 0 {
			return errNoRoll
		}
		declared.Groups = append(declared.Groups, agenda.DeclaredGroup{ID: g.ID, Name: g.Name, Size: roots[i].Size, Root: roots[i].Root})
	}
	body, err := declared.Encode()
	if err != nil {
		return err
	}
	return d.committee.ProposeDeclaration(ctx, id, body, by)
}

// errOtherRoll is returned for a manifest that was proposed before another roll was
// imported.
var errOtherRoll = errors.New("another roll was imported since the manifest was proposed; " +
	"propose it again, strikevote election propose, and let the committee sign anew")

// checkRoll returns an error unless the roll is the one in a manifest.
func (d *Deployment) checkRoll(ctx context.Context, m *election.Manifest) error {
	roots, err := d.prepareRoll(ctx, m.ElectionID, m.Groups)
	if err != nil {
		return err
	}
	for i, g := range m.Groups {
		if (roots[i] != registrar.RollRoot{ID: g.ID, Size: g.RollSize, Root: g.RollRoot}) {
			return errOtherRoll
		}
	}
	return nil
}

// prepareRoll gives every member of a draft a place, and returns what a manifest
// says of the roll of each group.
func (d *Deployment) prepareRoll(ctx context.Context, id suite.ElectionID, groups []election.Group) ([]registrar.RollRoot, error) {
	draft, err := d.draft(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	defer draft.Pool.Close()
	list := make([]registrar.RollGroup, len(groups))
	for i, g := range groups {
		list[i] = registrar.RollGroup{ID: g.ID, Units: g.Units}
	}
	return draft.Prepare(ctx, list)
}
