package registrar

import "time"

// Answer is what a member is told about an error.
var Answer = answer

// Leave puts n entries, chosen at random, first.
var Leave = leave

// MaxDeposits is how many deposits are under way at once.
const MaxDeposits = maxDeposits

// PhaseLock is phaseLock.
const PhaseLock = phaseLock

// Count begins to count for the limits anew, by a clock.
func (s *Service) Count(now func() time.Time) { s.limits = newLimits(now) }

// ResendStatement is resend.
const ResendStatement = resend

// Written is what is kept of what a person wrote.
var Written = written

// CombinePlaces is combine.
var CombinePlaces = combine
