package deployment

import (
	"context"
	"errors"
	"io"

	"strikevote/internal/agenda"
	"strikevote/internal/committee"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// errNoSlips is returned where nobody needs a slip.
var errNoSlips = errors.New("nobody without an address needs a slip; name others by -numbers, as they were asked for")

// Slips lists the members for whom slips would be printed: those of the numbers,
// or else everybody without an address.
func (d *Deployment) Slips(ctx context.Context, id suite.ElectionID, numbers []string) ([]registrar.Slip, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	list, err := e.registrar.Slips(ctx, numbers)
	if err == nil && len(list) == 0 {
		err = errNoSlips
	}
	return list, err
}

func places(list []registrar.Slip) []agenda.Place {
	out := make([]agenda.Place, len(list))
	for i, s := range list {
		out[i] = agenda.Place{Group: s.Group, Index: s.Index}
	}
	return out
}

// SlipsDigits is what the committee's program shows of the list that it is asked to
// sign for.
func SlipsDigits(list []registrar.Slip) suite.Hash { return agenda.Places(places(list)) }

// SlipPermissions lists the permissions that the committee was asked for.
func (d *Deployment) SlipPermissions(ctx context.Context, id suite.ElectionID) ([]*committee.ProposedSlips, error) {
	return d.committee.Slips(ctx, id)
}

// ProposeSlips asks the committee for permission to print slips for exactly these
// members, and returns its number.
func (d *Deployment) ProposeSlips(ctx context.Context, id suite.ElectionID, list []registrar.Slip, reason, by string) (uint32, error) {
	return d.committee.ProposeSlips(ctx, id, places(list), reason, by)
}

// CheckPrint returns the error that [Deployment.PrintSlips] would, and prints nothing.
func (d *Deployment) CheckPrint(ctx context.Context, id suite.ElectionID, number uint32, list []registrar.Slip) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	if e.minter == nil {
		return errors.New("the keys of links and codes are destroyed; no slip can be made any more")
	}
	_, err := d.committee.SlipsApproved(ctx, id, number, places(list))
	return err
}

// CheckSlips returns the error that [Deployment.ProposeSlips] would, and asks nobody.
func (d *Deployment) CheckSlips(ctx context.Context, id suite.ElectionID, list []registrar.Slip, reason, by string) error {
	return d.committee.CheckSlips(ctx, id, places(list), reason, by)
}

// PrintSlips writes the slips of a permission that two have signed, as a page to
// print. A permission is used once: it is noted before the first code is written.
func (d *Deployment) PrintSlips(ctx context.Context, id suite.ElectionID, number uint32, list []registrar.Slip, by string, w io.Writer) error {
	if err := d.CheckPrint(ctx, id, number, list); err != nil {
		return err
	}
	e := d.running(id)
	state, err := e.registrar.Phase(ctx)
	if err != nil {
		return err
	}
	slips := &mailer.Slips{Manifest: e.manifest, MID: e.mid, Minter: e.minter, Zone: d.Zone(id), Close: state.Close}
	recipients := make([]mailer.Recipient, len(list))
	for i, s := range list {
		m := s.Member
		recipients[i] = mailer.Recipient{
			Name: m.Name, Number: m.Number, Unit: m.Unit, Campus: m.Campus, Worksite: m.Worksite, Language: m.Language, Token: s.Token,
		}
	}
	if err := d.committee.SlipsPrinted(ctx, id, number, places(list), by); err != nil {
		return err
	}
	return slips.Write(w, recipients)
}
