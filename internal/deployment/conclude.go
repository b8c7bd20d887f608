package deployment

import (
	"context"
	"errors"
	"time"

	"strikevote/internal/committee"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
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
		return d.draftCertificate(ctx, e, result, upheld)
	case election.PhaseCertified:
		if e.settled {
			return nil
		}
		// A report may have been upheld in the moment in which the certificate was
		// signed. Whoever operates the service hears of it again at every start.
		if err := d.compareUpheld(ctx, e); err != nil {
			return err
		}
		e.settled = true
		return nil
	}
	return errWaiting
}

// draftCertificate proposes the certificate, and another one in its place when the
// committee upholds one more report "not me": then it is signed anew. Once enough have
// signed one it stands, and a report that was upheld in that moment is an error.
func (d *Deployment) draftCertificate(ctx context.Context, e *running, result []byte, upheld uint64) error {
	id, now := e.manifest.ElectionID, d.c.Now().Unix()
	proposed, err := d.committee.Certificate(ctx, id)
	if err != nil {
		return d.committee.DraftCertificate(ctx, id, result, upheld, now)
	}
	c, err := tally.ParseCertificate(proposed)
	if err != nil || c.Disputed == upheld {
		return err
	}
	err = d.committee.ProposeCertificate(ctx, id, result, upheld, now)
	if errors.Is(err, committee.ErrConflict) {
		return d.compareUpheld(ctx, e)
	}
	return err
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
	e.minter = nil
	return d.openMailer(e)
}

// announceResult queues everybody's mail with the result, once it is certified.
func (d *Deployment) announceResult(ctx context.Context, e *running) error {
	if e.announced {
		return nil
	}
	if done, err := has(ctx, e.ledger, layout.Certification); err != nil || !done {
		return errors.Join(err, errWaiting)
	}
	// Who got it before does not get it again, so a restart may repeat it.
	if _, err := e.registrar.Enqueue(ctx, mailer.Result, d.c.Now(), d.c.Spread); err != nil {
		return err
	}
	e.announced = true
	return nil
}

// outcome returns what mails tell of the result, nil until it is certified. From then on
// it is the same, and thousands of mails ask for it.
func (e *running) outcome(ctx context.Context) (*mailer.Outcome, error) {
	e.told.Lock()
	defer e.told.Unlock()
	if e.told.outcome != nil {
		return e.told.outcome, nil
	}
	if done, err := has(ctx, e.ledger, layout.Certification); err != nil || !done {
		return nil, err
	}
	var files [2][]byte
	for i, path := range []string{layout.Result, layout.Certificate} {
		var err error
		if files[i], err = e.ledger.File(ctx, path); err != nil {
			return nil, err
		}
	}
	result, err := tally.ParseResult(files[0])
	if err != nil {
		return nil, err
	}
	certificate, err := tally.ParseCertificate(files[1])
	if err != nil {
		return nil, err
	}
	e.told.outcome = outcomeOf(e.manifest, result, certificate)
	return e.told.outcome, nil
}

// outcomeOf takes from a certified result what mails tell of it.
func outcomeOf(m *election.Manifest, result *tally.Result, certificate *tally.Certificate) *mailer.Outcome {
	o := &mailer.Outcome{CertifiedAt: time.Unix(certificate.CertifiedAt, 0)}
	entitled := make(map[suite.GroupID]uint64)
	for _, g := range certificate.Groups {
		entitled[g.ID] = g.Entitled
	}
	for _, q := range m.Questions {
		o.Votes = append(o.Votes, make([]uint64, len(q.Options)))
	}
	for _, s := range result.Sets {
		u := outcome.Unit{Groups: s.Groups, Cast: s.Count}
		for _, id := range s.Groups {
			u.Entitled += entitled[id]
		}
		u.Yes, u.No = outcome.Votes(m.Questions[m.Rule.Question], s.Votes[m.Rule.Question])
		o.Parts = append(o.Parts, u)
		for q, votes := range s.Votes {
			for i, n := range votes {
				o.Votes[q][i] += n
			}
		}
	}
	for i := range result.Units {
		u := &result.Units[i]
		o.Units = append(o.Units, outcome.Judged{Unit: u.Unit(),
			Judgement: outcome.Judgement{Approved: u.Approved, Quorum: u.Quorum, Support: u.Support, Authorized: u.Authorized}})
	}
	return o
}

// Ready reports whether the locked record of an election is complete, so that
// the tellers can verify it.
func (d *Deployment) Ready(ctx context.Context, id suite.ElectionID) (bool, error) {
	phase, err := d.Phase(ctx, id)
	return phase == election.PhaseLocked, err
}
