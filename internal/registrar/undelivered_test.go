package registrar_test

import (
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
)

// TestUndelivered lists whose link did not come, and nobody by what only those get
// who voted, or who did not.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	type mail struct{ kind, state string }
	cases := []struct {
		what   string
		mails  []mail
		listed bool
	}{
		{"nothing failed", []mail{{mailer.Invitation, "sent"}}, false},
		{"the invitation failed", []mail{{mailer.Invitation, "failed"}}, true},
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
	}
	for i, tt := range cases {
		for j, m := range tt.mails {
			_, err := w.db.Owner.Exec(t.Context(), `INSERT INTO registrar.outbox (id, kind, group_id, roll_index, state, not_before)
				VALUES (uuid_send(gen_random_uuid()), $1, 1, $2, $3, $4)`, m.kind, i, m.state, w.clock().Add(time.Duration(j)*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := w.r.Undelivered(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range list {
		listed[m.Number] = true
	}
	for i, tt := range cases {
		if got := listed[electiontest.MemberNo(1, uint32(i))]; got != tt.listed {
			t.Errorf("%s: listed %t", tt.what, got)
		}
	}
}
