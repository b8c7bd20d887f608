package main

import (
	"errors"
	"fmt"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/deployment"
	"strikevote/internal/protocol/election"
)

// datesToCome refuses an election file whose voting would be over, or of a real election
// begun, before anybody could be asked to sign it. What only tries things out may open at
// once: see [openedBefore].
func datesToCome(m *election.Manifest, zone *time.Location, now time.Time) error {
	var errs []error
	for _, x := range []struct {
		name string
		at   int64
		lax  bool
	}{{"open", m.Schedule.Open, m.Demo || m.Rehearsal}, {"close", m.Schedule.Close, false}} {
		if x.at <= now.Unix() && !x.lax {
			errs = append(errs, fmt.Errorf("schedule.%s: %s is past; it is %s now", x.name, momentAt(x.at, zone), momentAt(now.Unix(), zone)))
		}
	}
	return errors.Join(errs...)
}

// tooLate returns an error for an election that was made in time and would be over before
// it is sealed: its dates stand in the manifest. Where the sealing has begun it is only
// to be ended.
func tooLate(v *deployment.Overview, now time.Time) error {
	closes := v.Manifest.Schedule.Close
	if p := paperOf(v, agenda.PaperManifest); now.Unix() < closes || p != nil && p.State == agenda.Applied {
		return nil
	}
	return fmt.Errorf("it is too late for this election: voting would have closed %s. Change the election file, delete the draft with\n"+
		"strikevote election wipe, and make it again with strikevote election new", momentAt(closes, v.Zone))
}

// openedBefore says that voting opens at the sealing, where the opening is past. The pages
// and the manifest keep the moment that was written.
func openedBefore(e *env, m *election.Manifest, zone *time.Location) {
	now := e.clock().Unix()
	if m.Schedule.Open <= now && now < m.Schedule.Close {
		fmt.Fprintf(e.out, "CAREFUL: the opening, %s, is past. Voting opens as soon as it is sealed\nand the witnesses have signed; the pages go on to say the moment that is written.\n", momentAt(m.Schedule.Open, zone))
	}
}

// cautions says with what no real vote should be sealed.
func (o *operation) cautions(e *env, d *deployment.Deployment, m *election.Manifest) error {
	if m.Demo {
		return nil
	}
	list, err := d.Cautions(m.Origins, o.loaded.MailSenders.carried())
	for _, c := range list {
		fmt.Fprintf(e.out, "CAREFUL: %s.\n  To do: %s.\n", c.Says, c.Do)
	}
	return err
}
