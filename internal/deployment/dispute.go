package deployment

import (
	"context"
	"errors"
	"fmt"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
)

// ErrDecideLate is returned once the certificate says how many reports are upheld.
var ErrDecideLate = errors.New("the committee has signed the certificate, and it stands")

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
func (d *Deployment) CheckDispute(ctx context.Context, id suite.ElectionID, number int, by string, upheld bool) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	// First: what one report more would change is no question of one that nobody made.
	if err := e.registrar.CheckDispute(ctx, number, by); err != nil {
		return err
	}
	return d.mayDecide(ctx, e, number, upheld)
}

// DecideDispute records what one of the committee makes of a report; two who say the
// same decide. The certificate says how many are upheld, so that nothing is decided any
// more once it is signed.
func (d *Deployment) DecideDispute(ctx context.Context, id suite.ElectionID, number int, by string, upheld bool) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	if err := d.CheckDispute(ctx, id, number, by, upheld); err != nil {
		return err
	}
	if err := e.registrar.DecideDispute(ctx, number, by, upheld); err != nil {
		return err
	}
	what := "reject"
	if upheld {
		what = "uphold"
	}
	if err := d.committee.Note(ctx, id, by, fmt.Sprintf("would %s report %d", what, number)); err != nil {
		return err
	}
	// Another process may have fixed the certificate in between.
	return d.compareUpheld(ctx, e)
}

// mayDecide returns an error once the certificate cannot change any more. It says what
// the decision would have changed: those who come too late have to tell the public
// themselves, and must know how much there is to tell.
func (d *Deployment) mayDecide(ctx context.Context, e *running, number int, upheld bool) error {
	c, err := d.committee.Certified(ctx, e.manifest.ElectionID)
	if errors.Is(err, committee.ErrNotYet) {
		return nil
	}
	if err != nil {
		return err
	}
	if !upheld {
		return fmt.Errorf("%w. It counts %s, and a report that is not decided counts as little as a rejected one", ErrDecideLate, reports(c.Disputed))
	}
	with, err := e.registrar.UpheldWith(ctx, number)
	if err != nil {
		return err
	}
	return d.tooLate(ctx, e, c, "with this report", with)
}

// compareUpheld returns an error while a certificate that cannot change any more counts
// other reports than are upheld.
func (d *Deployment) compareUpheld(ctx context.Context, e *running) error {
	c, err := d.committee.Certified(ctx, e.manifest.ElectionID)
	if errors.Is(err, committee.ErrNotYet) {
		return nil
	}
	if err != nil {
		return err
	}
	upheld, err := e.registrar.Upheld(ctx)
	if err != nil || upheld == c.Disputed {
		return err
	}
	return d.tooLate(ctx, e, c, "with all that are upheld", upheld)
}

// tooLate says that the certificate stands, and what it would say with other reports.
func (d *Deployment) tooLate(ctx context.Context, e *running, c *tally.Certificate, with string, upheld uint64) error {
	result, err := e.ledger.File(ctx, layout.Result)
	if err != nil {
		return err
	}
	final := tally.Final{
		Manifest: e.manifest, Close: tally.Close{MID: c.MID, Root: c.CloseRoot, Size: c.CloseSize},
		LedgerRoot: c.LedgerRoot, LedgerSize: c.LedgerSize, Result: result, Groups: c.Groups,
	}
	now, err := final.Certificate(upheld, c.CertifiedAt)
	if err != nil {
		return err
	}
	says := "the open questions could not change the outcome either"
	switch {
	case now.Material && !c.Material:
		says = "the open questions COULD CHANGE THE OUTCOME, which the certificate denies"
	case now.Material:
		says = "the open questions could change the outcome, as the certificate says"
	}
	return fmt.Errorf("%w. It counts %s; %s it would count %d, and %s. "+
		"It cannot be amended or signed again: write the ruling into the committee's minutes, and tell everybody, with its date, on the public pages (questions.md in the folder of strikevote election pages)",
		ErrDecideLate, reports(c.Disputed), with, upheld, says)
}

func reports(n uint64) string {
	if n == 1 {
		return "1 upheld report"
	}
	return fmt.Sprintf("%d upheld reports", n)
}
