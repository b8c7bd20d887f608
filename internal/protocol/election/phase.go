package election

import "time"

// A Phase of an election (SPEC.md section 11).
type Phase string

// The phases, in order. A cancelled election goes no further.
const (
	PhaseSealed    Phase = "sealed"    // the manifest is fixed, voting has not begun
	PhaseOpen      Phase = "open"      // ballots are issued and cast
	PhaseClosed    Phase = "closed"    // nothing is issued; casts under way end with the grace
	PhaseLocked    Phase = "locked"    // both logs have their last entry
	PhaseTallied   Phase = "tallied"   // enough tellers have answered
	PhaseCertified Phase = "certified" // the committee has signed the certificate
	PhaseCancelled Phase = "cancelled" // locked at once, never opened
)

// tokenLife is how long a token outlives the latest close. The phase ends
// voting; this only bounds what a stolen archive of mail is good for.
const tokenLife = 14 * 24 * 60 * 60

// PhaseAt returns the phase that the clock alone decides: sealed, open or
// closed. close is the close in force.
func (s Schedule) PhaseAt(close int64, at time.Time) Phase {
	switch now := at.Unix(); {
	case now < s.Open:
		return PhaseSealed
	case now < close:
		return PhaseOpen
	default:
		return PhaseClosed
	}
}

// CastingAt reports whether the box takes ballots: from the opening until the
// grace after the close in force has passed.
func (s Schedule) CastingAt(close int64, at time.Time) bool {
	now := at.Unix()
	return now >= s.Open && now < close+s.Grace
}

// LockFrom returns the earliest moment of the lock for a close in force.
func (s Schedule) LockFrom(close int64) int64 { return close + s.Grace }

// TokenExpires returns the exp of every token (SPEC.md section 5).
func (s Schedule) TokenExpires() int64 { return s.LatestClose + tokenLife }
