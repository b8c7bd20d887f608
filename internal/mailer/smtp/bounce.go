package smtp

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"

	"strikevote/internal/mailer"
)

// What a bounce may be at most. Beyond it nothing is read.
const (
	MaxBounce  = 1 << 20 // bytes
	maxDepth   = 4       // of parts in parts
	maxParts   = 40
	maxReports = 20       // of one message, each about one recipient
	maxText    = 16 << 10 // bytes of text that are searched for a code
	maxField   = 4 << 10  // bytes of a field, after which its further lines are left out
)

// ErrBounce is returned for what is no message, or a longer one than MaxBounce.
var ErrBounce = errors.New("this is no message that can be read")

// ParseBounce reads one message that came to the address of bounces and returns what it
// tells of a mail: mostly one event, and none if it is no report, such as a note that
// somebody is on holiday. bounceAddress is the one of [Config], or the one that this
// message was sent to.
//
// Anybody can write such a message about a mail whose id they know, and the ids are in
// the mails: a member can do so about their own. A report of a mail that there is not
// is for the caller to pass over.
func ParseBounce(r io.Reader, bounceAddress string) ([]mailer.Event, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBounce+1))
	if err != nil {
		return nil, fmt.Errorf("reading a bounce: %w", err)
	}
	if len(b) > MaxBounce {
		return nil, fmt.Errorf("more than %d bytes: %w", MaxBounce, ErrBounce)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(unmarked(b)))
	if err != nil {
		return nil, ErrBounce // the error quotes a line
	}
	p := &parser{bounce: bounceAddress}
	get := func(name string) []string { return msg.Header[name] }
	p.part(get, msg.Body, 0)
	id, ok := p.mail(get)
	if !ok {
		return nil, nil
	}
	var events []mailer.Event
	for _, o := range p.outcomes(get) {
		if e := event(id, o); !slices.Contains(events, e) {
			events = append(events, e)
		}
	}
	return events, nil
}

// unmarked returns a message without the line that files of mailboxes have before each:
// systems that hand a message to a program often leave it there. It is no header, and
// would make the whole message none.
func unmarked(b []byte) []byte {
	mark, ok := bytes.CutPrefix(bytes.TrimPrefix(b, []byte(">")), []byte("From "))
	if !ok || bytes.HasPrefix(bytes.TrimLeft(mark, " \t"), []byte(":")) { // a header with a gap before its colon
		return b
	}
	_, rest, _ := bytes.Cut(mark, []byte("\n"))
	return rest
}

// An outcome is what a report says of one recipient.
type outcome struct {
	state  mailer.Delivery
	reason mailer.Reason
}

// event names an event by what it says, so that a report that is read twice, or that a
// system sends twice, counts once.
func event(id [16]byte, o outcome) mailer.Event {
	sum := sha256.Sum256(fmt.Appendf(nil, "strikevote bounce\n%x\n%s\n%s\n", id, o.state, o.reason))
	return mailer.Event{ID: "smtp-" + hex.EncodeToString(sum[:16]), Mail: id, State: o.state, Reason: o.reason}
}

// A parser gathers what the parts of one message say.
type parser struct {
	bounce string
	parts  int

	statuses  []outcome // of delivery-status
	complaint bool
	isReport  bool // some part of it is made for programs
	text      strings.Builder
	returned  [16]byte // the id in the headers of the mail that came back
	hasID     bool
}

// part reads one part and those in it. get returns the values of a header.
func (p *parser) part(get func(string) []string, body io.Reader, depth int) {
	if p.parts++; p.parts > maxParts || depth > maxDepth {
		return
	}
	kind, params, err := mime.ParseMediaType(first(get("Content-Type")))
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		for r := multipart.NewReader(body, params["boundary"]); p.parts <= maxParts; {
			next, err := r.NextPart()
			if err != nil {
				return
			}
			p.part(func(name string) []string { return next.Header[name] }, next, depth+1)
		}
		return
	}
	if strings.EqualFold(strings.TrimSpace(first(get("Content-Transfer-Encoding"))), "base64") {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	switch kind {
	case "message/delivery-status", "message/global-delivery-status":
		p.isReport = true
		p.status(readUpTo(body, MaxBounce))
	case "message/feedback-report":
		p.isReport = true
		p.feedback(readUpTo(body, MaxBounce))
	case "message/disposition-notification", "message/global-disposition-notification":
		p.isReport = true // that it was read, or thrown away unread: not our business
	case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
		p.back(readUpTo(body, MaxBounce))
	case "text/plain":
		p.text.WriteString(readUpTo(body, maxText-min(maxText, p.text.Len())))
	}
}

// readUpTo returns what there is, as far as it can be read.
func readUpTo(r io.Reader, n int) string {
	b, _ := io.ReadAll(io.LimitReader(r, int64(n)))
	return string(b)
}

// back reads the headers of the mail that came back.
func (p *parser) back(text string) {
	f := blocks(text, 1)
	if len(f) == 0 || p.hasID {
		return
	}
	for _, name := range []string{"return-path", "x-envelope-from"} {
		if id, ok := unverp(f[0][name], p.bounce); ok {
			p.returned, p.hasID = id, true
			return
		}
	}
	p.returned, p.hasID = messageID(f[0]["message-id"])
}

// messageID returns the id in the Message-ID of one of our mails.
func messageID(s string) (id [16]byte, ok bool) {
	s = strings.TrimLeft(strings.TrimSpace(s), "<")
	if at := strings.IndexByte(s, '@'); at != 2*len(id) {
		return id, false
	}
	b, err := hex.DecodeString(s[:2*len(id)])
	if err != nil {
		return id, false
	}
	return [16]byte(b), true
}

// mail returns which mail the message is about: by the address it came to, which the
// server that had the mail was given with it; or by what came back with it.
func (p *parser) mail(get func(string) []string) (id [16]byte, ok bool) {
	if id, ok = unverp(p.bounce, p.bounce); ok {
		return id, true
	}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To"} {
		for _, v := range get(name) {
			if id, ok = unverp(v, p.bounce); ok {
				return id, true
			}
		}
	}
	if p.hasID || !p.isReport {
		return p.returned, p.hasID && p.isReport
	}
	return messageID(first(get("In-Reply-To")))
}

// feedback reads a complaint as RFC 5965 has it.
func (p *parser) feedback(text string) {
	for _, f := range blocks(text, 1) {
		switch strings.ToLower(f["feedback-type"]) {
		case "abuse", "fraud", "virus", "other":
			p.complaint = true
		}
		if id, ok := unverp(f["original-mail-from"], p.bounce); ok && !p.hasID {
			p.returned, p.hasID = id, true
		}
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// blocks reads groups of header fields with an empty line between them, at most n, by
// lower-case name. Of a name that comes again the first counts. It forgives what is not
// as it should be.
func blocks(text string, n int) []map[string]string {
	var list []map[string]string
	now, name := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "":
			if len(now) > 0 {
				list, now = append(list, now), map[string]string{}
			}
			if name = ""; len(list) == n {
				return list
			}
		case (line[0] == ' ' || line[0] == '\t') && name != "":
			// A field of a hundred thousand lines would be copied as often.
			if len(now[name]) < maxField {
				now[name] += " " + strings.TrimSpace(line)
			}
		default:
			before, after, ok := strings.Cut(line, ":")
			if name = strings.ToLower(strings.TrimSpace(before)); !ok || len(now) > 200 || now[name] != "" {
				name = ""
				continue
			}
			now[name] = strings.TrimSpace(after)
		}
	}
	if len(now) > 0 {
		list = append(list, now)
	}
	return list
}
