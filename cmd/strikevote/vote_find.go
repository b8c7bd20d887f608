package main

import (
	"context"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/voter"
)

// showFound says where the ballot of this link is.
func showFound(ctx context.Context, e *env, s *voter.Session, factor string) error {
	found, err := s.Find(ctx)
	if err != nil {
		return err
	}
	id, _ := s.Tracker()
	fmt.Fprintf(e.out, "Tracker: %s\n", receipt.Tracker(id))
	if s.Stage() == voter.StageDeposited {
		return showEnvelope(ctx, e, s, factor, found)
	}
	switch found.State {
	case "in the log":
		if found.Proof == nil {
			fmt.Fprintln(e.out, "The box says that your sealed ballot is published. The witnesses have not signed for it yet; ask again later.")
			return nil
		}
		fmt.Fprintf(e.out, "Your sealed ballot is in the published box.\nIts place is %d, and the witnesses have signed for it.\n", found.Index)
	case "received":
		fmt.Fprintln(e.out, "Your sealed ballot is received. It enters the published box with the next batch, or when voting ends.")
	default:
		if s.Stage() == voter.StageReceived {
			return errors.New("the box promised to publish this ballot, and now says that it does not know it. Keep this computer as it is and call the committee")
		}
		return errors.New("the box does not know this ballot. Run the command without -find to cast it; if it still does not, call the committee")
	}
	return nil
}

// showEnvelope says what became of an envelope. The box knows it once it is
// accepted; of one that it does not know the phase says what that means.
func showEnvelope(ctx context.Context, e *env, s *voter.Session, factor string, found *voter.Found) error {
	switch found.State {
	case "in the log":
		if found.Proof == nil {
			fmt.Fprintln(e.out, "Your envelope was accepted, and the box says that your sealed ballot is published. The\nwitnesses have not signed for it yet; ask again later.")
			return nil
		}
		fmt.Fprintf(e.out, "Your envelope was accepted: your sealed ballot is in the published box.\nIts place is %d, and the witnesses have signed for it.\n", found.Index)
		return nil
	case "received":
		fmt.Fprintln(e.out, "Your envelope was accepted: your sealed ballot is in the box, and is published with the\nnext batch, or when the box is locked.")
		return nil
	}
	// Only to say it better: the link may be too old to be answered.
	phase := election.Phase("")
	if status, err := s.Status(ctx, factor); err == nil {
		phase = election.Phase(status.Phase)
	}
	switch phase {
	case election.PhaseOpen, election.PhaseClosed:
		fmt.Fprintf(e.out, "Your envelope is not in the box: it is not decided yet, or it was refused. Two members\nof the committee decide by %s.\n", moment(s.Manifest.Schedule.DecideUntil))
	case election.PhaseLocked, election.PhaseTallied, election.PhaseCertified:
		fmt.Fprintln(e.out, "Your envelope is not in the box: it was refused, or not decided in time. It was not\nopened. The certificate counts it.")
	case election.PhaseCancelled:
		fmt.Fprintln(e.out, "Your envelope is not in the box. The vote was cancelled, and nothing is opened.")
	default:
		fmt.Fprintln(e.out, "Your envelope is not in the box: it is not decided yet, it was refused, or it was not\ndecided in time. It was not opened.")
	}
	return nil
}
