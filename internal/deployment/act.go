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
