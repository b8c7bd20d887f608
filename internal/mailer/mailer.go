// Package mailer sends the mails of one election: it takes what waits in the
// outbox, looks up the address, makes the member's link, and hands the mail to
// a [Sender].
//
// It knows names, addresses and links, never a ballot and never how anybody
// voted. No token, code or address may reach a log, an error or the database:
// the outbox names a member, the token is signed again whenever a mail is
// rendered, and of what a Sender answers only a [Verdict] and a [Reason] are kept. Links and
// codes are those of SPEC.md section 5; the words are in templates/mail. For
// members without an address it prints sealed slips ([Slips]).
//
// # Security considerations
//
// This package holds the token key and the code key. Whoever has them can vote
// for every member.
package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// The kinds of mail: the names of their templates, and the outbox's kind.
const (
	Announcement = "announcement" // days before the opening: who may vote, check your address
	Invitation   = "invitation"   // the link, at the opening
	Reminder     = "reminder"     // only to whom no ballot was issued when it leaves
	Closing      = "closing"      // the same, on the last day
	Moved        = "moved"        // the close was moved, to whom no ballot was issued when it leaves
	Resend       = "resend"       // the same link again, asked for
	Corrected    = "corrected"    // a new link, after an address was corrected
	Replaced     = "replaced"     // to the address that was used before: no link, no name
	Issued       = "issued"       // a ballot was issued in your name
	Envelope     = "envelope"     // a link that opens an envelope only
	Deposited    = "deposited"    // an envelope was deposited in your name
	Result       = "result"       // to all on the roll and to whose envelope counted, once certified
)

// Nobody is the kind of a row for a link that was asked for by somebody who is not on
// the roll. It waits as a mail does and is none: it has the place of a member by chance,
// and is dropped unseen.
const Nobody = "nobody"

// Kinds returns every kind of mail.
func Kinds() []string {
	return []string{Announcement, Invitation, Reminder, Closing, Moved, Resend, Corrected, Replaced, Issued, Envelope, Deposited, Result}
}

// bulk lists the kinds that go to everybody. All others go to one member who waits,
// and overtake them.
var bulk = []string{Announcement, Invitation, Reminder, Closing, Moved, Result}

// firsts lists the kinds that bring the link of which reminders speak.
var firsts = []string{Invitation, Corrected}

// notices tell one member what has happened, while others wait for a link to vote: they
// leave after those. All of them are due since voting opened, so that thousands that an
// outage held up would stand in front of a link that is asked for now.
var notices = []string{Issued, Deposited}

// LastHour is how long before the close, in seconds, no reminder leaves any
// more: it may arrive too late, and presses. An invitation still does, without which a
// member has no ballot, and the word that the close was moved.
const LastHour = 3600

// A Mail is one message, ready to leave. It redacts itself.
type Mail struct {
	ID       [16]byte // random; the same whenever this mail is tried again
	From     Address
	ReplyTo  string
	To       string
	Subject  string
	Text     string
	HTML     string
	Date     time.Time
	Language string
}

// An Address is a sender's name and address.
type Address struct{ Name, Address string }

// Format hides the mail, whatever the verb: it holds an address and a link.
func (Mail) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[mail]") }

// MarshalJSON refuses, so that no mail reaches a structured log.
func (Mail) MarshalJSON() ([]byte, error) { return nil, errors.New("a mail is not to be written down") }

// Config holds what a [Mailer] needs.
type Config struct {
	Pool     *pgxpool.Pool // role sv_registrar; must come from postgres.Open
	Manifest *election.Manifest
	MID      suite.MID
	Minter   *Minter  // nil once the keys are destroyed: then no mail with a link is sent
	Senders  []Sender // the first that takes a mail sends it
	From     Address
	Zone     *time.Location // of the times in mails
	Pages    Pages
	// Outcome returns what a Result mail says; nil until there is a result.
	Outcome func(ctx context.Context) (*Outcome, error)
	Now     func() time.Time
	Log     *slog.Logger
	// Observe is told of each mail that a sender has answered for. It may be nil.
	Observe func(kind string, v Verdict)
	// Lease is how long other processes keep off mails that one is sending; 0 means
	// two minutes. It is longer than sending a batch takes.
	Lease time.Duration
}

// Pages are addresses that mails point at. Those left empty are this program's own:
// the booth's for the code, the registrar's for a report, and the public pages.
type Pages struct {
	Code      string // where a code is typed
	Election  string
	Tracker   string
	Result    string
	Report    string // where somebody says that it was not they
	Organizer string // no address but a text: whom to ask at the workplace; may be empty
}

// A Mailer sends what waits in the outbox of one election. Several may run at
// once, in one process or many.
type Mailer struct {
	c      Config
	render *renderer
	route  *route
}

// New returns a Mailer. Its error is one of the templates.
func New(c Config) (*Mailer, error) {
	if c.Lease == 0 {
		c.Lease = lease
	}
	c.Pages = c.Pages.of(c.Manifest)
	r, err := newRenderer(&c)
	if err != nil {
		return nil, fmt.Errorf("reading mail templates: %w", err)
	}
	return &Mailer{c: c, render: r, route: newRoute(c.Senders)}, nil
}

// Run sends what is due, then waits a moment, until ctx ends. It returns nil
// then, and logs everything else that goes wrong.
func (m *Mailer) Run(ctx context.Context) error {
	const pause = 2 * time.Second
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if _, err := m.Drain(ctx); err != nil && ctx.Err() == nil {
			m.c.Log.ErrorContext(ctx, "mails wait", "err", err)
		}
		t.Reset(pause)
	}
}

// Drain sends everything that is due now and returns how many mails left.
func (m *Mailer) Drain(ctx context.Context) (int, error) {
	total := 0
	for {
		claimed, sent, err := m.batch(ctx)
		total += sent
		if err != nil || claimed == 0 {
			return total, err
		}
	}
}
