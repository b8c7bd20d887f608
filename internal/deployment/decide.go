package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"strikevote/internal/agenda"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// Deposits lists the envelopes and whose they are, for the committee's decision.
func (d *Deployment) Deposits(ctx context.Context, id suite.ElectionID) ([]registrar.Depositor, error) {
	acts, err := d.decisions(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.deposits(ctx, id, acts)
}

// A decision is an act on envelopes that was proposed or applied.
type decision struct {
	committee.ProposedAct
	about act.Decide
}

func (x decision) proposal() registrar.Proposal {
	return registrar.Proposal{Sequence: x.Sequence, Attempt: x.Attempt}
}

func (x decision) waits() bool { return x.State == agenda.Open || x.State == agenda.Signed }

func (d *Deployment) decisions(ctx context.Context, id suite.ElectionID) ([]decision, error) {
	if d.running(id) == nil {
		return nil, errNotSealed
	}
	acts, err := d.committee.Acts(ctx, id)
	if err != nil {
		return nil, err
	}
	var list []decision
	for _, a := range acts {
		if a.Kind != act.KindDecide {
			continue
		}
		payload, err := (&act.Act{Kind: a.Kind, Sequence: a.Sequence, Payload: a.Payload}).Decode()
		if err != nil {
			return nil, err
		}
		list = append(list, decision{a, payload.(act.Decide)})
	}
	return list, nil
}

func (d *Deployment) deposits(ctx context.Context, id suite.ElectionID, acts []decision) ([]registrar.Depositor, error) {
	var applied []registrar.Proposal
	for _, x := range acts {
		if x.State == agenda.Applied {
			applied = append(applied, x.proposal())
		}
	}
	return d.running(id).registrar.Depositors(ctx, applied)
}

// rejected returns which envelopes a decision rejects, or [registrar.ErrNotNoted].
func (d *Deployment) rejected(ctx context.Context, id suite.ElectionID, x decision) ([]suite.BallotID, error) {
	if x.about.RejectedOn+x.about.RejectedOff == 0 {
		return nil, nil
	}
	return d.running(id).registrar.Rejected(ctx, x.proposal())
}

// DecidedBy returns the envelopes that a decision is about, each with what it
// decides on it, for those who are asked to sign it. Where it is not known here
// which those are, it returns [registrar.ErrNotNoted] and none of them: nobody is
// to sign on half a list.
func (d *Deployment) DecidedBy(ctx context.Context, id suite.ElectionID, a committee.ProposedAct) ([]registrar.Depositor, error) {
	acts, err := d.decisions(ctx, id)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(acts, func(x decision) bool { return x.Sequence == a.Sequence && x.Attempt == a.Attempt })
	if at < 0 {
		return nil, registrar.ErrNotNoted
	}
	rejected, err := d.rejected(ctx, id, acts[at])
	if err != nil {
		return nil, err
	}
	all, err := d.deposits(ctx, id, acts)
	if err != nil {
		return nil, err
	}
	p, counted := acts[at].about, act.Decide{}
	var list []registrar.Depositor
	for _, x := range all {
		switch {
		case slices.Contains(p.Accepted, x.BallotID):
			x.Decision = registrar.Accepted
		case slices.Contains(rejected, x.BallotID) && x.Group == p.Group:
			x.Decision = registrar.Rejected
			*[]*uint32{&counted.RejectedOff, &counted.RejectedOn}[onOff(x.OnRoll)]++
		default:
			continue
		}
		list = append(list, x)
	}
	if counted.RejectedOn != p.RejectedOn || counted.RejectedOff != p.RejectedOff {
		return nil, registrar.ErrNotNoted
	}
	return list, nil
}

// Decide proposes the act that decides on envelopes of one group. What is named in
// neither list stays undecided. The act is proposed first, since only that gives
// the place under which its list is kept: after a crash in between the list is
// unknown, never another's, and the same call again notes it.
func (d *Deployment) Decide(ctx context.Context, id suite.ElectionID, accept, reject []suite.BallotID, by string) (uint32, error) {
	p, err := d.Decision(ctx, id, accept, reject)
	if err != nil {
		return 0, err
	}
	sequence, err := d.ProposeAct(ctx, id, act.KindDecide, p.Bytes(), by)
	if err != nil || len(reject) == 0 {
		return sequence, err
	}
	acts, err := d.decisions(ctx, id)
	if err != nil {
		return 0, err
	}
	for _, x := range slices.Backward(acts) {
		if x.Sequence != sequence || !bytes.Equal(x.Payload, p.Bytes()) || !x.waits() && x.State != agenda.Applied {
			continue
		}
		err := d.running(id).registrar.NoteRejected(ctx, x.proposal(), reject)
		if errors.Is(err, registrar.ErrOtherNoted) {
			err = errSameNumbers(sequence)
		}
		return sequence, err
	}
	return 0, fmt.Errorf("act %d was taken back at the same moment; decide again", sequence)
}

// errSameNumbers refuses a decision that could not be told from one that waits: it
// would be taken for the same act, and what it rejects never be decided.
func errSameNumbers(sequence uint32) error {
	return fmt.Errorf("act %d, which waits, decides on other envelopes with the same numbers; decide once it has taken effect, or withdraw it and decide on all of them in one act", sequence)
}

// Decision returns what the act would say.
func (d *Deployment) Decision(ctx context.Context, id suite.ElectionID, accept, reject []suite.BallotID) (p act.Decide, err error) {
	acts, err := d.decisions(ctx, id)
	if err != nil {
		return p, err
	}
	all, err := d.deposits(ctx, id, acts)
	if err != nil {
		return p, err
	}
	seen := make(map[suite.BallotID]bool)
	for i, list := range [][]suite.BallotID{accept, reject} {
		counts := [][2]*uint32{{&p.AcceptedOff, &p.AcceptedOn}, {&p.RejectedOff, &p.RejectedOn}}[i]
		for _, ballot := range list {
			at := slices.IndexFunc(all, func(x registrar.Depositor) bool { return x.BallotID == ballot })
			switch {
			case at < 0:
				return p, errors.New("there is no such envelope")
			case all[at].Decision != registrar.Undecided:
				return p, fmt.Errorf("an envelope that is named was %s before", all[at].Decision)
			case p.Group != 0 && p.Group != all[at].Group:
				return p, errors.New("one act decides on envelopes of one group; decide on those of each group apart")
			case seen[ballot]:
				return p, errors.New("an envelope is named twice")
			}
			p.Group, seen[ballot] = all[at].Group, true
			*counts[onOff(all[at].OnRoll)]++
		}
	}
	if p.Group == 0 {
		return p, errors.New("no envelope is named")
	}
	p.Accepted = slices.SortedFunc(slices.Values(accept), func(a, b suite.BallotID) int { return bytes.Compare(a[:], b[:]) })
	return p, d.beside(ctx, id, acts, p, reject)
}

// beside refuses a decision that cannot stand beside one that waits. The registrar
// would not: it sees the numbers of what is rejected, and an envelope that two acts
// name would use up another's place.
func (d *Deployment) beside(ctx context.Context, id suite.ElectionID, acts []decision, p act.Decide, reject []suite.BallotID) error {
	for _, x := range acts {
		if !x.waits() || x.about.Group != p.Group {
			continue
		}
		rejected, err := d.rejected(ctx, id, x)
		unknown := errors.Is(err, registrar.ErrNotNoted)
		if err != nil && !unknown {
			return err
		}
		named := func(ballot suite.BallotID) bool {
			return slices.Contains(rejected, ballot) || slices.Contains(x.about.Accepted, ballot)
		}
		switch same := bytes.Equal(x.Payload, p.Bytes()); {
		case same && unknown: // proposed before a crash; this notes what it rejects
		case same && slices.ContainsFunc(reject, func(b suite.BallotID) bool { return !named(b) }):
			return errSameNumbers(x.Sequence)
		case same:
		case unknown:
			return fmt.Errorf("which envelopes act %d rejects was not noted; decide on them again in the same words, or withdraw it first", x.Sequence)
		case slices.ContainsFunc(reject, named) || slices.ContainsFunc(p.Accepted, named):
			return fmt.Errorf("an envelope that is named is in act %d, which waits", x.Sequence)
		}
	}
	return nil
}

func onOff(on bool) int {
	if on {
		return 1
	}
	return 0
}
