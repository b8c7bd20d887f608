// Package smtp hands mails to a mail server over SMTP, and reads the bounces that come
// back.
//
// It sees addresses and links for as long as it takes to pass them on, and only over an
// encrypted connection to a server whose certificate is verified; a server on this
// computer alone may do without. It keeps none: not in an [mailer.Answer], an error, a
// log or a [mailer.Event]. What servers say is read for its codes and never quoted, for
// they repeat the address. It must never know how anybody voted.
//
// A bounce names its mail by the address it comes back to, which carries [mailer.Mail.ID]
// and nothing of the member.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"sync"
	"time"

	"strikevote/internal/mailer"
)

// How a connection is protected.
const (
	StartTLS = "starttls" // begins in the clear, and is encrypted before anything is said
	TLS      = "tls"      // encrypted from its first byte
	None     = "none"     // never: for a server on this computer alone
)

// Config describes the mail server.
type Config struct {
	Host           string
	Port           int    // 0: 465 with [TLS], else 587
	User, Password string // no User: the server wants none
	TLS            string // [StartTLS] if empty
	// Bounce is where bounces go, local@host. Each mail leaves from
	// local+<its id>@host, so the mail system must deliver what has a + there. Empty:
	// bounces go to the mail's own sender, and nobody counts them.
	Bounce      string
	Connections int           // at once; 0: 4
	Timeout     time.Duration // for one answer of the server; 0: 30 seconds
	Idle        time.Duration // how long a connection is kept between mails; 0: 30 seconds
	// Roots are those who may vouch for the server; nil: those of the system.
	Roots *x509.CertPool
	// Quote puts the server's own words into answers, or what is wrong with the way to it:
	// for tests, which are to no member.
	Quote bool
}

// Format hides the password, whatever the verb.
func (Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[mail server]") }

// MarshalJSON refuses, so that no password reaches a structured log.
func (Config) MarshalJSON() ([]byte, error) {
	return nil, errors.New("the settings of a mail server are not to be written down")
}

// ErrConfig is returned for a configuration that nothing can be sent with.
var ErrConfig = errors.New("the mail server is not configured rightly")

// A Sender hands mails to one server. Close ends its connections.
type Sender struct {
	c     Config
	name  string      // by which it greets the server
	tls   *tls.Config // nil with None
	slots chan struct{}
	seed  maphash.Seed // of [recipient]

	mu       sync.Mutex
	idle     []*session        // guarded by mu
	closed   bool              // guarded by mu
	known    bool              // it has taken one, and not refused too many since; guarded by mu
	refusals int               // counts them; guarded by mu
	refused  map[recipient]int // those since the last that was taken, by their numbers; guarded by mu
	gone     recipients        // see [Sender.refuse]; guarded by mu
	doubts   doubts            // guarded by mu
}

var _ mailer.Sender = (*Sender)(nil)

// New returns a Sender. It connects to nothing yet.
func New(c Config) (*Sender, error) {
	if c.TLS == "" {
		c.TLS = StartTLS
	}
	if c.Port == 0 {
		c.Port = 587
		if c.TLS == TLS {
			c.Port = 465
		}
	}
	if c.Connections == 0 {
		c.Connections = 4
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Idle == 0 {
		c.Idle = 30 * time.Second
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s := &Sender{c: c, name: "localhost", slots: make(chan struct{}, c.Connections), seed: maphash.MakeSeed(), refused: make(map[recipient]int)}
	if _, host, ok := strings.Cut(c.Bounce, "@"); ok {
		s.name = host
	}
	if c.TLS != None {
		s.tls = &tls.Config{ServerName: c.Host, RootCAs: c.Roots, MinVersion: tls.VersionTLS12}
	}
	return s, nil
}

func (c *Config) check() error {
	switch {
	case c.Host == "" || strings.ContainsAny(c.Host, " \r\n/@"):
		return errors.New("it has no host")
	case c.Port < 1 || c.Port > 65535:
		return errors.New("there is no such port")
	case c.TLS != StartTLS && c.TLS != TLS && c.TLS != None:
		return errors.New("TLS is starttls, tls or none")
	case c.TLS == None && !loopback(c.Host):
		return errors.New("only a server on this computer may be unencrypted")
	case c.TLS == None && c.User != "":
		return errors.New("a password is not sent unencrypted")
	case strings.ContainsAny(c.User+c.Password, "\r\n\x00") || c.User == "" && c.Password != "":
		return errors.New("user and password are no pair")
	case c.Connections < 1 || c.Connections > 100 || c.Timeout < 0 || c.Idle < 0:
		return errors.New("a number is out of range")
	}
	if c.Bounce == "" {
		return nil
	}
	a, err := mail.ParseAddress(c.Bounce)
	local, _, _ := strings.Cut(c.Bounce, "@")
	// RFC 5321 has room for 64 octets, and the id takes 33.
	if err != nil || a.Address != c.Bounce || !ascii(c.Bounce) || strings.Contains(local, "+") || len(local) > 64-33 {
		return errors.New("the address of bounces is none, has a +, or is too long")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Sender) address() string { return net.JoinHostPort(s.c.Host, strconv.Itoa(s.c.Port)) }

// Name is "smtp".
func (*Sender) Name() string { return "smtp" }

// Close ends the connections that wait. Those in use end with what they are at. Nothing
// is sent afterwards.
func (s *Sender) Close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, c := range idle {
		c.quit()
	}
}

// get returns a connection: one that waits and still answers, or a new one. There are
// never more than the Config says.
func (s *Sender) get(ctx context.Context) (*session, *mailer.Answer) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, &mailer.Answer{Reason: mailer.ReasonDown}
	}
	for {
		c, closed := s.waiting()
		if closed {
			<-s.slots
			return nil, &mailer.Answer{Reason: mailer.ReasonDown}
		}
		if c == nil {
			break
		}
		if c.alive(ctx) {
			return c, nil
		}
		c.conn.Close()
	}
	c, refused := s.open(ctx)
	if refused != nil {
		<-s.slots
		return nil, refused
	}
	return c, nil
}

func (s *Sender) waiting() (c *session, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		c, s.idle = s.idle[n-1], s.idle[:n-1]
		c.timer.Stop()
	}
	return c, s.closed
}

// put keeps a connection for the next batch.
func (s *Sender) put(c *session) {
	defer func() { <-s.slots }()
	s.mu.Lock()
	closed := s.closed
	if !closed {
		c.timer = time.AfterFunc(s.c.Idle, func() { s.expire(c) })
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if closed {
		c.quit()
	}
}

// drop ends a connection at once. There is no QUIT: it could end a mail of which only
// a part was sent, and the server would deliver that part.
func (s *Sender) drop(c *session) {
	c.conn.Close()
	<-s.slots
}

// expire ends a connection that has waited long enough.
func (s *Sender) expire(c *session) {
	s.mu.Lock()
	found := false
	for i, other := range s.idle {
		if other == c {
			s.idle = append(s.idle[:i:i], s.idle[i+1:]...)
			found = true
			break
		}
	}
	s.mu.Unlock()
	if found {
		c.quit()
	}
}
