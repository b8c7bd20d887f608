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
// and names the command that reminds only while it would.
func TestUntold(t *testing.T) {
	t.Parallel()
	const to = 1_800_000_000
	v := &deployment.Overview{Phase: election.PhaseOpen, Close: to + 900, Zone: time.UTC, Mails: []registrar.MailCount{
		{Kind: mailer.Announcement, State: "bounced", Count: 1}, {Kind: mailer.Invitation, State: "sent", Count: 20}, {Kind: mailer.Invitation, State: "queued", Count: 300},
		{Kind: mailer.Reminder, State: "sent", Count: 4000}, {Kind: mailer.Result, State: "sent", Count: 50000},
	}}
	for _, tt := range []struct {
		phase     election.Phase
		before    time.Duration
		want, not string
	}{
		{election.PhaseOpen, time.Hour + time.Second, "strikevote mail send -by YOU closing", "no reminder leaves"},
		{election.PhaseOpen, time.Hour, "no reminder leaves", "mail send"},
		{election.PhaseOpen, time.Minute, "no reminder leaves", "mail send"},
		{election.PhaseSealed, time.Minute, "leave at the opening, say the new one", "mail send"},
	} {
		v.Phase = tt.phase
		got := untold(v, to, time.Unix(to, 0).Add(-tt.before))
		if !strings.Contains(got, "Friday, January 15 2027, 08:15 UTC, or an older one: 21;") {
			t.Errorf("got %s", got)
		}
		if !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
			t.Errorf("%s before, %s: got %s", tt.before, tt.phase, got)
		}
	}
}
