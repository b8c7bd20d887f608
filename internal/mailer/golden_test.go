package mailer_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// previewed is what a preview is made of. The manifest's hash is made up so that it is
// the same in every run.
func previewed(t testing.TB, opts ...func(*electiontest.Plan)) mailer.Config {
	t.Helper()
	m, _ := electiontest.Manifest(t, opts...)
	return mailer.Config{Manifest: m, MID: suite.MID{1, 2, 3, 4, 5, 6, 7, 8, 9}, From: mailer.Address{Name: "Union Ballot", Address: "ballot@union.example"},
		Zone: time.FixedZone("PDT", -7*3600), Pages: mailer.Pages{Organizer: "Ana Ruiz, room 12"}}
}

// closed is the mail with a link that leaves once voting has closed.
const closed = mailer.Resend + "-closed"

// TestMails shows every mail whole, in every language.
func TestMails(t *testing.T) {
	t.Parallel()
	c := previewed(t, electiontest.Seven)
	files := map[string]string{}
	after := c
	after.Now = func() time.Time { return time.Unix(electiontest.Close, 0) }
	for _, l := range language.Tags() {
		for _, kind := range append(mailer.Kinds(), closed) {
			c := c
			if kind == closed {
				c = after
			}
			m, err := mailer.Preview(c, strings.TrimSuffix(kind, "-closed"), l.Code, 0)
			if err != nil {
				t.Fatalf("%s, %s: %v", l.Code, kind, err)
			}
			if m.Language != l.Code {
				t.Errorf("%s, %s: it is in %s", l.Code, kind, m.Language)
			}
			name := filepath.Join("testdata", "mail", l.Code, kind)
			files[name+".txt"] = "Subject: " + m.Subject + "\n\n" + m.Text
			files[name+".html"] = m.HTML
		}
	}
	if *update {
		if err := os.RemoveAll("testdata/mail"); err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range files {
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("the mail is not that of %s:\n%s", name, got)
		}
	}
	there, err := filepath.Glob("testdata/mail/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range there {
		if _, ok := files[name]; !ok {
			t.Errorf("%s is no mail", name)
		}
	}
}

// TestPreviewVoid: what a preview shows opens nothing, and it needs no key and no clock.
func TestPreviewVoid(t *testing.T) {
	t.Parallel()
	c := previewed(t, electiontest.Seven)
	c.Zone, c.Pages = nil, mailer.Pages{}
	for _, kind := range mailer.Kinds() {
		m, err := mailer.Preview(c, kind, "en", 0)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(m.To, ".example") || !m.Date.Equal(time.Unix(electiontest.Open, 0)) {
			t.Errorf("%s: to %s on %s", kind, m.To, m.Date)
		}
		if _, err := mailer.Message(m); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for _, word := range strings.Fields(m.Text) {
			if parses(word) {
				t.Errorf("%s: a preview has a link or code that could be one", kind)
			}
		}
	}
	if _, err := mailer.Preview(c, "nothing", "en", 0); err == nil {
		t.Error("a kind that there is not is previewed")
	}
	if !slices.Contains(mailer.Kinds(), mailer.Replaced) {
		t.Error("no mail goes to the old address")
	}
}

// parses reports whether a word is a link or a code as far as its form goes.
func parses(word string) bool {
	if _, err := token.ParseCode(word); err == nil {
		return true
	}
	_, _, _, _, err := token.ParseLink(word)
	return err == nil
}

// TestPreviewMoved: a preview names the close in force, as the mails do that leave.
func TestPreviewMoved(t *testing.T) {
	t.Parallel()
	c := previewed(t, electiontest.Seven)
	in := func(close int64, kind string) string {
		m, err := mailer.Preview(c, kind, "en", close)
		if err != nil {
			t.Fatal(err)
		}
		return m.Text
	}
	const moved = int64(electiontest.Close + 86400)
	day := time.Unix(moved, 0).In(c.Zone).Format("Monday, January 2")
	for _, kind := range []string{mailer.Invitation, mailer.Reminder, mailer.Closing} {
		if text := in(moved, kind); !strings.Contains(text, day) || strings.Contains(in(0, kind), day) {
			t.Errorf("%s: it does not name %s:\n%s", kind, day, text)
		}
	}
}
