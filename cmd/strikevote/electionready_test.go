package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/deployment"
	"strikevote/internal/protocol/election"
)

// TestDatesToCome refuses dates that are past when the file is read, and only those; what
// tries things out may have opened.
func TestDatesToCome(t *testing.T) {
	t.Parallel()
	m := &election.Manifest{Schedule: election.Schedule{Open: 1_800_000_000, Close: 1_800_003_600}}
	for _, tt := range []struct {
		now, want string
		tries     bool
	}{
		{now: "-1s"}, {now: "0s", want: "schedule.open"}, {now: "30m", want: "schedule.open"}, {now: "1h", want: "schedule.close"},
		{now: "30m", tries: true}, {now: "1h", want: "schedule.close", tries: true},
	} {
		after, err := time.ParseDuration(tt.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, demo := range []bool{false, true} {
			m.Demo, m.Rehearsal = tt.tries && demo, tt.tries && !demo
			err := datesToCome(m, time.UTC, time.Unix(m.Schedule.Open, 0).Add(after))
			if got := errorText(err); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%s after the opening: want %q, got %q", tt.now, tt.want, got)
			}
			if strings.Contains(errorText(err), "schedule.open") && tt.tries {
				t.Errorf("a try-out is refused: %v", err)
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestDraftLanguages shows whoever makes an election everything that members read in every
// language.
func TestDraftLanguages(t *testing.T) {
	t.Parallel()
	m := &election.Manifest{
		Languages: []string{"en", "es"}, Title: []string{"Vote", "Votación"}, Statement: []string{"Why", "Por qué"},
		Questions: []election.Question{{Text: []string{"Do you?", "¿Usted?"}, Options: []election.Option{{Text: []string{"Yes", "Sí"}, Role: "yes"}}}},
		Factor:    &election.Factor{Label: []string{"Number", "Número"}},
	}
	said := describedOf(t, m)
	for _, want := range []string{"(en) Vote\n  Why\n  Do you?\n    Yes (counts as yes)\n", ": Number\n(es) Votación\n  Por qué\n  ¿Usted?\n    Sí (counts as yes)\n", ": Número\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in\n%s", want, said)
		}
	}
	m.Languages, m.Title = []string{"en"}, []string{"Vote"}
	if !strings.HasPrefix(describedOf(t, m), "Vote\n") {
		t.Error("one language is named like one of several")
	}
}

func describedOf(t *testing.T, m *election.Manifest) string {
	t.Helper()
	var out bytes.Buffer
	describeDraft(testEnv(&out, &out, nil), m, time.UTC)
	return out.String()
}

// TestTooLate refuses to seal what would be closed at once, but ends a sealing that has
// begun.
func TestTooLate(t *testing.T) {
	t.Parallel()
	m := &election.Manifest{Schedule: election.Schedule{Open: 1_800_000_000, Close: 1_800_003_600}}
	v := &deployment.Overview{Manifest: m, Zone: time.UTC}
	closes := time.Unix(m.Schedule.Close, 0)
	if err := tooLate(v, closes.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	if err := tooLate(v, closes); !strings.Contains(errorText(err), "would have closed Friday, January 15 2027, 09:00 UTC") {
		t.Errorf("got %v", err)
	}
	v.Papers = []agenda.Paper{{Name: agenda.PaperManifest, State: agenda.Signed}}
	if tooLate(v, closes) == nil {
		t.Error("what nobody has begun to seal is sealed")
	}
	v.Papers[0].State = agenda.Applied
	if err := tooLate(v, closes); err != nil {
		t.Errorf("a sealing cannot be ended: %v", err)
	}
	for now, want := range map[time.Time]bool{time.Unix(m.Schedule.Open, 0).Add(-time.Second): false, time.Unix(m.Schedule.Open, 0): true} {
		var out bytes.Buffer
		e := testEnv(&out, &out, nil)
		e.now = func() time.Time { return now }
		if openedBefore(e, m, time.UTC); (out.Len() > 0) != want {
			t.Errorf("%s: %s", now, &out)
		}
	}
}
