package smtp

import (
	"encoding/hex"
	"net/mail"
	"strings"

	"strikevote/internal/mailbox"
	"strikevote/internal/mailer"
)

// A message is a mail as the server gets it.
type message struct {
	from, to string
	utf8     bool // an address needs it
	body     []byte
}

// message renders a mail, or says why it cannot be sent.
func (s *Sender) message(m mailer.Mail) (*message, *mailer.Answer) {
	out := new(message)
	to, wide, err := encode(m.To)
	if err != nil {
		return nil, &mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}
	}
	m.To, out.to, out.utf8 = to, to, wide
	for _, a := range []*string{&m.From.Address, &m.ReplyTo} {
		if *a, wide, err = encode(*a); err != nil {
			return nil, &mailer.Answer{Reason: mailer.ReasonSettings, Pause: pauseSettings}
		}
		out.utf8 = out.utf8 || wide
	}
	if out.body, err = mailer.Message(m); err != nil { // not the recipient's doing
		return nil, &mailer.Answer{Reason: mailer.ReasonSettings, Pause: pauseSettings}
	}
	if out.from = m.From.Address; s.c.Bounce != "" {
		out.from = verp(s.c.Bounce, m.ID)
	}
	return out, nil
}

// encode writes an address with its domain as every mail server understands it. It
// reports whether its local part is beyond that.
func encode(address string) (encoded string, wide bool, err error) {
	a, err := mail.ParseAddress(address)
	if err != nil || a.Address != address {
		return "", false, mailer.ErrMessage
	}
	at := strings.LastIndexByte(address, '@')
	local, domain := address[:at], address[at+1:]
	domain, ok := mailbox.Domain(domain)
	// RFC 5321's lengths: a longer one is refused by whoever comes first.
	if !ok || len(local) > 64 || len(domain) > 255 {
		return "", false, mailer.ErrMessage
	}
	return local + "@" + domain, !ascii(local), nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7F {
			return false
		}
	}
	return true
}

// verp returns the address that bounces of one mail go to.
func verp(bounce string, id [16]byte) string {
	local, host, _ := strings.Cut(bounce, "@")
	return local + "+" + hex.EncodeToString(id[:]) + "@" + host
}

// unverp finds an address that verp made, wherever it stands in a header: systems put
// signs of their own before it.
func unverp(header, bounce string) (id [16]byte, ok bool) {
	local, host, ok := strings.Cut(strings.ToLower(bounce), "@")
	if !ok {
		return id, false
	}
	if before, _, cut := strings.Cut(local, "+"); cut { // it is a made one itself
		local = before
	}
	const digits = 2 * len(id)
	for rest := strings.ToLower(header); ; {
		_, after, found := strings.Cut(rest, local+"+")
		if !found {
			return id, false
		}
		rest = after
		if len(after) < digits || !strings.HasPrefix(after[digits:], "@"+host) {
			continue
		}
		if end := after[digits+1+len(host):]; end != "" && strings.ContainsAny(end[:1], "abcdefghijklmnopqrstuvwxyz0123456789-.") {
			continue
		}
		if b, err := hex.DecodeString(after[:digits]); err == nil {
			return [16]byte(b), true
		}
	}
}
