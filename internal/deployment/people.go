package deployment

import (
	"context"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

// AddMember notes a member who comes late and proposes the act that adds them
// (SPEC.md section 10).
func (d *Deployment) AddMember(ctx context.Context, id suite.ElectionID, m roll.Member, by string) (uint32, error) {
	if err := d.dropStaged(ctx, id); err != nil {
		return 0, err
	}
	payload, err := d.StageAddition(ctx, id, m)
	if err != nil {
		return 0, err
	}
	return d.ProposeAct(ctx, id, act.KindAmend, payload, by)
}

// dropStaged drops what was noted of members whose act was withdrawn or refused:
// the place of everybody after them would be wrong. Where two operators add
// somebody at the same moment it may drop one too many; that one's act is refused,
// and says why.
func (d *Deployment) dropStaged(ctx context.Context, id suite.ElectionID) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	waiting, err := d.additions(ctx, id)
	if err != nil {
		return err
	}
	_, err = e.registrar.Unstage(ctx, waiting)
	return err
}

// additions are the leaves of those whom acts that wait would add.
func (d *Deployment) additions(ctx context.Context, id suite.ElectionID) ([]suite.Hash, error) {
	open, err := d.committee.OpenActs(ctx, id)
	if err != nil {
		return nil, err
	}
	var waiting []suite.Hash
	for _, a := range open {
		payload, err := (&act.Act{Kind: a.Kind, Sequence: a.Sequence, Payload: a.Payload}).Decode()
		if err != nil {
			return nil, err
		}
		if p, ok := payload.(act.Amend); ok && p.Op == act.OpAdd {
			waiting = append(waiting, p.Hash)
		}
	}
	return waiting, nil
}

// CheckAdd returns the error that [Deployment.AddMember] would, and neither notes nor
// proposes anything.
func (d *Deployment) CheckAdd(ctx context.Context, id suite.ElectionID, m roll.Member) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	waiting, err := d.additions(ctx, id)
	if err != nil {
		return err
	}
	group, leaf, err := e.registrar.CheckStage(ctx, member(m), waiting)
	if err != nil {
		return err
	}
	return d.CheckAct(ctx, id, act.KindAmend, act.Amend{Op: act.OpAdd, Group: group, Hash: leaf}.Bytes())
}

// AddressTaken reports whether anybody but the member with a number has an address.
func (d *Deployment) AddressTaken(ctx context.Context, id suite.ElectionID, email, number string) (bool, error) {
	e := d.running(id)
	if e == nil {
		return false, errNotSealed
	}
	return e.registrar.AddressTaken(ctx, email, number)
}

const newLinkNote = "gave a member a new link: "

// CorrectAddress gives a member a new link at a new address, or at the one on the
// roll where email is empty, and ends the old link. It is refused once a ballot
// was issued.
func (d *Deployment) CorrectAddress(ctx context.Context, id suite.ElectionID, number, email, by, reason string) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	done := newLinkNote + reason
	if err := committee.CheckNote(by, done); err != nil {
		return err
	}
	if err := e.registrar.NewLink(ctx, number, email, by, reason); err != nil {
		return err
	}
	return d.committee.Note(ctx, id, by, done)
}

// CheckAddress returns whose link [Deployment.CorrectAddress] would replace, or the error
// that it would return, and replaces none.
func (d *Deployment) CheckAddress(ctx context.Context, id suite.ElectionID, number, by, reason string) (registrar.Member, error) {
	e := d.running(id)
	if e == nil {
		return registrar.Member{}, errNotSealed
	}
	if err := committee.CheckNote(by, newLinkNote+reason); err != nil {
		return registrar.Member{}, err
	}
	return e.registrar.CheckNewLink(ctx, number)
}

// Known returns the member with a number, to be shown at a terminal.
func (d *Deployment) Known(ctx context.Context, id suite.ElectionID, number string) (registrar.Member, error) {
	e := d.running(id)
	if e == nil {
		return registrar.Member{}, errNotSealed
	}
	return e.registrar.Known(ctx, number)
}

// CheckAdmit returns the error that [Deployment.Admit] would, and admits nobody.
func (d *Deployment) CheckAdmit(ctx context.Context, id suite.ElectionID, a registrar.Applicant) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	return e.registrar.CheckAdmit(ctx, a)
}

// Admit gives a disputed person who is not on the roll a link that opens an
// envelope only.
func (d *Deployment) Admit(ctx context.Context, id suite.ElectionID, a registrar.Applicant, by string) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	const done = "admitted a disputed person to an envelope"
	if err := committee.CheckNote(by, done); err != nil {
		return err
	}
	if _, err := e.registrar.Admit(ctx, a); err != nil {
		return err
	}
	return d.committee.Note(ctx, id, by, done)
}

// ResendLink queues a member's link again, or says why none would leave. It stands in the
// committee's log, without the member.
func (d *Deployment) ResendLink(ctx context.Context, id suite.ElectionID, number, by string) error {
	const done = "sent a link again"
	if err := committee.CheckNote(by, done); err != nil {
		return err
	}
	if err := d.resendLink(ctx, id, number); err != nil {
		return err
	}
	return d.committee.Note(ctx, id, by, done)
}

func (d *Deployment) resendLink(ctx context.Context, id suite.ElectionID, number string) error {
	e, err := d.active(id)
	if err != nil {
		return err
	}
	return e.registrar.ResendKnown(ctx, number)
}

// CheckResend returns whose link [Deployment.ResendLink] would send again, or the error
// that it would return, and sends none. See [registrar.Registrar.CheckResend].
func (d *Deployment) CheckResend(ctx context.Context, id suite.ElectionID, number string) (list []registrar.Member, finish int64, err error) {
	e, err := d.active(id)
	if err != nil {
		return nil, 0, err
	}
	return e.registrar.CheckResend(ctx, number)
}
