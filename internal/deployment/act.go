package deployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

// ProposeAct puts an act before the committee, for its members to sign, and
// returns its sequence. by is for the committee's log.
func (d *Deployment) ProposeAct(ctx context.Context, id suite.ElectionID, kind act.Kind, payload []byte, by string) (uint32, error) {
	return d.committee.ProposeAct(ctx, id, kind, payload, by)
}

// WithdrawAct takes back an act that waits, and those after it.
func (d *Deployment) WithdrawAct(ctx context.Context, id suite.ElectionID, sequence uint32, by string) ([]uint32, error) {
	return d.committee.WithdrawAct(ctx, id, sequence, by)
}

// CheckWithdraw returns what [Deployment.WithdrawAct] would, and takes nothing back.
func (d *Deployment) CheckWithdraw(ctx context.Context, id suite.ElectionID, sequence uint32) ([]uint32, error) {
	return d.committee.CheckWithdraw(ctx, id, sequence)
}

// applyActs hands to the registrar what a quorum of the committee has signed.
func (d *Deployment) applyActs(ctx context.Context, e *running) error {
	id := e.manifest.ElectionID
	for {
		a, err := d.committee.ReadyAct(ctx, id)
		if err != nil {
			return err
		}
		_, err = e.registrar.ApplyAct(ctx, a.Bytes())
		refused := new(registrar.ActError)
		switch {
		case errors.As(err, &refused):
			err = d.committee.NoteAct(ctx, id, a.Sequence, false, refused.Error())
		case err == nil:
			err = d.committee.NoteAct(ctx, id, a.Sequence, true, "")
		}
		if err != nil {
			return fmt.Errorf("applying act %d: %w", a.Sequence, err)
		}
	}
}

// CheckAct returns the error that proposing an act would, and proposes nothing.
func (d *Deployment) CheckAct(ctx context.Context, id suite.ElectionID, kind act.Kind, payload []byte) error {
	return d.committee.CheckAct(ctx, id, kind, payload)
}

// Acts lists every act that was proposed or applied, by sequence.
func (d *Deployment) Acts(ctx context.Context, id suite.ElectionID) ([]committee.ProposedAct, error) {
	return d.committee.Acts(ctx, id)
}

// Named returns the number and name of the member whom an amendment is about.
func (d *Deployment) Named(ctx context.Context, id suite.ElectionID, a act.Amend) (number, name string, err error) {
	e := d.running(id)
	if e == nil {
		return "", "", errNotSealed
	}
	return e.registrar.Named(ctx, a)
}

// Undelivered lists the members whose mail did not arrive, as far as is known.
func (d *Deployment) Undelivered(ctx context.Context, id suite.ElectionID) ([]registrar.Undelivered, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	return e.registrar.Undelivered(ctx)
}

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
	open, err := d.committee.OpenActs(ctx, id)
	if err != nil {
		return err
	}
	var waiting []suite.Hash
	for _, a := range open {
		payload, err := (&act.Act{Kind: a.Kind, Sequence: a.Sequence, Payload: a.Payload}).Decode()
		if err != nil {
			return err
		}
		if p, ok := payload.(act.Amend); ok && p.Op == act.OpAdd {
			waiting = append(waiting, p.Hash)
		}
	}
	_, err = e.registrar.Unstage(ctx, waiting)
	return err
}

// AddressTaken reports whether anybody but the member with a number has an address.
func (d *Deployment) AddressTaken(ctx context.Context, id suite.ElectionID, email, number string) (bool, error) {
	e := d.running(id)
	if e == nil {
		return false, errNotSealed
	}
	return e.registrar.AddressTaken(ctx, email, number)
}

// Strike returns the payload of the act that strikes a member before a ballot was
// issued.
func (d *Deployment) Strike(ctx context.Context, id suite.ElectionID, number string) ([]byte, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	group, blinded, err := e.registrar.Strikable(ctx, number)
	if err != nil {
		return nil, err
	}
	return act.Amend{Op: act.OpStrike, Group: group, Hash: blinded}.Bytes(), nil
}

// CorrectAddress gives a member a new link at a new address, or at the one on the
// roll where email is empty, and ends the old link. It is refused once a ballot
// was issued.
func (d *Deployment) CorrectAddress(ctx context.Context, id suite.ElectionID, number, email, by, reason string) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	done := "gave a member a new link: " + reason
	if err := committee.CheckNote(by, done); err != nil {
		return err
	}
	if err := e.registrar.NewLink(ctx, number, email, by, reason); err != nil {
		return err
	}
	return d.committee.Note(ctx, id, by, done)
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

// QueueMail queues a mail of a kind to everybody whom it is for, to leave within a
// while from now, and returns how many. It stands in the committee's log.
func (d *Deployment) QueueMail(ctx context.Context, id suite.ElectionID, kind string, spread time.Duration, by string) (int, error) {
	e, err := d.active(id)
	if err != nil {
		return 0, err
	}
	done := "queued the mail " + kind
	if err := committee.CheckNote(by, done); err != nil {
		return 0, err
	}
	n, err := e.registrar.Enqueue(ctx, kind, d.c.Now(), spread)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, d.committee.Note(ctx, id, by, done)
}

// CheckMail returns what [Deployment.QueueMail] would, and queues nothing.
func (d *Deployment) CheckMail(ctx context.Context, id suite.ElectionID, kind string, spread time.Duration) (int, error) {
	e, err := d.active(id)
	if err != nil {
		return 0, err
	}
	return e.registrar.CheckEnqueue(ctx, kind, d.c.Now(), spread)
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
// that it would return, and sends none.
func (d *Deployment) CheckResend(ctx context.Context, id suite.ElectionID, number string) ([]registrar.Member, error) {
	e, err := d.active(id)
	if err != nil {
		return nil, err
	}
	return e.registrar.CheckResend(ctx, number)
}

// ExportCeremony returns the state of the tellers' ceremony as a file.
func (d *Deployment) ExportCeremony(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	return d.committee.ExportCeremony(ctx, id)
}

// ImportMessage takes a teller's message from a file.
func (d *Deployment) ImportMessage(ctx context.Context, id suite.ElectionID, file []byte) (*ceremony.MessageFile, error) {
	return d.committee.Import(ctx, id, file)
}

// RestartCeremony begins the ceremony again: all keys of tellers so far are dead.
func (d *Deployment) RestartCeremony(ctx context.Context, id suite.ElectionID, by string) error {
	const done = "began the ceremony again"
	if err := committee.CheckNote(by, done); err != nil {
		return err
	}
	if err := d.committee.Restart(ctx, id); err != nil {
		return err
	}
	return d.committee.Note(ctx, id, by, done)
}

// CommitteeLog returns who did what.
func (d *Deployment) CommitteeLog(ctx context.Context, id suite.ElectionID) ([]committee.LogEntry, error) {
	return d.committee.Log(ctx, id)
}
