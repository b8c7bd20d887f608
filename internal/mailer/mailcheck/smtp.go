package mailcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail/smtp"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
)

// A Relay is a mail server that takes the union's mails. It redacts itself.
type Relay struct {
	Host           string
	Port           int
	User, Password string
	TLS            string      // as of [smtp.Config]
	From           string      // the address that mails leave from; empty: it is not tried
	Config         *tls.Config // of tests; nil: what a usual one is
}

// Format hides the password, whatever the verb.
func (Relay) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[relay]") }

// relayTime bounds the talk with a mail server.
const relayTime = 30 * time.Second

// SMTP connects to a mail server, as who sends does, and leaves before any mail: it only
// asks whether one may be from the sender. No member is named, so that it repeats what
// the server says.
func SMTP(ctx context.Context, r Relay) []Finding {
	var x findings
	ctx, cancel := context.WithTimeout(ctx, relayTime)
	defer cancel()
	x.relay(ctx, r)
	return x
}

func (x *findings) relay(ctx context.Context, r Relay) {
	at := net.JoinHostPort(r.Host, strconv.Itoa(r.Port))
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at)
	if err != nil {
		x.fail("SMTP server", "see that the host and the port are right, and that this machine may connect there: many providers of servers block port 25, not 587", "%s does not answer: %s", at, r.scrub(err))
		return
	}
	defer conn.Close()
	// Whatever hangs below ends with the context.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := r.Config.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	c.ServerName = r.Host
	if r.TLS == smtp.TLS {
		t := tls.Client(conn, c)
		if err := t.HandshakeContext(ctx); err != nil {
			x.fail("SMTP TLS", tlsDo(err, "see that port and STRIKEVOTE_SMTP_TLS belong together: tls is usual on 465, starttls on 587"), "%s", r.scrub(err))
			return
		}
		conn = t
	}
	client, err := gomail.NewClient(conn, r.Host)
	if err != nil {
		x.fail("SMTP server", "see that port and STRIKEVOTE_SMTP_TLS belong together: tls is usual on 465, starttls on 587", "%s does not greet as a mail server does: %s", at, r.scrub(err))
		return
	}
	defer client.Close()
	x.talk(client, r, c)
	_ = client.Quit() // nothing was sent
}

func (x *findings) talk(client *gomail.Client, r Relay, c *tls.Config) {
	if err := client.Hello("localhost"); err != nil {
		x.fail("SMTP server", "ask whoever runs it", "it does not want to talk with this machine: %s", r.scrub(err))
		return
	}
	x.ok("SMTP server", "%s answers", r.Host)
	if r.TLS == smtp.StartTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			x.fail("SMTP TLS", "use another port, or STRIKEVOTE_SMTP_TLS=tls", "the server offers no STARTTLS: links and password would pass in the open")
			return
		}
		if err := client.StartTLS(c); err != nil {
			x.fail("SMTP TLS", tlsDo(err, "ask whoever runs it"), "%s", r.scrub(err))
			return
		}
	}
	if state, ok := client.TLSConnectionState(); ok {
		x.ok("SMTP TLS", "%s, with a certificate that is good until %s", tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly))
	} else {
		x.warn("SMTP TLS", "use TLS for every server that is not on this machine", "nothing is encrypted on the way to it")
	}
	if x.auth(client, r) && r.From != "" {
		x.sender(client, r)
	}
	x.size(client)
}

// tlsDo says what to do about a connection that cannot be trusted, or or.
func tlsDo(err error, or string) string {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &host):
		return "set STRIKEVOTE_SMTP_HOST to the name in the server's certificate"
	case errors.As(err, &authority):
		return "have the server show a certificate of an authority that this machine knows, with the whole chain; or add the union's own authority to those of this machine"
	}
	return or
}

// sender asks whether the server takes mails from who they are from, and takes it back.
func (x *findings) sender(client *gomail.Client, r Relay) {
	const check = "SMTP sender"
	if err := client.Mail("<" + r.From + ">"); err != nil {
		x.fail(check, "have whoever runs the server allow this account to send from that address, every name+number of it too if it is the one for bounces; or set STRIKEVOTE_MAIL_FROM_ADDRESS or STRIKEVOTE_SMTP_BOUNCE_ADDRESS to one that it may use",
			"it takes no mail from %s: %s", r.From, r.scrub(err))
		return
	}
	if err := client.Reset(); err != nil {
		x.warn(check, "ask whoever runs it", "it does not let a mail be given up: %s", r.scrub(err))
		return
	}
	x.ok(check, "it takes mails from %s", r.From)
}

// auth signs in, and reports whether mails can be tried.
func (x *findings) auth(client *gomail.Client, r Relay) bool {
	const check = "SMTP login"
	offered, methods := client.Extension("AUTH")
	switch {
	case r.User == "" && offered:
		x.warn(check, "set STRIKEVOTE_SMTP_USER and STRIKEVOTE_SMTP_PASSWORD_FILE, unless the server takes this machine's mail without", "the server wants a name and a password, and none is set")
		return true
	case r.User == "":
		x.ok(check, "none is needed to talk with it")
		return true
	case !offered:
		x.fail(check, "see that port and STRIKEVOTE_SMTP_TLS are right: most servers take a password only over TLS", "the server takes no password here")
		return false
	}
	switch err := smtp.SignIn(client, r.Host, r.User, r.Password); {
	case errors.Is(err, smtp.ErrNoAuth):
		x.fail(check, "ask whoever runs it for a way to sign in with a name and a password", "the server offers %s only, which this program does not have", methods)
		return false
	case err != nil:
		x.fail(check, "see that user and password are right; some providers want a password made for programs", "the server refuses it: %s", r.scrub(err))
		return false
	}
	x.ok(check, "name and password are right")
	return true
}

// least is how many bytes a mail may have that every one of ours fits in.
const least = 256 << 10

func (x *findings) size(client *gomail.Client) {
	const check = "SMTP size"
	_, text := client.Extension("SIZE")
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n == 0:
		x.ok(check, "the server names no limit")
	case n < least:
		x.fail(check, "ask whoever runs it for more", "the server takes mails of at most %d bytes", n)
	default:
		x.ok(check, "mails may be %d MB long", n>>20)
	}
}

// scrub returns what went wrong, in the server's own words where it said some: no member
// was named to it. An answer that repeats the name or the password is not shown.
func (r Relay) scrub(err error) string {
	var said *textproto.Error
	if errors.As(err, &said) {
		words := mailer.Quote(fmt.Sprintf("%d %s", said.Code, said.Msg))
		for _, secret := range []string{r.User, r.Password} {
			if secret != "" && strings.Contains(words, secret) {
				return fmt.Sprintf("it answered %d", said.Code)
			}
		}
		return fmt.Sprintf("it answered %q", words)
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) { // closed by us, as its time was over
		return fmt.Sprintf("it was silent for %.0f seconds", relayTime.Seconds())
	}
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return "there is no server of this name"
	}
	if name != nil {
		return "its name could not be looked up: " + dnsWords(name)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
