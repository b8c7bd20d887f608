package mailer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
)

// where returns the state of the mail of a kind to a member, and how often it was tried.
func (o *office) where(kind string, index int) string {
	o.t.Helper()
	var s string
	err := o.db.Owner.QueryRow(o.t.Context(), `SELECT state || ' ' || attempts FROM registrar.outbox WHERE kind = $1 AND roll_index = $2`, kind, index).Scan(&s)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// TestReminderWaits: no reminder leaves before the mail that brings the link, whatever
// keeps that one: its time, another process, another attempt; and none soon after. Only
// the member's own link counts. The negative controls are members whose link has left long
// ago, was given up, or never was queued, and mails of other kinds: they leave at once.
func TestReminderWaits(t *testing.T) {
	t.Parallel()
	for _, first := range []string{mailer.Invitation, mailer.Corrected} {
		for _, reminder := range []string{mailer.Reminder, mailer.Closing} {
			t.Run(first+" "+reminder, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, 4, func(p *electiontest.Plan) { p.Real = true })
				o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close)
				for i := range 3 {
					o.queue(first, i)
				}
				for i := range 4 {
					o.queue(reminder, i)
				}
				o.queue(mailer.Result, 0)
				o.queue(mailer.Resend, 0)
				o.config.Outcome = func(context.Context) (*mailer.Outcome, error) { return certified(), nil }
				o.exec(`UPDATE registrar.outbox SET state = 'sent', attempts = 1, not_before = $2 WHERE kind = $1 AND roll_index = 1`, first,
					time.Unix(electiontest.Open-4*3600-1, 0).UTC())
				o.exec(`UPDATE registrar.outbox SET state = 'failed', attempts = 30, reason = 'other' WHERE kind = $1 AND roll_index = 2`, first)
				box := &inbox{}
				m := o.mailer(box)
				left := func(why string, want int, waits string) {
					t.Helper()
					if n, err := m.Drain(t.Context()); n != want || err != nil || o.where(reminder, 0) != waits {
						t.Errorf("%s: %d mails left, %v, and the reminder is %s; want %d, %s", why, n, err, o.where(reminder, 0), want, waits)
					}
				}
				later := time.Unix(electiontest.Open+3600, 0).UTC()
				set := `UPDATE registrar.outbox SET state = $3, lease_until = $4, not_before = $5 WHERE kind = $1 AND roll_index = $2`
				o.exec(set, first, 0, "queued", nil, later)
				left("its time has not come", 5, "queued 0")
				o.exec(set, first, 0, "leased", later, time.Unix(electiontest.Open, 0).UTC())
				left("another process has it", 0, "queued 0")
				o.exec(set, first, 0, "queued", nil, time.Unix(electiontest.Open, 0).UTC())
				box.says = func(int) mailer.Answer { return mailer.Answer{Verdict: mailer.NotTaken} }
				left("it was not taken", 0, "queued 0")
				box.says = nil
				o.now.Add(60)
				left("it was taken", 1, "queued 0")
				age := int64(mailer.LinkAge(o.m).Seconds())
				o.now.Add(age - 120)
				left("it was taken a while ago", 0, "queued 0")
				o.now.Add(120)
				left("it was taken long ago", 1, "sent 1")
				if n := len(box.mails); n != 7 {
					t.Errorf("%d mails arrived, want 7", n)
				}
			})
		}
	}
}

// TestLinkAge: in a real vote a member has the link for hours before they are reminded of
// it; whoever rehearses is reminded at once.
func TestLinkAge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hours           int64
		rehearsal, demo bool
		want            time.Duration
	}{
		{24 * 14, false, false, 4 * time.Hour},
		{48, false, false, 4 * time.Hour},
		{24, false, false, 2 * time.Hour},
		{24 * 14, true, false, 0},
		{1, false, true, 0},
	} {
		m := &election.Manifest{Rehearsal: c.rehearsal, Demo: c.demo, Schedule: election.Schedule{Open: electiontest.Open, Close: electiontest.Open + 3600*c.hours}}
		if got := mailer.LinkAge(m); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestReminderTooLate: a reminder that waited for its invitation into the last hour is
// dropped as any other.
func TestReminderTooLate(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close)
	o.queue(mailer.Reminder, 0)
	o.queue(mailer.Invitation, 0)
	box := &inbox{says: func(int) mailer.Answer { return mailer.Answer{Verdict: mailer.NotTaken} }}
	m := o.mailer(box)
	if n, err := m.Drain(t.Context()); n != 0 || err != nil || box.n != 1 {
		t.Fatalf("%d mails left of %d that were tried, %v", n, box.n, err)
	}
	box.says = nil
	o.now.Store(electiontest.Close - mailer.LastHour + 1)
	if n, err := m.Drain(t.Context()); n != 1 || err != nil || o.states() != "sent 2" {
		t.Errorf("%d mails left, %v: %s", n, err, o.states())
	}
}

// TestReminderAfterOutage: the hours in which nobody is reminded begin when the link leaves,
// and not when it was due: nothing may have sent mails for longer than that. A reminder that
// is kept back is none that does not leave, which would be an alarm. The negative control
// is a member whose link left when it was due.
func TestReminderAfterOutage(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 2, func(p *electiontest.Plan) { p.Real = true })
	o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close)
	for i := range 2 {
		o.queue(mailer.Invitation, i)
		o.queue(mailer.Reminder, i)
	}
	o.exec(`UPDATE registrar.outbox SET state = 'sent', attempts = 1 WHERE kind = $1 AND roll_index = 1`, mailer.Invitation)
	m := o.mailer(&inbox{})
	age := int64(mailer.LinkAge(o.m).Seconds())
	if s := o.status(); s.Kept != 2 || s.Last.Unix() != electiontest.Open {
		t.Errorf("at first %d reminders wait for a link, and the last mail is due %v", s.Kept, s.Last)
	}
	for _, step := range []struct {
		later     int64
		want      int
		reminders string
		waited    mailer.Waiting
	}{
		{age - 1, 1, "queued 0, queued 0", mailer.Waiting{Mails: 1, Oldest: mailer.LinkAge(o.m) - time.Second}}, // the link leaves
		{1, 1, "queued 0, sent 1", mailer.Waiting{Mails: 1}},
		{age - 2, 0, "queued 0, sent 1", mailer.Waiting{}},
		{3, 1, "sent 1, sent 1", mailer.Waiting{Mails: 1, Oldest: 2 * time.Second}},
	} {
		o.now.Add(step.later)
		waits := func(what string, want mailer.Waiting) {
			t.Helper()
			if w, err := mailer.Waits(t.Context(), o.db.Service, o.m, time.Unix(o.now.Load(), 0)); w != want || err != nil {
				t.Errorf("%+v, %s: %+v, %v", step, what, w, err)
			}
		}
		waits("before", step.waited)
		n, err := m.Drain(t.Context())
		reminders := o.where(mailer.Reminder, 0) + ", " + o.where(mailer.Reminder, 1)
		if n != step.want || err != nil || reminders != step.reminders {
			t.Errorf("%+v: %d mails left, %v; reminders: %s", step, n, err, reminders)
		}
		waits("after", mailer.Waiting{})
		kept := strings.Count(reminders, "queued 0")
		if s := o.status(); s.Kept != kept || (kept == 0) != s.Last.IsZero() || kept > 0 && s.Last.Before(time.Unix(o.now.Load(), 0)) {
			t.Errorf("%+v: %d reminders wait for a link, want %d; the last is due %v", step, s.Kept, kept, s.Last)
		}
	}
}
