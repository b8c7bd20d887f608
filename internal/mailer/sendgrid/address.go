package sendgrid

import (
	netmail "net/mail"
	"strings"

	"golang.org/x/text/unicode/norm"

	"strikevote/internal/mailbox"
)

const maxLocal = 64 // RFC 5321

// plain returns an address as SendGrid takes it, its domain in ASCII, or false if it is
// not one plain address: no name, comment, list or line break. A mailbox whose own name
// is not ASCII needs what SendGrid does not have.
func plain(address string) (string, bool) {
	// The parser knows more forms of an address than one that members have.
	p, err := netmail.ParseAddress(address)
	if err != nil || p.Address != address {
		return "", false
	}
	at := strings.LastIndexByte(address, '@')
	local, domain := address[:at], address[at+1:]
	if !ascii(local) || len(local) > maxLocal {
		return "", false
	}
	domain, ok := mailbox.Domain(domain)
	if !ok || !host(domain) || len(local)+1+len(domain) > mailbox.MaxAddress {
		return "", false
	}
	return local + "@" + strings.ToLower(domain), true
}

// host reports whether a text can be the name of a host on the Internet.
func host(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return false
		}
	}
	return strings.Contains(s, ".")
}

func ascii(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b >= 0x7f {
			return false
		}
	}
	return true
}

// senderName returns a sender's name without what SendGrid does not take there, which
// is every letter that is not ASCII: marks are dropped, and where that is not enough
// there is no name.
func senderName(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(name) {
		switch {
		case r >= 0x300 && r < 0x370: // a mark
		case r < ' ' || r >= 0x7f:
			return ""
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
