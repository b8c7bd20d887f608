package mailer

import (
	"context"
	"strings"
	"time"
	"unicode"
)

// A Sender hands mails on. It must be safe for concurrent use.
type Sender interface {
	// Name is one lower-case word. The outbox keeps it beside a mail that this
	// sender may have taken.
	Name() string
	// Send hands over at most [Batch] mails and returns what became of each, in
	// their order. It returns in time when ctx ends. Two mails of one call may be
	// for one mailbox.
	Send(ctx context.Context, mails []Mail) []Answer
}

// Batch is how many mails a [Sender] gets at once, and so how many may leave twice
// when a process is killed, or an answer is lost, between sending and marking them.
const Batch = 100

// An Answer is what became of one mail that a [Sender] was given.
type Answer struct {
	Verdict Verdict
	// Reason is why a mail is refused, or why it is not taken.
	Reason Reason
	// Pause is how long the sender is not to be asked again, for whatever mail: it
	// said so, or its settings are wrong and a person has to mend them, or its answers
	// are lost one after the other. Only with [NotTaken] and [Unknown].
	Pause time.Duration
	// Said is what the other side said, word for word: only of a test, which is to no
	// member, and only where the sender was told to keep it. It never reaches a log.
	Said string
	// Fault is what is wrong with the way to the other side, in words for whoever set it
	// up: of a test, as Said.
	Fault string
}

// Quote returns the words of a mail system as they may be shown on a screen: one line,
// and not long.
func Quote(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(text); len(r) > maxQuote {
		return string(r[:maxQuote]) + "…"
	}
	return text
}

const maxQuote = 300

// A Verdict says what is known of a mail after it was handed to a [Sender].
type Verdict int

const (
	// NotTaken: it will certainly not be sent. It may go again, by any sender. It is
	// the zero value, so that what a sender forgot is sent.
	NotTaken Verdict = iota
	// Accepted: it is durable, or out of our hands.
	Accepted
	// Refused: for good, and by every sender: trying again is no use.
	Refused
	// Unknown: it may have been taken, for the answer was lost. It goes again by the
	// same sender; if it was taken, two mails arrive and carry one link.
	Unknown
)

// String returns a word for it, as in metrics.
func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	case Unknown:
		return "unknown"
	}
	return "not_taken"
}

// A Reason is one word of a fixed set. It stands in the database and in metrics, so
// it never quotes what a mail system said: that may hold an address.
type Reason string

const (
	ReasonNone       Reason = ""
	ReasonAddress    Reason = "address"    // no such mailbox, or no address at all
	ReasonFull       Reason = "full"       // the mailbox takes nothing now
	ReasonPolicy     Reason = "policy"     // the receiving system does not want it: reputation, content, authentication
	ReasonSuppressed Reason = "suppressed" // the provider keeps a list, of bounces or complaints, with this address
	ReasonSpam       Reason = "spam"       // the member reported it as spam
	ReasonSettings   Reason = "settings"   // key, account, sender: nothing leaves before a person mends it
	ReasonLimit      Reason = "limit"      // too much at once, or the quota is used up
	ReasonDown       Reason = "down"       // not reached, or not working
	ReasonOther      Reason = "other"
)

// Delivery is what is known of a mail that left, from the sender's events or from
// bounces.
type Delivery string

const (
	Processed  Delivery = "processed"  // the provider has it
	Delayed    Delivery = "delayed"    // the receiving system says later
	Delivered  Delivery = "delivered"  // the receiving system has it
	Blocked    Delivery = "blocked"    // refused this time: policy, or a full mailbox
	Bounced    Delivery = "bounced"    // refused for good
	Complained Delivery = "complained" // reported as spam, so it has arrived
)

// rank orders states: events come late, twice and out of order, and only a higher
// one replaces what is known.
func (d Delivery) rank() int {
	switch d {
	case Processed:
		return 1
	case Delayed:
		return 2
	case Delivered:
		return 3
	case Blocked:
		return 4
	case Bounced:
		return 5
	case Complained:
		return 6
	}
	return 0
}

// An Event is what a mail system tells of one mail.
type Event struct {
	ID     string   // the teller's own name of the event, at most 100 bytes; told twice, it counts once
	Mail   [16]byte // [Mail.ID]
	State  Delivery
	Reason Reason
}
