package pages_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/language"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/record/layout"
)

// TestMoreThanIssued: a box that holds more ballots than were issued, and more entitled
// than the roll had members, are explained wherever both numbers stand.
func TestMoreThanIssued(t *testing.T) {
	t.Parallel()
	c := newCounted(t, plan(t, "simple", false, audittest.GroupPlan{
		Roll: 30, Ballots: votes(14, 3, 0), Idle: 1, Accepted: votes(1, 0, 0), Struck: 1, Late: votes(0, 1, 0), Strangers: votes(2, 0, 0),
	}))
	c.turnout = []byte(`{"final":true,"floor":25,"groups":[{"id":1,"issued":19,"entitled":30}],"places":[{"name":"Davis","issued":19,"entitled":30}],"other":null}`)
	plus := func(s string) string { return strings.ReplaceAll(s, "+", "&#43;") }
	box, roll := plus("19 issued + 3 from accepted envelopes − 1 not cast = 21 in the box."),
		plus("30 on the signed roll + 1 added − 1 taken off + 2 not on the roll, by accepted envelope = 32 entitled.")
	c.says("turnout", "In the box 21 of 32 entitled members: 65.6%.", box, roll, "By group it is 32 entitled, by campus 30:")
	c.says("certificate", box, roll)
	c = newCounted(t, plan(t, "simple", false, audittest.GroupPlan{Roll: 30, Ballots: votes(14, 3, 0), Idle: 1}))
	c.silent("turnout", "envelope", "taken off")
}

// TestTurnoutBehind: while voting is open the number may be below what the box holds, and
// beside it stands why.
func TestTurnoutBehind(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	delete(c.files, layout.StatementBox)
	c.turnout = fmt.Appendf(nil, `{"at":%d,"groups":[{"id":1,"issued":0,"entitled":40}],"places":[]}`, audittest.Open+900)
	above, _, _ := strings.Cut(c.text("turnout"), "By group")
	if !strings.Contains(above, "every quarter hour") || !strings.Contains(above, "the box may already hold more ballots") {
		t.Errorf("beside the number stands %q", above)
	}
}

// TestOneEntry: a log of one entry is not said to have "1 entries", and where a time zone
// stands in brackets it has none of its own.
func TestOneEntry(t *testing.T) {
	t.Parallel()
	c := newCounted(t, audittest.Options{Stage: layout.Locked})
	delete(c.files, layout.StatementBox)
	c.grow(c.files, [][]byte{ledger.ManifestEntry(c.election.MID)})
	c.says("box", "Sealed ballots: 1 entry ")
	c.silent("box", "1 entries")
	for _, tag := range language.Tags() {
		if at := language.Of(tag.Code).Moment(time.Unix(audittest.Open, 0).UTC()); strings.HasSuffix(at, "))") {
			t.Errorf("%s: %s", tag.Code, at)
		}
	}
}
