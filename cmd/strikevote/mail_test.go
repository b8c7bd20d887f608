package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"strikevote/internal/mailer/mailcheck/dnstest"
	"strikevote/internal/protocol/election"
)

// An accountServer is SendGrid's account: its settings, and the lists it keeps.
type accountServer struct {
	mu    sync.Mutex
	lists map[string][]string // addresses by list
	sent  int
	asked []string // paths
}

func (s *accountServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	if r.Header.Get("Authorization") != "Bearer SG.test" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	type object = map[string]any
	var answer any
	switch path := r.URL.Path; {
	case path == "/v3/scopes":
		answer = object{"scopes": []string{"mail.send"}}
	case path == "/v3/tracking_settings":
		answer = object{"result": []object{{"name": "click", "enabled": true}, {"name": "open", "enabled": false}}}
	case path == "/v3/user/webhooks/event/settings/all":
		w.WriteHeader(http.StatusForbidden)
		return
	case path == "/v3/user/credits":
		answer = object{"remain": 100000, "next_reset": "2027-01-01"}
	case path == "/v3/whitelabel/domains":
		answer = []object{{"domain": "union.example", "subdomain": "em1", "valid": true}}
	case path == "/v3/mail/send":
		s.sent++
		w.WriteHeader(http.StatusAccepted)
		return
	case strings.HasPrefix(path, "/v3/asm/suppressions/global/"):
		answer = object{}
	case strings.HasPrefix(path, "/v3/suppression/"):
		answer = s.list(r.Method, strings.TrimPrefix(path, "/v3/suppression/"))
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *accountServer) list(method, path string) any {
	name, address, one := strings.Cut(path, "/")
	found := []map[string]any{}
	var left []string
	for _, x := range s.lists[name] {
		if one && x != address {
			left = append(left, x)
			continue
		}
		found = append(found, map[string]any{"email": x, "created": 1, "reason": "550 no"})
	}
	if method == http.MethodDelete {
		s.lists[name] = left
	}
	return found
}

// provider starts an account whose lists hold addresses, and names it in the settings:
// provider bounces=a@mail.example.
func provider(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: provider LIST=ADDRESS...")
	}
	s := &accountServer{lists: make(map[string][]string)}
	for _, arg := range args {
		list, address, _ := strings.Cut(arg, "=")
		s.lists[list] = append(s.lists[list], address)
	}
	server := httptest.NewServer(s)
	ts.Defer(server.Close)
	key := ts.MkAbs("sendgrid.key")
	ts.Check(os.WriteFile(key, []byte("SG.test\n"), 0o600))
	ts.Setenv("STRIKEVOTE_SENDGRID_URL", server.URL)
	ts.Setenv("STRIKEVOTE_SENDGRID_KEY_FILE", key)
}

// TestMailDoctor examines a domain and an account that lack something each, and sends a
// test. What it prints holds no key.
func TestMailDoctor(t *testing.T) {
	t.Parallel()
	account := &accountServer{}
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	dns := dnstest.Serve(t, dnstest.Zone{
		"union.example MX":             {"mx.union.example"},
		"em1.union.example TXT":        {"v=spf1 a -all"},
		"_dmarc.union.example TXT":     {"v=DMARC1; p=none; rua=mailto:it@union.example"},
		"employer.example MX":          {"mx.employer.example"},
		"_dmarc.employer.example TXT":  {"v=DMARC1; p=reject"},
		"s1._domainkey.union.example ": nil,
	})
	environ := map[string]string{
		"STRIKEVOTE_MAIL_SENDERS": "sendgrid", "STRIKEVOTE_MAIL_FROM_ADDRESS": "ballot@union.example",
		"STRIKEVOTE_SENDGRID_URL": server.URL, "STRIKEVOTE_SENDGRID_KEY_FILE": written(t, "SG.test", 0o600),
	}
	look := func(args ...string) (code int, out string) {
		var o, said bytes.Buffer
		code = run(context.Background(), testEnv(&o, &said, environ), append([]string{"doctor", "mail", "-dns", dns, "-recipients", "22000"}, args...))
		return code, o.String() + said.String()
	}
	code, out := look()
	if code != exitFalse || strings.Contains(out, "SG.test") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	for _, want := range []string{
		`(?m)WARN settings STRIKEVOTE_SENDGRID_WEBHOOK_KEY is empty`,
		`FAIL SendGrid tracking Click Tracking is on`,
		`WARN SendGrid events the key may not look; give it the scope user.webhooks.event.settings.read`,
		`ok SendGrid credits 100000 mails`,
		`ok SendGrid domain the account may send for union.example`,
		`ok SPF of em1.union.example`,
		`FAIL DKIM s1 there is no key at s1._domainkey.union.example`,
		`WARN DMARC of union.example p=none`,
		`WARN alignment only the envelope belongs to union.example`,
	} {
		want = strings.TrimPrefix(want, "(?m)")
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("it does not say %s:\n%s", want, out)
		}
	}
	if account.sent != 0 {
		t.Errorf("%d mails were sent", account.sent)
	}
	if code, out = look("-json", "-to", "it@union.example"); code != exitFalse || account.sent != 1 || !strings.Contains(out, "sendgrid: it took the mail") {
		t.Errorf("exit %d, %d mails:\n%s", code, account.sent, out)
	}
	environ["STRIKEVOTE_MAIL_SENDERS"], environ["STRIKEVOTE_SMTP_HOST"] = "sendgrid,smtp", "127.0.0.1"
	environ["STRIKEVOTE_SMTP_PORT"], environ["STRIKEVOTE_SMTP_BOUNCE_ADDRESS"] = "1", "bounce@other.example" // nobody is there
	_, out = look("-selector", "key7")
	for _, want := range []string{"FAIL SMTP server", "SPF of em1.union.example", "FAIL SPF of other.example", "DKIM s1", "FAIL DKIM key7", "alignment sendgrid", "alignment smtp", "FAIL MX of other.example"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("of two senders it does not say %s:\n%s", want, out)
		}
	}
	if strings.Count(out, "DMARC of union.example") != 1 {
		t.Errorf("it says the same twice:\n%s", out)
	}
	environ["STRIKEVOTE_MAIL_SENDERS"], environ["STRIKEVOTE_MAIL_FROM_ADDRESS"] = "sendgrid", "ballot@hr.employer.example"
	if _, out := look("-employer", "employer.example"); !strings.Contains(out, "hr.employer.example is the employer's domain") {
		t.Errorf("a sender at the employer is not told:\n%s", out)
	}
	environ["STRIKEVOTE_MAIL_SENDERS"], environ["STRIKEVOTE_MAIL_FROM_ADDRESS"] = "outbox", "ballot@union.example"
	dns = "127.0.0.1:1" // nobody is there
	if code, out = look("-dns", dns); code != exitFailed || !strings.Contains(out, "nothing could be looked up") || strings.Contains(out, "->") || strings.Contains(out, "asking for") {
		t.Errorf("exit %d without a DNS:\n%s", code, out)
	}
	environ["STRIKEVOTE_MAIL_SENDERS"] = "sendgrid"
	environ["STRIKEVOTE_SENDGRID_KEY_FILE"] = written(t, "SG.other", 0o600)
	if code, out = look(); code != exitFalse || !strings.Contains(out, "the provider does not know it") {
		t.Errorf("exit %d with another key:\n%s", code, out)
	}
}

// TestMailTest sends a test by the outbox and by the account.
func TestMailTest(t *testing.T) {
	t.Parallel()
	account := &accountServer{}
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	environ := map[string]string{"STRIKEVOTE_DATA": data}
	test := func(args ...string) (code int, out string) {
		var o, said bytes.Buffer
		code = run(context.Background(), testEnv(&o, &said, environ), append([]string{"mail", "test"}, args...))
		return code, o.String() + said.String()
	}
	if code, out := test("vera@mail.example"); code != exitOK || !strings.Contains(out, "outbox: it took the mail: it is a file in "+data) || strings.Contains(out, "Now look") {
		t.Errorf("exit %d: %s", code, out)
	}
	files, err := filepath.Glob(filepath.Join(data, "mail", "*.eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d mails, %v", len(files), err)
	}
	if b, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(b), "It is no ballot") || strings.Contains(string(b), "://") {
		t.Errorf("the mail is %s, %v", b, err)
	}
	environ["STRIKEVOTE_MAIL_DIR"] = "/nowhere"
	if code, out := test("vera@mail.example"); code != exitFalse || !strings.Contains(out, "its folder is there and may be written to: /nowhere") {
		t.Errorf("exit %d without a folder: %s", code, out)
	}
	delete(environ, "STRIKEVOTE_MAIL_DIR")
	if code, _ := test("vera"); code != exitUsage {
		t.Errorf("exit %d for what is no address", code)
	}
	if code, _ := test("-sender", "smtp", "vera@mail.example"); code != exitUsage {
		t.Errorf("exit %d for a sender that is not configured", code)
	}
	environ["STRIKEVOTE_MAIL_SENDERS"], environ["STRIKEVOTE_MAIL_FROM_ADDRESS"] = "sendgrid", "ballot@union.example"
	environ["STRIKEVOTE_SENDGRID_URL"], environ["STRIKEVOTE_SENDGRID_KEY_FILE"] = server.URL, written(t, "SG.test", 0o600)
	if code, out := test("vera@mail.example"); code != exitOK || account.sent != 1 || !strings.Contains(out, "sendgrid: it took the mail") {
		t.Errorf("exit %d, %d sent: %s", code, account.sent, out)
	}
	environ["STRIKEVOTE_SENDGRID_SANDBOX"] = "yes"
	if code, out := test("vera@mail.example"); code != exitOK || !strings.Contains(out, "no mail arrives: STRIKEVOTE_SENDGRID_SANDBOX is yes") {
		t.Errorf("exit %d in the sandbox: %s", code, out)
	}
	environ["STRIKEVOTE_SENDGRID_KEY_FILE"] = written(t, "SG.other", 0o600)
	if code, out := test("vera@mail.example"); code != exitFalse || !strings.Contains(out, "did not take the mail: key, account or sender is not right; the answer was \"401") {
		t.Errorf("exit %d with another key: %s", code, out)
	}
}

// TestMailSettings sets what would keep mails from leaving, and finds each.
func TestMailSettings(t *testing.T) {
	t.Parallel()
	key := written(t, "SG.test", 0o600)
	for _, tt := range []struct{ settings, want string }{
		{"", ""},
		{"MAIL_SENDERS=outbox", ""},
		{"MAIL_SENDERS=pigeon", `there is no "pigeon"; write outbox, smtp or sendgrid`},
		{"MAIL_SENDERS=smtp,smtp", "smtp is named twice"},
		{"MAIL_SENDERS=sendgrid,outbox", "outbox is a folder that nobody sends from; name it alone"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@union.example", "SENDGRID_KEY_FILE: STRIKEVOTE_MAIL_SENDERS names sendgrid, and there is no key"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@union.example SENDGRID_KEY_FILE=" + key, "warning: STRIKEVOTE_SENDGRID_WEBHOOK_KEY is empty"},
		{"MAIL_SENDERS=sendgrid SENDGRID_SANDBOX=yes MAIL_FROM_ADDRESS=b@union.example SENDGRID_KEY_FILE=" + key, "warning: STRIKEVOTE_SENDGRID_SANDBOX is yes: no mail arrives"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@union.example SENDGRID_KEY_FILE=/nowhere", "SENDGRID_KEY_FILE: stat /nowhere"},
		{"MAIL_SENDERS=sendgrid SENDGRID_KEY_FILE=" + key, "MAIL_FROM_ADDRESS: it is empty, and mails leave this machine"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@localhost SENDGRID_KEY_FILE=" + key, "localhost is not a domain that anybody can answer to"},
		{"MAIL_SENDERS=sendgrid SENDGRID_URL=http://api.example MAIL_FROM_ADDRESS=b@union.example SENDGRID_KEY_FILE=" + key, "SENDGRID_URL: it is plain HTTP"},
		{"MAIL_SENDERS=smtp MAIL_FROM_ADDRESS=b@union.example", "SMTP_HOST: STRIKEVOTE_MAIL_SENDERS names smtp, and there is no server"},
		{"MAIL_SENDERS=smtp SMTP_HOST=mx.example SMTP_TLS=none MAIL_FROM_ADDRESS=b@union.example", "SMTP_TLS: none is for a server on this machine only"},
		{"MAIL_SENDERS=smtp SMTP_HOST=127.0.0.1 SMTP_TLS=none MAIL_FROM_ADDRESS=b@union.example", "warning: STRIKEVOTE_SMTP_BOUNCE_ADDRESS is empty"},
		{"MAIL_SENDERS=smtp SMTP_HOST=mx.example SMTP_TLS=maybe MAIL_FROM_ADDRESS=b@union.example", `"maybe" is none; write starttls, tls or none`},
		{"SMTP_USER=x", "SMTP_USER: set it together with STRIKEVOTE_SMTP_PASSWORD_FILE"},
		{"MAIL_SENDERS=smtp SMTP_HOST=mx.example SMTP_USER=x MAIL_FROM_ADDRESS=b@union.example", "or neither; where systemd gives it to the unit"},
		{"SMTP_HOST=localhost:2587", "write only the host, localhost, and STRIKEVOTE_SMTP_PORT=2587"},
		{"SMTP_HOST=smtps://u:p@mx.example:465/", "write only the host, mx.example, without what stands before it, and STRIKEVOTE_SMTP_PORT=465, and STRIKEVOTE_SMTP_TLS=tls"},
		{"SMTP_HOST=smtp://127.0.0.1:2525", "write only the host, 127.0.0.1, without what stands before it, and STRIKEVOTE_SMTP_PORT=2525"},
		{"SMTP_HOST=mx/example", "it is not the name of a server"},
		{"SMTP_TLS=ssl", "ssl is called tls here; write tls"},
		{"MAIL_SENDERS=smtp SMTP_HOST=localhost SMTP_TLS=none SMTP_USER=x SMTP_PASSWORD_FILE=" + key, "SMTP_USER: a password is not sent unencrypted, and STRIKEVOTE_SMTP_TLS is none"},
		{"SMTP_BOUNCE_ADDRESS=b+c@union.example", "there is a + in it"},
		{"SMTP_BOUNCE_ADDRESS=" + strings.Repeat("b", 32) + "@union.example", "there are 32 characters, and there is room for 31"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@union.example SENDGRID_KEY_FILE=SG.secret-key", "this looks like the key itself"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@union.example SENDGRID_KEY_FILE=secret-key", "SENDGRID_KEY_FILE: there is no such file; write the name"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@union.example SENDGRID_KEY_FILE=" + written(t, "\n", 0o600), "is empty; put the secret into it"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@GMail.com SENDGRID_KEY_FILE=" + key, "nobody but GMail.com may send for GMail.com"},
		{"MAIL_SENDERS=sendgrid MAIL_FROM_ADDRESS=b@yahoo.co.uk SENDGRID_KEY_FILE=" + key, "use a domain of the union"},
		{"MAIL_SENDERS=sendgrid SENDGRID_WEBHOOK_KEY= MAIL_FROM_ADDRESS=b@live.union.example SENDGRID_KEY_FILE=" + key, "warning: STRIKEVOTE_SENDGRID_WEBHOOK_KEY is empty"},
		{"SMTP_PORT=x", `"x" is not a port; write it like 587`},
		{"MAIL_BOUNCES=/x", "SMTP_BOUNCE_ADDRESS: STRIKEVOTE_MAIL_BOUNCES is set"},
		{"MAIL_BOUNCES=/nowhere SMTP_BOUNCE_ADDRESS=b@union.example", "warning: STRIKEVOTE_MAIL_BOUNCES: there is no folder /nowhere/new"},
		{"SENDGRID_SANDBOX=perhaps", "write yes or no"},
	} {
		environ := make(map[string]string)
		for _, s := range strings.Fields(tt.settings) {
			name, text, _ := strings.Cut(s, "=")
			environ[prefix+name] = text
		}
		code, _, said := configured(t, environ, "check")
		if strings.Contains(said, "secret-key") {
			t.Errorf("%s: it prints the key", tt.want)
		}
		warning := strings.HasPrefix(tt.want, "warning")
		if !strings.Contains(said, tt.want) || (code == exitOK) != (tt.want == "" || warning) || tt.want == "" && said != "" {
			t.Errorf("%s: exit %d, %s; want %s", tt.settings, code, said, tt.want)
		}
	}
	// All at once.
	_, _, said := configured(t, map[string]string{
		prefix + "MAIL_SENDERS": "sendgrid,smtp", prefix + "MAIL_BOUNCES": "/x", prefix + "SMTP_USER": "x",
	}, "check")
	if n := strings.Count(said, "\n"); n != 5 {
		t.Errorf("%d problems, not 5:\n%s", n, said)
	}
	// A secret of systemd's.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sendgrid-key"), []byte("SG.test"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, said := configured(t, map[string]string{
		prefix + "MAIL_SENDERS": "sendgrid", prefix + "MAIL_FROM_ADDRESS": "b@union.example", "CREDENTIALS_DIRECTORY": dir,
	}, "check")
	if code != exitOK {
		t.Errorf("with a credential: exit %d, %s", code, said)
	}
}

// bounceOf returns what a mail system writes about a mail that it cannot deliver.
func bounceOf(id string) string {
	return "From: MAILER-DAEMON@mail.example\r\nTo: bounce+" + id + "@union.example\r\n" +
		"Subject: Undelivered\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nno\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
		"Reporting-MTA: dns; mail.example\r\n\r\nFinal-Recipient: rfc822; vera@mail.example\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
}

// bounced writes the bounce of a mail in the outbox, whole at once, as a mail system
// does: bounced FILE MAIL.
func bounced(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bounced FILE MAIL")
	}
	id, _, _ := strings.Cut(filepath.Base(args[1]), "-")
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(ts.MkAbs("part"), []byte(bounceOf(id)), 0o600))
	ts.Check(os.Rename(ts.MkAbs("part"), path))
}

// TestBounceLater gives bounces that cannot be counted: the mail system keeps those that
// say something, and none ever bounces.
func TestBounceLater(t *testing.T) {
	t.Parallel()
	bounce := bounceOf("000102030405060708090a0b0c0d0e0f")
	for _, tt := range []struct {
		name, in string
		environ  map[string]string
		args     []string
		want     int
	}{
		{"garbage", strings.Repeat("\x00garbage", 1000), nil, nil, exitOK},
		{"nothing", "", nil, nil, exitOK},
		{"a note", "From: vera@mail.example\r\nSubject: On holiday\r\n\r\nuntil May\r\n", nil, nil, exitOK},
		{"a note, where the senders' secrets are the service's", "From: vera@mail.example\r\nSubject: On holiday\r\n\r\nuntil May\r\n", map[string]string{
			"STRIKEVOTE_MAIL_SENDERS": "sendgrid,smtp", "STRIKEVOTE_SMTP_HOST": "mx.example", "STRIKEVOTE_SMTP_USER": "x", "STRIKEVOTE_MAIL_FROM_ADDRESS": "b@union.example",
			"STRIKEVOTE_LISTEN_BOOTH": ":443", "STRIKEVOTE_ORIGIN_BOOTH": "https://vote.union.example",
		}, nil, exitOK},
		{"no data folder", bounce, nil, nil, exitLater},
		{"no such folder", bounce, map[string]string{"STRIKEVOTE_DATA": "/nowhere"}, nil, exitLater},
		{"wrong settings", "", map[string]string{"STRIKEVOTE_DATUM": "x"}, nil, exitLater},
		{"a wrong flag", "", nil, []string{"-x"}, exitLater},
		{"help", "", nil, []string{"-h"}, exitOK},
	} {
		var out, said bytes.Buffer
		e := testEnv(&out, &said, tt.environ)
		e.in = strings.NewReader(tt.in)
		code := run(t.Context(), e, append([]string{"mail", "bounce"}, append(tt.args, []string{"-to", "bounce+000102030405060708090a0b0c0d0e0f@union.example"}...)...))
		if code != tt.want {
			t.Errorf("%s: exit %d, want %d: %s", tt.name, code, tt.want, &said)
		}
		if n := strings.Count(said.String(), "\n"); n != 1 && tt.name != "help" && tt.name != "a wrong flag" {
			t.Errorf("%s: %d lines are said: %s", tt.name, n, &said)
		}
		if strings.Contains(fmt.Sprint(&out, &said), "vera") {
			t.Errorf("%s: it names somebody: %s%s", tt.name, &out, &said)
		}
	}
}

// TestHelpAddress: what a manifest says of the address for help cannot be changed once it
// is sealed, and every mail names it as the one to answer to.
func TestHelpAddress(t *testing.T) {
	t.Parallel()
	const said = "help.email: not a mail address"
	for help, bad := range map[string]bool{"help@union.example": false, "help@union": true, "call Maria": true, "Maria <help@union.example>": true} {
		file := strings.Replace(string(sample), `"email": "help@union.example"`, `"email": "`+help+`"`, 1)
		_, _, err := parseElectionFile([]byte(file), election.Origins{}, false)
		if got := err != nil && strings.Contains(err.Error(), said); got != bad {
			t.Errorf("%q: %v", help, err)
		}
	}
}
