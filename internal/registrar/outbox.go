package registrar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailer"
)

// mail queues one mail, in the transaction of what it is about.
func (r *Registrar) mail(ctx context.Context, tx pgx.Tx, kind string, onRoll bool, at Place, when int64) error {
	id := randomID()
	_, err := tx.Exec(ctx, `INSERT INTO registrar.outbox (id, kind, on_roll, group_id, roll_index, not_before) VALUES ($1, $2, $3, $4, $5, $6)`,
		id[:], kind, onRoll, at.Group, at.Index, time.Unix(when, 0).UTC())
	if err != nil {
		return fmt.Errorf("queueing a mail: %w", err)
	}
	return nil
}

// Enqueue queues a mail of a kind to everybody on the roll who has an address,
// spread at random over a while from a moment on. Whoever got that kind before
// does not get it again; a reminder may be repeated after 20 hours. Who needs no
// reminder is found out when it would leave, and told to nobody. It returns how
// many were queued. Nothing may leave before the election is ready.
func (r *Registrar) Enqueue(ctx context.Context, kind string, from time.Time, spread time.Duration) (int, error) {
	if !slices.Contains([]string{mailer.Announcement, mailer.Invitation, mailer.Reminder, mailer.Closing, mailer.Result}, kind) {
		return 0, errors.New("queueing mails: this kind does not go to everybody")
	}
	if r.c.Ready != nil {
		if err := r.c.Ready(ctx); err != nil {
			return 0, fmt.Errorf("queueing mails: %w", err)
		}
	}
	since := time.Unix(0, 0)
	if kind == mailer.Reminder {
		since = from.Add(-20 * time.Hour)
	}
	var queued int
	err := alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before)
			SELECT uuid_send(gen_random_uuid()), $1, m.group_id, m.roll_index, $2::timestamptz + random() * $3::bigint * interval '1 second'
			FROM registrar.member m
			WHERE m.email IS NOT NULL AND NOT EXISTS (
				SELECT FROM registrar.outbox o WHERE o.kind = $1 AND o.on_roll
					AND o.group_id = m.group_id AND o.roll_index = m.roll_index AND o.not_before > $4)`,
			kind, from.UTC(), int64(spread/time.Second), since.UTC())
		queued = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("queueing mails: %w", err)
	}
	return queued, nil
}

// Resend queues the link again for everybody with an address or a number; at
// most once in ten minutes. It says nothing about whether there is such a
// person.
func (r *Registrar) Resend(ctx context.Context, addressOrNumber string) error {
	now := r.c.Now().UTC()
	_, err := r.c.Pool.Exec(ctx, `
		INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before)
		SELECT uuid_send(gen_random_uuid()), 'resend', m.group_id, m.roll_index, $2
		FROM registrar.member m
		WHERE (lower(m.email) = lower($1) OR m.member_no = $1) AND m.email IS NOT NULL
			AND EXISTS (SELECT FROM registrar.election WHERE phase IN ('sealed', 'open', 'closed'))
			AND NOT EXISTS (SELECT FROM registrar.outbox o WHERE o.kind = 'resend' AND o.on_roll
				AND o.group_id = m.group_id AND o.roll_index = m.roll_index AND o.not_before > $3)`,
		strings.TrimSpace(addressOrNumber), now, now.Add(-10*time.Minute))
	if err != nil {
		return fmt.Errorf("queueing a link: %w", scrub(err))
	}
	return nil
}

// A MailCount says how many mails of a kind are in a state.
type MailCount struct {
	Kind, State string
	Count       int
}

// Mails counts the outbox.
func (r *Registrar) Mails(ctx context.Context) ([]MailCount, error) {
	rows, err := r.c.Pool.Query(ctx, `SELECT kind, state, count(*) FROM registrar.outbox WHERE kind <> 'issued' GROUP BY 1, 2 ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("counting mails: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MailCount])
	if err != nil {
		return nil, fmt.Errorf("counting mails: %w", err)
	}
	return counts, nil
}
