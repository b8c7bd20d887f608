package committee

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
)

// judge refuses a proposal that nobody should be asked to sign, in a sentence
// for whoever proposes. What takes a roll or envelopes to see is the
// registrar's to say; it looks at everything here again as well.
func (d *docket) judge(p *proposal, now int64) error {
	m, before := d.status.Manifest, d.before[len(d.before)-1]
	switch phase := election.Phase(d.status.Phase); phase {
	case election.PhaseSealed, election.PhaseOpen, election.PhaseClosed:
	default:
		return fmt.Errorf("the election is %s, so nothing can be changed any more", phase)
	}
	if before.Cancelled {
		return errors.New("an act that cancels the election is proposed or applied already, and no act comes after it")
	}
	if p.number > maxSequence {
		return fmt.Errorf("an election has at most %d acts", maxSequence)
	}
	if most := maxPayload(d.quorum()); len(p.body) > most {
		return fmt.Errorf("the act is longer than %d bytes; divide it", most)
	}
	a := d.act(p)
	payload, err := a.Decode()
	if err != nil {
		return err
	}
	err = judgePayload(m, before, payload, now)
	if err != nil && before.Close != d.before[0].Close {
		return fmt.Errorf("%w; an act that waits moves the close to %s, so withdraw that first if it is not wanted", err, moment(before.Close))
	}
	if err != nil {
		return err
	}
	return before.Clone().Foresee(a)
}

// judgePayload judges what an act would do. now is the moment of proposing, at
// which it must make sense already.
func judgePayload(m *election.Manifest, before *act.State, payload any, now int64) error {
	closed := now >= before.Close
	switch p := payload.(type) {
	case act.Extend:
		return judgeExtension(m, before, p.Close, now)
	case act.CloseEarly:
		return judgeEarlyClose(m, before, p.Close, now)
	case act.Amend:
		if m.Group(p.Group) == nil {
			return fmt.Errorf("there is no group %d", p.Group)
		}
		if closed {
			return errors.New("voting has closed, so nobody can be added to the roll or struck from it")
		}
		if slices.Contains(before.Added[p.Group], p.Hash) || slices.Contains(before.Struck[p.Group], p.Hash) {
			return errors.New("this addition or strike is proposed or applied already")
		}
	case act.Decide:
		if p.AcceptedOn|p.AcceptedOff|p.RejectedOn|p.RejectedOff == 0 {
			return errors.New("it decides on no envelope")
		}
		if m.Group(p.Group) == nil {
			return fmt.Errorf("there is no group %d", p.Group)
		}
	case act.Replace:
		if int(p.Member) >= len(before.Committee.Members) {
			return fmt.Errorf("there is no member %d; the committee has the numbers 0 to %d", p.Member, len(before.Committee.Members)-1)
		}
		if int(m.Committee.Quorum) > len(before.Committee.Members)-1 {
			return errors.New("a quorum takes every member, so nobody can be replaced: the replaced one must not sign")
		}
	}
	return nil
}

func judgeExtension(m *election.Manifest, before *act.State, to, now int64) error {
	switch {
	case now >= before.Close:
		return fmt.Errorf("voting closed on %s, so it cannot be extended any more", moment(before.Close))
	case now > before.Close-act.Margin(m.Demo):
		return errLateMove(before.Close, m.Demo)
	case to > m.Schedule.LatestClose:
		return fmt.Errorf("the latest close that the sealed manifest allows is %s", moment(m.Schedule.LatestClose))
	case to <= before.Close:
		return fmt.Errorf("voting closes on %s, so an extension must name a later moment", moment(before.Close))
	}
	return nil
}

func judgeEarlyClose(m *election.Manifest, before *act.State, to, now int64) error {
	switch {
	case now >= before.Close:
		return fmt.Errorf("voting closed on %s", moment(before.Close))
	case now > before.Close-act.Margin(m.Demo):
		return errLateMove(before.Close, m.Demo)
	case to <= now:
		return errors.New("the new close is in the past; name a moment that leaves time to sign")
	case to <= m.Schedule.Open:
		return fmt.Errorf("voting opens on %s, so it cannot close before; cancel the election instead", moment(m.Schedule.Open))
	case to >= before.Close:
		return fmt.Errorf("voting closes on %s, so an early close must name an earlier moment", moment(before.Close))
	}
	return nil
}

// errLateMove refuses another close that the witnesses may not sign in time.
func errLateMove(at int64, demo bool) error {
	return fmt.Errorf("voting closes on %s: another close takes effect only if two members and the witnesses sign for it before, so it must come at least %s before", moment(at), act.MarginWords(demo))
}

func moment(at int64) string { return unix(at).UTC().Format("2 January 2006, 15:04:05 UTC") }

func unix(at int64) time.Time { return time.Unix(at, 0) }
