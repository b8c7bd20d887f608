package mailer_test

import (
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
)

func (o *office) status() *mailer.Status {
	o.t.Helper()
	s, err := mailer.ReadStatus(o.t.Context(), o.db.Service, o.m, time.Unix(o.now.Load(), 0))
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// TestPause holds mails back in every process, and lets them leave over a while.
func TestPause(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 50)
	o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close)
	for i := range 50 {
		o.queue(mailer.Invitation, i)
	}
	o.queue(mailer.Resend, 0)
	for want := range 2 {
		changed, err := mailer.Pause(t.Context(), o.db.Service)
		if err != nil || changed != (want == 0) {
			t.Errorf("paused: %v, %v", changed, err)
		}
	}
	box := &inbox{}
	m := o.mailer(box)
	if n, err := m.Drain(t.Context()); n != 0 || err != nil {
		t.Errorf("%d mails left, %v", n, err)
	}
	if s := o.status(); !s.Paused || s.Waiting() != 51 || s.Next.IsZero() || s.Last.Before(s.Next) {
		t.Errorf("%+v", s)
	}
	now := time.Unix(electiontest.Open, 0).Add(time.Hour)
	o.now.Store(now.Unix())
	changed, err := mailer.Resume(t.Context(), o.db.Service, now, time.Hour, o.m.Schedule.Open)
	if err != nil || !changed {
		t.Fatalf("resumed: %v, %v", changed, err)
	}
	s := o.status()
	if s.Paused || s.Last.Before(now.Add(10*time.Minute)) || s.Last.After(now.Add(time.Hour)) {
		t.Errorf("they leave until %v, an hour from %v", s.Last, now)
	}
	// Whoever asked for a link does not wait any longer.
	if n, err := m.Drain(t.Context()); n < 1 || n > 20 || err != nil {
		t.Errorf("%d mails left at once, %v", n, err)
	}
	if s := o.status(); s.Tallies[1].Kind != mailer.Resend || s.Tallies[1].Left != 1 {
		t.Errorf("%+v", s.Tallies)
	}
	o.now.Store(now.Add(time.Hour).Unix())
	if _, err := m.Drain(t.Context()); err != nil || o.status().Waiting() != 0 {
		t.Errorf("%d wait, %v", o.status().Waiting(), err)
	}
	if changed, err := mailer.Resume(t.Context(), o.db.Service, now, 0, o.m.Schedule.Open); changed || err != nil {
		t.Errorf("resumed again: %v, %v", changed, err)
	}
}

// TestResumeLate ends a pause shortly before the close: everybody still gets what is of
// use, however long the while is. Results have no end. The negative control is the end of
// a pause long before.
func TestResumeLate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ left, invitations, reminders int64 }{{600, 300, 0}, {mailer.LastHour + 1200, 2400, 600}, {24 * 3600, 7200, 7200}} {
		o := newOffice(t, 60)
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, electiontest.Open+tt.left)
		for i := range 60 {
			for _, kind := range []string{mailer.Invitation, mailer.Reminder, mailer.Moved, mailer.Result} {
				o.queue(kind, i)
			}
		}
		now := time.Unix(electiontest.Open, 0)
		if _, err := mailer.Pause(t.Context(), o.db.Service); err != nil {
			t.Fatal(err)
		}
		if _, err := mailer.Resume(t.Context(), o.db.Service, now, 2*time.Hour, o.m.Schedule.Open); err != nil {
			t.Fatal(err)
		}
		for kind, most := range map[string]int64{mailer.Invitation: tt.invitations, mailer.Reminder: tt.reminders, mailer.Moved: tt.invitations, mailer.Result: 7200} {
			var last time.Time
			if err := o.db.Owner.QueryRow(t.Context(), `SELECT max(not_before) FROM registrar.outbox WHERE kind = $1`, kind).Scan(&last); err != nil {
				t.Fatal(err)
			}
			if after := int64(last.Sub(now).Seconds()); after > most || after < most*3/4 {
				t.Errorf("%d s before the close: the last %s leaves after %d s, want up to %d", tt.left, kind, after, most)
			}
		}
	}
}

// TestResumeAnnouncements ends a pause half an hour before the opening: announcements
// leave before it, for afterwards nobody gets one.
func TestResumeAnnouncements(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 60)
	o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'sealed', $1)`, electiontest.Open+24*3600)
	for i := range 60 {
		o.queue(mailer.Announcement, i)
	}
	now := time.Unix(electiontest.Open-1800, 0)
	o.exec(`UPDATE registrar.outbox SET not_before = $1`, now.UTC())
	if _, err := mailer.Pause(t.Context(), o.db.Service); err != nil {
		t.Fatal(err)
	}
	if _, err := mailer.Resume(t.Context(), o.db.Service, now, 2*time.Hour, o.m.Schedule.Open); err != nil {
		t.Fatal(err)
	}
	var last time.Time
	if err := o.db.Owner.QueryRow(t.Context(), `SELECT max(not_before) FROM registrar.outbox`).Scan(&last); err != nil {
		t.Fatal(err)
	}
	if after := last.Sub(now); after > 15*time.Minute || after < 10*time.Minute {
		t.Errorf("the last announcement leaves after %v, half an hour before the opening", after)
	}
}

// TestStatusHides compares elections in which one member has voted, or nobody: of
// reminders and notices, no number may tell the one from the other.
func TestStatusHides(t *testing.T) {
	t.Parallel()
	counts := func(voted bool) *mailer.Status {
		o := newOffice(t, 3)
		for i := range 3 {
			o.queue(mailer.Reminder, i)
		}
		if voted {
			o.exec(`INSERT INTO registrar.used (group_id, roll_index, kind) VALUES (1, 0, 'strike')`)
			o.queue(mailer.Issued, 0)
		}
		// The one who has not voted: bounced, delayed, failed, and tried again.
		o.exec(`UPDATE registrar.outbox SET state = 'sent', delivery = 'bounced', reason = 'address', attempts = 1 WHERE roll_index = 1 AND kind = 'reminder'`)
		o.exec(`UPDATE registrar.outbox SET state = CASE WHEN $1 THEN 'queued' ELSE 'failed' END, attempts = 1,
			reason = CASE WHEN $1 THEN NULL ELSE 'down' END WHERE roll_index = 2 AND kind = 'reminder'`, voted)
		if _, err := o.mailer(&inbox{}).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		return o.status()
	}
	for _, voted := range []bool{false, true} {
		s := counts(voted)
		if len(s.Tallies) != 1 {
			t.Fatalf("%+v", s.Tallies)
		}
		r := s.Tallies[0]
		if r.Kind != mailer.Reminder || r.Left != 3 || r.Waiting != 0 || r.Failed != 0 || len(r.Delivered)+len(r.Reasons) != 0 {
			t.Errorf("voted %v: %+v", voted, r)
		}
	}
}

// TestStatusCounts sums up what became of mails.
func TestStatusCounts(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 6)
	for i, set := range []string{
		`state = 'sent', delivery = 'delivered'`, `state = 'sent', delivery = 'bounced', reason = 'address'`,
		`state = 'failed', reason = 'address'`, `state = 'sent'`, `attempts = 3`, `state = 'sent', delivery = 'delayed', reason = 'full'`,
	} {
		o.queue(mailer.Invitation, i)
		o.exec(`UPDATE registrar.outbox SET `+set+` WHERE roll_index = $1`, i)
	}
	s := o.status()
	if len(s.Tallies) != 1 {
		t.Fatalf("%+v", s.Tallies)
	}
	x := s.Tallies[0]
	if x.Left != 4 || x.Waiting != 1 || x.Failed != 1 || x.Delivered[mailer.Delivered] != 1 || x.Delivered[mailer.Bounced] != 1 ||
		x.Delivered[mailer.Delayed] != 1 || x.Reasons[mailer.ReasonAddress] != 2 || x.Reasons[mailer.ReasonFull] != 1 {
		t.Errorf("%+v", x)
	}
}
