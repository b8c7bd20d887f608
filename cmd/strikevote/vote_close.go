package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/voter"
)

// A closedError says that nothing can be cast any more.
type closedError struct{ text string }

func (e *closedError) Error() string { return e.text }

// showStanding shows the close in force to whoever only looks: as the booth says it,
// or the manifest, where the booth does not.
func showStanding(e *env, s *voter.Session) {
	switch s.Standing.Phase {
	case election.PhaseSealed, election.PhaseOpen:
		showOpen(e, s, s.Standing.Close)
	case election.PhaseClosed, election.PhaseLocked, election.PhaseTallied, election.PhaseCertified:
		fmt.Fprintf(e.out, "Voting has closed, on %s.\n\n", moment(s.Standing.Close))
	case election.PhaseCancelled:
		fmt.Fprint(e.out, "This vote was cancelled.\n\n")
	default:
		showOpen(e, s, s.Manifest.Schedule.Close)
	}
}

// showOpen shows the close of a vote that has not ended.
func showOpen(e *env, s *voter.Session, at int64) {
	if at != s.Manifest.Schedule.Close {
		fmt.Fprintf(e.out, "The committee has moved the close: voting closes %s.\n\n", moment(at))
		return
	}
	fmt.Fprintf(e.out, "Voting closes %s, unless the committee moves the close.\n\n", moment(at))
}

// showClose shows the close in force. It returns
// a [*closedError] where nothing can be cast with this link any more, so that
// nobody chooses for nothing. By the registrar's word and not by this computer's
// clock, which may be wrong.
func showClose(e *env, s *voter.Session, status *voter.Status) error {
	at := moment(status.Close)
	switch election.Phase(status.Phase) {
	case election.PhaseSealed, election.PhaseOpen:
		showOpen(e, s, status.Close)
		return nil
	case election.PhaseClosed:
		if s.Stage() != voter.StageIssued && !status.Issued {
			break
		}
		fmt.Fprintf(e.out, "Voting has closed, on %s. A ballot that was issued before can still be cast\nuntil %s.\n\n",
			at, moment(status.Close+s.Manifest.Schedule.Grace))
		return nil
	case election.PhaseCancelled:
		return &closedError{"this vote was cancelled: you need to do nothing"}
	case election.PhaseLocked, election.PhaseTallied, election.PhaseCertified:
	default:
		return nil // of a newer service; the others say what they take
	}
	return &closedError{fmt.Sprintf("voting has closed, on %s. Nothing was cast", at)}
}

// keptAfter adds to the error of a vote that is over what becomes of a choice that
// is still on this computer.
func keptAfter(s *voter.Session, err error) error {
	closed, said := new(closedError), new(voter.ServiceError)
	over := errors.As(err, &closed) || errors.As(err, &said) && (said.Code == "closed" || said.Code == "cancelled" || said.Code == "expired")
	if !over || s.Stage() != voter.StageSealed && s.Stage() != voter.StageIssued || !s.Kept() {
		return err
	}
	return fmt.Errorf("%w. This computer still keeps the choice that was not cast: to erase it, run the same command with -forget", err)
}

// plainly turns a service that does not answer into what a member can do about it.
func plainly(err error) error {
	away := new(voter.AwayError)
	if !errors.As(err, &away) {
		return err
	}
	text := away.Error()
	return errors.New(strings.ToUpper(text[:1]) + text[1:] + ". Nothing is lost; run this again.")
}

// forget erases what this computer keeps of the link. A ballot that was issued, and
// that can still be cast, is lost for good with it: that takes words that say so,
// and -yes does not stand for them.
func forget(ctx context.Context, e *env, ask *questions, s *voter.Session, f voteFlags) error {
	const lose = "erase my ballot"
	switch s.Stage() {
	case voter.StageNew:
		fmt.Fprintln(e.out, "This computer keeps nothing of this link.")
		return nil
	case voter.StageReceived:
		fmt.Fprintln(e.out, "Your ballot is received, and your choice is erased already. What is kept is the tracker and\nthe box's promise: without them nobody can show that the box left your ballot out.")
	case voter.StageDeposited:
		fmt.Fprintln(e.out, "Your envelope is handed in, and your choice is erased already. What is kept is the tracker:\nwithout it you cannot see what became of the envelope.")
	default:
		if issued, castable := castable(ctx, s, f.factor); castable && issued {
			fmt.Fprintf(e.out, "A ballot was issued for this link, or may have been, and the box has not promised to publish it.\nOnly this computer can finish it, or its recovery code. If you erase it without that code, you\ncannot vote in this election any more: no second ballot is issued, on any device.\nTo finish it: the same command without -forget.\n")
			return eraseAfter(e, ask, s, lose)
		} else if castable {
			fmt.Fprintln(e.out, "A choice that was sealed and not cast is kept here. No ballot was issued on it: you can choose\nagain with the same link while voting is open.")
		} else {
			fmt.Fprintln(e.out, "A choice that was sealed and not cast is kept here. It cannot be cast any more.")
		}
	}
	if f.yes {
		return erase(e, s)
	}
	return eraseAfter(e, ask, s, "yes")
}

// eraseAfter erases once the words were typed.
func eraseAfter(e *env, ask *questions, s *voter.Session, words string) error {
	line, err := ask.line(fmt.Sprintf("To erase what this computer keeps of this link, type %s: ", words))
	if ask.ctx.Err() != nil {
		return ask.ctx.Err()
	}
	if err != nil || !strings.EqualFold(line, words) {
		return errors.New("nothing was erased")
	}
	return erase(e, s)
}

func erase(e *env, s *voter.Session) error {
	if err := s.Forget(); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "This computer keeps nothing of this link any more.")
	return nil
}

// castable reports whether a ballot was issued for what is kept, and whether it can
// still be cast. What is not known counts as yes.
func castable(ctx context.Context, s *voter.Session, factor string) (issued, can bool) {
	issued = s.Stage() == voter.StageIssued
	status, err := s.Status(ctx, factor)
	if err != nil {
		said := new(voter.ServiceError)
		return true, !errors.As(err, &said) || said.Status != http.StatusGone || said.Code != "expired"
	}
	issued = issued || status.Issued
	switch election.Phase(status.Phase) {
	case election.PhaseSealed, election.PhaseOpen:
		return issued, true
	case election.PhaseClosed:
		// An hour more: this computer's clock may be ahead.
		return issued, issued && time.Now().Add(-time.Hour).Unix() < status.Close+s.Manifest.Schedule.Grace
	case election.PhaseLocked, election.PhaseTallied, election.PhaseCertified, election.PhaseCancelled:
		return issued, false
	}
	return issued, true
}
