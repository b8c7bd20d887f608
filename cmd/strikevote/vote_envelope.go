package main

import (
	"context"
	"fmt"

	"strikevote/internal/protocol/receipt"
	"strikevote/internal/voter"
)

// explainEnvelope says what an envelope is before anything is chosen or sent.
func explainEnvelope(e *env, s *voter.Session) {
	t := s.Manifest.Tellers
	fmt.Fprintf(e.out, `Your ballot will wait in an envelope, with your name on it.
  Two members of the committee decide by %s.
  Accepted, it joins the others in the box and is only added up.
  Refused or undecided, it is never opened.
  It is less secret: the committee's side can tell which sealed ballot is yours. It cannot
  read your answer, unless %d of %d tellers break the rules. Nothing else protects it.
  You cannot have both an envelope and an ordinary ballot.

`, moment(s.Manifest.Schedule.DecideUntil), t.T, t.N)
}

// handIn deposits the envelope.
func handIn(ctx context.Context, e *env, s *voter.Session, f voteFlags) error {
	if err := s.Deposit(ctx, f.factor); err != nil {
		return err
	}
	id, _ := s.Tracker()
	fmt.Fprintf(e.out, "\nWe have your envelope. It is not in the box yet. Your choice is erased from this computer.\nTracker: %s\nTo see what became of it: the same command with -find.\n", receipt.Tracker(id))
	return nil
}
