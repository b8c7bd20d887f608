package deployment

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// A carrier is a sender whose answers a test decides.
type carrier struct{ answer mailer.Answer }

func (*carrier) Name() string { return "carrier" }

func (c *carrier) Send(_ context.Context, mails []mailer.Mail) []mailer.Answer {
	answers := make([]mailer.Answer, len(mails))
	for i := range answers {
		answers[i] = c.answer
	}
	return answers
}

// mailing adds an election whose members have addresses, to a desk whose gauges are
// read anew each time.
func (s *desk) mailing(c *carrier, members int) (*running, *pgtest.DB) {
	s.t.Helper()
	s.add(pgtest.Registrar(s.t))
	db := s.dbs[len(s.dbs)-1]
	m, k := electiontest.Manifest(s.t)
	manifest, mid := electiontest.Encode(s.t, m)
	e := s.d.elections[suite.ElectionID{byte(len(s.dbs) - 1)}]
	e.manifest, e.bytes, e.mid = m, manifest, mid
	s.exec(db, `INSERT INTO registrar.member (group_id, roll_index, member_no, name, email) SELECT 1, i, i::text, 'Canary', 'canary@mail.example' FROM generate_series(0, $1 - 1) i`, members)
	s.exec(db, `INSERT INTO registrar.token (token_id, code_id, jti, group_id, roll_index) SELECT sha256(i::text::bytea), sha256(i::text::bytea), substr(sha256(i::text::bytea), 1, 16), 1, i FROM generate_series(0, $1 - 1) i`, members)
	letters, err := mailer.New(mailer.Config{Pool: db.Service, Manifest: m, MID: mid, Minter: mailer.NewMinter([32]byte(k.Token.Seed()), [32]byte{}), Senders: []mailer.Sender{c},
		From: mailer.Address{Name: "Union", Address: "ballot@union.example"}, Zone: time.UTC, Now: s.d.c.Now, Log: s.d.c.Log, Observe: s.d.mailCounts.observe})
	if err != nil {
		s.t.Fatal(err)
	}
	e.mailer.Store(letters)
	s.exec(db, `INSERT INTO registrar.election (phase, manifest, sealing, close_at) VALUES ('sealed', $1, $2, $3)`, manifest, electiontest.Sealing(s.t, m, k, mid), m.Schedule.Close)
	if e.registrar, err = registrar.Open(context.Background(), registrar.Config{Pool: db.Service, Now: s.d.c.Now, Log: s.d.c.Log}); err != nil {
		s.t.Fatal(err)
	}
	return e, db
}

func (s *desk) exec(db *pgtest.DB, sql string, args ...any) {
	s.t.Helper()
	if _, err := db.Owner.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// queue queues a mail of a kind to each of some members, due since a while.
func (s *desk) queue(db *pgtest.DB, kind string, n int, since time.Duration) {
	s.t.Helper()
	s.exec(db, `INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before) SELECT uuid_send(gen_random_uuid()), $1, 1, i, $2 FROM generate_series(0, $3 - 1) i`,
		kind, s.d.c.Now().Add(-since).UTC(), n)
}

// seen returns the metrics of mails, without those that are 0.
func (s *desk) seen() string {
	s.t.Helper()
	var text strings.Builder
	for line := range strings.Lines(s.shown()) {
		if name, ok := strings.CutPrefix(line, "strikevote_mail_"); ok && !strings.HasSuffix(line, " 0\n") {
			text.WriteString(strings.ReplaceAll(name, "\n", "; "))
		}
	}
	return text.String()
}

// TestMailGauges follows a mailing: it waits, is held back, leaves, and comes back.
func TestMailGauges(t *testing.T) {
	t.Parallel()
	s := newDesk(t, 0)
	now := time.Unix(electiontest.Open, 0)
	s.d.c.Now = func() time.Time { return now }
	s.d.registry.MustRegister(&mailGauges{d: s.d})
	is := func(what, want string) {
		t.Helper()
		if got := s.seen(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	is("nothing", "known 1; ")
	c := &carrier{mailer.Answer{Reason: mailer.ReasonLimit, Pause: time.Minute}}
	e, db := s.mailing(c, 30)
	s.queue(db, mailer.Invitation, 30, 239*time.Second)
	s.queue(db, mailer.Resend, 1, -time.Minute) // not due
	is("due", "known 1; waiting 30; waiting_oldest_seconds 180; ")
	drain := func() {
		t.Helper()
		if _, err := e.mailer.Load().Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	drain()
	is("held back", "known 1; sender_held limit carrier 1; total not_taken invitation 30; waiting 30; ")
	c.answer = mailer.Answer{Verdict: mailer.Accepted}
	now = now.Add(time.Hour)
	drain()
	is("left", "fate sent 31; known 1; total accepted invitation 30; total accepted resend 1; total not_taken invitation 30; ")
	s.exec(db, `UPDATE registrar.outbox SET delivery = CASE WHEN roll_index < 2 THEN 'bounced' WHEN roll_index < 3 THEN 'blocked' WHEN roll_index < 29 THEN 'delivered' END WHERE kind = 'invitation'`)
	is("told", "bounce_ratio 0.1; fate blocked 1; fate bounced 2; fate delivered 26; fate sent 2; known 1; total accepted invitation 30; total accepted resend 1; total not_taken invitation 30; ")
	s.exec(db, `INSERT INTO registrar.mail_pause (paused) VALUES (true) ON CONFLICT (one) DO UPDATE SET paused = true`)
	if got := s.seen(); !strings.Contains(got, "paused 1; ") {
		t.Errorf("paused: %s", got)
	}
	pool, err := postgres.Open(t.Context(), db.URL("sv_registrar"))
	if err != nil {
		t.Fatal(err)
	}
	pool.Close()
	e.registrarPool = pool
	is("away", "total accepted invitation 30; total accepted resend 1; total not_taken invitation 30; ")
}

// TestMailGaugesSecret shows the same whoever has voted: while reminders leave, to
// whom, and what becomes of them and of notices.
func TestMailGaugesSecret(t *testing.T) {
	t.Parallel()
	follow := func(voted int) (seen []string) {
		s := newDesk(t, 0)
		now := time.Unix(electiontest.Open, 0)
		s.d.c.Now = func() time.Time { return now }
		s.d.registry.MustRegister(&mailGauges{d: s.d})
		c := &carrier{mailer.Answer{Verdict: mailer.Accepted}}
		e, db := s.mailing(c, 40)
		look := func() { seen = append(seen, s.seen()) }
		s.queue(db, mailer.Invitation, 40, time.Minute)
		for i := range voted {
			s.exec(db, `INSERT INTO registrar.used (group_id, roll_index, kind, request_hash) VALUES (1, $1, 'issue', sha256($2))`, i, []byte{byte(i)})
		}
		s.queue(db, mailer.Issued, voted, 10*time.Minute)
		s.queue(db, mailer.Reminder, 40, 10*time.Minute)
		// The others' reminders wait for their links, and do not count.
		s.exec(db, `UPDATE registrar.outbox SET state = 'sent', attempts = 1 WHERE kind = 'invitation' AND roll_index < 20`)
		look()
		for _, answer := range []mailer.Answer{{Reason: mailer.ReasonDown}, {Verdict: mailer.Unknown}, {Verdict: mailer.Refused, Reason: mailer.ReasonAddress}, {Verdict: mailer.Accepted}} {
			c.answer = mailer.Answer{Verdict: mailer.Accepted}
			if answer.Verdict != mailer.Accepted {
				s.queue(db, mailer.Closing, 40, 10*time.Minute)
				look()
				c.answer = answer
			}
			if _, err := e.mailer.Load().Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			look()
			now = now.Add(time.Hour)
		}
		s.exec(db, `UPDATE registrar.outbox SET delivery = 'bounced' WHERE kind IN ('reminder', 'closing', 'issued') AND sender IS NOT NULL`)
		look()
		return seen
	}
	// The answers are to whatever leaves, so invitations get them too, and show them.
	nobody := follow(0)
	for _, voted := range []int{1, 17, 40} {
		got := follow(voted)
		for i := range nobody {
			if got[i] != nobody[i] {
				t.Errorf("%d have voted: %s, and nobody: %s", voted, got[i], nobody[i])
			}
		}
	}
	if said := fmt.Sprint(nobody); !strings.Contains(said, "waiting 60; ") || strings.Contains(said, "reminder") {
		t.Errorf("seen: %s", said)
	}
}

func TestBounceRatio(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		back, known int
		want        float64
	}{{0, 0, 0}, {1, 1, 0}, {19, 19, 0}, {1, 20, 0.05}, {1, 21, 0.04}, {20, 20, 1}, {1100, 22000, 0.05}, {1320, 22000, 0.06}, {1319, 22000, 0.05}} {
		if got := bounceRatio(tt.back, tt.known); got != tt.want {
			t.Errorf("%d of %d: %v", tt.back, tt.known, got)
		}
	}
}
