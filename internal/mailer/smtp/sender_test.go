package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
)

var soon = time.Now().Add(24 * time.Hour)

// TestSend: mails arrive whole, encrypted, signed in, from an address of their own, over
// few connections that are used again.
func TestSend(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, wire := range []string{smtp.StartTLS, smtp.TLS, smtp.None} {
		p := new(post).start(t, wire, a.vouch(t, "127.0.0.1", soon))
		s := p.sender(t, a, func(c *smtp.Config) {
			if c.TLS = wire; wire == smtp.None {
				c.User, c.Password = "", ""
			}
		})
		for round := range 3 {
			var mails []mailer.Mail
			for i := range 20 {
				mails = append(mails, mailTo(round*20+i, fmt.Sprintf("canary%d@mail.example", i)))
			}
			for i, got := range s.Send(t.Context(), mails) {
				if got != (mailer.Answer{Verdict: mailer.Accepted}) {
					t.Fatalf("%s: mail %d: %+v", wire, i, got)
				}
			}
		}
		// Those that are not there yet when the last mail leaves are given up.
		if len(p.list()) != 60 || p.connected() > 3+2+2 {
			t.Errorf("%s: %d letters over %d connections", wire, len(p.list()), p.connected())
		}
		for _, l := range p.list() {
			if !strings.HasPrefix(l.from, "bounce+") || !strings.HasSuffix(l.from, "@union.example") || len(l.from) != len("bounce+@union.example")+32 ||
				!strings.Contains(l.body, "Message-ID: <"+l.from[7:39]+"@union.example>") || !strings.HasPrefix(l.to, "canary") {
				t.Errorf("%s: from %s", wire, l.from)
			}
			if l.utf8 || l.ret != "HDRS" || l.notify != 2 || !strings.Contains(l.body, "\r\n.\r\n..\r\n") {
				t.Errorf("%s: %+v", wire, l)
			}
		}
		if plain := strings.Contains(p.seen.String(), "canary"); plain != (wire == smtp.None) {
			t.Errorf("%s: addresses in the clear: %v", wire, plain)
		}
		s.Close()
		if got := s.Send(t.Context(), []mailer.Mail{mailTo(1, "a@mail.example")}); got[0].Verdict != mailer.NotTaken {
			t.Errorf("after Close: %+v", got)
		}
	}
}

// TestRefusesServer: before a server is known to be the right one, and the line to be
// encrypted, neither the password nor an address leaves.
func TestRefusesServer(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	for name, tt := range map[string]struct {
		wire   string // of the server
		config *tls.Config
		ours   string
	}{
		"no STARTTLS":             {smtp.None, nil, smtp.StartTLS},
		"another's certificate":   {smtp.StartTLS, other.vouch(t, "127.0.0.1", soon), smtp.StartTLS},
		"of another host":         {smtp.StartTLS, a.vouch(t, "127.0.0.2", soon), smtp.StartTLS},
		"expired":                 {smtp.StartTLS, a.vouch(t, "127.0.0.1", time.Now().Add(-time.Hour)), smtp.StartTLS},
		"another's, implicit":     {smtp.TLS, other.vouch(t, "127.0.0.1", soon), smtp.TLS},
		"expired, implicit":       {smtp.TLS, a.vouch(t, "127.0.0.1", time.Now().Add(-time.Hour)), smtp.TLS},
		"plain where TLS is said": {smtp.None, nil, smtp.TLS},
	} {
		p := &post{mail: func(string) error { t.Error(name + ": an address left"); return nil }}
		if p.accept = nil; name == "plain where TLS is said" {
			p.accept = func(int) error { return errors.New("220 post.example ESMTP") }
		}
		p.start(t, tt.wire, tt.config)
		s := p.sender(t, a, func(c *smtp.Config) { c.TLS = tt.ours })
		got := s.Send(t.Context(), []mailer.Mail{mailTo(1, "canary@mail.example"), mailTo(2, "canary2@mail.example")})
		for _, x := range got {
			if x.Verdict != mailer.NotTaken || x.Reason != mailer.ReasonSettings || x.Pause == 0 {
				t.Errorf("%s: %+v", name, x)
			}
		}
		heard := p.seen.String()
		for _, secret := range []string{"canary", user, "AUTH", "MAIL", "mail.example"} {
			if strings.Contains(heard, secret) {
				t.Errorf("%s: the server heard %q", name, secret)
			}
		}
		if len(p.list()) != 0 {
			t.Errorf("%s: it has a letter", name)
		}
	}
}

// TestStripped stands between a good server and us and takes the offer of encryption
// out, then leaves it in and puts answers of its own before the encryption begins.
func TestStripped(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	p := new(post).start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	for name, change := range map[string]func([]byte) []byte{
		"stripped": func(b []byte) []byte { return bytes.Replace(b, []byte("250-STARTTLS\r\n"), nil, 1) },
		"other name": func(b []byte) []byte {
			return bytes.Replace(b, []byte("STARTTLS"), []byte("XXXXXXXX"), 1)
		},
		"injected": func(b []byte) []byte {
			if bytes.HasPrefix(b, []byte("220 2.0.0")) { // the answer to STARTTLS
				return append(b, "250-post.example\r\n250 AUTH PLAIN\r\n235 2.0.0 fine\r\n250 fine\r\n250 fine\r\n354 go\r\n250 taken\r\n"...)
			}
			return b
		},
	} {
		m := newMiddle(t, p.port, change)
		s := p.sender(t, a, func(c *smtp.Config) { c.Port = m.port })
		got := s.Send(t.Context(), []mailer.Mail{mailTo(1, "canary@mail.example")})[0]
		taken := got.Verdict == mailer.Accepted
		if name != "injected" && (taken || got.Reason != mailer.ReasonSettings || got.Pause == 0) {
			t.Errorf("%s: %+v", name, got)
		}
		// What was injected may end the connection; it may not stand for an answer.
		if taken && len(p.list()) == 0 {
			t.Errorf("%s: an injected answer was believed", name)
		}
		if heard := m.heard(); strings.Contains(heard, "canary") || strings.Contains(heard, "AUTH") || strings.Contains(heard, "MAIL") {
			t.Errorf("%s: the one between heard %q", name, heard)
		}
		s.Close()
	}
}

// A middle is somebody on the way.
type middle struct {
	port int
	mu   sync.Mutex
	b    bytes.Buffer
}

func (m *middle) heard() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.String()
}

func newMiddle(t *testing.T, to int, change func([]byte) []byte) *middle {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &middle{port: l.Addr().(*net.TCPAddr).Port}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", to))
			if err != nil {
				client.Close()
				return
			}
			pass := func(from, to net.Conn, f func([]byte) []byte) {
				defer from.Close()
				defer to.Close()
				b := make([]byte, 64<<10)
				for {
					n, err := from.Read(b)
					if err != nil {
						return
					}
					if _, err := to.Write(f(slices.Clone(b[:n]))); err != nil {
						return
					}
				}
			}
			wg.Go(func() { pass(server, client, change) })
			wg.Go(func() {
				pass(client, server, func(b []byte) []byte {
					m.mu.Lock()
					defer m.mu.Unlock()
					m.b.Write(b)
					return b
				})
			})
		}
	})
	return m
}

// TestAnswers: what the server says at each step, and what becomes of the mail and of
// the sender.
func TestAnswers(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	kept := func(err error) func(letter) (bool, error) { return func(letter) (bool, error) { return false, err } }
	mail := func(err error) func(string) error { return func(string) error { return err } }
	rcpt := func(err error) func(string, string) error { return func(string, string) error { return err } }
	for name, tt := range map[string]struct {
		p      *post
		want   mailer.Verdict
		reason mailer.Reason
		pause  bool
	}{
		"greeting 421":    {&post{accept: func(int) error { return errors.New("421 4.7.0 canary has too many connections") }}, mailer.NotTaken, mailer.ReasonLimit, true},
		"greeting 554":    {&post{accept: func(int) error { return errors.New("554 5.7.1 canary blocked") }}, mailer.NotTaken, mailer.ReasonSettings, true},
		"greeting cut":    {&post{accept: func(int) error { return errDrop }}, mailer.NotTaken, mailer.ReasonDown, true},
		"greeting noise":  {&post{accept: func(int) error { return errors.New("SSH-2.0-canary") }}, mailer.NotTaken, mailer.ReasonDown, true},
		"password":        {&post{auth: func() error { return says(535, 5, 7, 8, "canary") }}, mailer.NotTaken, mailer.ReasonSettings, true},
		"password later":  {&post{auth: func() error { return says(454, 4, 7, 0, "canary") }}, mailer.NotTaken, mailer.ReasonDown, true},
		"password cut":    {&post{auth: func() error { return errDrop }}, mailer.NotTaken, mailer.ReasonDown, true},
		"sender refused":  {&post{mail: mail(says(550, 5, 1, 8, "canary"))}, mailer.NotTaken, mailer.ReasonSettings, true},
		"sender blocked":  {&post{mail: mail(says(554, 5, 7, 1, "canary"))}, mailer.NotTaken, mailer.ReasonSettings, true},
		"sender quota":    {&post{mail: mail(says(550, 5, 4, 5, "daily limit"))}, mailer.NotTaken, mailer.ReasonLimit, true},
		"sender later":    {&post{mail: mail(says(451, 4, 3, 0, "canary"))}, mailer.NotTaken, mailer.ReasonDown, true},
		"sender rate":     {&post{mail: mail(says(450, 4, 7, 1, "too much mail"))}, mailer.NotTaken, mailer.ReasonLimit, true},
		"MAIL cut":        {&post{mail: mail(errDrop)}, mailer.NotTaken, mailer.ReasonDown, false},
		"greylisted":      {&post{rcpt: rcpt(says(451, 4, 7, 1, "Greylisted, try again"))}, mailer.NotTaken, mailer.ReasonPolicy, false},
		"greylisted, 4.2": {&post{rcpt: rcpt(says(450, 4, 2, 0, "canary"))}, mailer.NotTaken, mailer.ReasonDown, false},
		"rate":            {&post{rcpt: rcpt(says(450, 4, 7, 28, "too fast"))}, mailer.NotTaken, mailer.ReasonPolicy, false}, // of this and the like see TestDoubts
		"rejected, later": {&post{rcpt: rcpt(says(450, 4, 7, 1, "<canary>: Recipient address rejected: try again later"))}, mailer.NotTaken, mailer.ReasonPolicy, false},
		"lookup failure":  {&post{rcpt: rcpt(says(451, 4, 3, 0, "<canary>: Temporary lookup failure"))}, mailer.NotTaken, mailer.ReasonDown, false},
		"RCPT 421":        {&post{rcpt: rcpt(says(421, 4, 4, 5, "busy"))}, mailer.NotTaken, mailer.ReasonDown, false},
		"full for now":    {&post{rcpt: rcpt(says(452, 4, 2, 2, "canary"))}, mailer.NotTaken, mailer.ReasonFull, false},
		"no disk":         {&post{rcpt: rcpt(says(452, 4, 3, 1, "canary"))}, mailer.NotTaken, mailer.ReasonDown, false},
		"unknown":         {&post{rcpt: rcpt(says(550, 5, 1, 1, "canary"))}, mailer.Refused, mailer.ReasonAddress, false},
		"disabled":        {&post{rcpt: rcpt(says(550, 5, 2, 1, "canary"))}, mailer.Refused, mailer.ReasonAddress, false},
		"full":            {&post{rcpt: rcpt(says(552, 5, 2, 2, "canary is over quota"))}, mailer.Refused, mailer.ReasonFull, false},
		"policy":          {&post{rcpt: rcpt(says(550, 5, 7, 1, "canary"))}, mailer.NotTaken, mailer.ReasonPolicy, false}, // see TestStranger
		"no relay":        {&post{rcpt: rcpt(says(554, 5, 7, 1, "<canary>: Relay access denied"))}, mailer.NotTaken, mailer.ReasonPolicy, false},
		"sign in first":   {&post{rcpt: rcpt(says(530, 5, 7, 0, "canary"))}, mailer.NotTaken, mailer.ReasonPolicy, false},
		"RCPT cut":        {&post{rcpt: rcpt(errDrop)}, mailer.NotTaken, mailer.ReasonDown, false},
		"DATA cut":        {&post{begin: func(letter) error { return errDrop }}, mailer.NotTaken, mailer.ReasonNone, false},
		"quota":           {&post{end: kept(says(550, 5, 4, 5, "canary: daily limit"))}, mailer.NotTaken, mailer.ReasonLimit, false},
		"content":         {&post{end: kept(says(554, 5, 7, 1, "canary spam"))}, mailer.NotTaken, mailer.ReasonPolicy, false},
		"content later":   {&post{end: kept(says(451, 4, 6, 0, "canary"))}, mailer.NotTaken, mailer.ReasonPolicy, false},
		"not as sender":   {&post{end: kept(says(550, 5, 7, 60, "SendAsDenied"))}, mailer.NotTaken, mailer.ReasonPolicy, false},
		"answer cut":      {&post{end: kept(errDrop)}, mailer.Unknown, mailer.ReasonDown, false},
		"other yes":       {&post{end: kept(says(252, 2, 0, 0, "canary"))}, mailer.Accepted, mailer.ReasonNone, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := tt.p
			p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
			got := p.sender(t, a, nil).Send(t.Context(), []mailer.Mail{mailTo(1, "canary@mail.example")})[0]
			if name == "DATA cut" { // where the mail is short, the last line is gone before the cut shows
				if got.Verdict != mailer.NotTaken && got.Verdict != mailer.Unknown {
					t.Errorf("%+v", got)
				}
				return
			}
			if got.Verdict != tt.want || got.Reason != tt.reason || (got.Pause > 0) != tt.pause {
				t.Errorf("%+v", got)
			}
			if strings.Contains(fmt.Sprintf("%+v", got), "canary") {
				t.Errorf("it quotes the server: %+v", got)
			}
		})
	}
}

// TestQuote repeats what the server says of a test, and only where that is asked for.
func TestQuote(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	p := &post{mail: func(string) error { return says(553, 5, 7, 1, "Sender address rejected") }}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	for _, quote := range []bool{false, true} {
		got := p.sender(t, a, func(c *smtp.Config) { c.Quote = quote }).Send(t.Context(), []mailer.Mail{mailTo(1, "a@mail.example")})[0]
		if (got.Said == "553 5.7.1 Sender address rejected") != quote || !quote && got.Said != "" || got.Reason != mailer.ReasonSettings {
			t.Errorf("quote %t: %+v", quote, got)
		}
	}
}

// TestFault says of a test what is wrong with the way to the server, in words.
func TestFault(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for name, tt := range map[string]struct {
		wire   string // of the server
		config *tls.Config
		change func(*smtp.Config)
		want   string
	}{
		"no STARTTLS":           {smtp.None, nil, nil, "it offers no STARTTLS at this port"},
		"another's certificate": {smtp.StartTLS, other.vouch(t, "127.0.0.1", soon), nil, "its certificate cannot be trusted: certificate signed by unknown authority"},
		"of another host":       {smtp.StartTLS, a.vouch(t, "127.0.0.2", soon), nil, "its certificate cannot be trusted: certificate is valid for 127.0.0.2, not 127.0.0.1"},
		"TLS to a plain port":   {smtp.StartTLS, a.vouch(t, "127.0.0.1", soon), func(c *smtp.Config) { c.TLS = smtp.TLS }, "it does not speak TLS from the first byte at this port"},
		"plain to a TLS port":   {smtp.TLS, a.vouch(t, "127.0.0.1", soon), func(c *smtp.Config) { c.Timeout = 200 * time.Millisecond }, "it was silent for too long, as is a port at which TLS begins"},
		"silence": {smtp.None, nil, func(c *smtp.Config) {
			c.Port, c.TLS, c.Timeout = silent.Addr().(*net.TCPAddr).Port, smtp.TLS, 200*time.Millisecond
		}, "it was silent for too long"},
	} {
		p := new(post).start(t, tt.wire, tt.config)
		s := p.sender(t, a, func(c *smtp.Config) {
			if c.Quote = true; tt.change != nil {
				tt.change(c)
			}
		})
		got := s.Send(t.Context(), []mailer.Mail{mailTo(1, "a@mail.example")})[0]
		if !strings.HasPrefix(got.Fault, tt.want) || got.Said != "" || strings.Contains(got.Fault, "->") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestDown: nobody is there.
func TestDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &post{port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	got := p.sender(t, newAuthority(t), nil).Send(t.Context(), []mailer.Mail{mailTo(1, "a@mail.example"), mailTo(2, "b@mail.example")})
	for _, x := range got {
		if x.Verdict != mailer.NotTaken || x.Reason != mailer.ReasonDown || x.Pause == 0 {
			t.Errorf("%+v", x)
		}
	}
}

// TestOneOfMany: what is said of one recipient holds for no other, on the same
// connection.
func TestOneOfMany(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	p := &post{rcpt: func(_, to string) error {
		switch to[0] {
		case 'g':
			return says(451, 4, 7, 1, "greylisting")
		case 'u':
			return says(550, 5, 1, 1, "no such user")
		case 'c':
			return errDrop
		}
		return nil
	}}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, func(c *smtp.Config) { c.Connections = 1 })
	var mails []mailer.Mail
	for i, to := range []string{"a1", "g1", "a2", "u1", "a3", "c1", "a4", "müller", "a5", "no address"} {
		mails = append(mails, mailTo(i, to+"@mail.example"))
	}
	got := s.Send(t.Context(), mails)
	for i, want := range []mailer.Verdict{mailer.Accepted, mailer.NotTaken, mailer.Accepted, mailer.Refused, mailer.Accepted,
		mailer.NotTaken, mailer.Accepted, mailer.Refused, mailer.Accepted, mailer.Refused} {
		if got[i].Verdict != want || got[i].Pause != 0 {
			t.Errorf("%s: %+v", mails[i].To, got[i])
		}
	}
	// One, and another after each of the two cuts: the mail is tried on a fresh one too.
	if p.connected() != 3 || len(p.list()) != 5 {
		t.Errorf("%d connections, %d letters", p.connected(), len(p.list()))
	}
}

// TestGivesUp: a server that breaks off at each mail is down, and is not asked for the
// rest; one that does so for some mails, one after the other, is asked for all.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var good atomic.Int64 // each of so many is taken; 0: none
	var n atomic.Int64
	p := &post{rcpt: func(string, string) error {
		if g := good.Load(); g > 0 && n.Add(1)%g == 0 {
			return nil
		}
		return errDrop
	}}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, nil)
	var mails []mailer.Mail
	for i := range 60 {
		mails = append(mails, mailTo(i, "a@mail.example"))
	}
	pauses := 0
	for _, x := range s.Send(t.Context(), mails) {
		if x.Verdict != mailer.NotTaken || x.Reason != mailer.ReasonDown {
			t.Errorf("%+v", x)
		}
		if x.Pause > 0 {
			pauses++
		}
	}
	if pauses < 40 || p.connected() > 15 {
		t.Errorf("%d of 60 were not tried, over %d connections", pauses, p.connected())
	}
	good.Store(5)
	taken := 0
	for _, x := range s.Send(t.Context(), mails) {
		if x.Pause > 0 {
			t.Errorf("%+v", x)
		}
		if x.Verdict == mailer.Accepted {
			taken++
		}
	}
	if taken < 12 {
		t.Errorf("%d mails were taken", taken)
	}
}

// TestNobodyBurned: a server that refuses every recipient has something against us. Once
// it takes one in five, it has something against the others.
func TestNobodyBurned(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var known atomic.Bool
	p := &post{rcpt: func(_, to string) error {
		if known.Load() && (to[1] == '0' || to[1] == '5') {
			return nil
		}
		return says(550, 5, 7, 1, "we do not know you")
	}}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, nil)
	var mails []mailer.Mail
	for i := range 20 {
		mails = append(mails, mailTo(i, fmt.Sprintf("%02d@mail.example", i)))
	}
	for _, x := range s.Send(t.Context(), mails) {
		if x.Verdict != mailer.NotTaken || x.Reason != mailer.ReasonSettings || x.Pause == 0 {
			t.Errorf("%+v", x)
		}
	}
	known.Store(true)
	for i, x := range s.Send(t.Context(), mails) {
		if (x.Verdict == mailer.Accepted) != (i%5 == 0) || (x.Verdict == mailer.Refused) != (i%5 > 0) {
			t.Errorf("%d: %+v", i, x)
		}
	}
}

// TestBurnedSlowly: a server that refuses every recipient is not believed either where
// mails leave one by one, as over an hour. The first few could be without a mailbox. The
// negative control is a server that takes one now and then.
func TestBurnedSlowly(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for each, most := range map[int]int{1000: 9, 5: 32} {
		p := &post{rcpt: func(_, to string) error {
			if strings.HasPrefix(to, "good") {
				return nil
			}
			return says(550, 5, 1, 1, "we do not know anybody")
		}}
		p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
		s := p.sender(t, a, nil)
		burned, held := 0, 0
		for i := range 40 {
			to := fmt.Sprintf("bad%d@mail.example", i)
			if i%each == each-1 {
				to = "good@mail.example"
			}
			switch x := s.Send(t.Context(), []mailer.Mail{mailTo(i, to)})[0]; {
			case x.Verdict == mailer.Refused:
				burned++
			case x.Pause > 0 && x.Reason == mailer.ReasonSettings:
				held++
			}
		}
		if burned != most || held != 40-most-40/each {
			t.Errorf("one in %d is taken: %d given up, held back %d times", each, burned, held)
		}
	}
}

// TestStranger: before a server has taken a mail, what it has against one that is not
// about the mailbox gives nobody up; afterwards it is believed.
func TestStranger(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	p := &post{rcpt: func(_, to string) error {
		switch to[:1] {
		case "p":
			return says(550, 5, 7, 1, "blocked")
		case "n":
			return says(550, 5, 1, 1, "no such user")
		}
		return nil
	}}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, nil)
	for i, tt := range []struct {
		to   string
		want mailer.Answer
	}{
		{"p", mailer.Answer{Reason: mailer.ReasonPolicy}},
		{"n", mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}},
		{"good", mailer.Answer{Verdict: mailer.Accepted}},
		{"p", mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonPolicy}},
	} {
		if got := s.Send(t.Context(), []mailer.Mail{mailTo(i, tt.to+"@mail.example")})[0]; got != tt.want {
			t.Errorf("%d, %s: %+v, want %+v", i, tt.to, got, tt.want)
		}
	}
}

// TestInternational: a domain in any script goes everywhere; a name in front of it only
// where the server can.
func TestInternational(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, can := range []bool{false, true} {
		p := new(post).start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
		p.server.EnableSMTPUTF8 = can
		got := p.sender(t, a, func(c *smtp.Config) { c.Connections = 1 }).Send(t.Context(), []mailer.Mail{mailTo(1, "zoe@bücher.example"), mailTo(2, "zoë@bücher.example")})
		if got[0].Verdict != mailer.Accepted || p.list()[0].to != "zoe@xn--bcher-kva.example" || p.list()[0].utf8 {
			t.Errorf("%v: %+v, %+v", can, got[0], p.list())
		}
		for i := range len(p.list()[0].body) {
			if p.list()[0].body[i] >= 0x80 {
				t.Fatal("a mail that every server takes is not ASCII")
			}
		}
		if !can {
			if got[1] != (mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}) || len(p.list()) != 1 {
				t.Errorf("%+v", got[1])
			}
		} else if got[1].Verdict != mailer.Accepted || p.list()[1].to != "zoë@xn--bcher-kva.example" || !p.list()[1].utf8 {
			t.Errorf("%+v, %+v", got[1], p.list())
		}
	}
}

// TestConnections: never more than agreed, fewer if the server takes no more; those that
// the server ended while they waited are noticed, and those that wait long are closed.
func TestConnections(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	p := new(post)
	var roomy atomic.Bool
	p.accept = func(int) error { // two at once
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.open > 2 && !roomy.Load() {
			return errors.New("421 4.7.0 too many connections")
		}
		return nil
	}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, func(c *smtp.Config) { c.Connections, c.Idle = 5, 200*time.Millisecond })
	var wg sync.WaitGroup
	for k := range 2 {
		wg.Go(func() {
			var mails []mailer.Mail
			for i := range 50 {
				mails = append(mails, mailTo(k*50+i, fmt.Sprintf("m%d@mail.example", i)))
			}
			for _, x := range s.Send(t.Context(), mails) {
				if x.Verdict != mailer.Accepted && x.Pause == 0 {
					t.Errorf("%+v", x)
				}
			}
		})
	}
	wg.Wait()
	p.mu.Lock()
	if len(p.letters) < 50 || p.most > 5+1 {
		t.Errorf("%d letters, %d connections at once", len(p.letters), p.most)
	}
	p.mu.Unlock()
	wait(t, "idle connections are closed", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.open == 0
	})
	roomy.Store(true)
	for range 2 {
		if got := s.Send(t.Context(), []mailer.Mail{mailTo(7, "a@mail.example")})[0]; got.Verdict != mailer.Accepted {
			t.Errorf("%+v", got)
		}
	}
}

// TestEndedByServer: a connection that the server ended between batches costs nothing.
func TestEndedByServer(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	n := 0
	p := new(post)
	p.mail = func(string) error {
		if n++; n%4 == 0 { // three mails a connection
			return says(421, 4, 7, 0, "enough mails on this connection")
		}
		return nil
	}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, func(c *smtp.Config) { c.Connections = 1 })
	for i := range 12 {
		if got := s.Send(t.Context(), []mailer.Mail{mailTo(i, "a@mail.example")})[0]; got.Verdict != mailer.Accepted {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

// TestFewConnections: a server that leaves all but one connection without a greeting
// costs no time.
func TestFewConnections(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	release := make(chan struct{})
	p := &post{}
	p.greet = func(n int) {
		if n > 1 {
			<-release
		}
	}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, func(c *smtp.Config) { c.Connections, c.Timeout = 4, 10*time.Minute })
	for round := range 2 {
		var mails []mailer.Mail
		for i := range 20 {
			mails = append(mails, mailTo(round*20+i, "a@mail.example"))
		}
		for _, x := range s.Send(t.Context(), mails) {
			if x.Verdict != mailer.Accepted {
				t.Errorf("%+v", x)
			}
		}
	}
	close(release)
}

// TestCutWhileIdle: so does one that broke, or that the server never answers on again.
func TestCutWhileIdle(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	p := new(post).start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, nil)
	for i := range 4 {
		if got := s.Send(t.Context(), []mailer.Mail{mailTo(i, "a@mail.example")})[0]; got.Verdict != mailer.Accepted {
			t.Errorf("%d: %+v", i, got)
		}
		if i%2 == 1 {
			p.cut()
		}
	}
	if p.connected() != 2 {
		t.Errorf("%d connections", p.connected())
	}
}

// TestHalfMail: a server that takes only a part of a mail must not believe that it is
// the whole, whatever is said to it afterwards.
func TestHalfMail(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	release := make(chan struct{})
	ended := make(chan error, 1)
	p := &post{begin: func(letter) error { <-release; return nil }, half: func(err error) { ended <- err }}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	s := p.sender(t, a, func(c *smtp.Config) { c.Timeout = time.Second })
	long := mailTo(1, "a@mail.example")
	long.Text = strings.Repeat("A line of a mail that no socket's buffer holds.\n", 400_000)
	if got := s.Send(t.Context(), []mailer.Mail{long})[0]; got != (mailer.Answer{Reason: mailer.ReasonDown}) {
		t.Errorf("%+v", got)
	}
	close(release)
	if err := <-ended; err == nil {
		t.Error("the server has a whole mail")
	}
	if n := len(p.list()); n != 0 {
		t.Errorf("%d letters", n)
	}
}

// TestCancel: Send returns when it is told to, whatever the server does; a mail that may
// have been taken is not said to be lost.
func TestCancel(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, want := range map[string]mailer.Verdict{"rcpt": mailer.NotTaken, "end": mailer.Unknown} {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		hang := func(at string) {
			if at == name {
				cancel()
				<-release
			}
		}
		p := &post{rcpt: func(string, string) error { hang("rcpt"); return nil }, end: func(letter) (bool, error) { hang("end"); return true, nil }}
		p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
		s := p.sender(t, a, func(c *smtp.Config) { c.Connections = 1 })
		got := s.Send(ctx, []mailer.Mail{mailTo(1, "a@mail.example"), mailTo(2, "b@mail.example")})
		if got[0].Verdict != want || got[1].Verdict != mailer.NotTaken {
			t.Errorf("%s: %+v", name, got)
		}
		// Without one, the server's time is up at some point.
		s = p.sender(t, a, func(c *smtp.Config) { c.Timeout = 2 * time.Second })
		if got := s.Send(t.Context(), []mailer.Mail{mailTo(3, "a@mail.example")}); got[0].Verdict != want {
			t.Errorf("%s, slow: %+v", name, got)
		}
		close(release)
	}
}

// wait waits for a condition.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// TestConfig refuses what could send in the clear, or nothing at all.
func TestConfig(t *testing.T) {
	t.Parallel()
	good := smtp.Config{Host: "mail.example", User: user, Password: password, Bounce: "bounce@union.example"}
	if s, err := smtp.New(good); err != nil || s.Name() != "smtp" {
		t.Error(err)
	}
	for name, change := range map[string]func(*smtp.Config){
		"no host":             func(c *smtp.Config) { c.Host = "" },
		"host with a break":   func(c *smtp.Config) { c.Host = "a\r\nb" },
		"port":                func(c *smtp.Config) { c.Port = 70000 },
		"unknown TLS":         func(c *smtp.Config) { c.TLS = "maybe" },
		"plain, elsewhere":    func(c *smtp.Config) { c.TLS, c.User, c.Password = smtp.None, "", "" },
		"plain with password": func(c *smtp.Config) { c.TLS, c.Host = smtp.None, "127.0.0.1" },
		"password alone":      func(c *smtp.Config) { c.User = "" },
		"bounce":              func(c *smtp.Config) { c.Bounce = "no address" },
		"bounce with a plus":  func(c *smtp.Config) { c.Bounce = "a+b@union.example" },
		"long bounce":         func(c *smtp.Config) { c.Bounce = strings.Repeat("a", 32) + "@union.example" },
		"connections":         func(c *smtp.Config) { c.Connections = 1000 },
	} {
		c := good
		change(&c)
		if _, err := smtp.New(c); !errors.Is(err, smtp.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("%s: the error holds the password", name)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", good, &good, good); strings.Contains(s, password) {
		t.Errorf("the password shows: %s", s)
	}
}
