package deployment

import (
	"context"
	"errors"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

// Roll returns the imported roll of an election that is not sealed, as far as a
// second list is compared with it.
func (d *Deployment) Roll(ctx context.Context, id suite.ElectionID) ([]roll.Member, error) {
	draft, err := d.draft(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	defer draft.Pool.Close()
	members, err := draft.Members(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]roll.Member, len(members))
	for i, m := range members {
		list[i] = roll.Member{Number: m.Number, Group: m.Unit, Campus: m.Campus, Worksite: m.Worksite}
	}
	return list, nil
}

// errNoRoll is returned for a declaration of a roll that was not imported.
var errNoRoll = errors.New("no roll is imported yet; strikevote roll import")

// Declare puts the declaration of the roll before the committee: the roll as it is
// now, the second list that it was compared with, in what they still differ, and
// why. No manifest is made of a roll that is not declared.
func (d *Deployment) Declare(ctx context.Context, id suite.ElectionID, second agenda.SecondList, still agenda.Differences, explanation, by string) error {
	m, err := d.committee.Draft(ctx, id)
	if err != nil {
		return err
	}
	roots, err := d.prepareRoll(ctx, id, m.Groups)
	if err != nil {
		return err
	}
	declared := &agenda.Declaration{
		ElectionID: id, Second: second, Differences: still, Explanation: explanation, DeclaredAt: d.c.Now().Unix(),
	}
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
