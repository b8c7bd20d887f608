package smtp_test

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
)

// states counts the mails of a storm by what became of them.
func (s *storm) states() map[string]int {
	s.t.Helper()
	return s.rows(`SELECT state::text, count(*)::int FROM registrar.outbox GROUP BY 1`)
}

// TestTurned: a server takes three mails and then turns against us, in the middle of a
// batch. Nobody loses their link; when it takes mails again all of them leave.
func TestTurned(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, says := range map[string]error{
		"filter":    says(554, 5, 7, 1, "Message rejected as spam"),
		"no lookup": says(550, 5, 1, 1, "no such user"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 100
			var asked atomic.Int64
			var again atomic.Bool
			p := rig(t, a, says, func(string) bool { return !again.Load() && asked.Add(1) > 3 })
			s := newStorm(t, n)
			var late atomic.Int64
			m := s.mailerAt(p.sender(t, a, nil), slog.New(slog.NewTextHandler(io.Discard, nil)), &late)
			for k := range 12 {
				s.drain(m, map[bool]int{true: 3}[k == 0])
				if got := s.states(); got["failed"] > 0 || got["sent"] != 3 {
					t.Fatalf("after %d hours: %v", 2*k, got)
				}
				if held := m.Held()["smtp"]; held != mailer.ReasonSettings {
					t.Fatalf("after %d hours the sender is held for %q", 2*k, held)
				}
				late.Add(2 * 3600) // later than each mail's own pause
			}
			again.Store(true)
			if s.drain(m, n-3); m.Held()["smtp"] != mailer.ReasonNone {
				t.Errorf("it works again and is held: %v", m.Held())
			}
		})
	}
}

// TestFewAnHour: a server takes two mails an hour and refuses all others as spam, at the last
// attempts that they have. Nobody loses their link; when it takes mails again all of them leave.
func TestFewAnHour(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const n, hours = 30, 8
	var asked atomic.Int64
	var again atomic.Bool
	p := rig(t, a, says(554, 5, 7, 1, "Message rejected as spam"), func(string) bool { return !again.Load() && asked.Add(1) > 2 })
	s := newStorm(t, n)
	if _, err := s.db.Owner.Exec(t.Context(), `UPDATE registrar.outbox SET attempts = 25`); err != nil {
		t.Fatal(err)
	}
	var late atomic.Int64
	m := s.mailerAt(p.sender(t, a, nil), slog.New(slog.NewTextHandler(io.Discard, nil)), &late)
	for k := range hours {
		asked.Store(0)
		s.drain(m, 2)
		if got := s.states(); got["failed"] > 0 {
			t.Fatalf("after %d attempts: %v", k+1, got)
		}
		late.Add(75 * 60) // later than each mail's own pause
	}
	again.Store(true)
	s.drain(m, n-2*hours)
}

// TestRefusedBefore: what was refused before a taken mail is believed, and only the run
// after it is not.
func TestRefusedBefore(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, answer := range map[byte]error{'p': says(554, 5, 7, 1, "blocked"), 'u': says(550, 5, 1, 1, "unknown")} {
		p := rig(t, a, answer, func(to string) bool { return to[0] != 'a' })
		s := p.sender(t, a, func(c *smtp.Config) { c.Connections = 1 })
		for k, tt := range []struct{ before, after, refused, held int }{{12, 9, 21, 0}, {12, 10, 12, 10}, {0, 3, 3, 0}} {
			var mails []mailer.Mail
			for i := range tt.before + 1 + tt.after {
				to := fmt.Sprintf("%c%d-%d@mail.example", name, k, i)
				if i == tt.before {
					to = "a@mail.example"
				}
				mails = append(mails, mailTo(i, to))
			}
			refused, held := 0, 0
			for _, x := range s.Send(t.Context(), mails) {
				switch {
				case x.Verdict == mailer.Refused:
					refused++
				case x.Pause > 0:
					held++
				}
			}
			if refused != tt.refused || held != tt.held {
				t.Errorf("%c, %+v: %d refused, %d held", name, tt, refused, held)
			}
		}
	}
}

// TestDeadAddresses: one in five of a roll has no mailbox, at random; all of them are
// given up at once. Where, after a restart, only such are left, they are too as soon as
// another mail is taken.
func TestDeadAddresses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const n, dead = 300, 60
	random := rand.New(rand.NewPCG(1, 2)).Perm(n)
	p := rig(t, a, says(550, 5, 1, 1, "no such user"), func(to string) bool { return random[member(to)] < dead })
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	var late atomic.Int64
	s := newStorm(t, n)
	m := s.mailerAt(p.sender(t, a, nil), quiet, &late)
	s.drain(m, n-dead)
	if got := s.states(); got["failed"] != dead || m.Held()["smtp"] != mailer.ReasonNone {
		t.Errorf("%v, held %v", got, m.Held())
	}
	if _, err := s.db.Owner.Exec(t.Context(), `UPDATE registrar.outbox SET state = 'queued', reason = NULL, attempts = 0 WHERE state = 'failed'`); err != nil {
		t.Fatal(err)
	}
	m = s.mailerAt(p.sender(t, a, nil), quiet, &late)
	s.drain(m, 0)
	if got := s.states(); got["failed"] > 0 || m.Held()["smtp"] != mailer.ReasonSettings {
		t.Errorf("nobody is taken: %v, held %v", got, m.Held())
	}
	good := 0
	for random[good] < dead {
		good++
	}
	s.ask(1, good)
	late.Add(3600)
	s.drain(m, 1)
	late.Add(3600)
	s.drain(m, 0)
	if got := s.states(); got["failed"] != dead || m.Held()["smtp"] != mailer.ReasonNone {
		t.Errorf("one is taken: %v, held %v", got, m.Held())
	}
}

// TestManyDoubts: two in five of a roll are answered for ever as if it were about us. All
// others have their mails soon. After a restart with only those left, the sender is not
// held for most of the time, and who asks for a link gets it.
func TestManyDoubts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const n, bad = 500, 200
	random := rand.New(rand.NewPCG(3, 4)).Perm(n)
	p := rig(t, a, doubtful["rejected"].says, func(to string) bool { return random[member(to)] < bad })
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	var late atomic.Int64
	s := newStorm(t, n)
	m := s.mailerAt(p.sender(t, a, nil), quiet, &late)
	left := 0
	for minutes := 0; left < n-bad; minutes++ {
		k, err := m.Drain(t.Context())
		if err != nil || minutes == 15 {
			t.Fatalf("%d mails left in %d minutes: %v", left, minutes, err)
		}
		left += k
		late.Add(60)
	}
	if _, err := s.db.Owner.Exec(t.Context(), `UPDATE registrar.outbox SET not_before = to_timestamp($1), attempts = 1 WHERE state = 'queued'`, 1); err != nil {
		t.Fatal(err)
	}
	m = s.mailerAt(p.sender(t, a, nil), quiet, &late)
	good := 0
	for random[good] < bad {
		good++
	}
	const minutes = 6 * 60
	held, asked := 0, 0
	for k := range minutes {
		if k%30 == 29 {
			s.ask(1, good)
			asked++
		}
		if _, err := m.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m.Held()["smtp"] != mailer.ReasonNone {
			held++
		}
		late.Add(60)
	}
	t.Logf("held in %d of %d minutes: %v", held, minutes, s.states())
	if got := s.rows(`SELECT state::text, count(*)::int FROM registrar.outbox WHERE kind = 'resend' GROUP BY 1`); held > minutes/3 || got["sent"] != asked {
		t.Errorf("held in %d of %d minutes, of %d links asked for %v", held, minutes, asked, got)
	}
}
