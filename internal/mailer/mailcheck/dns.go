package mailcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// lookupTime bounds one question to the DNS.
const lookupTime = 10 * time.Second

// Resolver returns what asks the DNS server at an address, host or host:port; empty:
// the system's.
func Resolver(server string) *net.Resolver {
	if server == "" {
		return net.DefaultResolver
	}
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "53")
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
}

// DNS looks up what receiving systems do: who may send for the domain (SPF), its
// signatures (DKIM), its policy (DMARC), whether these belong together, and whether
// replies and bounces arrive (MX).
func DNS(ctx context.Context, r *net.Resolver, s Sending) []Finding {
	x := &lookups{ctx: ctx, r: r}
	s.From, s.Envelope, s.Signed = plain(s.From), plain(s.Envelope), plain(s.Signed)
	x.spf(s)
	signed := x.dkim(s)
	x.dmarc(s, signed)
	x.mx(s)
	if x.answers == 0 {
		// Once is enough.
		x.findings = slices.DeleteFunc(x.findings, func(f Finding) bool { return slices.Contains(x.silent, f.Check) })
		x.warn("DNS", "see that this machine reaches a DNS server, or name one with -dns", "nothing could be looked up: nobody answered")
		x.findings[len(x.findings)-1].Unknown = true
	}
	return x.findings
}

func plain(domain string) string { return strings.ToLower(strings.TrimSuffix(domain, ".")) }

// lookups asks the DNS and gathers findings.
type lookups struct {
	ctx context.Context
	r   *net.Resolver
	findings
	answers int      // to questions, also that there is no such record
	silent  []string // checks whose question nobody answered
	// unsigned is set where it is not known whether there is a signature.
	unsigned bool
}

// heard notes what became of a question.
func (x *lookups) heard(err error) error {
	if err == nil || errors.Is(err, errAbsent) {
		x.answers++
	}
	return err
}

// errAbsent is returned for a name without records of the kind.
var errAbsent = errors.New("there is no such record")

// txt returns the TXT records of a name. The dot at the end keeps this machine's own
// search domains out.
func (x *lookups) txt(name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(x.ctx, lookupTime)
	defer cancel()
	list, err := x.r.LookupTXT(ctx, name+".")
	return list, x.heard(absent(err, len(list)))
}

// absent tells a name without records from a server that does not answer.
func absent(err error, found int) error {
	var d *net.DNSError
	switch {
	case errors.As(err, &d) && d.IsNotFound, err == nil && found == 0:
		return errAbsent
	case errors.As(err, &d):
		return errors.New(dnsWords(d))
	}
	return err
}

// dnsWords says why there was no answer, without the addresses and ports of who asked and
// who was asked.
func dnsWords(d *net.DNSError) string {
	switch {
	case d.IsTimeout:
		return "no answer in time"
	case strings.Contains(d.Err, "->") || strings.HasPrefix(d.Err, "dial "):
		return "the DNS server is not reached"
	case strings.Contains(d.Err, "misbehaving"):
		return "the DNS server cannot say"
	}
	return d.Err
}

// unanswered notes a question that nobody answered.
func (x *lookups) unanswered(check, name string, err error) {
	x.silent = append(x.silent, check)
	x.warn(check, "run this again; if it stays so, ask whoever runs the domain's DNS", "asking for %s: %v", name, err)
}

// records returns those of a name's TXT records that begin with a version.
func (x *lookups) records(name, version string) ([]string, error) {
	all, err := x.txt(name)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, text := range all {
		rest, ok := strings.CutPrefix(strings.ToLower(text), version)
		if ok && (rest == "" || rest[0] == ' ' || rest[0] == ';') {
			list = append(list, text)
		}
	}
	if len(list) == 0 {
		return nil, errAbsent
	}
	return list, nil
}

// tags reads a list like v=DMARC1; p=none.
func tags(record string) map[string]string {
	m := make(map[string]string)
	for part := range strings.SplitSeq(record, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			m[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return m
}

// mx checks that replies and bounces have somewhere to go.
func (x *lookups) mx(s Sending) {
	x.takesMail("MX of "+s.From, s.From, "an answer to a mail comes back, and some receiving systems refuse a sender that cannot be answered")
	if s.Reply != "" && s.Reply != s.From && s.Reply != s.Envelope {
		x.takesMail("MX of "+s.Reply, s.Reply, "what members answer does not arrive")
	}
	// A provider takes the bounces of its own domain.
	if s.Envelope != "" && s.Envelope != s.From && !s.Provided {
		x.takesMail("MX of "+s.Envelope, s.Envelope, "no bounce arrives, so nobody learns which members got nothing")
	}
}

func (x *lookups) takesMail(check, domain, otherwise string) {
	ctx, cancel := context.WithTimeout(x.ctx, lookupTime)
	defer cancel()
	list, err := x.r.LookupMX(ctx, domain+".")
	switch err = x.heard(absent(err, len(list))); {
	case errors.Is(err, errAbsent):
		hosts, herr := x.r.LookupHost(ctx, domain+".")
		if absent(herr, len(hosts)) == nil {
			x.warn(check, "add an MX record that names the mail server", "there is none, only an address of a host; not everybody tries that")
			return
		}
		x.fail(check, "add an MX record that names the mail server of "+domain, "there is none: %s", otherwise)
	case err != nil:
		x.unanswered(check, domain, err)
	case len(list) == 1 && list[0].Host == ".":
		x.fail(check, "use a domain that takes mail", "%s says that it takes no mail: %s", domain, otherwise)
	default:
		x.ok(check, "mail for it goes to %s", strings.TrimSuffix(list[0].Host, "."))
	}
}

// count writes how many of something, in words that end as they have to.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
