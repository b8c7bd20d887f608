package mailer_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid"
	"strikevote/internal/mailer/sendgrid/sendgridtest"
)

// parse takes a file apart as a mail program would.
func parse(t testing.TB, path string) (to, text, html string) {
	t.Helper()
	return parseMessage(t, readMail(t, path))
}

func parseMessage(t testing.TB, msg *mail.Message) (to, text, html string) {
	t.Helper()
	list, err := msg.Header.AddressList("To")
	if err != nil || len(list) != 1 {
		t.Fatalf("To: %v, %v", list, err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q, %v", kind, err)
	}
	r := multipart.NewReader(msg.Body, params["boundary"])
	var parts []string
	for _, want := range []string{"text/plain", "text/html"} { // in this order: the last is the best
		p, err := r.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		got, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || got != want || !strings.EqualFold(params["charset"], "utf-8") {
			t.Errorf("part %q %v, %v, want %s", got, params, err, want)
		}
		if e := p.Header.Get("Content-Transfer-Encoding"); e != "quoted-printable" {
			t.Errorf("encoding %q", e)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(b))
	}
	if _, err := r.NextRawPart(); !errors.Is(err, io.EOF) {
		t.Errorf("more than two parts: %v", err)
	}
	return list[0].Address, parts[0], parts[1]
}

func sample() mailer.Mail {
	return mailer.Mail{ID: [16]byte{0xab}, From: mailer.Address{Name: "Ünion Ballot", Address: "ballot@union.example"}, ReplyTo: "help@union.example",
		To: "maria@mail.example", Subject: "Union ballot: your voting link, closes Thursday — García", Text: "Grüße\nlink\n", HTML: "<p>Grüße</p>",
		Date: time.Unix(1_900_000_000, 0), Language: "en"}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	m := sample()
	b, err := mailer.Message(m)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(bytes.ReplaceAll(b, []byte("\r\n"), nil), []byte("\n")) {
		t.Error("a line ends without a carriage return")
	}
	for line := range strings.SplitSeq(string(b), "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
		for _, c := range []byte(line) {
			if c >= 0x80 || c < ' ' && c != '\t' {
				t.Errorf("a byte %#x on the wire", c)
			}
		}
	}
	msg, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	h := msg.Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	from, err := h.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Name != m.From.Name || from[0].Address != m.From.Address {
		t.Errorf("from %v, %v", from, err)
	}
	if h.Get("Message-Id") != "<ab000000000000000000000000000000@union.example>" || h.Get("Reply-To") != "<help@union.example>" {
		t.Errorf("%q, %q", h.Get("Message-Id"), h.Get("Reply-To"))
	}
	if d, err := h.Date(); err != nil || !d.Equal(m.Date) {
		t.Errorf("date %v, %v", d, err)
	}
	for _, name := range []string{"X-Mailer", "User-Agent", "Bcc", "Cc"} {
		if h.Get(name) != "" {
			t.Errorf("%s: %s", name, h.Get(name))
		}
	}
	to, text, html := parseMessage(t, msg)
	if to != m.To || strings.ReplaceAll(text, "\r\n", "\n") != m.Text || html != m.HTML {
		t.Errorf("got %q, %q, %q", to, text, html)
	}
}

// TestInjection: whatever stands in a field, it makes no header of its own, and
// what is refused is not quoted.
func TestInjection(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*mailer.Mail){
		"address":        func(m *mailer.Mail) { m.To = "a@x.example\r\nBcc: evil@x.example" },
		"two addresses":  func(m *mailer.Mail) { m.To = "a@x.example, evil@x.example" },
		"address, name":  func(m *mailer.Mail) { m.To = "Evil <evil@x.example>" },
		"no address":     func(m *mailer.Mail) { m.To = "evil" },
		"empty address":  func(m *mailer.Mail) { m.To = "" },
		"subject":        func(m *mailer.Mail) { m.Subject = "x\r\nBcc: evil@x.example" },
		"subject, LF":    func(m *mailer.Mail) { m.Subject = "x\nBcc: evil@x.example" },
		"name of sender": func(m *mailer.Mail) { m.From.Name = "x\r\nBcc: evil@x.example" },
		"reply":          func(m *mailer.Mail) { m.ReplyTo = "a@x.example\nBcc: evil@x.example" },
		"language":       func(m *mailer.Mail) { m.Language = "en\r\nBcc: evil@x.example" },
	} {
		m := sample()
		change(&m)
		if _, err := mailer.Message(m); !errors.Is(err, mailer.ErrMessage) || strings.Contains(err.Error(), "evil") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	m := sample()
	m.Text, m.HTML = "x\r\n.\r\nBcc: evil@x.example\r\n--boundary\r\n", "<p>\r\n\r\n--\r\n</p>"
	b, err := mailer.Message(m)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil || msg.Header.Get("Bcc") != "" {
		t.Errorf("a header from the body: %v", err)
	}
}

// TestDirectory: a file is there whole or not at all.
func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []*mailer.Directory{{Path: dir}, {Path: dir, Unsynced: true}} {
		if got := d.Send(t.Context(), []mailer.Mail{sample()}); len(got) != 1 || got[0].Verdict != mailer.Accepted {
			t.Fatal(got)
		}
	}
	if got := eml(t, dir); len(got) != 2 || !strings.HasPrefix(filepath.Base(got[0]), "ab000000000000000000000000000000-") {
		t.Errorf("got %v", got)
	}
	m := sample()
	m.To = "evil"
	gone := &mailer.Directory{Path: filepath.Join(dir, "missing")}
	if got := gone.Send(t.Context(), []mailer.Mail{sample()}); got[0].Verdict != mailer.NotTaken {
		t.Errorf("a directory that is gone: got %v", got)
	}
	if got := (&mailer.Directory{Path: dir}).Send(t.Context(), []mailer.Mail{m}); got[0].Verdict != mailer.Refused {
		t.Errorf("no address: got %v", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%d files, %v", len(left), err)
	}
}

// TestAnswerable: an address that answers are said to go to is one that mails are taken
// with; else all of them would wait for good. One that is said to be none is replaced.
func TestAnswerable(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"help@union.example": true, "help@münchen.example": true, "o'neill+vote@mail.union.example": true,
		"help@" + strings.Repeat("a", 63) + ".example": true, "help@" + strings.Repeat("a", 64) + ".example": false,
		"help@" + strings.Repeat("ü", 60) + ".example": false, "help@aمثال.example": false, "help@mün-.example": false,
		"hilfé@union.example": false, "help@union": false, "help": false, "Help <help@union.example>": false, "": false,
	} {
		if got := mailer.Answerable(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
		if !want {
			continue
		}
		server := sendgridtest.New(t, sendgridtest.Options{})
		s, err := sendgrid.New(sendgrid.Config{Key: server.Key(), BaseURL: server.URL()})
		if err != nil {
			t.Fatal(err)
		}
		m := mailer.Mail{ID: [16]byte{1}, From: mailer.Address{Address: "ballot@union.example"}, ReplyTo: address, To: "zoe@mail.example", Subject: "a", Text: "b", HTML: "c"}
		if got := s.Send(t.Context(), []mailer.Mail{m})[0]; got.Verdict != mailer.Accepted {
			t.Errorf("%q: %+v", address, got)
		}
	}
}
