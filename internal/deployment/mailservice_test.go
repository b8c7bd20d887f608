package deployment

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"strikevote/internal/mailer"
)

// TestMailServiceRead reads what a service's metrics say of the senders.
func TestMailServiceRead(t *testing.T) {
	t.Parallel()
	s := &MailService{Held: make(map[string]mailer.Reason), Refused: make(map[string]int)}
	s.read(`# HELP strikevote_mail_sender_held 1 while a sender is not asked, and why.
strikevote_mail_sender_held{reason="",sender="smtp"} 0
strikevote_mail_sender_held{reason="settings",sender="sendgrid"} 1
strikevote_mail_events_total{answer="unknown"} 7
strikevote_mail_events_total{answer="unreadable"} 2
strikevote_mail_events_total{answer="unsigned"} 1.2e+06
`)
	if len(s.Held) != 1 || s.Held["sendgrid"] != mailer.ReasonSettings || s.Free != 1 || s.Stuck() || len(s.Refused) != 2 || s.Refused["unsigned"] != 1200000 {
		t.Errorf("read %+v", s)
	}
	s = &MailService{Held: make(map[string]mailer.Reason), Refused: make(map[string]int)}
	if s.Stuck() {
		t.Error("without a sender nothing is stuck")
	}
	s.read(`strikevote_mail_sender_held{reason="limit",sender="smtp"} 1`)
	if !s.Stuck() || (*MailService)(nil).Stuck() {
		t.Errorf("read %+v", s)
	}
}

// TestRefusedPosts logs that posts are refused, and not each of many.
func TestRefusedPosts(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newMailCounts(prometheus.NewRegistry())
	p.log = slog.New(slog.NewTextHandler(&out, nil))
	for range 1000 {
		p.refused("unsigned")
	}
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "answer=unsigned") {
		t.Errorf("%d lines: %s", n, &out)
	}
}
