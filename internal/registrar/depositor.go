package registrar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// A Depositor is a person whose envelope waits for the committee, or was decided.
// It redacts itself.
type Depositor struct {
	Envelope             // without its body
	Number, Name, Campus string
	Reason               string // why somebody off the roll was admitted
	Decision             Decision
}

// A Decision is what became of an envelope.
type Decision string

// The decisions.
const (
	Undecided Decision = "waits"
	Accepted  Decision = "accepted" // it is counted
	Rejected  Decision = "rejected" // it is never opened
)

// Format keeps a depositor out of logs and error texts.
func (Depositor) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("depositor [redacted]")) }

// Depositors lists the envelopes with the people who sealed them, by group and
// name, so that the committee can decide on persons. What an envelope holds,
// nobody sees. applied are the proposals that took effect: which envelopes they
// reject is known by them alone, see [Registrar.NoteRejected].
func (r *Registrar) Depositors(ctx context.Context, applied []Proposal) ([]Depositor, error) {
	var out []Depositor
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		acts, err := readActs(ctx, tx)
		if err != nil {
			return err
		}
		s, err := r.state(acts)
		if err != nil {
			return err
		}
		if out, err = readDepositors(ctx, tx); err != nil {
			return err
		}
		var rejected []suite.BallotID
		for _, p := range applied {
			list, err := readRejected(ctx, tx, p)
			if err != nil && !errors.Is(err, ErrNotNoted) {
				return err
			}
			rejected = append(rejected, list...)
		}
		for i := range out {
			d := &out[i]
			d.Decision = Undecided
			if slices.Contains(rejected, d.BallotID) {
				d.Decision = Rejected
			}
			if slices.ContainsFunc(s.Decisions, func(x act.Decide) bool { return slices.Contains(x.Accepted, d.BallotID) }) {
				d.Decision = Accepted
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing envelopes: %w", scrub(err))
	}
	return out, nil
}

func readDepositors(ctx context.Context, tx pgx.Tx) ([]Depositor, error) {
	rows, err := tx.Query(ctx, `
		SELECT e.group_id, e.ballot_id, e.on_roll, COALESCE(m.member_no, ''), COALESCE(m.name, a.name),
			COALESCE(m.campus, a.campus), COALESCE(a.reason, '')
		FROM registrar.envelope e
		LEFT JOIN registrar.member m ON e.on_roll AND m.group_id = e.group_id AND m.roll_index = e.roll_index
		LEFT JOIN registrar.applicant a ON NOT e.on_roll AND a.group_id = e.group_id AND a.roll_index = e.roll_index
		ORDER BY e.group_id, 5, e.ballot_id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Depositor, err error) {
		var id []byte
		err = row.Scan(&d.Group, &id, &d.OnRoll, &d.Number, &d.Name, &d.Campus, &d.Reason)
		copy(d.BallotID[:], id)
		return d, err
	})
}

// tellCounted queues the result for those off the roll whose envelope the committee has
// accepted: they have voted as others have. Whose envelope is not counted gets none: the
// mail speaks of a ballot in the box.
func (r *Registrar) tellCounted(ctx context.Context, tx pgx.Tx, from time.Time, spread time.Duration) (int, error) {
	acts, err := readActs(ctx, tx)
	if err != nil {
		return 0, err
	}
	s, err := r.state(acts)
	if err != nil {
		return 0, err
	}
	var accepted [][]byte
	for _, d := range s.Decisions {
		for _, id := range d.Accepted {
			accepted = append(accepted, id[:])
		}
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO registrar.outbox (id, kind, on_roll, group_id, roll_index, not_before)
		SELECT uuid_send(gen_random_uuid()), $1, false, a.group_id, a.roll_index, $2::timestamptz + random() * $3::bigint * interval '1 second'
		FROM registrar.applicant a JOIN registrar.envelope e ON NOT e.on_roll AND e.group_id = a.group_id AND e.roll_index = a.roll_index
		WHERE e.ballot_id = ANY($4) AND a.email IS NOT NULL AND NOT EXISTS (SELECT FROM registrar.outbox o
			WHERE o.kind = $1 AND NOT o.on_roll AND o.group_id = a.group_id AND o.roll_index = a.roll_index)`,
		mailer.Result, from.UTC(), int64(spread/time.Second), accepted)
	return int(tag.RowsAffected()), err
}

// admitted are those off the roll whom a word that the close was moved is for, as
// receivers are those on it: whose link has left, and who got none since $1. Whether they
// have voted is looked at when it leaves.
const admitted = ` FROM registrar.applicant a
	WHERE a.email IS NOT NULL AND NOT EXISTS (
		SELECT FROM registrar.outbox o WHERE NOT o.on_roll AND o.group_id = a.group_id AND o.roll_index = a.roll_index
			AND o.kind = 'moved' AND (o.turn > $1 OR o.state = 'queued' AND o.attempts = 0))
		AND EXISTS (SELECT FROM registrar.outbox o WHERE NOT o.on_roll AND o.group_id = a.group_id AND o.roll_index = a.roll_index
			AND o.kind = 'envelope' AND o.state <> 'queued')`

// countAdmitted counts them, and none for another kind of mail.
func countAdmitted(ctx context.Context, tx pgx.Tx, kind string, since time.Time) (n int, err error) {
	if kind == mailer.Moved {
		err = tx.QueryRow(ctx, `SELECT count(*)`+admitted, since).Scan(&n)
	}
	return n, err
}

// tellAdmitted queues the word that the close was moved for those off the roll: they come
// too late by their mails as others do.
func tellAdmitted(ctx context.Context, tx pgx.Tx, since, from time.Time, spread time.Duration) (int, error) {
	tag, err := tx.Exec(ctx, `
		INSERT INTO registrar.outbox (id, kind, on_roll, group_id, roll_index, not_before)
		SELECT uuid_send(gen_random_uuid()), 'moved', false, a.group_id, a.roll_index, $2::timestamptz + random() * $3::bigint * interval '1 second'`+admitted,
		since, from.UTC(), int64(spread/time.Second))
	return int(tag.RowsAffected()), err
}

// Named returns the number and the name of the member whom an amendment adds or
// strikes, for the committee to compare. It returns [ErrNoMember].
func (r *Registrar) Named(ctx context.Context, a act.Amend) (number, name string, err error) {
	rows, err := r.c.Pool.Query(ctx, `
		SELECT member_no, name, leaf FROM registrar.member WHERE group_id = $1 AND leaf IS NOT NULL
		UNION ALL SELECT member_no, name, leaf FROM registrar.addition WHERE group_id = $1`, a.Group)
	if err != nil {
		return "", "", fmt.Errorf("finding a member: %w", scrub(err))
	}
	found := false
	var no, who string
	var leaf []byte
	_, err = pgx.ForEachRow(rows, []any{&no, &who, &leaf}, func() error {
		h := suite.Hash(leaf)
		if a.Op == act.OpStrike {
			h = ledger.Blinded(h)
		}
		if h == a.Hash {
			number, name, found = no, who, true
		}
		return nil
	})
	if err != nil {
		return "", "", fmt.Errorf("finding a member: %w", scrub(err))
	}
	if !found {
		return "", "", ErrNoMember
	}
	return number, name, nil
}

// An Undelivered is a member whose last mail with a link did not arrive, or is not known
// to have.
type Undelivered struct {
	Member
	Kind string // of the mail
	// State is failed: it never left; bounced, blocked: it came back; delayed: the
	// member's mail system takes it later, or never; complained: it arrived, and was
	// reported as spam; late: it was tried for hours, and is tried again.
	State  string
	Reason mailer.Reason
}

// Undelivered lists the members whose last link was refused, by who carries the mails or
// by the member's own mail system, who have not got it yet, or who called it spam. As
// long as nothing was heard of the invitation, what became of the announcement counts:
// it finds addresses that are dead while there is time to ask for others. The last is the
// one whose first turn came last: a link that arrived after another had been tried is not
// hidden by further attempts at that one. A mail that waits counts once it was tried more
// often than an outage alone explains, which would list everybody. Reminders do not
// count: they leave only to those who have not voted, so that whoever had one refused,
// or had an earlier refusal made up for, would be known by it. No more do notices, which
// go to those who have.
func (r *Registrar) Undelivered(ctx context.Context) ([]Undelivered, error) {
	rows, err := r.c.Pool.Query(ctx, `
		SELECT m.member_no, m.name, m.unit, m.campus, o.kind, o.fate, COALESCE(o.reason, '') FROM registrar.member m
		CROSS JOIN LATERAL (SELECT kind, fate, reason FROM (
				SELECT kind, reason, turn, CASE
					WHEN state = 'sent' THEN COALESCE(delivery, 'processed')
					WHEN state = 'failed' THEN 'failed'
					WHEN attempts > $3 THEN 'late'
					ELSE 'queued' END AS fate
				FROM registrar.outbox
				WHERE on_roll AND group_id = m.group_id AND roll_index = m.roll_index AND kind = ANY ($1)) mails
			WHERE kind <> $2 OR fate NOT IN ('queued', 'processed')
			ORDER BY turn DESC LIMIT 1) o
		WHERE o.fate NOT IN ('queued', 'processed', 'delivered')
		ORDER BY m.campus, m.name, m.member_no`,
		[]string{mailer.Announcement, mailer.Invitation, mailer.Resend, mailer.Corrected}, mailer.Invitation, mailer.OutageAttempts)
	if err != nil {
		return nil, fmt.Errorf("listing undelivered mails: %w", scrub(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Undelivered, err error) {
		err = row.Scan(&m.Number, &m.Name, &m.Unit, &m.Campus, &m.Kind, &m.State, &m.Reason)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing undelivered mails: %w", scrub(err))
	}
	return list, nil
}

// Addressees returns the numbers, names and addresses of everybody on a roll who has an
// address, in the database of a draft too.
func Addressees(ctx context.Context, pool *pgxpool.Pool) ([]Member, error) {
	rows, err := pool.Query(ctx, `SELECT member_no, name, email FROM registrar.member WHERE email IS NOT NULL ORDER BY member_no COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("reading addresses: %w", scrub(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Member, err error) {
		err = row.Scan(&m.Number, &m.Name, &m.Email)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading addresses: %w", scrub(err))
	}
	return list, nil
}
