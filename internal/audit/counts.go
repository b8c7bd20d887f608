package audit

import (
	"fmt"
	"time"

	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
)

// clock shows a moment.
func clock(at int64) string { return time.Unix(at, 0).UTC().Format("2006-01-02 15:04:05 UTC") }

// checkClose compares the ballot log's last entry with the log and the ledger.
func (a *auditor) checkClose(f *finding) string {
	if a.cast == nil || a.cast.close == nil {
		f.cannot("there is no close record in a ballot log that holds")
		return ""
	}
	c := a.cast.close
	if c.Chain != a.ballots.chain {
		f.fault(9, layout.Ballots, "the close record ends another chain of entries")
	}
	if len(c.Groups) != len(a.m.Groups) {
		f.fault(9, layout.Ballots, "the close record counts %d groups of %d", len(c.Groups), len(a.m.Groups))
		return ""
	}
	for i, g := range a.m.Groups {
		if want := (ledger.CloseGroup{Group: g.ID, Cast: uint32(a.cast.count[g.ID])}); c.Groups[i] != want {
			f.fault(18, layout.Ballots, "the close record counts %d ballots of group %d, the log holds %d of group %d",
				c.Groups[i].Cast, c.Groups[i].Group, want.Cast, want.Group)
		}
	}
	if a.ledger == nil {
		f.cannot("the ledger that the close record binds does not hold")
	} else if a.entries != nil && a.entries.final == nil && a.live() {
		f.cannot("the ledger that the close record binds was not read to its end")
	} else if c.Ledger != a.ledger.final.Checkpoint.Text() {
		f.fault(9, layout.Checkpoint(layout.Ledger), "it is not the checkpoint that the close record binds")
	}
	return "It counts the ballots of every group, continues the chain of all entries, and binds the final ledger."
}

// checkEnvelopes checks that every accepted envelope was cast, in its group.
func (a *auditor) checkEnvelopes(f *finding) string {
	if a.entries == nil || a.cast == nil {
		f.cannot("one of the logs does not hold")
		return ""
	}
	for id, g := range a.entries.accepted {
		in, there := a.cast.groups[id]
		if !there && a.ballots.ending && a.cast.close == nil {
			f.cannot("the ballot log has not ended")
			return ""
		}
		if !there || in != g {
			f.fault(10, layout.Ballots, "envelope %s was accepted in group %d and is not among its ballots", id, g)
		}
	}
	return say("%d accepted envelopes are in the ballot log.", len(a.entries.accepted))
}

// checkCounts checks that no group has more ballots than people who may vote
// can have cast (section 18).
func (a *auditor) checkCounts(f *finding) string {
	if a.counts == nil || a.cast == nil {
		f.cannot("the numbers of the logs do not hold")
		return ""
	}
	for _, g := range a.m.Groups {
		c := a.count(g.ID)
		if err := c.Check(g.RollSize); err != nil {
			f.fault(18, layout.Ledger, "group %d: %v", g.ID, err)
		}
		if most := uint64(c.Issued) + c.Accepted(); a.cast.count[g.ID] > most {
			f.fault(18, layout.Ballots, "group %d has %d ballots, and %d credentials and accepted envelopes", g.ID, a.cast.count[g.ID], most)
		}
		a.r.Entitled += c.Entitled(g.RollSize)
		a.r.Issued += uint64(c.Issued)
		a.r.Ballots += a.cast.count[g.ID]
	}
	return say("%d entitled, %d credentials issued, %d ballots: in no group more than people who may vote.",
		a.r.Entitled, a.r.Issued, a.r.Ballots)
}

// clockAllowance is how many seconds clocks may differ by (SPEC 18).
const clockAllowance = 300

// checkLock checks by the witnesses' clocks that the ledger was not locked while
// members could still cast or envelopes could still be decided, and the ballots
// not before the ledger (section 18). A later moment shows nothing: a checkpoint
// can be cosigned again.
//
// Clocks of honest witnesses differ. Without an allowance a witness that is ahead,
// or a service that is, would make a record false for good by locking in time.
func (a *auditor) checkLock(f *finding) string {
	if a.acts == nil || a.counts == nil || a.ballots == nil {
		f.cannot("the logs do not hold")
		return ""
	}
	if a.ledger.ending {
		f.cannot("witnesses have not signed for the ledger's end")
		return ""
	}
	seen := a.ledger.final.Moment(a.ledger.policy.Threshold)
	if a.ballots.ending {
		f.cannot("witnesses have not signed for the ballot log's end")
	} else if boxed := a.ballots.final.Moment(a.ballots.policy.Threshold); boxed < seen-clockAllowance {
		f.fault(18, layout.Checkpoint(layout.Ballots), "witnesses saw it at %s, before the ledger that it binds, at %s", clock(boxed), clock(seen))
	}
	if a.acts.Cancelled {
		return "The election was cancelled, and a cancelled one is locked at once."
	}
	from, why := a.m.Schedule.LockFrom(a.acts.Close), "the end of casting"
	for _, c := range a.counts {
		if c.Undecided() > 0 && from < a.m.Schedule.DecideUntil {
			from, why = a.m.Schedule.DecideUntil, "the last moment for deciding, with envelopes undecided"
		}
	}
	if seen < from-clockAllowance {
		f.fault(18, layout.Checkpoint(layout.Ledger), "witnesses saw the lock at %s, before %s at %s", clock(seen), why, clock(from))
	}
	if seen < from {
		return say("Witnesses saw the lock at %s, before %s at %s, by no more than clocks may differ.", clock(seen), why, clock(from))
	}
	return say("Witnesses saw the lock at %s, not before %s.", clock(seen), why)
}

// checkStatements checks that it was signed that keys were destroyed. Nothing
// can show that they were.
func (a *auditor) checkStatements(f *finding) string {
	for _, s := range []struct {
		path, what string
		policy     func() (tlog.Policy, error)
	}{
		{layout.StatementRegistrar, statement.IssuerKeys, a.m.LedgerPolicy},
		{layout.StatementBox, statement.PendingKey, a.m.BallotsPolicy},
	} {
		if err := a.checkStatement(s.path, s.what, s.policy); err != nil {
			f.fail(20, s.path, err)
		}
	}
	n := 0
	if a.stage == layout.Certified {
		n = a.checkTellerStatements(f)
	}
	return say("Registrar and box signed that they destroyed their keys, and so did %d of %d tellers. That they did cannot be checked.",
		n, a.m.Tellers.N)
}

func (a *auditor) checkStatement(path, what string, policy func() (tlog.Policy, error)) error {
	file, err := a.read(path)
	if err != nil {
		return err
	}
	p, err := policy()
	if err != nil {
		return err
	}
	text, err := tlog.OpenNote(p.Log, file)
	if err != nil {
		return err
	}
	if text != statement.Text(a.mid, what) {
		return fmt.Errorf("it is not the statement on this election's %s", what)
	}
	return nil
}

// checkTellerStatements returns how many there are: all or none (section 17), so
// that one cannot be taken out unnoticed.
func (a *auditor) checkTellerStatements(f *finding) int {
	n := 0
	for i, point := range a.m.Tellers.StaticKeys {
		path := layout.StatementTeller(i + 1)
		file, err := a.read(path)
		if err == errMissing {
			continue
		}
		n++
		if err == nil {
			key, pointErr := point.Element()
			if err = pointErr; err == nil {
				err = statement.VerifyTeller(key, i+1, a.mid, file)
			}
		}
		if err != nil {
			f.fail(20, path, err)
		}
	}
	if n > 0 && n < len(a.m.Tellers.StaticKeys) {
		f.fault(17, "statements", "there are statements of %d tellers; a record has those of all %d or none", n, len(a.m.Tellers.StaticKeys))
	}
	return n
}
