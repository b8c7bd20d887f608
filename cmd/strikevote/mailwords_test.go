package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/registrar"
)

// tallied is a status as it comes from the database, where a reminder that was tried once
// counts as one that left.
func tallied(list ...mailer.Tally) *mailer.Status { return &mailer.Status{Tallies: list} }

// TestStatusWords: of reminders, the status says neither that they left nor that none
// waits, since either may be untrue of some, and no number tells of how many. The negative
// control are invitations.
func TestStatusWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind string
		left *regexp.Regexp
		want bool
	}{{mailer.Invitation, regexp.MustCompile(`(?m)^invitation +0 +45 `), true}, {mailer.Reminder, regexp.MustCompile(`(?m)^reminder +0`), false}, {mailer.Closing, regexp.MustCompile(`(?m)^closing +0`), false},
		{mailer.Moved, regexp.MustCompile(`(?m)^moved +0`), false}} {
		st := tallied(mailer.Tally{Kind: tt.kind, Left: 45})
		var out bytes.Buffer
		if err := printMailStatus(testEnv(&out, &out, nil), time.UTC, st, &deployment.MailService{}, nil); err != nil {
			t.Fatal(err)
		}
		said := out.String()
		if tt.left.MatchString(said) != tt.want || strings.Contains(said, "turn of 45 has come, that of 0 has not") == tt.want {
			t.Errorf("%s: %s", tt.kind, said)
		}
		if strings.Contains(said, "No mail waits.") || !strings.Contains(said, uncounted) {
			t.Errorf("%s: it claims that no mail waits: %s", tt.kind, said)
		}
		b, err := json.Marshal(statusFor(st, nil))
		if err != nil || strings.Contains(string(b), `"left":45`) != tt.want || strings.Contains(string(b), `"waiting"`) != tt.want || strings.Contains(string(b), `"turn_came":45`) == tt.want {
			t.Errorf("%s: %s, %v", tt.kind, b, err)
		}
		if strings.Contains(waited(tt.kind), "None waits") != tt.want {
			t.Errorf("%s: %s", tt.kind, waited(tt.kind))
		}
	}
}

// TestKeptWords: reminders that cannot leave yet are said to wait for their links, and what
// is past is said to be past.
func TestKeptWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 2, 3, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		waiting, kept int
		last          time.Time
		age           time.Duration
		want, not     string
	}{
		{40, 40, now.Add(4 * time.Hour), 4 * time.Hour, "40 mails wait; the last is due ", "was due"},
		{40, 40, time.Time{}, 4 * time.Hour, "40 mails wait.\n40 of them are reminders, each of which waits until the member's link has left and is 4h old.\n", "due"},
		{41, 1, now.Add(-time.Minute), 0, "1 of them is a reminder, which waits until the member's link has left.\n", "is due"},
		{1, 0, now.Add(-time.Minute), 4 * time.Hour, "1 mail waits; it was due ", "of them"},
		{1, 0, now.Add(time.Minute), 4 * time.Hour, "1 mail waits; it is due ", "of them"},
		{0, 0, time.Time{}, 4 * time.Hour, "No mail waits", "due"},
	} {
		st := tallied(mailer.Tally{Kind: mailer.Reminder, Waiting: tt.waiting})
		st.At, st.Last, st.Kept, st.LinkAge = now, tt.last, tt.kept, tt.age
		var out bytes.Buffer
		printWaiting(testEnv(&out, &out, nil), time.UTC, st, &deployment.MailService{}, nil)
		if said := out.String(); !strings.Contains(said, tt.want) || strings.Contains(said, tt.not) {
			t.Errorf("want %q and not %q:\n%s", tt.want, tt.not, said)
		}
	}
}

// TestSendWords: it is said over which time mails leave, and that whoever has no link yet
// is not reminded before. The negative controls are links that have all left, and mails
// that remind of none.
func TestSendWords(t *testing.T) {
	t.Parallel()
	const waits = "with the link"
	for _, tt := range []struct {
		x    sending
		st   *mailer.Status
		want string
		not  string
	}{
		{sending{kind: mailer.Reminder}, tallied(mailer.Tally{Kind: mailer.Invitation, Waiting: 200}, mailer.Tally{Kind: mailer.Corrected, Waiting: 1}), "201 mails with the link have not left yet.", "They leave"},
		{sending{kind: mailer.Closing}, tallied(mailer.Tally{Kind: mailer.Invitation, Waiting: 1, Left: 30}), "1 mail with the link has not left yet.", ""},
		{sending{kind: mailer.Closing, spread: time.Hour}, tallied(mailer.Tally{Kind: mailer.Invitation, Left: 201}), "They leave over 1h, in random order.", waits},
		{sending{kind: mailer.Announcement, spread: 90 * time.Minute}, tallied(mailer.Tally{Kind: mailer.Invitation, Waiting: 1}), "They leave over 1h30m, in random order.", waits},
		{sending{kind: mailer.Announcement}, tallied(), "All leave at once", waits},
		{sending{kind: mailer.Announcement, spread: time.Hour}, &mailer.Status{Paused: true}, "Mails are held back", "They leave"},
		{sending{kind: mailer.Reminder}, &mailer.Status{LinkAge: 90 * time.Minute}, "Nobody is reminded within 1h30m of their link", waits},
		{sending{kind: mailer.Announcement}, &mailer.Status{LinkAge: 4 * time.Hour}, "All leave at once", "Nobody is reminded"},
		{sending{kind: mailer.Moved, spread: time.Minute}, &mailer.Status{LinkAge: 4 * time.Hour}, "nobody sees who they are", "Nobody is reminded"},
		{sending{kind: mailer.Closing}, &mailer.Status{}, "All leave at once", "Nobody is reminded"},
	} {
		var out bytes.Buffer
		tt.x.say(testEnv(&out, &out, nil), 310, true, tt.st)
		said := out.String()
		if !strings.Contains(said, "is queued for 310 members") || !strings.Contains(said, tt.want) || tt.not != "" && strings.Contains(said, tt.not) {
			t.Errorf("%s: want %q and not %q:\n%s", tt.x.kind, tt.want, tt.not, said)
		}
	}
	for kind, want := range map[string]bool{mailer.Announcement: false, mailer.Moved: false, mailer.Reminder: true, mailer.Closing: true} {
		x := sending{kind: kind}
		if said := x.none(true); strings.Contains(said, "20 hours") != want || !strings.HasPrefix(said, "No mail was queued") {
			t.Errorf("%s: %s", kind, said)
		}
	}
}

// TestUndeliveredWords: a roll may have no campus.
func TestUndeliveredWords(t *testing.T) {
	t.Parallel()
	m := registrar.Undelivered{Kind: mailer.Announcement, State: "bounced", Reason: mailer.ReasonAddress}
	m.Number, m.Name, m.Unit = "M0002", "Name", "HX"
	if said := undeliveredWords(m); said != "M0002  Name, HX: announcement came back (no such mailbox)" {
		t.Error(said)
	}
	m.Campus, m.Reason = "North", mailer.ReasonNone
	if said := undeliveredWords(m); said != "M0002  Name, HX, North: announcement came back" {
		t.Error(said)
	}
	m.Kind, m.State = mailer.Invitation, "late"
	if said := undeliveredWords(m); said != "M0002  Name, HX, North: invitation is not taken yet, and is tried again" {
		t.Error(said)
	}
	for _, r := range []mailer.Reason{mailer.ReasonAddress, mailer.ReasonFull, mailer.ReasonPolicy, mailer.ReasonSuppressed, mailer.ReasonSpam, mailer.ReasonSettings, mailer.ReasonLimit, mailer.ReasonDown, mailer.ReasonOther} {
		if what, do, _ := strings.Cut(mailReason(r), ": "); what == "" || do == "" {
			t.Errorf("%s: %q says not what to do", r, mailReason(r))
		}
	}
}
