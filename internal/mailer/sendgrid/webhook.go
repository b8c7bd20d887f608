package sendgrid

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/mailer"
)

// Names of the headers in which SendGrid says that a request is its own.
const (
	headerSignature = "X-Twilio-Email-Event-Webhook-Signature"
	headerStamp     = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// How old a signed stamp may be, and how far ahead of the clock. While nobody answers
// SendGrid sends a request again for a day, and nothing says that it signs it anew: a
// narrower window would lose what was told while this service was away. Nothing is
// gained by sending a copied request again. Each event counts once for as long as the
// election is kept, and takes no mail back to a state that it had.
const (
	stampAge   = 25 * time.Hour
	stampAhead = 5 * time.Minute
)

// A Webhook reads what SendGrid posts of the fate of mails: its signed Event Webhook.
// It believes nothing that is not signed with the account's key, and of what is it
// keeps what an [mailer.Event] has: no address, no network, no program, and no text of
// another mail system.
type Webhook struct {
	// Key is the account's, see [ParseKey]. Without one nothing is believed.
	Key *ecdsa.PublicKey
	Now func() time.Time // nil is the clock
}

// ErrKey is returned for what is no key of a webhook.
var ErrKey = errors.New("not a key of a signed event webhook: it is the base64 text that SendGrid shows as verification key")

// ParseKey reads the verification key that SendGrid shows: base64 of a PKIX key for
// ECDSA on P-256. It returns [ErrKey] for anything else.
func ParseKey(text string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, ErrKey
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, ErrKey
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, ErrKey
	}
	return key, nil
}

// Events returns what a request tells of our mails. It returns [mailer.ErrUnsigned]
// unless the key signed the body, as it is, within the day in which SendGrid tells it, and
// [mailer.ErrEvents] for a body that is no list, or not whole. What is not about a
// delivery, or about no mail of this program, is left out, and so is what is no event.
//
// A signature has a second form, which everybody can make of the first. It opens
// nothing: what is told twice counts once, by the event's own name.
func (w Webhook) Events(header http.Header, body []byte) ([]mailer.Event, error) {
	if err := w.verify(header, body); err != nil {
		return nil, err
	}
	return parse(body)
}

func (w Webhook) verify(header http.Header, body []byte) error {
	stamp, ok := only(header, headerStamp)
	if !ok {
		return fmt.Errorf("%w: no stamp, or two", mailer.ErrUnsigned)
	}
	signature, ok := only(header, headerSignature)
	if !ok {
		return fmt.Errorf("%w: no signature, or two", mailer.ErrUnsigned)
	}
	at, err := strconv.ParseUint(stamp, 10, 40)
	if err != nil {
		return fmt.Errorf("%w: its stamp is no time", mailer.ErrUnsigned)
	}
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	if off := now().Sub(time.Unix(int64(at), 0)); off > stampAge || off < -stampAhead {
		return fmt.Errorf("%w: its stamp is not of now; is the clock of this machine right?", mailer.ErrUnsigned)
	}
	der, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || w.Key == nil {
		return mailer.ErrUnsigned
	}
	h := sha256.New()
	h.Write([]byte(stamp))
	h.Write(body)
	if !ecdsa.VerifyASN1(w.Key, h.Sum(nil), der) {
		return mailer.ErrUnsigned
	}
	return nil
}

// only returns the value of a header that a request has once. Of two a proxy could
// have read the other one.
func only(header http.Header, name string) (string, bool) {
	values := header.Values(name)
	if len(values) != 1 || len(values[0]) == 0 || len(values[0]) > 200 || strings.ContainsAny(values[0], "\r\n") {
		return "", false
	}
	return values[0], true
}

// parse reads a list of events.
func parse(body []byte) ([]mailer.Event, error) {
	r := newReader(body)
	var events []mailer.Event
	err := r.list(func() error {
		if r.count++; r.count > maxEvents {
			return mailer.ErrEvents
		}
		told, ok, err := r.event()
		if err != nil || !ok {
			return err
		}
		if e, ok := told.event(); ok {
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, mailer.ErrEvents
	}
	return events, nil
}

// A told is what is read of one event. Texts stay where they are, in the body.
type told struct {
	id, mail, kind, bounce, class, status, reason, response []byte
}

// field returns where a field of an event is kept, nil for one that is not read.
func (t *told) field(name []byte) *[]byte {
	switch string(name) {
	case "sg_event_id":
		return &t.id
	case "mid":
		return &t.mail
	case "event":
		return &t.kind
	case "type":
		return &t.bounce
	case "bounce_classification":
		return &t.class
	case "status":
		return &t.status
	case "reason":
		return &t.reason
	case "response":
		return &t.response
	}
	return nil
}

// event returns what was told as an [mailer.Event]; ok is false for what is none.
func (t *told) event() (e mailer.Event, ok bool) {
	switch string(t.kind) {
	case "processed":
		e.State = mailer.Processed
	case "deferred":
		e.State, e.Reason = mailer.Delayed, byCode(t.response)
	case "delivered":
		e.State = mailer.Delivered
	case "bounce":
		e.State, e.Reason = mailer.Bounced, t.refusal()
		if kind := string(t.bounce); kind != "" && kind != "bounce" {
			e.State = mailer.Blocked
		}
	case "dropped":
		e.State, e.Reason = t.dropped()
	case "spamreport":
		e.State, e.Reason = mailer.Complained, mailer.ReasonSpam
	default:
		// Whether somebody opened a mail, or a link in it, is nobody's business.
		return e, false
	}
	if !mailID(&e.Mail, t.mail) || !mailer.ValidEventID(t.id) {
		return e, false
	}
	e.ID = string(t.id)
	return e, true
}

// mailID reads 32 lower-case hexadecimal digits, as they are written.
func mailID(id *[16]byte, text []byte) bool {
	if len(text) != 2*len(id) {
		return false
	}
	for i, c := range text {
		var n byte
		switch {
		case c >= '0' && c <= '9':
			n = c - '0'
		case c >= 'a' && c <= 'f':
			n = c - 'a' + 10
		default:
			return false
		}
		id[i/2] = id[i/2]<<4 | n
	}
	return true
}

// classes are SendGrid's own words for why a mail was refused.
var classes = map[string]mailer.Reason{
	"Invalid Address":              mailer.ReasonAddress,
	"Mailbox Unavailable":          mailer.ReasonFull,
	"Content":                      mailer.ReasonPolicy,
	"Reputation":                   mailer.ReasonPolicy,
	"Frequency/Volume":             mailer.ReasonLimit,
	"Frequency or Volume Too High": mailer.ReasonLimit,
	"Technical":                    mailer.ReasonDown,
	"Technical Failure":            mailer.ReasonDown,
}

// refusal says why a mail system refused a mail: by its own code, which says most, or
// by what SendGrid makes of its words.
func (t *told) refusal() mailer.Reason {
	for _, text := range [][]byte{t.status, t.reason} {
		if reason := byCode(text); reason != mailer.ReasonOther {
			return reason
		}
	}
	if reason, ok := classes[string(t.class)]; ok {
		return reason
	}
	return mailer.ReasonOther
}

// drops are the words in SendGrid's reasons for not sending a mail that it took.
var drops = []struct {
	word   string
	state  mailer.Delivery
	reason mailer.Reason
}{
	{"smtpapi", mailer.Blocked, mailer.ReasonSettings},
	{"package quota", mailer.Blocked, mailer.ReasonLimit},
	{"spam content", mailer.Blocked, mailer.ReasonPolicy},
	{"bounced", mailer.Bounced, mailer.ReasonSuppressed},
	{"unsubscribed", mailer.Bounced, mailer.ReasonSuppressed},
	{"spam report", mailer.Bounced, mailer.ReasonSuppressed},
	{"invalid", mailer.Bounced, mailer.ReasonAddress},
}

// dropped says why SendGrid did not send a mail that it had taken.
func (t *told) dropped() (mailer.Delivery, mailer.Reason) {
	text := bytes.ToLower(t.reason)
	for _, d := range drops {
		if bytes.Contains(text, []byte(d.word)) {
			return d.state, d.reason
		}
	}
	return mailer.Blocked, mailer.ReasonOther
}
