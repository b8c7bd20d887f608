// Package sendgrid hands mails to SendGrid's mail API.
//
// SendGrid learns of a member what the mail itself says, and the mail's random id, by
// which it tells later what became of it. It gets no number, no name beside the
// address, and no word by which members could be sorted. What it answers is never
// logged or kept: it quotes addresses.
//
// Every copy of a link passes through SendGrid, so it is trusted not to use them, as is
// every mail system. All its tracking is switched off in every request: a tracked link
// would lead through SendGrid, and who opens what is nobody's business.
//
// # Security considerations
//
// This package holds the API key. Whoever has it can send in the union's name.
package sendgrid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sendgrid/rest"
	api "github.com/sendgrid/sendgrid-go"

	"strikevote/internal/mailer"
)

const (
	// Global and Europe are where SendGrid listens.
	Global = "https://api.sendgrid.com"
	Europe = "https://api.eu.sendgrid.com"

	// timeout of one call. Two fit into the time that the mailer gives.
	timeout = 20 * time.Second

	// maxAnswer is how much of an answer is read. SendGrid's are below 1 kB.
	maxAnswer = 64 << 10
)

// Config is what a [Sender] needs. It redacts itself.
type Config struct {
	Key     string // of the API, with the right to send mail
	BaseURL string // empty: [Global]. Without TLS only on this computer
	// Sandbox has SendGrid check the mails and send none.
	Sandbox bool
	// Category is one neutral word for all mails, which SendGrid counts by and can
	// never remove; empty: "ballot".
	Category string
	// Timeout of one call; 0: 20 seconds.
	Timeout time.Duration
	Log     *slog.Logger
	// Quote puts SendGrid's own words into answers: for tests, which are to no member.
	Quote bool
}

// Format hides the key, whatever the verb.
func (Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[sendgrid]") }

// MarshalJSON refuses, so that no key reaches a structured log.
func (Config) MarshalJSON() ([]byte, error) {
	return nil, errors.New("settings are not to be written down")
}

// A Sender hands mails to SendGrid. It redacts itself.
type Sender struct {
	c      Config
	client *rest.Client

	mu       sync.Mutex
	failures int // calls in a row whose answer was lost; guarded by mu
}

var _ mailer.Sender = (*Sender)(nil)

// Format hides the key, whatever the verb.
func (*Sender) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[sendgrid]") }

// New checks the settings. Its errors quote none of them.
func New(c Config) (*Sender, error) {
	c.BaseURL, c.Category, c.Timeout = cmp.Or(c.BaseURL, Global), cmp.Or(c.Category, "ballot"), cmp.Or(c.Timeout, timeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := checkKey(c.Key); err != nil {
		return nil, err
	}
	base, err := checkURL(c.BaseURL)
	if err != nil {
		return nil, err
	}
	c.BaseURL = base
	return &Sender{c: c, client: &rest.Client{HTTPClient: newClient(c.Timeout)}}, nil
}

// checkKey refuses what can be no key: a line end that was read along with it would
// end the header it stands in.
func checkKey(key string) error {
	if key == "" {
		return errors.New("the key of SendGrid is empty")
	}
	for _, b := range []byte(key) {
		if b <= ' ' || b >= 0x7f {
			return errors.New("the key of SendGrid has a character in it that no key has")
		}
	}
	return nil
}

// checkURL returns the origin of an address at which SendGrid may be asked.
func checkURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return "", errors.New("the address of SendGrid is not of the form https://api.sendgrid.com")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", errors.New("the address of SendGrid does not begin with https://")
	}
	return u.Scheme + "://" + u.Host, nil
}

// newClient returns a client that ends: SendGrid's library has no time limit of its own.
func newClient(limit time.Duration) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSHandshakeTimeout = min(limit, 10*time.Second)
	t.ExpectContinueTimeout = 0
	return &http.Client{Timeout: limit, Transport: short{t},
		// The mails and the key go to nobody whom an answer names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// short cuts long answers off: the library reads them whole into memory.
type short struct{ http.RoundTripper }

func (s short) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// Name is "sendgrid".
func (*Sender) Name() string { return "sendgrid" }

// Send hands over the mails, as few calls as can be, one after the other: so no more
// than one call is of unknown fate when this process is killed. After a call that was
// not taken the others are not tried.
func (s *Sender) Send(ctx context.Context, mails []mailer.Mail) []mailer.Answer {
	answers := make([]mailer.Answer, len(mails))
	calls := plan(mails, answers)
	var t turn
	for len(calls) > 0 {
		if !s.timeLeft(ctx) {
			return answers // the rest is not taken
		}
		c := calls[0]
		more, stop := s.settle(c, s.post(ctx, c), answers, &t)
		calls = append(more, calls[1:]...)
		if stop != nil {
			for _, c := range calls {
				c.answer(answers, *stop)
			}
			return answers
		}
	}
	return answers
}

// timeLeft reports whether there is time for a call: one that our own impatience ends
// is of unknown fate.
func (s *Sender) timeLeft(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(end) > s.c.Timeout/2)
}

// A result is what is known of a call.
type result struct {
	status  int // 0: there was no answer
	body    string
	header  http.Header
	written bool // something of it may have reached SendGrid
}

// post makes one call. Each has a request of its own: the library's client keeps the
// body in a field, so that two calls at once through one client lose mails.
func (s *Sender) post(ctx context.Context, c call) result {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	r := api.GetRequest(s.c.Key, "/v3/mail/send", s.c.BaseURL)
	r.Method = rest.Post
	r.Body = c.body(s.c)
	// The error is not looked at: it says no more than that there is no whole answer.
	resp, _ := s.client.SendWithContext(ctx, r)
	if resp == nil {
		return result{written: connected.Load()}
	}
	return result{status: resp.StatusCode, body: resp.Body, header: resp.Headers, written: true}
}
