package smtp

import (
	"net/mail"
	"regexp"
	"strconv"
	"strings"

	"strikevote/internal/mailer"
)

// status reads a delivery-status part, RFC 3464: a block about the message, and one for
// each recipient.
func (p *parser) status(text string) {
	for _, f := range blocks(text, maxReports+1) {
		if o, ok := judgeStatus(f["action"], f["status"], f["diagnostic-code"]); ok {
			p.statuses = append(p.statuses, o)
		}
	}
}

// judgeStatus says what the fields of one recipient mean.
func judgeStatus(action, status, diagnostic string) (outcome, bool) {
	code := enhanced{}
	if f := strings.Fields(status); len(f) > 0 {
		code, _ = parseEnhanced(f[0])
	}
	// 5.0.0 says nothing; what the other system said may.
	if code.subject == 0 {
		if x, ok := codeIn(diagnostic); ok {
			code = x
		}
	}
	word := strings.ToLower(action)
	if end := strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }); end >= 0 {
		word = word[:end]
	}
	switch word {
	case "delivered", "expanded":
		return outcome{state: mailer.Delivered}, true
	case "relayed": // to a system that reports nothing
		return outcome{state: mailer.Processed}, true
	case "delayed":
		return outcome{mailer.Delayed, code.reason(mailer.ReasonOther)}, true
	case "failed":
		return failed(code), true
	}
	return outcome{}, false
}

// failed tells an address that is none from a system that does not want this mail, or
// not now: the latter may be tried again in another way.
func failed(code enhanced) outcome {
	switch r := code.reason(mailer.ReasonOther); {
	case code.class == 4 || r == mailer.ReasonFull || r == mailer.ReasonPolicy || r == mailer.ReasonDown:
		return outcome{mailer.Blocked, r}
	default:
		return outcome{mailer.Bounced, r}
	}
}

var (
	// After a code of SMTP, or as qmail writes it: there are addresses of networks and
	// versions of programs that look like one.
	enhancedIn = regexp.MustCompile(`(?:\b[45]\d\d[ -]#?|#)([45]\.\d{1,3}\.\d{1,3})(?:[^\d.]|\.\s|$)`)
	simpleIn   = regexp.MustCompile(`(?:^|[^\d.])([45][0-5]\d)[ -]`)
)

// codeIn finds a code in words.
func codeIn(text string) (enhanced, bool) {
	if m := enhancedIn.FindStringSubmatch(text); m != nil {
		return parseEnhanced(m[1])
	}
	m := simpleIn.FindStringSubmatch(text)
	if m == nil {
		return enhanced{}, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return enhanced{}, false
	}
	switch n {
	case 550, 551, 553, 450:
		return enhanced{n / 100, 1, 0}, true
	case 552, 452:
		return enhanced{n / 100, 2, 2}, true
	case 554:
		return enhanced{5, 7, 0}, true
	}
	return enhanced{class: n / 100}, true
}

// outcomes returns what the message says.
func (p *parser) outcomes(get func(string) []string) []outcome {
	switch {
	case len(p.statuses) > 0:
		return p.statuses
	case p.complaint:
		return []outcome{{mailer.Complained, mailer.ReasonSpam}}
	case p.isReport || !daemon(first(get("From"))):
		return nil
	}
	// From before there were reports for programs, and some still do it. People's own
	// programs answer to the same address; they are no daemon.
	text := p.text.String()
	if i := strings.Index(text, "\n--- Below this line is a copy"); i >= 0 { // qmail
		text = text[:i]
	}
	code, ok := codeIn(text)
	subject := strings.ToLower(first(get("Subject")))
	switch {
	case strings.Contains(subject, "delay") || strings.HasPrefix(subject, "warning"):
		return []outcome{{mailer.Delayed, code.reason(mailer.ReasonOther)}}
	case ok:
		return []outcome{failed(code)}
	case first(get("X-Failed-Recipients")) != "":
		return []outcome{{mailer.Bounced, mailer.ReasonOther}}
	}
	return nil
}

// daemon reports whether a mail system wrote a message itself.
func daemon(from string) bool {
	address := from
	if a, err := mail.ParseAddress(from); err == nil {
		address = a.Address
	}
	local, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(address)), "@")
	switch local {
	case "mailer-daemon", "postmaster", "mail-daemon", "maildaemon", "mdaemon", "mailerdaemon":
		return true
	}
	return false
}
