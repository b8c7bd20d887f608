package registrar_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
)

// A carrier takes all mails, or none for now.
type carrier struct {
	takes bool
	mails []mailer.Mail
}

func (*carrier) Name() string { return "carrier" }

func (c *carrier) Send(_ context.Context, mails []mailer.Mail) []mailer.Answer {
	answers := make([]mailer.Answer, len(mails))
	for i := range answers {
		answers[i].Reason = mailer.ReasonPolicy
		if c.takes {
			answers[i] = mailer.Answer{Verdict: mailer.Accepted}
		}
	}
	c.mails = append(c.mails, mails...)
	return answers
}

func (w *world) mailer(c *carrier) *mailer.Mailer {
	w.t.Helper()
	m, err := mailer.New(mailer.Config{Pool: w.db.Service, Manifest: w.m, MID: w.mid, Minter: w.minter, Zone: time.UTC, Now: w.clock,
		From: mailer.Address{Name: "Union Ballot", Address: "ballot@union.example"}, Senders: []mailer.Sender{c}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// TestReminderCount reminds everybody while a carrier is busy, so that only mails to
// members who have not voted are tried again. How many the next reminder is for says
// nothing of that, at any time: it is the same whether nobody has voted or nine have.
func TestReminderCount(t *testing.T) {
	t.Parallel()
	counts := func(voted int, paused bool) (list [3]int) {
		w := newWorld(t)
		w.at(electiontest.Open)
		if _, err := w.r.Enqueue(t.Context(), mailer.Invitation, w.clock(), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := w.mailer(&carrier{takes: true}).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.db.Owner.Exec(t.Context(), `INSERT INTO registrar.used (group_id, roll_index, kind) SELECT group_id, roll_index, 'strike' FROM registrar.member ORDER BY 1, 2 LIMIT $1`, voted); err != nil {
			t.Fatal(err)
		}
		from := w.clock()
		if n, err := w.r.Enqueue(t.Context(), mailer.Reminder, from, 0); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := w.mailer(&carrier{}).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if paused {
			w.now.Store(from.Unix() + 3600)
			if _, err := mailer.Pause(t.Context(), w.db.Service); err != nil {
				t.Fatal(err)
			}
			if _, err := mailer.Resume(t.Context(), w.db.Service, w.clock(), 0, w.m.Schedule.Open); err != nil {
				t.Fatal(err)
			}
		}
		for i, after := range []int64{20*3600 - 1, 20 * 3600, 21*3600 + 1} {
			w.now.Store(from.Unix() + after)
			n, err := w.r.CheckEnqueue(t.Context(), mailer.Reminder, w.clock(), 0)
			if err != nil {
				t.Fatal(err)
			}
			list[i] = n
		}
		return list
	}
	for _, paused := range []bool{false, true} {
		nobody, some := counts(0, paused), counts(9, paused)
		if nobody != some {
			t.Errorf("paused %v: the next reminder is for %v where nobody has voted, and for %v where nine have", paused, nobody, some)
		}
		if nobody[0] != 0 || nobody[2] < 10 {
			t.Errorf("paused %v: the next reminder is for %v members: the test shows nothing", paused, nobody)
		}
	}
}

// TestCorrectedEarly corrects an address before voting opens: no link leaves until then,
// and then one, with the invitation.
func TestCorrectedEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open - 3000)
	if err := w.r.NewLink(t.Context(), electiontest.MemberNo(1, 0), "new@mail.example", "Olga", "moved"); err != nil {
		t.Fatal(err)
	}
	c := &carrier{takes: true}
	m := w.mailer(c)
	if _, err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, mail := range c.mails {
		if mail.To == "new@mail.example" {
			t.Errorf("a link left before the opening: %s", mail.Subject)
		}
	}
	early := len(c.mails)
	w.at(electiontest.Open)
	if _, err := w.r.Enqueue(t.Context(), mailer.Invitation, w.clock(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, mail := range c.mails[early:] {
		if mail.To == "new@mail.example" {
			links++
		}
	}
	if links != 1 {
		t.Errorf("%d mails left for the new address at the opening, want one", links)
	}
}

// TestCorrectedAnnounced corrects an address before the opening: the member's new address
// gets the announcement too, at once, and comes back where it is wrong again; the old one
// hears of no link, for none was sent. The negative controls are an election in which
// nothing was announced, and a link that is replaced at the same address.
func TestCorrectedAnnounced(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{true, false} {
		w := newWorld(t)
		w.at(electiontest.Open - 3000)
		if announced {
			if n, err := w.r.Enqueue(t.Context(), mailer.Announcement, w.clock(), 0); n == 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		c := &carrier{takes: true}
		m := w.mailer(c)
		for i, address := range []string{"first@mail.example", "second@mail.example", ""} {
			if _, err := m.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.now.Add(60)
			before := len(c.mails)
			if err := w.r.NewLink(t.Context(), electiontest.MemberNo(1, 0), address, "Olga", "mistyped"); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			announcements, words := 0, 0
			for _, mail := range c.mails[before:] {
				switch {
				case strings.Contains(mail.Subject, "check your address") && mail.To == address:
					announcements++
				case strings.Contains(mail.Subject, "no longer used") && !strings.Contains(mail.Text+mail.HTML, "have stopped"):
					words++
				default:
					t.Errorf("correction %d: %s", i, mail.Text)
				}
			}
			if want := announced && address != ""; (announcements == 1) != want || (words == 1) != (address != "") {
				t.Errorf("announced %v, correction %d: %d announcements to the new address, %d words to the old one", announced, i, announcements, words)
			}
		}
	}
}

// TestStopped: once a link has left for an address, whoever reads it hears that it works no
// more.
func TestStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	if _, err := w.r.Enqueue(t.Context(), mailer.Invitation, w.clock(), 0); err != nil {
		t.Fatal(err)
	}
	c := &carrier{takes: true}
	m := w.mailer(c)
	if _, err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mails = nil
	w.now.Add(60)
	if err := w.r.NewLink(t.Context(), electiontest.MemberNo(1, 0), "new@mail.example", "Olga", "moved"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, mail := range c.mails {
		if strings.Contains(mail.Text, "Links sent to this address have stopped.") && mail.To != "new@mail.example" {
			said++
		}
	}
	if said != 1 || len(c.mails) != 2 {
		t.Errorf("%d of %d mails say that links have stopped, want 1 of 2", said, len(c.mails))
	}
}

// TestStoppedLate: a link that was held back until after the correction went to the new
// address, and whoever reads the old one hears of none, even if the word comes later still.
func TestStoppedLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.at(electiontest.Open)
	if _, err := w.r.Enqueue(ctx, mailer.Invitation, w.clock(), 0); err != nil {
		t.Fatal(err)
	}
	w.now.Add(60)
	if err := w.r.NewLink(ctx, electiontest.MemberNo(1, 0), "new@mail.example", "Olga", "moved"); err != nil {
		t.Fatal(err)
	}
	// Its first attempt failed.
	if _, err := w.db.Owner.Exec(ctx, `UPDATE registrar.outbox SET attempts = 1, not_before = not_before + interval '15 minutes' WHERE kind = 'replaced'`); err != nil {
		t.Fatal(err)
	}
	c := &carrier{takes: true}
	m := w.mailer(c)
	for range 2 {
		w.now.Add(600)
		if _, err := m.Drain(ctx); err != nil {
			t.Fatal(err)
		}
	}
	links, words := 0, 0
	for _, mail := range c.mails {
		switch {
		case mail.To == "new@mail.example":
			links++
		case strings.Contains(mail.Subject, "no longer used"):
			words++
			if strings.Contains(mail.Text+mail.HTML, "have stopped") {
				t.Errorf("it speaks of links:\n%s", mail.Text)
			}
		}
	}
	if links == 0 || words != 1 {
		t.Errorf("%d links to the new address, %d words to the old one", links, words)
	}
}

// TestKeptBackSpacing: what lies between two mails that remind is reckoned from when the
// first may leave, for a member whose link was new, or left late, too. It is the same
// whoever has voted meanwhile. The negative controls are all other members.
func TestKeptBackSpacing(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} { // whether the new link has left before the reminder is queued
		for _, voted := range []bool{false, true} {
			w := newWorld(t, func(p *electiontest.Plan) { p.Real = true })
			ctx := t.Context()
			w.at(electiontest.Open)
			end := time.Unix(electiontest.Open, 0).Add(96 * time.Hour)
			if _, err := w.db.Owner.Exec(ctx, `UPDATE registrar.election SET close_at = $1`, end.Unix()); err != nil {
				t.Fatal(err)
			}
			queue := func(kind string, before time.Duration) int {
				t.Helper()
				n, err := w.r.CheckEnqueue(ctx, kind, end.Add(-before), 0)
				queued, err2 := w.r.Enqueue(ctx, kind, end.Add(-before), 0)
				if err != nil || err2 != nil || n != queued {
					t.Fatalf("%s: %d would be, %d are queued, %v, %v", kind, n, queued, err, err2)
				}
				return n
			}
			m := w.mailer(&carrier{takes: true})
			drain := func(before time.Duration) int {
				t.Helper()
				w.now.Store(end.Add(-before).Unix())
				n, err := m.Drain(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			all := queue(mailer.Invitation, 96*time.Hour)
			drain(96 * time.Hour)
			age := mailer.LinkAge(w.m)
			corrected := 9*time.Hour + time.Minute
			w.now.Store(end.Add(-corrected).Unix())
			if err := w.r.NewLink(ctx, electiontest.MemberNo(1, 0), "new@mail.example", "Olga", "moved"); err != nil {
				t.Fatal(err)
			}
			if early {
				drain(corrected)
			}
			if voted {
				if _, err := w.db.Owner.Exec(ctx, `INSERT INTO registrar.used (group_id, roll_index, kind, request_hash)
					SELECT group_id, roll_index, 'issue', sha256(member_no::bytea) FROM registrar.member`); err != nil {
					t.Fatal(err)
				}
			}
			if n := queue(mailer.Reminder, 9*time.Hour); n != all {
				t.Errorf("%d reminders are queued, want %d", n, all)
			}
			drain(9 * time.Hour) // the new link leaves now at the latest
			left := 9 * time.Hour
			if early {
				left = corrected
			}
			if n := drain(left - age + time.Second); n != 0 {
				t.Errorf("new link left early %v: %d mails leave before its time", early, n)
			}
			if n := drain(left - age); n != 1 && !voted {
				t.Errorf("new link left early %v: %d reminders leave, want the last one", early, n)
			}
			if n := queue(mailer.Closing, 9*time.Hour-4*time.Hour-5*time.Minute); n != all-1 {
				t.Errorf("new link left early %v, voted %v: %d closing mails of %d: the member was reminded less than 4 hours before", early, voted, n, all)
			}
			if n := queue(mailer.Closing, left-age-4*time.Hour); n != 1 {
				t.Errorf("new link left early %v, voted %v: %d closing mails 4 hours after the reminder, want 1", early, voted, n)
			}
		}
	}
}
