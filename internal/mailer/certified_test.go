package mailer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
)

// certified is an outcome of the elections here.
func certified() *mailer.Outcome {
	u := outcome.Unit{Groups: []suite.GroupID{1, 2}, Entitled: 70, Cast: 52, Yes: 40, No: 10}
	return &mailer.Outcome{Votes: [][]uint64{{40, 10, 2}}, Units: []outcome.Judged{{Unit: u, Judgement: outcome.Judgement{Authorized: true}}},
		Parts: []outcome.Unit{u}, CertifiedAt: time.Unix(electiontest.Close, 0)}
}

// TestWithoutKeys: once the keys of links are destroyed the result still reaches
// everybody, and nothing with a link leaves or is tried again.
func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 2)
	o.config.Minter = nil
	o.config.Outcome = func(context.Context) (*mailer.Outcome, error) { return certified(), nil }
	o.queue(mailer.Invitation, 0)
	o.queue(mailer.Resend, 0)
	o.queue(mailer.Result, 1)
	b := new(inbox)
	if n, err := o.mailer(b).Drain(t.Context()); n != 1 || err != nil || o.states() != "failed 2, sent 1" {
		t.Fatalf("%d sent, %v, states %s", n, err, o.states())
	}
	if text := b.mails[0].Text; !strings.Contains(text, "The members authorize the leadership to call a strike.\nThis vote has not called a strike.\n") {
		t.Errorf("got\n%s", text)
	}
}
