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

// CombinePlaces is combine, of places with that many members.
func CombinePlaces(sizes map[string]uint32) ([]PlaceTurnout, *PlaceTurnout) {
	places := make(map[string]*place)
	for name, n := range sizes {
		places[name] = &place{PlaceTurnout{name, Issues{Entitled: n}}, n}
	}
	return combine(places)
}
