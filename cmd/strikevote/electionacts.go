package main

import (
	"context"
	"errors"
	"fmt"

	"strikevote/internal/agenda"
	"strikevote/internal/committee"
	"strikevote/internal/deployment"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

func showActs(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	v, err := d.Overview(ctx, id)
	if err != nil {
		return err
	}
	if v.Phase == "draft" {
		return errors.New("the election is not sealed yet; acts come after that")
	}
	slips, err := d.SlipPermissions(ctx, id)
	if err != nil {
		return err
	}
	if len(v.Acts)+len(slips) == 0 {
		fmt.Fprintln(e.out, "Nothing was proposed yet.")
	}
	for _, a := range v.Acts {
		fmt.Fprintf(e.out, "%s  %s\n", actName(v.Acts, a), describeAct(v, a))
		if err := showSubject(ctx, e, d, id, a); err != nil {
			return err
		}
	}
	for _, p := range slips {
		fmt.Fprintf(e.out, "slips %d  %d slips, %s: %s\n       %s\n", p.Number, p.Count, p.Slips.Reason, stateOfSlips(p.State), p.Places)
	}
	return nil
}

func stateOfSlips(state string) string {
	if state == agenda.Applied {
		return "printed"
	}
	return state
}

// showSubject prints whom an act is about, with what the committee's program shows
// of it.
func showSubject(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, a committee.ProposedAct) error {
	payload, err := (&act.Act{Kind: a.Kind, Sequence: a.Sequence, Payload: a.Payload}).Decode()
	if err != nil {
		return nil // described as one that cannot be read
	}
	switch p := payload.(type) {
	case act.Amend:
		number, name, err := d.Named(ctx, id, p)
		if errors.Is(err, registrar.ErrNoMember) {
			number, name = "unknown", "it is not noted here who that is"
		} else if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "       member %s, %s\n       %s\n", number, name, p.Hash)
	case act.Decide:
		list, err := d.DecidedBy(ctx, id, a)
		if errors.Is(err, registrar.ErrNotNoted) {
			fmt.Fprintln(e.out, "       it is not noted here which envelopes it rejects: nobody should sign it before\n       strikevote election decide is run again with them, or it is withdrawn")
			return nil
		}
		if err != nil {
			return err
		}
		for _, x := range list {
			fmt.Fprintf(e.out, "       %s  %s  %s\n", x.Decision, receipt.Tracker(x.BallotID), x.Name)
		}
	}
	return nil
}
