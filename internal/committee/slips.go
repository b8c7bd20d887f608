package committee

import (
	"context"
	"errors"
	"fmt"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// ProposedSlips is a permission to print sealed slips with codes, and how it
// stands.
type ProposedSlips struct {
	agenda.Slips
	Body   []byte // what is signed
	By     string
	Signed []int
	State  string // see package agenda; applied: the slips were printed
	Reason string // why it was withdrawn
}

// ProposeSlips asks the committee for the permission to print slips for a list
// of places, see [agenda.Places]. It returns the number of the permission. The
// same again, while it waits, is the same one.
func (s *Service) ProposeSlips(ctx context.Context, id suite.ElectionID, places []agenda.Place, reason, by string) (number uint32, err error) {
	if err := checkWho(by); err != nil {
		return 0, err
	}
	err = s.onSlips(ctx, id, func(tx store, d *docket, list []*ProposedSlips) error {
		slips, body, err := s.drafted(d, list, places, reason)
		if err != nil {
			return err
		}
		if number = slips.Number; body == nil {
			return nil
		}
		p := &proposal{number: number, body: body, by: by, at: s.c.Now().UTC()}
		if err := tx.addProposal(ctx, id, whatSlips, p); err != nil {
			return err
		}
		return s.note(ctx, tx, id, by, "slips proposed", describeSlips(slips)+": "+reason)
	})
	return number, err
}

// CheckSlips returns the error that [Service.ProposeSlips] would, and proposes nothing.
func (s *Service) CheckSlips(ctx context.Context, id suite.ElectionID, places []agenda.Place, reason, by string) error {
	if err := checkWho(by); err != nil {
		return err
	}
	return s.onSlips(ctx, id, func(_ store, d *docket, list []*ProposedSlips) error {
		_, _, err := s.drafted(d, list, places, reason)
		return err
	})
}

// drafted returns a permission that may be asked for, and its bytes; no bytes, if it waits
// already.
func (s *Service) drafted(d *docket, list []*ProposedSlips, places []agenda.Place, reason string) (*agenda.Slips, []byte, error) {
	switch election.Phase(d.status.Phase) {
	case election.PhaseSealed, election.PhaseOpen:
	default:
		return nil, nil, &RefusedError{errors.New("voting has closed, so slips are of no use any more")}
	}
	slips := &agenda.Slips{
		MID: d.status.MID, Number: uint32(len(list)) + 1, Count: uint32(len(places)), Places: agenda.Places(places),
		Reason: reason, ProposedAt: s.c.Now().Unix(),
	}
	for _, p := range list {
		if waits(p.State) && p.Count == slips.Count && p.Places == slips.Places && p.Slips.Reason == reason {
			return &p.Slips, nil, nil
		}
	}
	body, err := slips.Encode()
	if err == nil && slips.Number > maxSequence {
		err = errors.New("slips were asked for too often in this election")
	}
	if err != nil {
		return nil, nil, &RefusedError{err}
	}
	return slips, body, nil
}

func waits(state string) bool { return state == agenda.Open || state == agenda.Signed }

func describeSlips(s *agenda.Slips) string {
	return fmt.Sprintf("permission %d, %d slips, places %x…", s.Number, s.Count, s.Places[:8])
}

// onSlips runs fn alone, with every permission asked for so far by number.
func (s *Service) onSlips(ctx context.Context, id suite.ElectionID, fn func(store, *docket, []*ProposedSlips) error) error {
	return s.onDocket(ctx, id, func(tx store, d *docket) error {
		list, err := d.slips(ctx, tx, id)
		if err != nil {
			return err
		}
		return fn(tx, d, list)
	})
}

// slips reads the permissions. Signatures count that are of the committee in
// force after the applied acts: a dead key must not print codes.
func (d *docket) slips(ctx context.Context, tx store, id suite.ElectionID) ([]*ProposedSlips, error) {
	all, err := tx.proposals(ctx, id, whatSlips)
	if err != nil {
		return nil, err
	}
	var list []*ProposedSlips
	for _, p := range all {
		s, err := agenda.ParseSlips(p.body)
		if err != nil {
			return nil, err
		}
		var holding []election.MemberSignature
		for _, sig := range p.signatures {
			if _, err := d.checkSlipsSigner(p.body, sig); err == nil {
				holding = append(holding, sig)
			}
		}
		p.signatures = holding
		list = append(list, &ProposedSlips{
			Slips: *s, Body: p.body, By: p.by, Signed: p.signers(), State: p.state(d.quorum()), Reason: p.reason,
		})
	}
	return list, nil
}

func (d *docket) checkSlipsSigner(body []byte, sig election.MemberSignature) (who string, err error) {
	return checkMember(d.before[0].Committee, agenda.SlipsMessage(d.status.MID, body), sig)
}

// Slips returns every permission that was asked for, by number. It returns
// [ErrNotYet] before sealing.
func (s *Service) Slips(ctx context.Context, id suite.ElectionID) ([]*ProposedSlips, error) {
	d, err := s.docket(ctx, s.store, id)
	if err != nil {
		return nil, err
	}
	return d.slips(ctx, s.store, id)
}

// numbered returns one that waits, or says why there is none.
func numbered(list []*ProposedSlips, number uint32) (*ProposedSlips, error) {
	if number == 0 || int(number) > len(list) {
		return nil, ErrNoPaper
	}
	p := list[number-1]
	switch {
	case p.State == agenda.Applied:
		return nil, &RefusedError{fmt.Errorf("the slips of permission %d were printed before; to print again, propose again", number)}
	case !waits(p.State):
		return nil, &RefusedError{fmt.Errorf("permission %d to print slips was %s; look at the list again", number, p.State)}
	}
	return p, nil
}

// SignSlips keeps one member's signature over a permission.
func (s *Service) SignSlips(ctx context.Context, id suite.ElectionID, number uint32, sig election.MemberSignature) error {
	return s.onSlips(ctx, id, func(tx store, d *docket, list []*ProposedSlips) error {
		p, err := numbered(list, number)
		if err != nil {
			return err
		}
		if len(sig.Signature) > maxActSignature {
			return &RefusedError{fmt.Errorf("the signature is longer than %d bytes", maxActSignature)}
		}
		who, err := d.checkSlipsSigner(p.Body, sig)
		if err != nil {
			return signerRefused(err, "permission to print slips")
		}
		kept, err := tx.addSignature(ctx, id, whatSlips, &proposal{number: number, attempt: 1}, sig)
		if err != nil || !kept {
			return err
		}
		return s.note(ctx, tx, id, who, "slips signed", describeSlips(&p.Slips))
	})
}

// SlipsApproved returns a permission that a quorum has signed, that was not used
// yet, and that is for exactly these places; otherwise [ErrNotYet] or a
// [*RefusedError].
func (s *Service) SlipsApproved(ctx context.Context, id suite.ElectionID, number uint32, places []agenda.Place) (*ProposedSlips, error) {
	list, err := s.Slips(ctx, id)
	if err != nil {
		return nil, err
	}
	return approved(list, number, places)
}

func approved(list []*ProposedSlips, number uint32, places []agenda.Place) (*ProposedSlips, error) {
	p, err := numbered(list, number)
	if err != nil {
		return nil, err
	}
	if p.State != agenda.Signed {
		return nil, ErrNotYet
	}
	if int(p.Count) != len(places) || p.Places != agenda.Places(places) {
		return nil, &RefusedError{fmt.Errorf("permission %d is for other members: give the same -numbers as when it was asked for; if one of them has voted or was struck since, ask for a new permission", number)}
	}
	return p, nil
}

// SlipsPrinted uses a permission up, before the slips are handed out: of two
// programs that print on it at once one is refused.
func (s *Service) SlipsPrinted(ctx context.Context, id suite.ElectionID, number uint32, places []agenda.Place, by string) error {
	if err := checkWho(by); err != nil {
		return err
	}
	return s.onSlips(ctx, id, func(tx store, _ *docket, list []*ProposedSlips) error {
		p, err := approved(list, number, places)
		if err != nil {
			return err
		}
		return s.endSlips(ctx, tx, id, p, agenda.Applied, "printed", by)
	})
}

// WithdrawSlips takes back a permission that was not used.
func (s *Service) WithdrawSlips(ctx context.Context, id suite.ElectionID, number uint32, by string) error {
	if err := checkWho(by); err != nil {
		return err
	}
	return s.onSlips(ctx, id, func(tx store, _ *docket, list []*ProposedSlips) error {
		p, err := numbered(list, number)
		if err != nil {
			return err
		}
		return s.endSlips(ctx, tx, id, p, agenda.Withdrawn, "withdrawn", by)
	})
}

func (s *Service) endSlips(ctx context.Context, tx store, id suite.ElectionID, p *ProposedSlips, state, what, by string) error {
	if err := tx.end(ctx, id, whatSlips, &proposal{number: p.Number, attempt: 1}, state, ""); err != nil {
		return err
	}
	return s.note(ctx, tx, id, by, "slips "+what, describeSlips(&p.Slips))
}
