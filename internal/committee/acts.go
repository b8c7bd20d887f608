package committee

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A ProposedAct is an act that was proposed here, or that was applied without
// this service.
type ProposedAct struct {
	Sequence uint32
	Attempt  int // of several at one sequence; 0 for one that was applied without this service
	Kind     act.Kind
	Payload  []byte
	By       string // who proposed it; empty for one that was applied without this service
	At       time.Time
	Signed   []int  // members, in the order in which they signed
	State    string // see package agenda
	Reason   string // why it was refused or withdrawn
}

const (
	maxSequence = 9999 // SPEC.md section 10
	// maxActSignature bounds one signature over an act, so that a quorum of them
	// fits beside the payload. Passkeys' have some hundred bytes.
	maxActSignature = 2048
)

// maxPayload is the longest payload beside which every signature has room.
func maxPayload(quorum uint8) int { return act.MaxSize - 10 - int(quorum)*(4+maxActSignature) }

// ProposeAct keeps an act for the committee to sign and returns its sequence,
// the next that is free. The same act again, while it waits, is the same one. by
// is for the log. It returns a [*RefusedError] for an act that would be refused
// in any case; the registrar decides again.
func (s *Service) ProposeAct(ctx context.Context, id suite.ElectionID, kind act.Kind, payload []byte, by string) (sequence uint32, err error) {
	if err := checkWho(by); err != nil {
		return 0, err
	}
	err = s.onDocket(ctx, id, func(tx store, d *docket) error {
		if p := d.waiting(kind, payload); p != nil {
			sequence = p.number
			return nil
		}
		p, err := s.judged(d, kind, payload, by)
		if err != nil {
			return err
		}
		if err := tx.addProposal(ctx, id, whatAct, p); err != nil {
			return err
		}
		sequence = p.number
		return s.note(ctx, tx, id, by, "act proposed", describe(p))
	})
	return sequence, err
}

// CheckAct returns the error that [Service.ProposeAct] would, and proposes nothing.
func (s *Service) CheckAct(ctx context.Context, id suite.ElectionID, kind act.Kind, payload []byte) error {
	return s.onDocket(ctx, id, func(_ store, d *docket) error {
		if d.waiting(kind, payload) != nil {
			return nil
		}
		_, err := s.judged(d, kind, payload, "")
		return err
	})
}

// judged returns an act as a proposal that may be signed, at the next sequence.
func (s *Service) judged(d *docket, kind act.Kind, payload []byte, by string) (*proposal, error) {
	now := s.c.Now()
	p := &proposal{number: d.next(), kind: uint8(kind), body: append([]byte{}, payload...), by: by, at: now.UTC()}
	if err := d.judge(p, now.Unix()); err != nil {
		return nil, &RefusedError{err}
	}
	return p, nil
}

// errDraft says how a draft is changed: no act is about it.
var errDraft = errors.New("the election is not sealed: until then nothing is changed by an act. Its roll is replaced with strikevote roll import; " +
	"for anything else change the election file, delete the draft with strikevote election wipe, and make it again with strikevote election new")

// onDocket runs fn alone, on a docket whose ends are written first. It returns a
// [*RefusedError] before sealing.
func (s *Service) onDocket(ctx context.Context, id suite.ElectionID, fn func(store, *docket) error) error {
	return s.store.alone(ctx, id, func(tx store) error {
		d, err := s.docket(ctx, tx, id)
		if errors.Is(err, ErrNotYet) {
			return &RefusedError{errDraft}
		}
		if err != nil {
			return err
		}
		for _, p := range d.stale {
			if err := s.close(ctx, tx, id, p, byRegistrar, p.end, p.reason); err != nil {
				return err
			}
		}
		return fn(tx, d)
	})
}

// close ends an act and says so in the log.
func (s *Service) close(ctx context.Context, tx store, id suite.ElectionID, p *proposal, who, state, reason string) error {
	if err := tx.end(ctx, id, whatAct, p, state, reason); err != nil {
		return err
	}
	detail := describe(p)
	if reason != "" {
		detail += ": " + reason
	}
	return s.note(ctx, tx, id, who, "act "+state, detail)
}

func describe(p *proposal) string { return fmt.Sprintf("act %d, %s", p.number, act.Kind(p.kind)) }

// Acts returns every act that was proposed or applied, by sequence; of one that
// was proposed anew, every attempt. It returns [ErrNotYet] before sealing.
func (s *Service) Acts(ctx context.Context, id suite.ElectionID) ([]ProposedAct, error) {
	d, err := s.docket(ctx, s.store, id)
	if err != nil {
		return nil, err
	}
	list := make([]ProposedAct, 0, len(d.all))
	for _, p := range d.all {
		list = append(list, ProposedAct{
			Sequence: p.number, Attempt: p.attempt, Kind: act.Kind(p.kind), Payload: p.body, By: p.by, At: p.at,
			Signed: p.signers(), State: p.state(d.quorum()), Reason: p.reason,
		})
	}
	for _, a := range d.applied {
		if p := d.last(a.Sequence); p != nil && p.end == agenda.Applied {
			continue
		}
		given := ProposedAct{Sequence: a.Sequence, Kind: a.Kind, Payload: a.Payload, State: agenda.Applied}
		for _, sig := range a.Signatures {
			given.Signed = append(given.Signed, int(sig.Member))
		}
		list = append(list, given)
	}
	slices.SortStableFunc(list, func(a, b ProposedAct) int { return int(a.Sequence) - int(b.Sequence) })
	return list, nil
}

// OpenActs returns the acts that wait, for signatures or to take effect, by
// sequence.
func (s *Service) OpenActs(ctx context.Context, id suite.ElectionID) ([]ProposedAct, error) {
	list, err := s.Acts(ctx, id)
	return slices.DeleteFunc(list, func(a ProposedAct) bool { return a.State != agenda.Open && a.State != agenda.Signed }), err
}

// WithdrawAct takes back an act that waits, and those after it: sequences have
// no gaps, so they have to be proposed again. It returns their sequences. The
// next act is not taken back any more once a quorum has signed it.
func (s *Service) WithdrawAct(ctx context.Context, id suite.ElectionID, sequence uint32, by string) (withdrawn []uint32, err error) {
	if err := checkWho(by); err != nil {
		return nil, err
	}
	err = s.onDocket(ctx, id, func(tx store, d *docket) error {
		list, err := d.withdrawable(sequence)
		if err != nil {
			return err
		}
		withdrawn, err = s.withdraw(ctx, tx, id, list, by, "withdrawn")
		return err
	})
	return withdrawn, err
}

// CheckWithdraw returns what [Service.WithdrawAct] would, and takes nothing back.
func (s *Service) CheckWithdraw(ctx context.Context, id suite.ElectionID, sequence uint32) (withdrawn []uint32, err error) {
	err = s.onDocket(ctx, id, func(_ store, d *docket) error {
		list, err := d.withdrawable(sequence)
		for _, p := range list {
			withdrawn = append(withdrawn, p.number)
		}
		return err
	})
	return withdrawn, err
}

// withdrawable returns an act that waits and those after it.
func (d *docket) withdrawable(sequence uint32) ([]*proposal, error) {
	i, ok := d.find(sequence)
	if !ok {
		return nil, d.gone(sequence)
	}
	if i == 0 && d.open[0].state(d.quorum()) == agenda.Signed {
		return nil, &RefusedError{fmt.Errorf("act %d is signed by a quorum and takes effect now", sequence)}
	}
	return d.open[i:], nil
}

func (s *Service) withdraw(ctx context.Context, tx store, id suite.ElectionID, list []*proposal, who, reason string) (withdrawn []uint32, err error) {
	for _, p := range list {
		if err := s.close(ctx, tx, id, p, who, agenda.Withdrawn, reason); err != nil {
			return nil, err
		}
		withdrawn, reason = append(withdrawn, p.number), reasonBefore
	}
	return withdrawn, nil
}

// gone says why there is no open act with a sequence.
func (d *docket) gone(sequence uint32) error {
	p := d.last(sequence)
	switch {
	case p == nil && int(sequence) <= len(d.applied) && sequence > 0, p != nil && p.end == agenda.Applied:
		return &RefusedError{fmt.Errorf("act %d was applied before; there is nothing to do", sequence)}
	case p == nil:
		return ErrNoPaper
	case p.reason == "":
		return &RefusedError{fmt.Errorf("act %d was %s; look at the list again", sequence, p.end)}
	}
	return &RefusedError{fmt.Errorf("act %d was %s (%s); look at the list again", sequence, p.end, p.reason)}
}

var errReplaced = errors.New("a member who is to be replaced cannot sign it; two others have to")

// SignAct keeps one member's signature over an act that waits. It is checked
// against the committee that will be in force after the acts before it.
func (s *Service) SignAct(ctx context.Context, id suite.ElectionID, sequence uint32, sig election.MemberSignature) error {
	return s.onDocket(ctx, id, func(tx store, d *docket) error {
		i, ok := d.find(sequence)
		if !ok {
			return d.gone(sequence)
		}
		p := d.open[i]
		if len(sig.Signature) > maxActSignature {
			return &RefusedError{fmt.Errorf("the signature is longer than %d bytes", maxActSignature)}
		}
		who, err := d.checkSigner(p, d.before[i], sig)
		if err != nil {
			return signerRefused(err, "act")
		}
		kept, err := tx.addSignature(ctx, id, whatAct, p, sig)
		if err != nil || !kept {
			return err
		}
		return s.note(ctx, tx, id, who, "act signed", describe(p))
	})
}

// ReadyAct returns the next act once a quorum has signed it, with the
// signatures in their order, or [ErrNotYet]. Of the same act it returns the same
// bytes, whoever signs later. [Service.NoteAct] is to be called with what became
// of it.
func (s *Service) ReadyAct(ctx context.Context, id suite.ElectionID) (*act.Act, error) {
	d, err := s.docket(ctx, s.store, id)
	if err != nil {
		return nil, err
	}
	if len(d.open) == 0 {
		return nil, ErrNotYet
	}
	p := d.open[0]
	a := d.act(p)
	for _, sig := range p.first(d.quorum()) {
		a.Signatures = append(a.Signatures, act.Signature{Member: sig.Member, Key: sig.Key, Bytes: sig.Signature})
	}
	if len(a.Signatures) == 0 {
		return nil, ErrNotYet
	}
	if err := d.before[0].Clone().Apply(a); err != nil {
		return nil, fmt.Errorf("assembling the next act: %w", err)
	}
	return a, nil
}

// NoteAct notes what became of an act that [Service.ReadyAct] returned. After a
// refusal, those after it are withdrawn. What is applied is what the registrar
// says is applied: a refusal that lost a race against the same act is not kept.
func (s *Service) NoteAct(ctx context.Context, id suite.ElectionID, sequence uint32, applied bool, reason string) error {
	return s.onDocket(ctx, id, func(tx store, d *docket) error {
		i, ok := d.find(sequence)
		switch {
		case applied && int(sequence) > len(d.applied):
			return fmt.Errorf("noting act %d: the registrar does not list it as applied", sequence)
		case applied, !ok:
			return nil // it has ended, and its end is written
		}
		reason = plain(reason)
		if reason == "" {
			reason = "no reason was given"
		}
		if err := s.close(ctx, tx, id, d.open[i], byRegistrar, agenda.Refused, reason); err != nil {
			return err
		}
		_, err := s.withdraw(ctx, tx, id, d.open[i+1:], byRegistrar, reasonBefore)
		return err
	})
}
