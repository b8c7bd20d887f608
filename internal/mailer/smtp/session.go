package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"strikevote/internal/mailer"
)

// A session is one connection on which mails can be sent.
type session struct {
	client  *smtp.Client
	conn    *bounded
	timeout time.Duration
	dirty   bool // the last mail was not finished, so the server is to forget it
	sent    int
	quote   bool        // the answers say what the server said
	timer   *time.Timer // runs while it waits
}

// maxAnswer is how much a server may say in one answer. A certificate is the longest.
const maxAnswer = 64 << 10

// A bounded is a connection whose other side cannot make us read for ever.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("a mail server says too much")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// cut ends whatever the connection waits for.
func (b *bounded) cut() { b.SetDeadline(time.Unix(1, 0)) }

// step does one exchange with the server, within its time.
func (c *session) step(ctx context.Context, do func() error) error {
	at := time.Now().Add(c.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(at) {
		at = d
	}
	c.conn.left = maxAnswer
	if err := c.conn.SetDeadline(at); err != nil {
		return err
	}
	// Only now: what was cut off before has just been given new time.
	if err := ctx.Err(); err != nil {
		return err
	}
	return do()
}

var errNoTLS = errors.New("the server offers no encryption")

// ErrNoAuth is returned where a server offers no way of signing in that this program has.
var ErrNoAuth = errors.New("the server offers no way of signing in that we have")

// open makes a connection and signs in.
func (s *Sender) open(ctx context.Context) (*session, *mailer.Answer) {
	dctx, cancel := context.WithTimeout(ctx, s.c.Timeout)
	raw, err := new(net.Dialer).DialContext(dctx, "tcp", s.address())
	cancel()
	if err != nil {
		return nil, s.judge(err, greeting)
	}
	c := &session{conn: &bounded{Conn: raw}, timeout: s.c.Timeout, quote: s.c.Quote}
	stop := context.AfterFunc(ctx, c.conn.cut)
	defer stop()
	for _, f := range []struct {
		at stage
		do func(*session) error
	}{{greeting, s.greet}, {greeting, s.hello}, {greeting, s.encrypt}, {signing, s.sign}} {
		if err := c.step(ctx, func() error { return f.do(c) }); err != nil {
			raw.Close()
			return nil, s.judge(err, f.at)
		}
	}
	return c, nil
}

func (s *Sender) greet(c *session) (err error) {
	var conn net.Conn = c.conn
	if s.c.TLS == None {
		// The name may have been made to lead elsewhere.
		if a, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return errNoTLS
		}
	}
	if s.c.TLS == TLS {
		conn = tls.Client(conn, s.tls)
	}
	c.client, err = smtp.NewClient(conn, s.c.Host)
	return err
}

func (s *Sender) hello(c *session) error { return c.client.Hello(s.name) }

func (s *Sender) encrypt(c *session) error {
	if s.c.TLS == StartTLS {
		// Somebody on the way may have taken the offer out.
		if ok, _ := c.client.Extension("STARTTLS"); !ok {
			return errNoTLS
		}
		if err := c.client.StartTLS(s.tls); err != nil {
			return err
		}
	}
	if state, ok := c.client.TLSConnectionState(); s.c.TLS != None && (!ok || len(state.VerifiedChains) == 0) {
		return errNoTLS
	}
	return nil
}

func (s *Sender) sign(c *session) error {
	if s.c.User == "" {
		return nil
	}
	return SignIn(c.client, s.c.Host, s.c.User, s.c.Password)
}

// SignIn signs in to a server in the first of our ways that it offers, or returns
// [ErrNoAuth]. Whoever checks a server signs in as who sends will.
func SignIn(c *smtp.Client, host, user, password string) error {
	_, offered := c.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	switch {
	case slices.Contains(ways, "PLAIN"):
		return c.Auth(smtp.PlainAuth("", user, password, host, false))
	case slices.Contains(ways, "LOGIN"):
		return c.Auth(smtp.LoginAuth(user, password, host, false))
	case slices.Contains(ways, "SCRAM-SHA-256"):
		return c.Auth(smtp.ScramSHA256Auth(user, password))
	}
	return ErrNoAuth
}

// alive reports whether the server still answers on a connection that waited.
func (c *session) alive(ctx context.Context) bool {
	stop := context.AfterFunc(ctx, c.conn.cut)
	defer stop()
	return c.step(ctx, c.client.Noop) == nil
}

// quit says farewell and does not wait long for an answer.
func (c *session) quit() {
	c.timeout = time.Second
	_ = c.step(context.Background(), c.client.Quit)
	c.conn.Close()
}

// send hands over one message. It reports whether the connection can be used further.
func (c *session) send(ctx context.Context, m *message) (j judgment, usable bool) {
	stop := context.AfterFunc(ctx, c.conn.cut)
	defer stop()
	if m.utf8 {
		if ok, _ := c.client.Extension("SMTPUTF8"); !ok {
			return judgment{Answer: mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}}, true
		}
	}
	// Declared without need, it would keep a mail from servers that do not have it.
	c.client.SkipSMTPUTF8(!m.utf8)
	// A bounce with the whole mail would carry the member's link about.
	c.client.SetDSNMailReturnOption("HDRS")
	c.client.SetDSNRcptNotifyOption("FAILURE,DELAY")
	if c.dirty {
		if err := c.step(ctx, c.client.Reset); err != nil {
			return c.judge(err, from), false
		}
	}
	c.dirty = true
	if err := c.step(ctx, func() error { return c.client.Mail("<" + m.from + ">") }); err != nil {
		return c.judge(err, from), said(err)
	}
	if err := c.step(ctx, func() error { return c.client.Rcpt("<" + m.to + ">") }); err != nil {
		return c.judge(err, rcpt), said(err)
	}
	return c.data(ctx, m)
}

func (c *session) data(ctx context.Context, m *message) (j judgment, usable bool) {
	var w interface {
		Write([]byte) (int, error)
		Close() error
	}
	err := c.step(ctx, func() (err error) { w, err = c.client.Data(); return err })
	if err != nil {
		return c.judge(err, data), said(err)
	}
	// Without its last line it is no mail to the server, so until here it is not taken.
	if err := c.step(ctx, func() error { _, err := w.Write(m.body); return err }); err != nil {
		return c.judge(err, data), false
	}
	ended := false
	err = c.step(ctx, func() error { ended = true; return w.Close() })
	switch {
	case !ended:
		return c.judge(err, data), false
	case err != nil && !accepted(err):
		return c.judge(err, end), said(err)
	}
	c.dirty = false
	c.sent++
	return judgment{Answer: mailer.Answer{Verdict: mailer.Accepted}}, true
}
