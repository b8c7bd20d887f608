package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/mailer"
)

// A stage is how far a conversation with the server has come.
type stage int

const (
	greeting stage = iota // until it is encrypted
	signing
	from
	rcpt
	data // until its last line
	end  // afterwards
)

// How long the server is left alone.
const (
	pauseDown     = 30 * time.Second
	pauseLimit    = time.Minute
	pauseQuota    = 15 * time.Minute
	pauseSettings = 5 * time.Minute
)

var errLost = errors.New("connections break")

// said reports whether an error is an answer of the server after which it goes on.
func said(err error) bool {
	e, ok := errors.AsType[*textproto.Error](err)
	return ok && e.Code != 421 && (e.Code < 500 || e.Code > 504 || e.Code == 501)
}

// accepted reports whether an answer to a mail says yes, in other than the usual code.
func accepted(err error) bool {
	e, ok := errors.AsType[*textproto.Error](err)
	return ok && e.Code/100 == 2
}

// A judgment is what an answer of the server means.
type judgment struct {
	mailer.Answer // for the mail
	// ours is what it means for every mail if several recipients get it, one after the
	// other: see [several]. Its zero value: nothing.
	ours mailer.Answer
}

// judge says what an error means. Nothing of the error's words remains.
func judge(err error, at stage) judgment {
	if e, ok := errors.AsType[*textproto.Error](err); ok && (e.Code/100 == 4 || e.Code/100 == 5) {
		r := parseReply(e)
		if r.code < 500 {
			return r.later(at)
		}
		return r.never(at)
	}
	switch {
	case at == end:
		return judgment{Answer: mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonDown}}
	case errors.Is(err, errNoTLS) || errors.Is(err, ErrNoAuth) || untrusted(err):
		return judgment{Answer: mailer.Answer{Reason: mailer.ReasonSettings, Pause: pauseSettings}}
	case at <= signing:
		return judgment{Answer: mailer.Answer{Reason: mailer.ReasonDown, Pause: pauseDown}}
	}
	return judgment{Answer: mailer.Answer{Reason: mailer.ReasonDown}}
}

func (c *session) judge(err error, at stage) judgment {
	j := judge(err, at)
	if c.quote {
		j = quoted(j, err, "")
	}
	return j
}

func (s *Sender) judge(err error, at stage) *mailer.Answer {
	j := judge(err, at)
	if s.c.Quote {
		j = quoted(j, err, s.c.TLS)
	}
	return &j.Answer
}

// quoted adds to a judgment of a test what the server said, or what kept it from being
// asked. The test's one recipient stands for all: what would be our fault if several got
// it is said to be.
func quoted(j judgment, err error, wire string) judgment {
	e, ok := errors.AsType[*textproto.Error](err)
	if !ok {
		j.Fault = fault(err, wire)
		return j
	}
	j.Said = mailer.Quote(fmt.Sprintf("%d %s", e.Code, e.Msg))
	if j.ours.Reason == mailer.ReasonSettings && j.Reason == mailer.ReasonPolicy {
		j.Reason = mailer.ReasonSettings
	}
	return j
}

// untrusted reports whether a certificate was wrong, or what answered spoke no TLS.
func untrusted(err error) bool {
	var (
		verify    *tls.CertificateVerificationError
		host      x509.HostnameError
		authority x509.UnknownAuthorityError
		record    tls.RecordHeaderError
	)
	return errors.As(err, &verify) || errors.As(err, &host) || errors.As(err, &authority) || errors.As(err, &record)
}

// A reply is the codes of an answer: RFC 5321's, and RFC 3463's if it has one.
type reply struct {
	code int
	enhanced
	text string // lower-case; to look into, never to quote
}

// An enhanced is a code of RFC 3463. Its zero value is none.
type enhanced struct{ class, subject, detail int }

func parseReply(e *textproto.Error) reply {
	r := reply{code: e.Code, text: strings.ToLower(e.Msg)}
	first, _, _ := strings.Cut(e.Msg, " ")
	if x, ok := parseEnhanced(first); ok && x.class == e.Code/100 {
		r.enhanced = x
	}
	return r
}

// parseEnhanced reads "5.1.1".
func parseEnhanced(s string) (enhanced, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return enhanced{}, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil || len(p) > 3 {
			return enhanced{}, false
		}
		n[i] = int(v)
	}
	ok := n[0] == 2 || n[0] == 4 || n[0] == 5
	return enhanced{n[0], n[1], n[2]}, ok
}

func (e enhanced) is(subject, detail int) bool {
	return e.class != 0 && e.subject == subject && e.detail == detail
}

func (r reply) says(words ...string) bool {
	for _, w := range words {
		if strings.Contains(r.text, w) {
			return true
		}
	}
	return false
}

// later says what a 4xx means: the mail is not taken, and may come again. One that comes
// once a recipient is named is about this recipient: servers say 4.7.1 and 4.3.0 of one
// whose system they cannot ask just now, and all others must not wait for it.
func (r reply) later(at stage) judgment {
	var ours mailer.Answer
	switch {
	case at == signing: // 454 4.7.0: who knows the passwords does not answer
		ours = mailer.Answer{Reason: mailer.ReasonDown, Pause: pauseDown}
	// A server that does not know this recipient yet says 4.7.1 as one that has enough
	// of us does. Only its words tell.
	case at >= rcpt && r.code != 421 && r.says("greylist", "graylist", "grey-list", "gray-list"):
		return judgment{Answer: mailer.Answer{Reason: mailer.ReasonPolicy}}
	case r.code == 421 || r.code == 432 || r.subject == 7:
		ours = mailer.Answer{Reason: mailer.ReasonLimit, Pause: pauseLimit}
	case at <= from || r.subject == 3: // its disk, its queue
		ours = mailer.Answer{Reason: mailer.ReasonDown, Pause: pauseDown}
	}
	if at <= from {
		return judgment{Answer: ours}
	}
	reason := r.reason(mailer.ReasonDown)
	if r.subject == 3 {
		reason = mailer.ReasonDown
	}
	return judgment{mailer.Answer{Reason: reason}, ours}
}

// never says what a 5xx means. Only one that is about the recipient or the mail refuses
// it: nobody may lose their link for good by a wrong password or a quota. One that seems
// to be about us, and comes once a recipient is named, keeps back this recipient's mail
// alone.
func (r reply) never(at stage) judgment {
	ours, reason := mailer.Answer{Reason: mailer.ReasonSettings, Pause: pauseSettings}, mailer.ReasonPolicy
	switch {
	case r.is(4, 5) || r.subject != 2 && r.says("per hour", "per day", "hourly", "daily", "sending limit", "rate limit", "quota exceeded for sender"):
		ours, reason = mailer.Answer{Reason: mailer.ReasonLimit, Pause: pauseQuota}, mailer.ReasonLimit
	case at <= from || r.ours():
	case r.code == 500 || r.code >= 502 && r.code <= 504 || r.code == 555 || r.subject == 5 && r.detail > 0:
		reason = mailer.ReasonOther // we and it do not understand each other
	default:
		return judgment{Answer: mailer.Answer{Verdict: mailer.Refused, Reason: r.reason(r.plain(at))}}
	}
	if at <= from {
		return judgment{Answer: ours}
	}
	return judgment{mailer.Answer{Reason: reason}, ours}
}

// ours reports whether a refusal is about who sends, and not about the recipient.
func (r reply) ours() bool {
	switch {
	case r.code == 530 || r.code == 534 || r.code == 535 || r.code == 538:
		return true
	case r.is(1, 7) || r.is(1, 8): // the sender's address
		return true
	case r.subject == 7:
		switch r.detail {
		case 8, 9, 11, 14, 54, 57, 60, 64, 501, 502, 503, 705, 708:
			return true
		}
	case r.class != 0 && r.subject != 0:
		return false
	}
	return r.says("relay", "authenticat", "not permitted to send", "send as this sender", "not authorized to send", "log in")
}

// plain is what a code means that has no enhanced one, or one that says nothing.
func (r reply) plain(at stage) mailer.Reason {
	switch {
	case r.code == 552 && at == rcpt:
		return mailer.ReasonFull
	case r.code == 554 || at > rcpt:
		return mailer.ReasonPolicy
	}
	return mailer.ReasonAddress
}

// reason is what an enhanced code says of the recipient, or or.
func (e enhanced) reason(or mailer.Reason) mailer.Reason {
	switch e.subject {
	case 1:
		if e.detail == 7 || e.detail == 8 { // the sender's
			return mailer.ReasonPolicy
		}
		return mailer.ReasonAddress
	case 2:
		switch e.detail {
		case 1:
			return mailer.ReasonAddress
		case 2:
			return mailer.ReasonFull
		case 3:
			return mailer.ReasonPolicy
		}
	case 3:
		return mailer.ReasonOther
	case 4:
		if e.class == 5 && (e.detail == 1 || e.detail == 4 || e.detail == 310) { // no such host; Exchange: no such recipient
			return mailer.ReasonAddress
		}
		return mailer.ReasonDown
	case 6, 7:
		return mailer.ReasonPolicy
	}
	return or
}
