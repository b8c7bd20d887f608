package committee

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A docket is every proposed act of an election, as the acts that the registrar
// has applied leave them. The registrar's word decides: an act can reach it
// without this service, and be applied just before a crash here.
type docket struct {
	status  Status
	applied []*act.Act
	all     []*proposal // by sequence and attempt
	open    []*proposal // those that wait: the next sequences, without a gap
	// before holds, for each of open and for one that would come next, what the
	// election will have become: who may sign it, which close it would move.
	before []*act.State
	// stale are those of all that the applied acts have ended and the database
	// does not know yet.
	stale []*proposal
}

// docket reads and judges. It returns [ErrNotYet] before sealing.
func (s *Service) docket(ctx context.Context, tx store, id suite.ElectionID) (*docket, error) {
	d := new(docket)
	var ok bool
	if d.status, ok = s.c.Status(ctx, id); !ok {
		if _, err := tx.draft(ctx, id); err != nil {
			return nil, err
		}
		return nil, ErrNotYet
	}
	// Before the applied acts, never after: one that is applied and noted in
	// between would be neither open here nor applied.
	var err error
	if d.all, err = tx.proposals(ctx, id, whatAct); err != nil {
		return nil, err
	}
	state, err := d.readApplied(ctx)
	if err != nil {
		return nil, err
	}
	d.settle()
	return d, d.foresee(state)
}

// readApplied verifies the applied acts again: there are few, and nothing here
// is then taken on trust.
func (d *docket) readApplied(ctx context.Context) (*act.State, error) {
	bodies, err := d.status.Acts(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the applied acts: %w", err)
	}
	state := act.NewState(d.status.Manifest, d.status.MID)
	for _, b := range bodies {
		a, err := act.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("reading an applied act: %w", err)
		}
		if err := state.Apply(a); err != nil {
			return nil, err
		}
		d.applied = append(d.applied, a)
	}
	return state, nil
}

const (
	reasonTaken  = "another act took its place"
	reasonBefore = "an act before it was not applied; propose it again"
)

// settle ends what the applied acts have ended. The states are written by
// whoever changes something next; to those who read they are the same already.
func (d *docket) settle() {
	done := uint32(len(d.applied))
	broken := false
	for i, p := range d.all {
		if p.number > done {
			break
		}
		same := p.kind == uint8(d.applied[p.number-1].Kind) && bytes.Equal(p.body, d.applied[p.number-1].Payload)
		last := i+1 == len(d.all) || d.all[i+1].number != p.number
		switch {
		case same && (p.waiting() || last && p.end != agenda.Applied):
			// Also one that was withdrawn, or noted as refused, while it was
			// under way: it is in force.
			if p.waiting() {
				d.stale = append(d.stale, p)
			}
			p.end, p.reason = agenda.Applied, ""
		case p.waiting():
			p.end, p.reason = agenda.Refused, reasonTaken
			d.stale = append(d.stale, p)
			broken = true
		}
	}
	for _, p := range d.all {
		switch {
		case !p.waiting():
		case broken:
			p.end, p.reason = agenda.Withdrawn, reasonBefore
			d.stale = append(d.stale, p)
		default:
			d.open = append(d.open, p)
		}
	}
}

// foresee fills before, and drops signatures that do not hold: the table is no
// authority, and nothing that the registrar would refuse is handed on.
func (d *docket) foresee(state *act.State) error {
	d.before = []*act.State{state}
	for _, p := range d.open {
		p.signatures = slices.DeleteFunc(p.signatures, func(sig election.MemberSignature) bool {
			_, err := d.checkSigner(p, state, sig)
			return err != nil
		})
		state = state.Clone()
		if err := state.Foresee(d.act(p)); err != nil {
			return fmt.Errorf("reading the proposed acts: %w", err)
		}
		d.before = append(d.before, state)
	}
	return nil
}

// act returns the act without signatures.
func (d *docket) act(p *proposal) *act.Act {
	return &act.Act{Kind: act.Kind(p.kind), Sequence: p.number, Payload: p.body}
}

// checkSigner checks one member's signature over an act, on the state before it,
// and returns whose it is.
func (d *docket) checkSigner(p *proposal, before *act.State, sig election.MemberSignature) (who string, err error) {
	a := d.act(p)
	payload, err := a.Decode()
	if err != nil {
		return "", err
	}
	if r, ok := payload.(act.Replace); ok && r.Member == sig.Member {
		return "", &signerError{errReplaced}
	}
	return checkMember(before.Committee, act.Message(d.status.MID, a.Kind, a.Sequence, a.Payload), sig)
}

// next returns the sequence of the next proposal.
func (d *docket) next() uint32 { return uint32(len(d.applied)+len(d.open)) + 1 }

// find returns an open act and its index.
func (d *docket) find(sequence uint32) (int, bool) {
	i := int(sequence) - len(d.applied) - 1
	return i, i >= 0 && i < len(d.open)
}

// waiting returns the same act where it waits already, or nil.
func (d *docket) waiting(kind act.Kind, payload []byte) *proposal {
	for _, p := range d.open {
		if p.kind == uint8(kind) && bytes.Equal(p.body, payload) {
			return p
		}
	}
	return nil
}

// last returns the last attempt at a sequence, or nil.
func (d *docket) last(sequence uint32) *proposal {
	for _, p := range slices.Backward(d.all) {
		if p.number == sequence {
			return p
		}
	}
	return nil
}

func (d *docket) quorum() uint8 { return d.status.Manifest.Committee.Quorum }
