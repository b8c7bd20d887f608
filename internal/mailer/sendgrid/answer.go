package sendgrid

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/mailer"
)

const (
	shortPause = 10 * time.Second
	limitPause = 15 * time.Second // where SendGrid does not say how long
	maxPause   = 5 * time.Minute

	// maxBare is how many answers that name no mail are followed by halves of the
	// call: enough to find two mails among a hundred. Beyond, it is not the mails.
	maxBare = 16

	// maxRefused is how many addresses of one turn SendGrid may call none. All were
	// checked before: where it finds no address in so many, it is not the addresses, and
	// nobody is to be left out because of it.
	maxRefused = mailer.Batch / 5
)

// A turn is what has happened since [Sender.Send] was called.
type turn struct {
	bare    int   // answers that found fault and named no mail
	refused []int // mails whose address is none, as SendGrid says
}

// settle notes what became of a call. It returns the calls to make in its place, and an
// answer for all that were not made if they are not to be.
func (s *Sender) settle(c call, r result, answers []mailer.Answer, t *turn) (more []call, stop *mailer.Answer) {
	if r.status == http.StatusAccepted || r.status == http.StatusOK && s.c.Sandbox {
		s.failed(false)
		c.answer(answers, mailer.Answer{Verdict: mailer.Accepted})
		return nil, nil
	}
	if s.c.Quote {
		defer func() {
			for _, x := range c {
				answers[x.at].Said = said(r)
			}
		}()
	}
	a := mailer.Answer{}
	switch {
	case r.status == http.StatusBadRequest:
		return s.wrong(c, r, answers, t)
	case r.status == http.StatusRequestEntityTooLarge:
		s.log(r.status, "")
		return halve(c, answers), nil
	case r.status == http.StatusTooManyRequests:
		a = mailer.Answer{Reason: mailer.ReasonLimit, Pause: wait(r.header, time.Now())}
	case r.status == 0 && !r.written:
		a = mailer.Answer{Reason: mailer.ReasonDown, Pause: jitter(shortPause)}
	case r.status == 0 || r.status == http.StatusRequestTimeout || r.status >= 500:
		a = mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonDown, Pause: s.failed(true)}
	case r.status < 300:
		// Somebody took it, but was it SendGrid?
		a = mailer.Answer{Verdict: mailer.Unknown, Reason: mailer.ReasonSettings, Pause: settingsPause}
	default:
		a = mailer.Answer{Reason: mailer.ReasonSettings, Pause: settingsPause}
	}
	s.log(r.status, "")
	c.answer(answers, a)
	a.Verdict = mailer.NotTaken
	return nil, &a
}

// said returns what SendGrid answered, in its own words.
func said(r result) string {
	if r.status == 0 {
		return ""
	}
	var e struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	words := []string{strconv.Itoa(r.status)}
	if json.Unmarshal([]byte(r.body), &e) == nil {
		for _, x := range e.Errors {
			words = append(words, x.Message)
		}
	}
	return mailer.Quote(strings.Join(words, " "))
}

// log says what SendGrid answered, and none of its words.
func (s *Sender) log(status int, field string) {
	s.c.Log.Warn("SendGrid did not take a call", "status", status, "field", field)
}

// failed counts calls in a row whose answer was lost, and returns the pause after one:
// none after the first, which may be chance, and then more and more. Without it every
// mail there is would soon be of unknown fate.
func (s *Sender) failed(lost bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !lost {
		s.failures = 0
		return 0
	}
	s.failures++
	if s.failures == 1 {
		return 0
	}
	return jitter(min(maxPause, shortPause<<min(s.failures-2, 10)))
}

// wrong deals with a call that SendGrid found a fault in: it took none of its mails.
// Those that it names are answered for, and the others go again.
func (s *Sender) wrong(c call, r result, answers []mailer.Answer, t *turn) ([]call, *mailer.Answer) {
	faults := parseFaults(r.body)
	var more []call
	left := slices.Clone(c)
	for _, f := range faults {
		s.log(r.status, f.field)
		i := slices.IndexFunc(left, func(x item) bool { return f.index >= 0 && f.index < len(c) && x.at == c[f.index].at })
		switch {
		case f.index < 0 && f.field != "personalizations" && f.field != "":
			// Not of any mail: the sender's address, say.
			a := mailer.Answer{Reason: mailer.ReasonSettings, Pause: settingsPause}
			c.answer(answers, a)
			return nil, &a
		case i < 0: // said before, or of none that there is
			continue
		case f.field == "personalizations.to":
			answers[left[i].at] = mailer.Answer{Verdict: mailer.Refused, Reason: mailer.ReasonAddress}
			t.refused = append(t.refused, left[i].at)
		case f.field == "personalizations.substitutions" && !left[i].alone:
			x := left[i]
			x.alone = true
			more = append(more, call{x})
		default:
			answers[left[i].at] = mailer.Answer{Reason: mailer.ReasonOther}
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(t.refused) > maxRefused {
		a := mailer.Answer{Reason: mailer.ReasonSettings, Pause: settingsPause}
		for _, at := range t.refused {
			answers[at] = a
		}
		call(left).answer(answers, a)
		for _, x := range more {
			x.answer(answers, a)
		}
		return nil, &a
	}
	if len(left) < len(c) {
		if len(left) > 0 {
			more = append(more, left)
		}
		return more, nil
	}
	if t.bare++; t.bare > maxBare {
		a := mailer.Answer{Reason: mailer.ReasonSettings, Pause: settingsPause}
		c.answer(answers, a)
		return nil, &a
	}
	if len(faults) == 0 {
		s.log(r.status, "")
	}
	return halve(c, answers), nil
}

// halve makes two calls of one, or answers for a mail that is at fault itself.
func halve(c call, answers []mailer.Answer) []call {
	if len(c) == 1 {
		// Another sender may take it.
		c.answer(answers, mailer.Answer{Reason: mailer.ReasonOther})
		return nil
	}
	return []call{c[: len(c)/2 : len(c)/2], c[len(c)/2:]}
}

// A fault is what SendGrid finds wrong in a call.
type fault struct {
	field string // without the numbers in it, such as personalizations.to
	index int    // of the mail; -1: of none
}

// fields are the words that a fault's field is made of. Others are not repeated: what
// SendGrid quotes there is not known.
var fields = strings.Fields(`personalizations to email name subject headers substitutions custom_args from reply_to
	content type value categories mail_settings tracking_settings enable message`)

// parseFaults reads what SendGrid says is wrong, from its errors' field. The rest of
// what it says may quote the mail.
func parseFaults(body string) (list []fault) {
	var said struct {
		Errors []struct {
			Field *string `json:"field"`
		} `json:"errors"`
	}
	if json.Unmarshal([]byte(body), &said) != nil {
		return nil
	}
	for _, e := range said.Errors {
		f := fault{index: -1}
		if e.Field == nil {
			list = append(list, f)
			continue
		}
		var words []string
		for i, w := range strings.FieldsFunc(*e.Field, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
			if n, err := strconv.ParseUint(w, 10, 16); err == nil {
				if i == 1 && words[0] == "personalizations" {
					f.index = int(n)
				}
				continue
			}
			if !slices.Contains(fields, w) {
				w = "other"
			}
			words = append(words, w)
		}
		// The list of addresses of a mail has one: what is wrong with it, is with it.
		if len(words) > 1 && words[0] == "personalizations" {
			words = words[:2]
		}
		f.field = strings.Join(words, ".")
		list = append(list, f)
	}
	return list
}

// wait returns how long SendGrid wants to be left alone. The end that it names is read
// by its own clock, from the same answer, in case ours is wrong.
func wait(h http.Header, now time.Time) time.Duration {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		now = at
	}
	pause := limitPause
	if n, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		pause = time.Unix(n, 0).Sub(now)
	} else if n, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32); err == nil {
		pause = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		pause = at.Sub(now)
	}
	return jitter(min(max(pause, time.Second), maxPause))
}

// jitter adds up to a quarter, so that not all who were told to wait come back at once.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4) }
