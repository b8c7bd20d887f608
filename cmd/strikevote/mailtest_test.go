package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/mailer/mailcheck/dnstest"
)

// talker is a mail server that says one thing to every recipient, on as many connections
// as there are, until the test ends. It returns its port.
func talker(t *testing.T, toRecipients string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	talk := func(c net.Conn) {
		defer c.Close()
		fmt.Fprint(c, "220 post.example\r\n")
		text := false
		for in := bufio.NewScanner(c); in.Scan(); {
			word, _, _ := strings.Cut(in.Text(), " ")
			switch {
			case text:
				if in.Text() != "." {
					continue
				}
				text = false
				fmt.Fprint(c, "250 taken\r\n")
			case word == "RCPT":
				fmt.Fprint(c, toRecipients+"\r\n")
			case word == "DATA":
				text = true
				fmt.Fprint(c, "354 go on\r\n")
			case word == "QUIT":
				fmt.Fprint(c, "221 bye\r\n")
				return
			default:
				fmt.Fprint(c, "250 well\r\n")
			}
		}
	}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { talk(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestMailTestServer: what a mail server says to a test, and what somebody is to do.
func TestMailTestServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		says, to string
		want     string
		code     int
	}{
		"taken":         {"250 well", "vera@mail.example", "smtp: it took the mail\n", exitOK},
		"greylisted":    {"451 4.7.1 Greylisted, come again", "vera@mail.example", `smtp: it takes the mail later; try again in ten minutes; the answer was "451 4.7.1 Greylisted, come again"`, exitFalse},
		"later":         {"450 4.7.1 Recipient address rejected: try again later", "vera@mail.example", "smtp: it takes the mail later", exitFalse},
		"no relay":      {"554 5.7.1 Relay access denied", "vera@mail.example", "smtp: it did not take the mail: key, account or sender is not right; the answer was", exitFalse},
		"blocked":       {"550 5.7.1 blocked", "vera@mail.example", "smtp: it refused the mail for good: the receiving system does not want the mail; the answer was", exitFalse},
		"nobody":        {"550 5.1.1 no such user", "vera@mail.example", "It takes mails of this sender; try an address that exists", exitFalse},
		"letters":       {"250 well", "zoë@mail.example", "smtp: it was not asked to take the mail: it cannot mail an address like this one\n", exitFalse},
		"domain, in ü":  {"250 well", "zoe@münchen.example", "smtp: it took the mail\n", exitOK},
		"nobody listen": {"", "vera@mail.example", "smtp: it was not asked to take the mail: nothing answers at this port\n", exitFalse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := 1
			if tt.says != "" {
				port = talker(t, tt.says)
			}
			var o, said bytes.Buffer
			code := run(context.Background(), testEnv(&o, &said, map[string]string{
				prefix + "MAIL_SENDERS": "smtp", prefix + "MAIL_FROM_ADDRESS": "ballot@union.example", prefix + "SMTP_TLS": "none",
				prefix + "SMTP_HOST": "127.0.0.1", prefix + "SMTP_PORT": fmt.Sprint(port),
			}), []string{"mail", "test", tt.to})
			if code != tt.code || !strings.Contains(o.String(), tt.want) {
				t.Errorf("exit %d: %s%s", code, &o, &said)
			}
		})
	}
}

// TestMailDoctorLater: a system that wants the mail some minutes later has nothing to be
// mended.
func TestMailDoctorLater(t *testing.T) {
	t.Parallel()
	dns := dnstest.Serve(t, dnstest.Zone{"union.example MX": {"mx.union.example"}})
	for says, want := range map[string]string{
		"451 4.7.1 Greylisted, come again": "WARN test mail smtp: it takes the mail later",
		"550 5.7.1 blocked":                "FAIL test mail smtp: it refused the mail for good",
		"250 well":                         "ok test mail smtp: it took the mail",
	} {
		var o, said bytes.Buffer
		run(context.Background(), testEnv(&o, &said, map[string]string{
			prefix + "MAIL_SENDERS": "smtp", prefix + "MAIL_FROM_ADDRESS": "ballot@union.example", prefix + "SMTP_TLS": "none",
			prefix + "SMTP_HOST": "127.0.0.1", prefix + "SMTP_PORT": fmt.Sprint(talker(t, says)),
		}), []string{"doctor", "mail", "-dns", dns, "-recipients", "10", "-to", "vera@mail.example"})
		if out := strings.Join(strings.Fields(o.String()), " "); !strings.Contains(out, want) || strings.Contains(want, "WARN") != strings.Contains(out, "try again in ten minutes: many") {
			t.Errorf("%s: %s%s", says, &o, &said)
		}
	}
}

// TestMailTestProvider: what was not asked of the provider is not said to be its answer,
// and an answer that says nothing is not said to be lost.
func TestMailTestProvider(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	environ := map[string]string{prefix + "MAIL_SENDERS": "sendgrid", prefix + "MAIL_FROM_ADDRESS": "ballot@union.example",
		prefix + "SENDGRID_URL": server.URL, prefix + "SENDGRID_KEY_FILE": written(t, "SG.test", 0o600)}
	for i, tt := range []struct{ to, want string }{
		{"zoë@münchen.example", "sendgrid: it was not asked to take the mail: it cannot mail an address like this one\n"},
		{"vera@mail.example", "sendgrid: it did not say whether it takes the mail, which may arrive; the answer was \"500\"\n"},
	} {
		var o, said bytes.Buffer
		code := run(context.Background(), testEnv(&o, &said, environ), []string{"mail", "test", tt.to})
		if code != exitFalse || o.String() != tt.want || asked != i {
			t.Errorf("%s: exit %d, asked %d times: %s%s", tt.to, code, asked, &o, &said)
		}
	}
}
