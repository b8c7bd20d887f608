// Package mailcheck finds out, before a vote, what would keep its mails from arriving:
// the records that receiving systems look up about the sender's domain, the settings
// of an account with a provider, and a mail server's answers. It sends no mail and
// changes nothing.
//
// It knows domains, settings and how many members there are. It must never know a
// member's name or address, and what it finds holds no key or password.
package mailcheck

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/publicsuffix"
)

// A State says how a check ended.
type State int

// A warning is something to look at before a vote; what fails keeps mails from many.
const (
	OK State = iota
	Warn
	Fail
)

// A Finding is what one check found, in words for whoever is to mend it.
type Finding struct {
	Check string
	State State
	Says  string
	Do    string // what to do about it; empty if nothing
	// Unknown is set where nothing could be found out, because nobody answered.
	Unknown bool
}

// Bulk is from how many mails a day on the large mailbox providers hold a sender to
// their rules for bulk mail.
const Bulk = 5000

// A Sending is what is to be sent, as far as checks depend on it.
type Sending struct {
	From       string // domain of the address that mails are from
	Envelope   string // domain that bounces go to; empty if it is not known
	Signed     string // domain that signs, DKIM's d=; empty: From's or one above it
	Selectors  []string
	By         string // the sender, where there are several
	Reply      string // domain of the address that answers go to; empty: From
	Recipients int    // how many mails leave at once; 0 if it is not known
	// Provided is set where a provider sends in a domain of its own under From's: what
	// From's own SPF record says is not looked at then.
	Provided bool
}

// bulk reports whether the rules for bulk mail have to be kept. What is not known
// counts as many.
func (s Sending) bulk() bool { return s.Recipients == 0 || s.Recipients >= Bulk }

type findings []Finding

func (f *findings) ok(check, format string, args ...any) {
	*f = append(*f, Finding{Check: check, State: OK, Says: says(format, args)})
}

func (f *findings) warn(check, do, format string, args ...any) {
	*f = append(*f, Finding{Check: check, State: Warn, Says: says(format, args), Do: do})
}

func (f *findings) fail(check, do, format string, args ...any) {
	*f = append(*f, Finding{Check: check, State: Fail, Says: says(format, args), Do: do})
}

// says writes a finding without what a terminal would obey: names in it are from the DNS,
// where others wrote them.
func says(format string, args []any) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, fmt.Sprintf(format, args...))
}

// add notes something that is a warning or a failure.
func (f *findings) add(state State, check, do, format string, args ...any) {
	*f = append(*f, Finding{Check: check, State: state, Says: says(format, args), Do: do})
}

// organization returns the domain that somebody registered and that a name belongs
// to: union.example of mail.vote.union.example.
func organization(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}

// aligned reports whether DMARC takes two domains for one sender's.
func aligned(a, b string, strict bool) bool {
	if a == "" || b == "" {
		return false
	}
	return strings.EqualFold(a, b) || !strict && strings.EqualFold(organization(a), organization(b))
}

// upTo lists a domain and those above it, to the registered one.
func upTo(domain string) []string {
	list, org := []string{domain}, organization(domain)
	for domain != org {
		_, above, ok := strings.Cut(domain, ".")
		if !ok {
			break
		}
		domain = above
		list = append(list, domain)
	}
	return list
}
