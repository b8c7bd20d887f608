package main

import (
	"strings"
	"testing"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/registrar"
)

// TestUntold says how many mails tell the time before, of which no number says who voted,
// and names the command that tells of it once a link has left.
func TestUntold(t *testing.T) {
	t.Parallel()
	const to = 1_800_000_000
	v := &deployment.Overview{Phase: election.PhaseOpen, Close: to + 900, Zone: time.UTC, Mails: []registrar.MailCount{
		{Kind: mailer.Announcement, State: "bounced", Count: 1}, {Kind: mailer.Invitation, State: "sent", Count: 20}, {Kind: mailer.Invitation, State: "queued", Count: 300},
		{Kind: mailer.Reminder, State: "sent", Count: 4000}, {Kind: mailer.Result, State: "sent", Count: 50000},
	}}
	for phase, want := range map[election.Phase]string{
		election.PhaseOpen: "strikevote mail send -by YOU moved", election.PhaseSealed: "leave at the opening, say the new one",
	} {
		v.Phase = phase
		got := untold(v)
		if !strings.Contains(got, "Friday, January 15 2027, 08:15 UTC, or an older one: 21;") {
			t.Errorf("got %s", got)
		}
		if !strings.Contains(got, want) || strings.Contains(got, "mail send") != (phase == election.PhaseOpen) {
			t.Errorf("%s: got %s", phase, got)
		}
	}
}
