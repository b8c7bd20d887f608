package registrar_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
)

// TestUndelivered lists whose link did not come, and nobody by what only those get
// who voted, or who did not.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	list(t, []fated{
		{"the announcement came back", []mail{{mailer.Announcement, "bounced"}}, true},
		{"the announcement failed, and the invitation waits", []mail{{mailer.Announcement, "failed"}, {mailer.Invitation, "queued"}}, true},
		{"the announcement came back, and of the invitation nothing is heard", []mail{{mailer.Announcement, "blocked"}, {mailer.Invitation, "sent"}}, true},
		{"the announcement came back, and the provider has the invitation", []mail{{mailer.Announcement, "bounced"}, {mailer.Invitation, "processed"}}, true},
		{"the announcement came back, and the invitation came", []mail{{mailer.Announcement, "bounced"}, {mailer.Invitation, "delivered"}}, false},
		{"the announcement came back, and the address was corrected", []mail{{mailer.Announcement, "bounced"}, {mailer.Corrected, "sent"}, {mailer.Invitation, "sent"}}, false},
		{"the announcement came, and the invitation not", []mail{{mailer.Announcement, "delivered"}, {mailer.Invitation, "bounced"}}, true},
		{"the announcement came back, and a reminder came", []mail{{mailer.Announcement, "bounced"}, {mailer.Reminder, "delivered"}}, true},
		{"nothing failed", []mail{{mailer.Invitation, "sent"}}, false},
		{"the invitation failed", []mail{{mailer.Invitation, "failed"}}, true},
		{"it came", []mail{{mailer.Invitation, "delivered"}}, false},
		{"it waits there", []mail{{mailer.Invitation, "delayed"}}, true},
		{"it came and was taken for spam", []mail{{mailer.Invitation, "complained"}}, true},
		{"it came back", []mail{{mailer.Invitation, "bounced"}}, true},
		{"it was not wanted", []mail{{mailer.Invitation, "blocked"}}, true},
		{"it came back, and was sent again", []mail{{mailer.Invitation, "bounced"}, {mailer.Resend, "delivered"}}, false},
		{"it was sent again, and came back", []mail{{mailer.Invitation, "delivered"}, {mailer.Resend, "bounced"}}, true},
		{"a notice came back", []mail{{mailer.Invitation, "delivered"}, {mailer.Issued, "bounced"}}, false},
		{"reminded in vain", []mail{{mailer.Invitation, "delivered"}, {mailer.Reminder, "bounced"}, {mailer.Closing, "blocked"}}, false},
		{"it came back, and a reminder came", []mail{{mailer.Invitation, "bounced"}, {mailer.Reminder, "delivered"}}, true},
		{"corrected since", []mail{{mailer.Invitation, "failed"}, {mailer.Corrected, "sent"}}, false},
		{"the correction waits", []mail{{mailer.Invitation, "failed"}, {mailer.Corrected, "queued"}}, false},
		{"the correction failed", []mail{{mailer.Invitation, "sent"}, {mailer.Corrected, "failed"}}, true},
		{"only a notice of issuance failed", []mail{{mailer.Invitation, "sent"}, {mailer.Issued, "failed"}}, false},
		{"only a notice of a deposit failed", []mail{{mailer.Invitation, "sent"}, {mailer.Deposited, "failed"}}, false},
		// These two are the same but for a vote: the reminder to whoever has voted
		// is dropped, which is kept as sent.
		{"not reminded, having voted", []mail{{mailer.Invitation, "failed"}, {mailer.Reminder, "sent"}}, true},
		{"reminded in vain, not having voted", []mail{{mailer.Invitation, "failed"}, {mailer.Reminder, "failed"}}, true},
		{"only a reminder failed", []mail{{mailer.Invitation, "sent"}, {mailer.Reminder, "failed"}}, false},
	})
}

// TestUndeliveredLate lists whose mail is tried in vain for longer than an outage
// explains, unless a later one came.
func TestUndeliveredLate(t *testing.T) {
	t.Parallel()
	list(t, []fated{
		{"it is tried in vain for hours", []mail{{mailer.Invitation, "late"}}, true},
		{"it is tried in vain, and the announcement came", []mail{{mailer.Announcement, "delivered"}, {mailer.Invitation, "late"}}, true},
		{"the announcement is tried in vain", []mail{{mailer.Announcement, "late"}}, true},
		{"it is tried as often as an outage explains", []mail{{mailer.Invitation, "outage"}}, false},
		{"it came only after hours, and nothing is heard", []mail{{mailer.Announcement, "bounced"}, {mailer.Invitation, "patient"}}, true},
		{"it is tried in vain, and one that was asked for came", []mail{{mailer.Invitation, "late"}, {mailer.Resend, "delivered"}}, false},
		{"a reminder is tried in vain", []mail{{mailer.Invitation, "delivered"}, {mailer.Reminder, "late"}}, false},
	})
}

type mail struct{ kind, state string }

// A fated is a member with what became of their mails, the first first, and whether the
// member is listed.
type fated struct {
	what   string
	mails  []mail
	listed bool
}

// list has each of cases be a member, and looks who is listed.
func list(t *testing.T, cases []fated) {
	t.Helper()
	w := newWorld(t)
	w.at(electiontest.Open)
	for i, tt := range cases {
		for j, m := range tt.mails {
			w.mailed(m.kind, i, m.state, "", w.clock().Add(time.Duration(j)*time.Minute))
		}
	}
	list, err := w.r.Undelivered(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range list {
		listed[m.Number] = true
		if !slices.Contains([]string{"failed", "bounced", "blocked", "delayed", "complained", "late"}, m.State) || !mailer.Neutral(m.Kind) || strings.Contains(fmt.Sprintf("%v %+v", m, list), "CANARY") {
			t.Errorf("listed as %s: %v", m.State, m)
		}
	}
	for i, tt := range cases {
		if got := listed[electiontest.MemberNo(1, uint32(i))]; got != tt.listed {
			t.Errorf("%s: listed %t", tt.what, got)
		}
	}
}

// mailed writes a mail as it is after it was sent: its state, or what was told of it;
// late, outage and patient: after how many attempts it waits, or was taken.
func (w *world) mailed(kind string, index int, state, reason string, at time.Time) {
	w.t.Helper()
	delivery, attempts := "", 1
	switch state {
	case "late":
		state, attempts = "queued", mailer.OutageAttempts+1
	case "outage":
		state, attempts = "leased", mailer.OutageAttempts
	case "patient":
		state, attempts = "sent", mailer.OutageAttempts+1
	}
	if !slices.Contains([]string{"queued", "leased", "sent", "failed"}, state) {
		state, delivery = "sent", state
	}
	_, err := w.db.Owner.Exec(context.Background(), `INSERT INTO registrar.outbox (id, kind, group_id, roll_index, state, delivery, reason, attempts, not_before)
		VALUES (uuid_send(gen_random_uuid()), $1, 1, $2, $3, NULLIF($4, ''), NULLIF($5, ''), $7, $6)`, kind, index, state, delivery, reason, at, attempts)
	if err == nil { // the next attempt is later than the first turn
		_, err = w.db.Owner.Exec(context.Background(), `UPDATE registrar.outbox SET not_before = not_before + attempts * interval '10 minutes' WHERE attempts > 1 AND turn = not_before`)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestMails counts by what is known of each mail, and why.
func TestMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	for i, m := range [][2]string{{"queued"}, {"leased"}, {"sent"}, {"processed"}, {"delivered"}, {"delivered"}, {"delayed", "full"}, {"bounced", "address"}, {"bounced", "suppressed"},
		{"blocked", "policy"}, {"complained", "spam"}, {"failed", "address"}, {"failed"}} {
		w.mailed(mailer.Invitation, i, m[0], m[1], w.clock())
	}
	w.mailed(mailer.Result, 0, "delivered", "", w.clock())
	got, err := w.r.Mails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const want = "[{invitation blocked policy 1} {invitation bounced address 1} {invitation bounced suppressed 1} {invitation complained spam 1} {invitation delayed full 1} " +
		"{invitation delivered  2} {invitation failed  1} {invitation failed address 1} {invitation queued  2} {invitation sent  2} {result delivered  1}]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v", got)
	}
	left := 0
	for _, c := range got {
		if c.Left() {
			left += c.Count
		}
	}
	if left != 10 {
		t.Errorf("%d have left", left)
	}
}

// TestMailsSecret sends reminders to members of whom some have voted, and tells of them
// whatever can be told of those who had not, in every way in which sending can end. The
// numbers are the same whoever voted, and so is the list of those whom nothing reached.
func TestMailsSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	told := func(voted func(member int) bool) string {
		t.Helper()
		if _, err := w.db.Owner.Exec(t.Context(), `DELETE FROM registrar.outbox`); err != nil {
			t.Fatal(err)
		}
		for i := range 48 {
			w.mailed(mailer.Invitation, i, []string{"delivered", "bounced", "delivered", "late"}[i%4], "", w.clock())
			for _, kind := range []string{mailer.Reminder, mailer.Closing} {
				state := "sent" // as one that was not needed
				if !voted(i) {
					state = []string{"queued", "leased", "late", "sent", "failed", "processed", "delayed", "delivered", "bounced", "blocked", "complained"}[i%11]
				}
				w.mailed(kind, i, state, "", w.clock().Add(time.Minute))
			}
			if voted(i) {
				w.mailed(mailer.Issued, i, []string{"queued", "failed", "delivered", "bounced"}[i%4], "", w.clock().Add(time.Second))
			}
		}
		counts, err := w.r.Mails(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.r.Undelivered(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := fmt.Sprint(counts)
		for _, m := range list {
			s += " " + m.Number + m.State
		}
		return s
	}
	nobody := told(func(int) bool { return false })
	for what, voted := range map[string]func(int) bool{"everybody": func(int) bool { return true }, "half": func(i int) bool { return i%4 < 2 }, "one": func(i int) bool { return i == 7 }} {
		if got := told(voted); got != nobody {
			t.Errorf("%s voted: %s, and nobody: %s", what, got, nobody)
		}
	}
	if !strings.Contains(nobody, "{reminder sent  48}") || !strings.Contains(nobody, "{invitation bounced  12}") || strings.Contains(nobody, "issued") {
		t.Errorf("got %s", nobody)
	}
}
