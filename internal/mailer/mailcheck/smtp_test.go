package mailcheck_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"strikevote/internal/mailer/mailcheck"
)

// relay answers each command of a mail server by its first word, until the test ends,
// and returns its port and what it was told.
func relay(t *testing.T, answers map[string]string) (port int, told func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var all strings.Builder
		_, _ = c.Write([]byte(answers[""] + "\r\n"))
		for in := bufio.NewScanner(c); in.Scan(); {
			all.WriteString(in.Text() + "\n")
			word, _, _ := strings.Cut(in.Text(), " ")
			_, _ = c.Write([]byte(answers[word] + "\r\n"))
			if word == "QUIT" {
				break
			}
		}
		done <- all.String()
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port, func() string { return <-done }
}

// TestSMTP talks with servers that are each wrong in one way. None gets a mail.
func TestSMTP(t *testing.T) {
	t.Parallel()
	const hello = "250-relay\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN"
	good := map[string]string{"": "220 relay", "EHLO": hello, "AUTH": "235 welcome", "MAIL": "250 well", "RSET": "250 forgotten", "QUIT": "221 bye"}
	with := func(word, answer string) map[string]string {
		m := map[string]string{word: answer}
		for k, v := range good {
			if k != word {
				m[k] = v
			}
		}
		return m
	}
	for _, tt := range []struct {
		name        string
		answers     map[string]string
		tls         string
		check, says string
		want        mailcheck.State
	}{
		{"good", good, "none", "SMTP login", "are right", mailcheck.OK},
		{"size", good, "none", "SMTP size", "50 MB", mailcheck.OK},
		{"no TLS", good, "none", "SMTP TLS", "nothing is encrypted", mailcheck.Warn},
		{"no STARTTLS", good, "starttls", "SMTP TLS", "no STARTTLS", mailcheck.Fail},
		{"no TLS from the beginning", good, "tls", "SMTP TLS", "TLS", mailcheck.Fail},
		{"wrong password", with("AUTH", "535 5.7.8 vera@union.example: no"), "none", "SMTP login", "refuses it: it answered 535", mailcheck.Fail},
		{"no login", with("EHLO", "250-relay\r\n250 SIZE 0"), "none", "SMTP login", "takes no password", mailcheck.Fail},
		{"small", with("EHLO", "250-relay\r\n250-SIZE 1000\r\n250 AUTH PLAIN"), "none", "SMTP size", "1000 bytes", mailcheck.Fail},
		{"strange login", with("EHLO", "250-relay\r\n250 AUTH GSSAPI"), "none", "SMTP login", "offers GSSAPI only", mailcheck.Fail},
		{"as who sends does", with("EHLO", "250-relay\r\n250 AUTH SCRAM-SHA-256"), "none", "SMTP login", "are right", mailcheck.OK},
		{"another password", with("AUTH", "534 5.7.9 Application-specific password required"), "none", "SMTP login", `it answered "534 5.7.9 Application-specific password required"`, mailcheck.Fail},
		{"may send", good, "none", "SMTP sender", "it takes mails from bounce+0@union.example", mailcheck.OK},
		{"may not send", with("MAIL", "553 5.7.1 Sender address rejected:\x1b[2J not owned by user"), "none", "SMTP sender", `it answered "553 5.7.1 Sender address rejected: [2J not owned by user"`, mailcheck.Fail},
		{"away", with("", "554 go away"), "none", "SMTP server", `it answered "554 go away"`, mailcheck.Fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			port, told := relay(t, tt.answers)
			list := mailcheck.SMTP(t.Context(), mailcheck.Relay{Host: "127.0.0.1", Port: port, User: "vera", Password: "hunter2", TLS: tt.tls, From: "bounce+0@union.example"})
			if got := has(list, tt.check, tt.says); got != tt.want {
				t.Errorf("%d, want %d of\n%s", got, tt.want, lines(list))
			}
			if text := lines(list); strings.Contains(text, "hunter2") || strings.Contains(text, "vera@") {
				t.Errorf("it holds what nobody is to read: %s", text)
			}
			text := told()
			if strings.Contains(text, "MAIL") && !strings.Contains(text, "RSET") && !strings.HasPrefix(tt.answers["MAIL"], "5") {
				t.Errorf("a mail was begun, and not given up: %s", text)
			}
			if strings.Contains(text, "RCPT") || strings.Contains(text, "DATA") {
				t.Errorf("a mail was begun: %s", text)
			}
		})
	}
}

// TestSMTPAway finds nobody.
func TestSMTPAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	list := mailcheck.SMTP(t.Context(), mailcheck.Relay{Host: "127.0.0.1", Port: port, TLS: "starttls"})
	if len(list) != 1 || list[0].State != mailcheck.Fail {
		t.Error(lines(list))
	}
	// One that says nothing, such as a port at which TLS begins with the first byte.
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	list = mailcheck.SMTP(ctx, mailcheck.Relay{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: "starttls"})
	if len(list) != 1 || has(list, "SMTP server", "it was silent") != mailcheck.Fail || strings.Contains(lines(list), "closed network") {
		t.Error(lines(list))
	}
}
