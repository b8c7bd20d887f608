package mailer_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
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

// TestLinksFirst: whoever waits for a link does not wait for notices that have piled up,
// all of which are due since voting opened.
func TestLinksFirst(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 250)
	for i := range 240 {
		o.queue([]string{mailer.Issued, mailer.Deposited}[i%2], i)
	}
	o.queue(mailer.Invitation, 249)
	o.exec(`UPDATE registrar.outbox SET not_before = not_before - interval '1 hour'`)
	for i, kind := range []string{mailer.Resend, mailer.Corrected} {
		o.queue(kind, 240+i)
	}
	b := new(inbox)
	if n := o.drain(o.via(b)); n != 243 {
		t.Fatalf("%d sent", n)
	}
	links := 0
	for _, m := range b.mails[:mailer.Batch] {
		if strings.Contains(m.Text, "/v1/#t=") {
			links++
		}
	}
	if links != 2 || !strings.Contains(b.mails[242].Text, "/v1/#t=") {
		t.Errorf("%d of 2 links were in the first batch, and the invitation was not the last", links)
	}
}

// TestOutage: who carries the mails takes none for days, says so, and then does. Nobody
// is given up. The negative control is one that takes none and has nothing against us:
// what it says is of these mails.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		down   mailer.Answer
		states string
	}{
		"settings":         {mailer.Answer{Reason: mailer.ReasonSettings, Pause: 5 * time.Minute}, "sent 3"},
		"answers lost":     {mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonDown, Pause: 5 * time.Minute}, "sent 3"},
		"these mails":      {mailer.Answer{Reason: mailer.ReasonDown}, "failed 3"},
		"these mails lost": {mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonDown}, "failed 3"},
	} {
		o := newOffice(t, 3)
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close+100*86400)
		for i := range 3 {
			o.queue(mailer.Invitation, i)
		}
		up := false
		most := 0 // attempts of a mail, also while it is being tried
		m := o.via(&inbox{says: func(int) mailer.Answer {
			if up {
				return mailer.Answer{Verdict: mailer.Accepted}
			}
			var n int
			if err := o.db.Owner.QueryRow(t.Context(), `SELECT max(attempts) FROM registrar.outbox`).Scan(&n); err != nil {
				t.Error(err)
			}
			most = max(most, n)
			return tt.down
		}})
		for range 100 {
			o.drain(m)
			o.now.Add(3600 * 5 / 4)
		}
		up = true
		if o.drain(m); o.states() != tt.states {
			t.Errorf("%s: after the outage: %s, want %s", name, o.states(), tt.states)
		}
		if (most <= mailer.OutageAttempts) != (tt.states == "sent 3") {
			t.Errorf("%s: %d attempts, and an outage uses up %d", name, most, mailer.OutageAttempts)
		}
	}
}

// picky takes a few of each batch, and says the same of all others.
type picky struct {
	few    int
	others mailer.Answer
}

func (*picky) Name() string { return "first" }

func (s *picky) Send(_ context.Context, mails []mailer.Mail) []mailer.Answer {
	answers := make([]mailer.Answer, len(mails))
	for i := range answers {
		if answers[i] = s.others; i < s.few {
			answers[i] = mailer.Answer{Verdict: mailer.Accepted}
		}
	}
	return answers
}

// TestFewTaken: who carries the mails takes one of each batch for two days, and keeps the
// others back for its own sake; then it takes all. Nobody is given up. The negative
// controls: what it says is of these mails; and it goes on for longer than it is believed
// to be for its own sake, so that a mail that is meant after all ends.
func TestFewTaken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		others mailer.Answer
		pause  time.Duration // between 40 attempts
		failed bool
	}{
		"kept back":        {mailer.Answer{Reason: mailer.ReasonSettings, Pause: 5 * time.Minute}, 75 * time.Minute, false},
		"answers lost":     {mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonDown, Pause: 5 * time.Minute}, 75 * time.Minute, false},
		"these mails":      {mailer.Answer{Reason: mailer.ReasonPolicy}, 75 * time.Minute, true},
		"and for too long": {mailer.Answer{Reason: mailer.ReasonSettings, Pause: 5 * time.Minute}, 12 * time.Hour, true},
	} {
		o := newOffice(t, 10)
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close+100*86400)
		for i := range 10 {
			o.queue(mailer.Invitation, i)
		}
		s := &picky{1, tt.others}
		m := o.via(s)
		for i := range 40 {
			o.queue(mailer.Resend, i%10) // it overtakes the others, and is the one that is taken
			o.drain(m)
			o.now.Add(int64(tt.pause / time.Second))
		}
		s.others = mailer.Answer{Verdict: mailer.Accepted}
		o.drain(m)
		if got := o.states(); strings.Contains(got, "failed") != tt.failed || strings.Contains(got, "queued") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestLater: a mail that a system takes only after hours, as one does that does not know
// us yet, is tried a few times an hour and arrives; so does one that has a long outage
// behind it, at which it was tried in vain.
func TestLater(t *testing.T) {
	t.Parallel()
	for _, outage := range []int{0, 100} {
		o := newOffice(t, 1)
		o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close+100*86400)
		o.queue(mailer.Invitation, 0)
		s := &inbox{says: says(mailer.Answer{Reason: mailer.ReasonSettings, Pause: 5 * time.Minute})}
		m := o.via(s)
		for range outage {
			o.drain(m)
			o.now.Add(3600 * 5 / 4)
		}
		s.says, s.n = says(mailer.Answer{Reason: mailer.ReasonPolicy}), 0
		first := 0
		for i := range 8 * 12 {
			o.drain(m)
			if o.now.Add(300); i == 0 {
				first = s.n
			}
		}
		if o.states() != "queued 1" || s.n < 6 || s.n > 20 || first > 1 {
			t.Errorf("after an outage of %d tries: %d tries in 8 hours, %d of them at once, states %s", outage, s.n, first, o.states())
		}
		s.says = nil
		o.now.Add(3600 * 5 / 4)
		if n := o.drain(m); n != 1 || o.states() != "sent 1" {
			t.Errorf("after an outage of %d tries: %d left, states %s", outage, n, o.states())
		}
	}
}

// TestOneRecipient: what the first sender does not take for a recipient's sake goes by
// the next at once, and it keeps the others.
func TestOneRecipient(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 10)
	for i := range 10 {
		o.queue(mailer.Invitation, i)
	}
	first, second := &inbox{name: "first", says: func(n int) mailer.Answer {
		if n == 4 {
			return mailer.Answer{Reason: mailer.ReasonPolicy}
		}
		return mailer.Answer{Verdict: mailer.Accepted}
	}}, &inbox{name: "second"}
	m := o.via(first, second)
	if n := o.drain(m); n != 10 || len(second.mails) != 1 || first.n != 10 || m.Held()["first"] != mailer.ReasonNone {
		t.Errorf("%d left, %d by the next, %d asked of the first, held: %v", n, len(second.mails), first.n, m.Held())
	}
}

// TestLogHides: a line of the log that counts reminders would say how many of a batch
// have not voted.
func TestLogHides(t *testing.T) {
	t.Parallel()
	for kind, said := range map[string]bool{mailer.Reminder: false, mailer.Closing: false, mailer.Issued: false, mailer.Deposited: false, mailer.Invitation: true} {
		o := newOffice(t, 5)
		for i := range 5 {
			o.queue(kind, i)
		}
		o.exec(`INSERT INTO registrar.used (group_id, roll_index, kind) VALUES (1, 0, 'strike'), (1, 1, 'strike')`)
		for _, v := range []mailer.Verdict{mailer.NotTaken, mailer.Unknown, mailer.Refused} {
			o.drain(o.via(&inbox{says: says(mailer.Answer{Verdict: v, Reason: mailer.ReasonOther})}))
			o.now.Add(120)
		}
		if got := strings.Contains(o.logged.String(), "count=3"); got != said || !said && strings.Contains(o.logged.String(), "count") {
			t.Errorf("%s: %s", kind, &o.logged)
		}
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

// TestGivenUpMeanwhile: a process that was stopped while its mails left marks them, though
// another one has given some of them up, for a reason that is none any more.
func TestGivenUpMeanwhile(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 3)
	for i := range 3 {
		o.queue(mailer.Invitation, i)
	}
	o.drain(o.via(&inbox{says: func(n int) mailer.Answer {
		if n == 1 {
			o.exec(`UPDATE registrar.outbox SET state = 'failed', lease_until = NULL, reason = 'down',
				delivery = CASE WHEN roll_index = 2 THEN 'delivered' END WHERE roll_index > 0`)
		}
		return mailer.Answer{Verdict: mailer.Accepted}
	}}))
	if s := o.status(); o.states() != "sent 3" || len(s.Tallies[0].Reasons) != 0 {
		t.Errorf("states %s, reasons %v", o.states(), s.Tallies[0].Reasons)
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

// TestSecondDecides: where the first sender is not to be asked and the second looks at a
// mail and says later, its attempts are counted, and it ends.
func TestSecondDecides(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	o.exec(`INSERT INTO registrar.election (manifest, sealing, phase, close_at) VALUES ('', '', 'open', $1)`, o.m.Schedule.Close+100*86400)
	o.queue(mailer.Invitation, 0)
	first := &inbox{name: "first", says: func(int) mailer.Answer { return mailer.Answer{Reason: mailer.ReasonSettings, Pause: 5 * time.Minute} }}
	second := &inbox{name: "second", says: func(int) mailer.Answer { return mailer.Answer{Reason: mailer.ReasonFull} }}
	c := o.config
	c.Senders = []mailer.Sender{first, second}
	m, err := mailer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for h := range 2 * 24 * 12 {
		o.now.Store(electiontest.Open + int64(h)*300)
		if _, err := m.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.states(); got != "failed 1" {
		t.Errorf("after two days in which a mailbox was full: %v", got)
	}
}
