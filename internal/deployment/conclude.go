package deployment

import (
	"context"
	"errors"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
)

// publishResult opens the sums once enough tellers have answered, and proposes
// the certificate.
func (d *Deployment) publishResult(ctx context.Context, e *running) error {
	phase, err := d.phase(ctx, e)
	if err != nil {
		return err
	}
	id := e.manifest.ElectionID
	switch phase {
	case election.PhaseLocked:
		return d.committee.Open(ctx, id, nil)
	case election.PhaseTallied:
		result, err := e.ledger.File(ctx, layout.Result)
		if err != nil {
			return err
		}
		upheld, err := e.registrar.Upheld(ctx)
		if err != nil {
			return err
		}
		return d.draftCertificate(ctx, id, result, upheld)
	}
	return errWaiting
}

// draftCertificate proposes the certificate, and another one in its place when the
// committee upholds one more report "not me": then it is signed anew.
func (d *Deployment) draftCertificate(ctx context.Context, id suite.ElectionID, result []byte, upheld uint64) error {
	now := d.c.Now().Unix()
	proposed, err := d.committee.Certificate(ctx, id)
	if err != nil {
		return d.committee.DraftCertificate(ctx, id, result, upheld, now)
	}
	c, err := tally.ParseCertificate(proposed)
	if err != nil || c.Disputed == upheld {
		return err
	}
	// Enough have signed the one before: it is about to be published.
	if err := d.committee.ProposeCertificate(ctx, id, result, upheld, now); !errors.Is(err, committee.ErrConflict) {
		return err
	}
	return nil
}

// publishCertificate publishes certificate and signatures once two have signed.
func (d *Deployment) publishCertificate(ctx context.Context, e *running) error {
	if phase, err := d.phase(ctx, e); err != nil || phase != election.PhaseTallied {
		return errors.Join(err, errWaiting)
	}
	id := e.manifest.ElectionID
	// In this order: the first answer of Certification fixes the certificate too.
	certification, err := d.committee.Certification(ctx, id)
	if err != nil {
		return err
	}
	certificate, err := d.committee.Certificate(ctx, id)
	if err != nil {
		return err
	}
	if err := e.ledger.PutFile(ctx, layout.Certificate, certificate); err != nil {
		return err
	}
	return e.ledger.PutFile(ctx, layout.Certification, certification)
}

// destroyLinkKeys destroys what links and codes are made with, once the result
// is certified (SPEC.md section 20).
func (d *Deployment) destroyLinkKeys(ctx context.Context, e *running) error {
	if e.minter == nil {
		return nil
	}
	if done, err := has(ctx, e.ledger, layout.Certification); err != nil || !done {
		return errors.Join(err, errWaiting)
	}
	if err := e.keys.destroyLinks(); err != nil {
		return err
	}
	e.mails.Lock() // the mailer uses the keys
	defer e.mails.Unlock()
	e.minter.Wipe()
	e.minter, e.mailer = nil, nil
	return nil
}

// Ready reports whether the locked record of an election is complete, so that
// the tellers can verify it.
func (d *Deployment) Ready(ctx context.Context, id suite.ElectionID) (bool, error) {
	phase, err := d.Phase(ctx, id)
	return phase == election.PhaseLocked, err
}
