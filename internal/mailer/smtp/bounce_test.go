package smtp_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
)

const bounceAddress = "bounce@union.example"

var bounceID = [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}

type told struct {
	state  mailer.Delivery
	reason mailer.Reason
}

// samples are messages as mail systems write them; none of them is anybody's.
var samples = map[string]told{
	"postfix-unknown":       {mailer.Bounced, mailer.ReasonAddress},
	"postfix-delayed":       {mailer.Delayed, mailer.ReasonDown},
	"postfix-expired":       {mailer.Blocked, mailer.ReasonDown},
	"postfix-delivered":     {mailer.Delivered, mailer.ReasonNone},
	"postfix-relayed":       {mailer.Processed, mailer.ReasonNone},
	"postfix-by-message-id": {mailer.Bounced, mailer.ReasonAddress},
	"exim-policy":           {mailer.Blocked, mailer.ReasonPolicy},
	"exim-warning":          {mailer.Delayed, mailer.ReasonOther},
	"exim-old":              {mailer.Bounced, mailer.ReasonOther},
	"exchange-unknown":      {mailer.Bounced, mailer.ReasonAddress},
	"gmail-full":            {mailer.Blocked, mailer.ReasonFull},
	"sendmail-host":         {mailer.Bounced, mailer.ReasonAddress},
	"qmail":                 {mailer.Bounced, mailer.ReasonAddress},
	"base64":                {mailer.Blocked, mailer.ReasonFull},
	"complaint":             {mailer.Complained, mailer.ReasonSpam},
	"not-spam":              {},
	"vacation":              {},
	"vacation-exchange":     {},
	"receipt":               {},
	"person":                {},
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "bounces", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, b []byte, address string) []mailer.Event {
	t.Helper()
	events, err := smtp.ParseBounce(bytes.NewReader(b), address)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// TestParseBounce reads what mail systems write, with both ends of lines.
func TestParseBounce(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bounces/*.eml")
	if err != nil || len(files) != len(samples) {
		t.Fatalf("%d samples, %d are known, %v", len(files), len(samples), err)
	}
	names := map[string]told{}
	for name, want := range samples {
		b := sample(t, name)
		events := parse(t, b, bounceAddress)
		if crlf := parse(t, bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")), bounceAddress); !reflect.DeepEqual(events, crlf) {
			t.Errorf("%s: the ends of lines matter: %v, %v", name, events, crlf)
		}
		if want == (told{}) {
			if len(events) != 0 {
				t.Errorf("%s: %+v", name, events)
			}
			continue
		}
		if len(events) != 1 || events[0].Mail != bounceID || events[0].State != want.state || events[0].Reason != want.reason {
			t.Errorf("%s: %+v, want %+v", name, events, want)
			continue
		}
		id := events[0].ID
		if other, ok := names[id]; ok && other != want {
			t.Errorf("%s: two events have one name", name)
		}
		if names[id] = want; len(id) > 100 || strings.Contains(id, "canary") || strings.Contains(id, hex.EncodeToString(bounceID[:])) {
			t.Errorf("%s: the name %q", name, id)
		}
	}
}

// TestBounceAddress: the mail is known by the address that the report came to, and by
// nothing in its words.
func TestBounceAddress(t *testing.T) {
	t.Parallel()
	b := bytes.ReplaceAll(sample(t, "qmail"), []byte("bounce+"+hex.EncodeToString(bounceID[:])), []byte("bounce"))
	if events := parse(t, b, bounceAddress); len(events) != 0 {
		t.Errorf("nobody said which mail: %+v", events)
	}
	with := strings.Replace(string(b), "Subject: failure notice\n", "Subject: failure notice\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n", 1) +
		"--b\nContent-Type: message/rfc822\n\nMessage-ID: <00112233445566778899aabbccddeeff@union.example>\n\n--b--\n"
	if events := parse(t, []byte(with), bounceAddress); len(events) != 0 {
		t.Errorf("words beside a mail that came back are no report: %+v", events)
	}
	made := "Bounce+00112233445566778899AABBCCDDEEFF@Union.example"
	if events := parse(t, b, made); len(events) != 1 || events[0].Mail != bounceID {
		t.Errorf("by the address that it was sent to: %+v", events)
	}
	for _, other := range []string{
		"bounce+00112233445566778899aabbccddeeff@union.example.evil.example", "bounce+0011@union.example", "bounce+zz112233445566778899aabbccddeeff@union.example",
		"bounce+00112233445566778899aabbccddeeff0@union.example", "bounce@union.example", "",
	} {
		with := bytes.Replace(b, []byte("Delivered-To: bounce@union.example"), []byte("Delivered-To: "+other), 1)
		if events := parse(t, with, bounceAddress); len(events) != 0 {
			t.Errorf("%s: %+v", other, events)
		}
	}
	// Two mails cannot be meant; the first that received it counts.
	twice := bytes.Replace(sample(t, "qmail"), []byte("\nTo: bounce+0011"), []byte("\nTo: bounce+ff11"), 1)
	if events := parse(t, twice, bounceAddress); len(events) != 1 || events[0].Mail != bounceID {
		t.Errorf("%+v", events)
	}
}

// TestBounceLimits: what is too long, too deep, or no message.
func TestBounceLimits(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]string{
		"empty":    "",
		"no mail":  "canary, this is no mail\n\nat all",
		"too long": string(sample(t, "qmail")) + strings.Repeat("x", smtp.MaxBounce),
	} {
		events, err := smtp.ParseBounce(strings.NewReader(b), bounceAddress)
		if err == nil || len(events) > 0 || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
	var many, deep strings.Builder
	head := "To: bounce+00112233445566778899aabbccddeeff@union.example\nContent-Type: multipart/report; boundary=b0\n\n"
	many.WriteString(head)
	deep.WriteString(head)
	for i := range 1000 {
		many.WriteString("--b0\nContent-Type: text/plain\n\nx\n")
		fmt.Fprintf(&deep, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i+1)
	}
	status := "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: failed\nStatus: 5.1.1\n\n"
	many.WriteString("--b0\n" + status + "--b0--\n")
	deep.WriteString("--b1000\n" + status + "--b1000--\n")
	for _, b := range []string{many.String(), deep.String()} {
		if events := parse(t, []byte(b), bounceAddress); len(events) != 0 {
			t.Errorf("beyond the limits: %+v", events)
		}
	}
	// One report about more recipients than a mail of ours has.
	long := head + "--b0\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
	for i := range 200 {
		long += fmt.Sprintf("Action: failed\nStatus: 5.%d.%d\n\n", i%7+1, i%10)
	}
	if events := parse(t, []byte(long+"--b0--\n"), bounceAddress); len(events) == 0 || len(events) > 20 {
		t.Errorf("%d events", len(events))
	}
}

// TestBounceTime: anybody can write to the address of bounces, and whatever they write is
// read in a moment. In proportion to its length all of this takes milliseconds; read anew
// with each line it took most of a minute.
func TestBounceTime(t *testing.T) {
	t.Parallel()
	const report = "From: MAILER-DAEMON@x.example\r\nContent-Type: message/delivery-status\r\n\r\n"
	for name, text := range map[string]string{
		"lines of a field":  report + "Diagnostic-Code: x\r\n" + strings.Repeat(" x\n", 330_000),
		"lines of a header": "X: x\r\n" + strings.Repeat(" x\r\n", 200_000) + "\r\n",
		"fields":            report + strings.Repeat("a:\n", 330_000),
		"blocks":            report + strings.Repeat("a:b\n\n", 200_000),
		"codes":             report + "Action: failed\nDiagnostic-Code:" + strings.Repeat("555 #5.1.", 100_000),
		"addresses":         "To: " + strings.Repeat("bounce+", 140_000) + "\r\n\r\n",
		"parts":             "Content-Type: multipart/mixed; boundary=a\r\n\r\n" + strings.Repeat("--a\r\n\r\n", 140_000),
	} {
		start := time.Now()
		if _, err := smtp.ParseBounce(strings.NewReader(text), "bounce@union.example"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %d bytes take %v", name, len(text), took)
		}
	}
}

// TestMarked reads messages as they stand in the file of a mailbox.
func TestMarked(t *testing.T) {
	t.Parallel()
	for name := range samples {
		b := sample(t, name)
		want := parse(t, b, bounceAddress)
		for _, mark := range []string{"From MAILER-DAEMON Sat Nov 28 16:47:40 2026\n", "From a@mail.example  Sat Nov 28 16:47:40 2026\r\n", ">From MAILER-DAEMON Sat Nov 28\n"} {
			if got := parse(t, append([]byte(mark), b...), bounceAddress); !reflect.DeepEqual(got, want) {
				t.Errorf("%s after %q: %+v, want %+v", name, mark, got, want)
			}
		}
	}
	for _, text := range []string{"From ", ">From", "From x", ">"} {
		if _, err := smtp.ParseBounce(strings.NewReader(text), bounceAddress); err == nil {
			t.Errorf("%q is a message", text)
		}
	}
	if _, err := smtp.ParseBounce(strings.NewReader("From : a@mail.example\r\n\r\n"), bounceAddress); err != nil {
		t.Errorf("a header with a gap: %v", err)
	}
}

// FuzzBounce: whatever arrives, reading it ends, says the same twice, and tells nothing
// that the outbox cannot keep.
func FuzzBounce(f *testing.F) {
	for name := range samples {
		f.Add(sample(f, name))
		f.Add(append([]byte("From MAILER-DAEMON Sat Nov 28 16:47:40 2026\n"), sample(f, name)...))
	}
	reasons := map[mailer.Reason]bool{mailer.ReasonAddress: true, mailer.ReasonFull: true, mailer.ReasonPolicy: true, mailer.ReasonDown: true,
		mailer.ReasonSpam: true, mailer.ReasonOther: true}
	f.Fuzz(func(t *testing.T, b []byte) {
		events, err := smtp.ParseBounce(bytes.NewReader(b), bounceAddress)
		again, err2 := smtp.ParseBounce(bytes.NewReader(b), bounceAddress)
		if !reflect.DeepEqual(events, again) || (err == nil) != (err2 == nil) {
			t.Fatal("read twice, it says something else")
		}
		if err != nil && len(events) > 0 || len(events) > 20 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		seen := map[string]bool{}
		for _, e := range events {
			switch e.State {
			case mailer.Delivered, mailer.Processed:
				if e.Reason != mailer.ReasonNone {
					t.Fatalf("%+v", e)
				}
			case mailer.Delayed, mailer.Blocked, mailer.Bounced, mailer.Complained:
				if !reasons[e.Reason] {
					t.Fatalf("%+v", e)
				}
			default:
				t.Fatalf("%+v", e)
			}
			if len(e.ID) != len("smtp-")+32 || seen[e.ID] {
				t.Fatalf("%+v", e)
			}
			seen[e.ID] = true
			// The id is somewhere in what was sent, unless the part was encoded.
			if id := hex.EncodeToString(e.Mail[:]); !bytes.Contains(bytes.ToLower(b), []byte(id)) && !bytes.Contains(bytes.ToLower(b), []byte("encoding")) {
				t.Fatalf("the id was made up: %+v", e)
			}
		}
	})
}
