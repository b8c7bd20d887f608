package mailer_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
)

// via returns a Mailer with ranked senders.
func (o *office) via(senders ...mailer.Sender) *mailer.Mailer {
	o.t.Helper()
	c := o.config
	c.Senders = senders
	m, err := mailer.New(c)
	if err != nil {
		o.t.Fatal(err)
	}
	return m
}

func (o *office) drain(m *mailer.Mailer) int {
	o.t.Helper()
	n, err := m.Drain(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

// says answers every mail alike.
func says(a mailer.Answer) func(int) mailer.Answer { return func(int) mailer.Answer { return a } }

// senderOf returns which sender the outbox names beside a mail.
func (o *office) senderOf(index int) (name string) {
	o.t.Helper()
	if err := o.db.Owner.QueryRow(o.t.Context(), `SELECT COALESCE(sender, '') FROM registrar.outbox WHERE roll_index = $1`, index).Scan(&name); err != nil {
		o.t.Fatal(err)
	}
	return name
}

// TestRanked: a mail goes by the first sender that takes it, and by the next only if
// the one before certainly has not.
func TestRanked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first         mailer.Answer
		sent, byNext  int
		states, named string
	}{
		"accepted":  {mailer.Answer{Verdict: mailer.Accepted}, 3, 0, "sent 3", "first"},
		"not taken": {mailer.Answer{Reason: mailer.ReasonLimit}, 3, 3, "sent 3", "second"},
		"refused":   {mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}, 0, 0, "failed 3", "first"},
		"unknown":   {mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonDown}, 0, 0, "queued 3", "first"},
	} {
		o := newOffice(t, 3)
		for i := range 3 {
			o.queue(mailer.Invitation, i)
		}
		first, second := &inbox{name: "first", says: says(tt.first)}, &inbox{name: "second"}
		n := o.drain(o.via(first, second))
		if n != tt.sent || len(second.mails) != tt.byNext || o.states() != tt.states || o.senderOf(1) != tt.named {
			t.Errorf("%s: %d sent, %d by the next, states %s, named %q", name, n, len(second.mails), o.states(), o.senderOf(1))
		}
	}
}

// TestTwice is the rule against sending twice: a mail that a sender may have taken
// waits for it, also if it certainly does not take it later, or is paused, or another
// process goes on; and not for ever. The negative control is a sender that calls
// unknown what it does not know to be taken: the mail leaves twice at once.
func TestTwice(t *testing.T) {
	t.Parallel()
	play := func(unsure mailer.Verdict) (early, late, attempts int) {
		o := newOffice(t, 1)
		o.queue(mailer.Invitation, 0)
		arrived := 0
		first := &inbox{name: "first", says: func(n int) mailer.Answer {
			if n == 1 {
				arrived++ // the answer is lost
				return mailer.Answer{Verdict: unsure, Reason: mailer.ReasonDown}
			}
			return mailer.Answer{Reason: mailer.ReasonLimit, Pause: time.Second}
		}}
		second := &inbox{name: "second"}
		for range 7 {
			o.drain(o.via(first, second)) // each time another process, which knows what the outbox says
			o.now.Add(3600 * 5 / 4)
		}
		early = arrived + len(second.mails)
		for range 3 {
			o.drain(o.via(first, second))
			o.now.Add(3600 * 5 / 4)
		}
		return early, arrived + len(second.mails), first.n
	}
	if early, late, attempts := play(mailer.Unknown); early != 1 || late != 2 || attempts < 7 {
		t.Errorf("%d, then %d mails left, after %d attempts", early, late, attempts)
	}
	if early, _, _ := play(mailer.NotTaken); early != 2 {
		t.Errorf("negative control: %d mails left", early)
	}
}

// TestGone: a sender that is not configured any more is not waited for.
func TestGone(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	o.queue(mailer.Invitation, 0)
	o.drain(o.via(&inbox{name: "first", says: says(mailer.Answer{Verdict: mailer.Unknown})}))
	o.now.Add(60)
	second := &inbox{name: "second"}
	if n := o.drain(o.via(second)); n != 1 || o.senderOf(0) != "second" {
		t.Errorf("%d sent, by %q", n, o.senderOf(0))
	}
}

// TestPauseOfSender: a sender that asks for a pause is left alone, and uses up no
// attempts; what it may have taken waits, and all else goes by the next.
func TestPauseOfSender(t *testing.T) {
	t.Parallel()
	for _, v := range []mailer.Verdict{mailer.NotTaken, mailer.Unknown} {
		o := newOffice(t, 250)
		for i := range 250 {
			o.queue(mailer.Invitation, i)
		}
		first := &inbox{name: "first"}
		first.says = func(n int) mailer.Answer {
			if n <= mailer.Batch {
				return mailer.Answer{Verdict: v, Reason: mailer.ReasonLimit, Pause: 2 * time.Hour}
			}
			return mailer.Answer{Verdict: mailer.Accepted}
		}
		alone := o.via(first)
		if n := o.drain(alone); n != 0 || first.n != mailer.Batch || o.states() != "queued 250" {
			t.Errorf("%d sent, %d tried, states %s", n, first.n, o.states())
		}
		o.now.Add(3600)
		o.drain(alone)
		var most int
		if err := o.db.Owner.QueryRow(t.Context(), `SELECT max(attempts) FROM registrar.outbox`).Scan(&most); err != nil || most != 1 || first.n != mailer.Batch {
			t.Errorf("in the pause: %d attempts, %d tried, %v", most, first.n, err)
		}
		if s := o.logged.String(); strings.Count(s, "not to be asked for now") != 1 || !strings.Contains(s, "reason=limit") {
			t.Errorf("logged: %s", s)
		}
		o.now.Add(3601)
		if n := o.drain(alone); n != 250 || !strings.Contains(o.logged.String(), "works again") {
			t.Errorf("after the pause: %d sent", n)
		}
	}
	o := newOffice(t, 250)
	for i := range 250 {
		o.queue(mailer.Invitation, i)
	}
	first, second := &inbox{name: "first", says: says(mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonDown, Pause: time.Hour})}, &inbox{name: "second"}
	if n := o.drain(o.via(first, second)); n != 150 || first.n != 100 || o.states() != "queued 100, sent 150" {
		t.Errorf("with another sender: %d sent, %d tried, states %s", n, first.n, o.states())
	}
}

// TestNews: that a sender works again is said when it does, not when a pause is over.
func TestNews(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	o.queue(mailer.Invitation, 0)
	m := o.via(&inbox{name: "first", says: func(n int) mailer.Answer {
		return []mailer.Answer{{Reason: mailer.ReasonDown, Pause: time.Minute}, {Verdict: mailer.Unknown, Reason: mailer.ReasonDown}, {Verdict: mailer.Accepted}}[n-1]
	}})
	for i, again := range []bool{false, false, true} {
		o.drain(m)
		if got := strings.Contains(o.logged.String(), "works again"); got != again {
			t.Errorf("attempt %d: it is said to work again: %v", i+1, got)
		}
		o.now.Add(120)
	}
	if o.states() != "sent 1" || strings.Count(o.logged.String(), "not to be asked for now") != 1 {
		t.Errorf("states %s, logged %s", o.states(), &o.logged)
	}
}

// TestOvertaking: a mail that one member waits for leaves before those to all, which
// are in front of it. Among themselves, what is due first leaves first.
func TestOvertaking(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 300)
	for i := range 290 {
		o.queue([]string{mailer.Invitation, mailer.Announcement}[i%2], i)
	}
	o.exec(`UPDATE registrar.outbox SET not_before = not_before - interval '1 hour'`)
	single := []string{mailer.Resend, mailer.Corrected, mailer.Replaced, mailer.Issued}
	for i := range 8 {
		o.queue(single[i%len(single)], 290+i)
	}
	o.exec(`UPDATE registrar.member SET former_email = 'former-' || email`)
	b := new(inbox)
	if n := o.drain(o.via(b)); n != 298 {
		t.Fatalf("%d sent", n)
	}
	ahead := 0
	for _, m := range b.mails[:mailer.Batch] {
		to := strings.TrimPrefix(m.To, "former-")
		if i := slices.Index([]string{"canary290@", "canary291@", "canary292@", "canary293@", "canary294@", "canary295@", "canary296@", "canary297@"}, to[:min(len(to), 10)]); i >= 0 {
			ahead++
		}
	}
	if ahead != 8 {
		t.Errorf("%d of 8 mails to one member were in the first batch", ahead)
	}
}

// TestMailPause: while mails are paused none leaves, and then all do.
func TestMailPause(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 3)
	for i := range 3 {
		o.queue(mailer.Invitation, i)
	}
	o.exec(`INSERT INTO registrar.mail_pause (paused) VALUES (true) ON CONFLICT (one) DO UPDATE SET paused = true`)
	b := new(inbox)
	m := o.via(b)
	if n := o.drain(m); n != 0 || o.states() != "queued 3" {
		t.Errorf("%d sent, states %s", n, o.states())
	}
	o.exec(`UPDATE registrar.mail_pause SET paused = false`)
	if n := o.drain(m); n != 3 || len(b.mails) != 3 {
		t.Errorf("%d sent after the pause", n)
	}
}

// A meddler does something while it has the mails, and takes none.
type meddler struct {
	name string
	do   func()
}

func (s *meddler) Name() string { return cmp.Or(s.name, "first") }

func (s *meddler) Send(_ context.Context, mails []mailer.Mail) []mailer.Answer {
	s.do()
	return make([]mailer.Answer, len(mails))
}

// TestLeaseOver: a process that is stopped for longer than its lease, between two
// senders, does not send what another has sent meanwhile. The negative control is the
// same in time.
func TestLeaseOver(t *testing.T) {
	t.Parallel()
	for _, stopped := range []int64{60, 3600} {
		o := newOffice(t, 3)
		for i := range 3 {
			o.queue(mailer.Invitation, i)
		}
		second := &inbox{name: "second"}
		o.drain(o.via(&meddler{do: func() { o.now.Add(stopped); o.drain(o.via(second)) }}, second))
		if len(second.mails) != 3 || o.states() != "sent 3" {
			t.Errorf("stopped for %d s: %d mails, states %s", stopped, len(second.mails), o.states())
		}
	}
}

// TestStopped: a sender that has mails when the process is told to stop goes on for a
// moment, and they are marked.
func TestStopped(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	o.queue(mailer.Invitation, 0)
	ctx, cancel := context.WithCancel(t.Context())
	s := &stopping{stop: cancel}
	if n, _ := o.via(s).Drain(ctx); n != 1 || s.err != nil || o.states() != "sent 1" {
		t.Errorf("%d sent, %v, states %s", n, s.err, o.states())
	}
}

// stopping tells its process to stop while it sends.
type stopping struct {
	stop func()
	err  error
}

func (*stopping) Name() string { return "first" }

func (s *stopping) Send(ctx context.Context, mails []mailer.Mail) []mailer.Answer {
	s.stop()
	s.err = ctx.Err()
	return []mailer.Answer{{Verdict: mailer.Accepted}}
}
