package mailer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
)

var (
	// ErrUnsigned is returned for events that nobody answers for.
	ErrUnsigned = errors.New("these events are not signed by who carries the mails")
	// ErrEvents is returned for what cannot be read as events.
	ErrEvents = errors.New("these are not events of mails")
)

// Neutral reports whether the numbers of a kind of mail say nothing of who has voted.
// Issued and Deposited are mailed to those who have, Reminder, Closing and Moved to those who
// have not: how many of them wait, were delivered or came back is turnout, and of a few
// members it is who. No summary, metric or list may show it.
func Neutral(kind string) bool { return slices.Contains(neutral, kind) }

// NeutralKinds returns the kinds that are [Neutral].
func NeutralKinds() []string { return slices.Clone(neutral) }

var neutral = []string{Announcement, Invitation, Resend, Corrected, Replaced, Envelope, Result}

// reasons are all there are.
var reasons = []Reason{ReasonAddress, ReasonFull, ReasonPolicy, ReasonSuppressed, ReasonSpam, ReasonSettings, ReasonLimit, ReasonDown, ReasonOther}

const maxEventID = 100

// ValidEventID reports whether a text can be the [Event.ID] of an event: letters,
// digits and signs that print, at most a hundred of them.
func ValidEventID[T ~string | ~[]byte](id T) bool {
	if len(id) == 0 || len(id) > maxEventID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// Counted says how many events were of mails of one election.
type Counted struct {
	New   int // counted now
	Again int // counted before
}

// countEvents keeps the events of this election's mails that are new, and what the
// strongest says of each mail.
//
// Locking comes first and by id: two that count, or one that counts and a [Mailer] that
// settles, would each hold a row that the other waits for. What the provider tells of a
// mail shows that it took it. So a mail that waits because that was unknown must not go
// again, whatever became of it: only one that no sender was ever asked for waits on.
const countEvents = `
	WITH told AS (
		SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::int[]) AS t(event, mail, delivery, reason, rank)),
	here AS (
		SELECT DISTINCT ON (t.event) t.* FROM told t JOIN registrar.outbox o ON o.id = t.mail
		ORDER BY t.event, t.rank DESC),
	fresh AS (
		INSERT INTO registrar.mail_event (id) SELECT event FROM here ORDER BY event
		ON CONFLICT DO NOTHING RETURNING id),
	best AS (
		SELECT DISTINCT ON (h.mail) h.* FROM here h JOIN fresh f ON f.id = h.event
		ORDER BY h.mail, h.rank DESC, h.event),
	kept AS (
		UPDATE registrar.outbox o SET
			delivery = b.delivery, reason = NULLIF(b.reason, ''),
			state = CASE WHEN o.sender IS NULL THEN o.state ELSE 'sent' END,
			lease_until = CASE WHEN o.sender IS NULL THEN o.lease_until END
		FROM best b WHERE o.id = b.mail AND b.rank > COALESCE(array_position($6::text[], o.delivery), 0))
	SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM told t JOIN registrar.outbox o ON o.id = t.mail)`

// ranked are the states of [Delivery], each at its rank.
var ranked = []string{string(Processed), string(Delayed), string(Delivered), string(Blocked), string(Bounced), string(Complained)}

// Count keeps what events tell of the mails of one election: all of it or, with an
// error, nothing. Events of other mails are left alone, and so are those that are
// none: without an id, a state or a reason that there is. The order of events does not
// matter; one that is told again counts once. No time is kept.
func Count(ctx context.Context, pool *pgxpool.Pool, events []Event) (Counted, error) {
	var c table
	for _, e := range events {
		c.add(e)
	}
	if len(c.ids) == 0 {
		return Counted{}, nil
	}
	var fresh, here int
	err := postgres.InTx(ctx, pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockMails, c.mails); err != nil {
			return err
		}
		return tx.QueryRow(ctx, countEvents, c.ids, c.mails, c.states, c.reasons, c.ranks, ranked).Scan(&fresh, &here)
	})
	if err != nil {
		return Counted{}, fmt.Errorf("counting what became of mails: %w", err)
	}
	return Counted{New: fresh, Again: here - fresh}, nil
}

// lockMails locks mails for a change, always in one order.
const lockMails = `SELECT FROM registrar.outbox WHERE id = ANY ($1) ORDER BY id FOR UPDATE`

// A table is events as the database gets them.
type table struct {
	ids, states, reasons []string
	mails                [][]byte
	ranks                []int
}

func (c *table) add(e Event) {
	if !ValidEventID(e.ID) || e.State.rank() == 0 {
		return
	}
	switch {
	case e.State == Processed || e.State == Delivered:
		e.Reason = ReasonNone
	case e.Reason != ReasonNone && !slices.Contains(reasons, e.Reason):
		e.Reason = ReasonOther
	}
	c.ids = append(c.ids, e.ID)
	c.mails = append(c.mails, e.Mail[:])
	c.states = append(c.states, string(e.State))
	c.reasons = append(c.reasons, string(e.Reason))
	c.ranks = append(c.ranks, e.State.rank())
}
