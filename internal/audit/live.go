package audit

import (
	"fmt"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/record/layout"
)

// lockAllowance is how long after it is due a lock may still be under way: time for
// a service that was restarted, for witnesses that were away, and for clocks.
const lockAllowance = time.Hour

// live reports whether the record was fetched from a service that may be locking.
func (a *auditor) live() bool { return !a.o.Fetched.IsZero() }

// locking reports whether this is a record of which nothing is false, but which is
// not whole, as the seconds of a lock show it: the ledger's end without enough
// cosignatures, or with them while the box has not ended its log; the box's end
// without enough cosignatures; the rolls, the late acts and the statements on their
// way; or the one log read before and the other after such a step.
//
// A service could show such a state of a record that is false, to keep the readers
// waiting. It gains nothing that it does not have anyway, and not for long:
//
//   - Everything that is there was checked, under the log's own signature at least,
//     and one fault that a lock does not bring makes the record false at once. So a
//     log that was cut hides only what was cut off, and rolls that are withheld only
//     who is not on them.
//   - Until the lock is due the service need not have locked at all. Afterwards it
//     has an hour by the reader's clock. Due is counted from the manifest and from
//     acts that the committee signed, never from the time of a cosignature: a
//     witness signs the same checkpoint again, with a new time, whenever it is asked.
//     Acts that are withheld move it as far as latest_close or decide_until, no further.
//   - Nothing is opened on it: whoever waits has no report, and no record whose
//     shares or result are there is waited for.
func (a *auditor) locking() bool {
	if !a.awaits || a.wrong || a.acts == nil || a.entries == nil || a.stage != layout.Locked {
		return false
	}
	due := a.m.Schedule.LockFrom(a.acts.Close)
	groups, err := a.entries.counter.Groups()
	if err != nil {
		return false
	}
	for _, g := range groups {
		// With an envelope the lock may come as late; when the last was decided is
		// shown by no moment that cannot be renewed.
		if g.Deposited() > 0 {
			due = max(due, a.m.Schedule.DecideUntil)
		}
	}
	return !a.o.Fetched.After(time.Unix(due, 0).Add(lockAllowance))
}

// UntilLock is [layout.ErrNotLocked], which is the service's word, with when the election
// is locked by its manifest, or that it should have been by now.
func UntilLock(m *election.Manifest, now time.Time) error {
	s := m.Schedule
	due := max(s.LockFrom(s.LatestClose), s.DecideUntil)
	switch {
	case now.After(time.Unix(due, 0).Add(lockAllowance)):
		return fmt.Errorf("%w. By its schedule it was to be locked by %s: ask the committee why it is not", layout.ErrNotLocked, clock(due))
	case now.Unix() < s.Close:
		return fmt.Errorf("%w. By its schedule voting ends at %s, unless the committee changes that", layout.ErrNotLocked, clock(s.Close))
	}
	return layout.ErrNotLocked
}
