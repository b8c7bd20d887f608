package sendgrid_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/sendgrid"
	"strikevote/internal/mailer/sendgrid/sendgridtest"
)

// A bench is a sender and the stand-in that it sends to.
type bench struct {
	*sendgrid.Sender
	server *sendgridtest.Server
	log    bytes.Buffer
}

func newBench(t *testing.T, o sendgridtest.Options) *bench {
	t.Helper()
	b := &bench{server: sendgridtest.New(t, o)}
	b.Sender = b.sender(t, b.server.URL(), o.Sandbox, patient)
	return b
}

const (
	patient   = time.Minute     // a busy machine answers in less
	impatient = 5 * time.Second // of a sender that gets no answer
)

func (b *bench) sender(t *testing.T, url string, sandbox bool, timeout time.Duration) *sendgrid.Sender {
	t.Helper()
	s, err := sendgrid.New(sendgrid.Config{Key: "SG.test", BaseURL: url, Sandbox: sandbox, Timeout: timeout,
		Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample(i int) mailer.Mail {
	return mailer.Mail{ID: [16]byte{0xab, byte(i >> 8), byte(i)}, From: mailer.Address{Name: "Union Ballot", Address: "ballot@union.example"}, ReplyTo: "help@union.example",
		To: fmt.Sprintf("canary%d@mail.example", i), Subject: fmt.Sprintf("Your ballot, Núñez %d", i),
		Text: fmt.Sprintf("Canary Núñez %d\nhttps://booth.example/v1/#t=canary%d\n", i, i), HTML: fmt.Sprintf("<p>Canary Núñez &amp; %d</p>", i), Language: "en"}
}

func samples(n int) []mailer.Mail {
	list := make([]mailer.Mail, n)
	for i := range list {
		list[i] = sample(i)
	}
	return list
}

// verdicts writes answers short: each different one, and how many there are.
func verdicts(answers []mailer.Answer) string {
	var parts []string
	for i := 0; i < len(answers); {
		j, a := i, answers[i]
		for j < len(answers) && answers[j].Verdict == a.Verdict && answers[j].Reason == a.Reason {
			j++
		}
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%d %s %s", j-i, []string{"not taken", "accepted", "refused", "unknown"}[a.Verdict], a.Reason)))
		i = j
	}
	return strings.Join(parts, ", ")
}

// TestSend: a hundred mails are one call, and each arrives as it was written.
func TestSend(t *testing.T) {
	t.Parallel()
	b := newBench(t, sendgridtest.Options{})
	mails := samples(mailer.Batch)
	if got := verdicts(b.Send(t.Context(), mails)); got != "100 accepted" {
		t.Fatal(got)
	}
	kept := b.server.Kept()
	if c := b.server.Counts(); c.Calls != 1 || len(kept) != len(mails) {
		t.Fatalf("%d calls, %d mails", c.Calls, len(kept))
	}
	for i, m := range mails {
		got := kept[i]
		if got.ID != m.ID || got.To != m.To || got.Subject != m.Subject || got.Text != m.Text || got.HTML != m.HTML ||
			got.From != m.From.Address || got.FromName != m.From.Name || got.ReplyTo != m.ReplyTo {
			t.Errorf("mail %d is not what was sent", i)
		}
		if got.Headers["Message-ID"] != fmt.Sprintf("<ab%04x00000000000000000000000000@union.example>", i) ||
			got.Headers["Auto-Submitted"] != "auto-generated" || got.Headers["Content-Language"] != "en" {
			t.Errorf("headers %v", got.Headers)
		}
	}
	if b.log.Len() > 0 {
		t.Errorf("logged: %s", &b.log)
	}
}

// TestSandbox: what is only checked is answered 200, which elsewhere is no yes.
func TestSandbox(t *testing.T) {
	t.Parallel()
	b := newBench(t, sendgridtest.Options{Sandbox: true})
	if got := verdicts(b.Send(t.Context(), samples(2))); got != "2 accepted" {
		t.Error(got)
	}
	b = newBench(t, sendgridtest.Options{Answer: func(int, sendgridtest.Request) sendgridtest.Reply {
		return sendgridtest.Reply{Status: http.StatusOK, Body: "<html>Welcome to our network</html>"}
	}})
	if got := verdicts(b.Send(t.Context(), samples(2))); got != "2 unknown settings" {
		t.Error(got)
	}
}

// TestSettings refuses what could send mails in the clear, or a key with a line end.
func TestSettings(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{"": true, sendgrid.Global: true, sendgrid.Europe + "/": true, "http://127.0.0.1:8080": true, "http://[::1]:1": true,
		"http://localhost:1": true, "http://api.sendgrid.com": false, "http://127.0.0.1.evil.example": false, "https://canary:x@api.sendgrid.com": false, "https://api.sendgrid.com/canary": false,
		"ftp://canary.example": false, "canary": false, "https://api.sendgrid.com?canary": false, "://canary": false} {
		if _, err := sendgrid.New(sendgrid.Config{Key: "SG.x", BaseURL: url}); (err == nil) != good || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, key := range []string{"", "SG.canary\n", "SG.canary\r\nX: y", "SG.canáry", "SG.canary x"} {
		if _, err := sendgrid.New(sendgrid.Config{Key: key}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", key, err)
		}
	}
	c := sendgrid.Config{Key: "SG.canary"}
	s, err := sendgrid.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "sender", s)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		fmt.Fprintf(&out, verb+verb+verb, c, &c, s)
	}
	if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), "63616e617279") {
		t.Errorf("the key shows: %s", &out)
	}
}

// TestAnswers: what each answer says of the mails, and how long SendGrid is left alone.
func TestAnswers(t *testing.T) {
	t.Parallel()
	later := func(d time.Duration) http.Header {
		return http.Header{"X-Ratelimit-Reset": {strconv.FormatInt(time.Now().Add(d).Unix(), 10)}}
	}
	for name, tt := range map[string]struct {
		reply    sendgridtest.Reply
		want     string
		from, to time.Duration // of the pause
	}{
		"limit":               {sendgridtest.Reply{Status: 429, Header: later(200 * time.Second)}, "3 not taken limit", 100 * time.Second, 250 * time.Second},
		"limit, no end":       {sendgridtest.Reply{Status: 429}, "3 not taken limit", 15 * time.Second, 19 * time.Second},
		"limit, far away":     {sendgridtest.Reply{Status: 429, Header: later(1e6 * time.Hour)}, "3 not taken limit", 5 * time.Minute, 7 * time.Minute},
		"limit, over":         {sendgridtest.Reply{Status: 429, Header: later(-time.Hour)}, "3 not taken limit", time.Second, 2 * time.Second},
		"limit, wrong clock":  {sendgridtest.Reply{Status: 429, Header: http.Header{"Date": {"Sun, 06 Nov 1994 08:49:37 GMT"}, "X-Ratelimit-Reset": {"784111807"}}}, "3 not taken limit", 30 * time.Second, 38 * time.Second},
		"limit, nonsense":     {sendgridtest.Reply{Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"soon"}, "Retry-After": {"7"}}}, "3 not taken limit", 7 * time.Second, 9 * time.Second},
		"limit, overflow":     {sendgridtest.Reply{Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"9223372036854775807"}}}, "3 not taken limit", time.Second, 7 * time.Minute},
		"retry after a date":  {sendgridtest.Reply{Status: 429, Header: http.Header{"Date": {"Sun, 06 Nov 1994 08:49:37 GMT"}, "Retry-After": {"Sun, 06 Nov 1994 08:50:37 GMT"}}}, "3 not taken limit", time.Minute, 75 * time.Second},
		"key":                 {sendgridtest.Reply{Status: 401}, "3 not taken settings", 5 * time.Minute, 5 * time.Minute},
		"forbidden":           {sendgridtest.Reply{Status: 403}, "3 not taken settings", 5 * time.Minute, 5 * time.Minute},
		"not there":           {sendgridtest.Reply{Status: 404}, "3 not taken settings", 5 * time.Minute, 5 * time.Minute},
		"elsewhere":           {sendgridtest.Reply{Status: 307, Header: http.Header{"Location": {"/v3/mail/send"}}}, "3 not taken settings", 5 * time.Minute, 5 * time.Minute},
		"failure":             {sendgridtest.Reply{Status: 500}, "3 unknown down", 0, 0},
		"failure, accepted":   {sendgridtest.Reply{Status: 503, Accept: true}, "3 unknown down", 0, 0},
		"no answer":           {sendgridtest.Reply{Never: true, Accept: true}, "3 unknown down", 0, 0},
		"fault of the sender": {sendgridtest.Faulty("from.email", "canary0@mail.example is not verified"), "3 not taken settings", 5 * time.Minute, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, sendgridtest.Options{Answer: func(n int, _ sendgridtest.Request) sendgridtest.Reply {
				if n > 1 {
					t.Error("asked again")
				}
				return tt.reply
			}})
			if tt.reply.Never {
				b.Sender = b.sender(t, b.server.URL(), false, impatient)
			}
			got := b.Send(t.Context(), samples(3))
			if verdicts(got) != tt.want || got[2].Pause < tt.from || got[2].Pause > tt.to {
				t.Errorf("%s, pause %v; want %s, %v to %v", verdicts(got), got[2].Pause, tt.want, tt.from, tt.to)
			}
			if s := b.log.String(); strings.Contains(s, "canary") || !strings.Contains(s, "status=") {
				t.Errorf("logged: %s", s)
			}
		})
	}
}

// TestLosses: after answers that were lost one after the other, SendGrid is left alone
// for longer and longer, so that not all mails become of unknown fate. One yes ends it.
func TestLosses(t *testing.T) {
	t.Parallel()
	b := newBench(t, sendgridtest.Options{Answer: func(n int, _ sendgridtest.Request) sendgridtest.Reply {
		if n == 5 {
			return sendgridtest.Reply{Accept: true, Status: 202}
		}
		return sendgridtest.Reply{Status: 502}
	}})
	var pauses []time.Duration
	for range 6 {
		pauses = append(pauses, b.Send(t.Context(), samples(1))[0].Pause)
	}
	if pauses[0] != 0 || pauses[1] < 10*time.Second || pauses[2] < 20*time.Second || pauses[3] < 40*time.Second || pauses[4] != 0 || pauses[5] != 0 {
		t.Errorf("pauses %v", pauses)
	}
}

// TestUnreached: what never left is not taken, and may go by another sender.
func TestUnreached(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b := new(bench)
	for _, url := range []string{url, "https://" + l.Addr().String()} {
		got := b.sender(t, url, false, patient).Send(t.Context(), samples(3))
		if verdicts(got) != "3 not taken down" || got[0].Pause < 10*time.Second {
			t.Errorf("%s, %v", verdicts(got), got[0].Pause)
		}
	}
	b = newBench(t, sendgridtest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := verdicts(b.Send(ctx, samples(3))); got != "3 not taken" || b.server.Counts().Calls != 0 {
		t.Errorf("after the end: %s, %d calls", got, b.server.Counts().Calls)
	}
}

// TestLostStops: after a call whose answer is lost no other is made, so at most one is
// of unknown fate.
func TestLostStops(t *testing.T) {
	t.Parallel()
	b := newBench(t, sendgridtest.Options{Answer: func(n int, _ sendgridtest.Request) sendgridtest.Reply {
		if n == 2 {
			return sendgridtest.Reply{Never: true, Accept: true}
		}
		return sendgridtest.Reply{Status: 202, Accept: true}
	}})
	b.Sender = b.sender(t, b.server.URL(), false, impatient)
	mails := samples(4)
	for i, language := range []string{"en", "es", "ko", "vi"} {
		mails[i].Language = language
	}
	if got := verdicts(b.Send(t.Context(), mails)); got != "1 accepted, 1 unknown down, 2 not taken down" {
		t.Error(got)
	}
}

// TestFaults: SendGrid finds fault with some mails of a call. The others go, and the
// asking ends.
func TestFaults(t *testing.T) {
	t.Parallel()
	bad := map[string]bool{"canary3@mail.example": true, "canary4@mail.example": true, "canary99@mail.example": true}
	b := newBench(t, sendgridtest.Options{Bad: func(a string) bool { return bad[a] }})
	got := verdicts(b.Send(t.Context(), samples(100)))
	if got != "3 accepted, 2 refused address, 94 accepted, 1 refused address" || len(b.server.Kept()) != 97 {
		t.Errorf("%s; %d arrived", got, len(b.server.Kept()))
	}
	if s := b.log.String(); strings.Contains(s, "canary") || !strings.Contains(s, "field=personalizations.to") {
		t.Errorf("logged: %s", s)
	}

	for name, tt := range map[string]struct {
		reply func(sendgridtest.Request) *sendgridtest.Reply
		want  string
		calls int // at most
	}{
		"another field": {func(r sendgridtest.Request) *sendgridtest.Reply {
			return faultWhere(r, "canary1@", "personalizations.%d.subject")
		}, "1 accepted, 1 not taken other, 8 accepted", 2},
		"brackets": {func(r sendgridtest.Request) *sendgridtest.Reply {
			return faultWhere(r, "canary1@", "personalizations[%d].to[0].email")
		}, "1 accepted, 1 refused address, 8 accepted", 2},
		"nobody named": {func(r sendgridtest.Request) *sendgridtest.Reply {
			return faultWhere(r, "canary7@", "personalizations")
		}, "7 accepted, 1 not taken other, 2 accepted", 10},
		"no field": {func(r sendgridtest.Request) *sendgridtest.Reply {
			return faultWhere(r, "canary7@", "")
		}, "7 accepted, 1 not taken other, 2 accepted", 10},
		"too large": {func(r sendgridtest.Request) *sendgridtest.Reply {
			if len(r.Personalizations) > 3 {
				return &sendgridtest.Reply{Status: 413}
			}
			return nil
		}, "10 accepted", 7},
		"always too large": {func(sendgridtest.Request) *sendgridtest.Reply { return &sendgridtest.Reply{Status: 413} }, "10 not taken other", 19},
		"substitutions": {func(r sendgridtest.Request) *sendgridtest.Reply {
			for i, p := range r.Personalizations {
				if p.To[0].Email == "canary2@mail.example" && len(p.Substitutions) > 0 {
					f := sendgridtest.Faulty(fmt.Sprintf("personalizations.%d.substitutions", i), "too long")
					return &f
				}
			}
			return nil
		}, "10 accepted", 3},
		"always a mail that is not there": {func(sendgridtest.Request) *sendgridtest.Reply {
			f := sendgridtest.Faulty("personalizations.1000.to", "x")
			return &f
		}, "8 not taken other, 2 not taken settings", 17},
		"what is no answer": {func(sendgridtest.Request) *sendgridtest.Reply {
			return &sendgridtest.Reply{Status: 400, Body: "<html>" + strings.Repeat("canary", 1e5)}
		}, "8 not taken other, 2 not taken settings", 17},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, sendgridtest.Options{Answer: func(_ int, r sendgridtest.Request) sendgridtest.Reply {
				if reply := tt.reply(r); reply != nil {
					return *reply
				}
				return sendgridtest.Reply{Status: 202, Accept: true}
			}})
			got := verdicts(b.Send(t.Context(), samples(10)))
			if c := b.server.Counts(); got != tt.want || c.Calls > tt.calls {
				t.Errorf("%s, %d calls; want %s, at most %d", got, c.Calls, tt.want, tt.calls)
			}
			if strings.Contains(b.log.String(), "canary") {
				t.Errorf("logged: %s", &b.log)
			}
		})
	}
}

// TestAllRefused: SendGrid says of every address that it is none, as it has been seen to
// do by mistake. Nobody is given up for that; where it says so of some, they are.
func TestAllRefused(t *testing.T) {
	t.Parallel()
	for share, want := range map[int]string{1: "100 not taken settings", 5: "80 accepted, 20 refused address"} {
		b := newBench(t, sendgridtest.Options{Bad: func(a string) bool {
			return share == 1 || len(a) == len("canary80@mail.example") && a >= "canary80@"
		}})
		if got := verdicts(b.Send(t.Context(), samples(100))); got != want || b.server.Counts().Calls > 21 {
			t.Errorf("%s in %d calls, want %s", got, b.server.Counts().Calls, want)
		}
	}
}

// faultWhere finds fault with the mail to an address, if it is in a call.
func faultWhere(r sendgridtest.Request, address, field string) *sendgridtest.Reply {
	for i, p := range r.Personalizations {
		if strings.HasPrefix(p.To[0].Email, address) {
			if strings.Contains(field, "%d") {
				field = fmt.Sprintf(field, i)
			}
			f := sendgridtest.Faulty(field, "canary wrote this")
			return &f
		}
	}
	return nil
}

// TestManySend: calls at once through one sender lose and double nothing. Through one
// client of SendGrid's library they do.
func TestManySend(t *testing.T) {
	t.Parallel()
	b := newBench(t, sendgridtest.Options{})
	const workers, each = 8, 25
	errs := make(chan error, workers)
	for w := range workers {
		go func() {
			var err error
			for i := range each {
				if a := b.Send(t.Context(), []mailer.Mail{sample(w*each + i)}); a[0].Verdict != mailer.Accepted {
					err = errors.New(verdicts(a))
				}
			}
			errs <- err
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	to := make(map[string]bool)
	for _, m := range b.server.Kept() {
		to[m.To] = true
	}
	if len(to) != workers*each || len(b.server.Kept()) != workers*each {
		t.Errorf("%d mails to %d members", len(b.server.Kept()), len(to))
	}
}
