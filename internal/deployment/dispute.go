package deployment

import (
	"context"
	"fmt"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// Disputes lists the reports "it was not me".
func (d *Deployment) Disputes(ctx context.Context, id suite.ElectionID) ([]registrar.Dispute, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	return e.registrar.Disputes(ctx)
}

// CheckDispute returns the error that [Deployment.DecideDispute] would, and records
// nothing.
func (d *Deployment) CheckDispute(ctx context.Context, id suite.ElectionID, number int, by string) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	return e.registrar.CheckDispute(ctx, number, by)
}

// DecideDispute records what one of the committee makes of a report; two who say the
// same decide. The certificate says how many are upheld.
func (d *Deployment) DecideDispute(ctx context.Context, id suite.ElectionID, number int, by string, upheld bool) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	if err := e.registrar.DecideDispute(ctx, number, by, upheld); err != nil {
		return err
	}
	what := "reject"
	if upheld {
		what = "uphold"
	}
	return d.committee.Note(ctx, id, by, fmt.Sprintf("would %s report %d", what, number))
}
