package mailer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
)

// A Tally is where the mails of one kind stand. Of a kind that is not [Neutral] it says
// how many have not been tried yet and how many have, and nothing of what became of
// them.
type Tally struct {
	Kind    string
	Waiting int // for their time, for a sender, or for another attempt
	Left    int // handed over to a sender, or not needed any more
	Failed  int // given up
	// What became of those that left, as far as was heard.
	Delivered map[Delivery]int
	// Why mails failed, were delayed or came back.
	Reasons map[Reason]int
}

// A Status says where the mails of an election stand.
type Status struct {
	Paused  bool
	Tallies []Tally
	// At is when this was so.
	At time.Time
	// Next and Last are when the first and the last of those that wait may leave; zero
	// if none waits but for a link that has not left: that may take any time.
	Next, Last time.Time
	// Kept are the reminders, of those that wait, whose link has not left, or has only just.
	Kept int
	// LinkAge is the time after a mail with the link in which its member is not reminded.
	LinkAge time.Duration
}

// Waiting counts the mails that wait.
func (s *Status) Waiting() int {
	n := 0
	for _, t := range s.Tallies {
		n += t.Waiting
	}
	return n
}

// status counts mails. Those to whoever has voted are left out, and of those to whoever
// has not the first attempt is all there is to see: one that is tried a second time is
// to somebody who had not voted then.
const status = `
	SELECT kind,
		CASE WHEN kind = ANY ($1) THEN state WHEN attempts = 0 AND state = 'queued' THEN 'queued' ELSE 'sent' END AS was,
		CASE WHEN kind = ANY ($1) THEN COALESCE(delivery, '') ELSE '' END AS became,
		CASE WHEN kind = ANY ($1) THEN COALESCE(reason, '') ELSE '' END AS why,
		count(*), min(not_before) FILTER (WHERE NOT ` + linkWaits + `), max(not_before) FILTER (WHERE NOT ` + linkWaits + `),
		count(*) FILTER (WHERE attempts = 0 AND state = 'queued' AND ` + keptBack + `)
	FROM registrar.outbox o WHERE kind NOT IN ('issued', 'deposited', 'nobody')
	GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`

// ReadStatus returns where the mails of an election stand.
func ReadStatus(ctx context.Context, pool *pgxpool.Pool, m *election.Manifest, now time.Time) (*Status, error) {
	s := &Status{At: now, LinkAge: LinkAge(m)}
	at := make(map[string]int)
	err := postgres.InTx(ctx, pool, pgx.RepeatableRead, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM registrar.mail_pause WHERE paused)`).Scan(&s.Paused); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, status, NeutralKinds(), now.Add(-s.LinkAge).UTC())
		if err != nil {
			return err
		}
		var kind, state, delivery, reason string
		var n, kept int
		var first, last *time.Time
		_, err = pgx.ForEachRow(rows, []any{&kind, &state, &delivery, &reason, &n, &first, &last, &kept}, func() error {
			i, ok := at[kind]
			if !ok {
				i = len(s.Tallies)
				at[kind] = i
				s.Tallies = append(s.Tallies, Tally{Kind: kind, Delivered: make(map[Delivery]int), Reasons: make(map[Reason]int)})
			}
			s.Tallies[i].add(state, Delivery(delivery), Reason(reason), n)
			s.Kept += kept
			if first != nil && (state == "queued" || state == "leased") {
				s.wait(*first, *last)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting mails: %w", err)
	}
	order := Kinds()
	slices.SortFunc(s.Tallies, func(a, b Tally) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return s, nil
}

func (t *Tally) add(state string, d Delivery, r Reason, n int) {
	switch state {
	case "sent":
		t.Left += n
	case "failed":
		t.Failed += n
	default:
		t.Waiting += n
	}
	if d != "" {
		t.Delivered[d] += n
	}
	if r != ReasonNone {
		t.Reasons[r] += n
	}
}

func (s *Status) wait(first, last time.Time) {
	if s.Next.IsZero() || first.Before(s.Next) {
		s.Next = first
	}
	if last.After(s.Last) {
		s.Last = last
	}
}

// Pause holds all mails of an election back, in every process, and reports whether they
// left until now. What a sender has already got leaves.
func Pause(ctx context.Context, pool *pgxpool.Pool) (changed bool, err error) {
	tag, err := pool.Exec(ctx, `INSERT INTO registrar.mail_pause AS p (paused) VALUES (true)
		ON CONFLICT (one) DO UPDATE SET paused = true WHERE NOT p.paused`)
	if err != nil {
		return false, fmt.Errorf("holding mails back: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// Resume lets mails leave again. Those to everybody whose time came meanwhile leave over
// a while, at random, as they would have: all at once, large mailbox providers would
// slow them down. Invitations leave by the middle of what is left of the voting, reminders
// by the middle of the time that they have, and announcements by the middle of what is
// left until open, in Unix seconds, when voting opens: later some would be too late.
func Resume(ctx context.Context, pool *pgxpool.Pool, now time.Time, spread time.Duration, open int64) (changed bool, err error) {
	err = postgres.InTx(ctx, pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE registrar.mail_pause SET paused = false WHERE paused`)
		if changed = err == nil && tag.RowsAffected() > 0; !changed {
			return err
		}
		_, err = tx.Exec(ctx, `
			WITH due AS MATERIALIZED (
				SELECT id FROM registrar.outbox WHERE state = 'queued' AND not_before <= $1 AND kind = ANY ($2) ORDER BY id FOR UPDATE),
			later AS MATERIALIZED (
				SELECT o.id, $1::timestamptz + random() * interval '1 second' * CASE
					WHEN o.kind IN ('invitation', 'moved') THEN LEAST($3::bigint, GREATEST(0, e.close_at - $4) / 2)
					WHEN o.kind IN ('reminder', 'closing') THEN LEAST($3::bigint, GREATEST(0, e.close_at - $5 - $4) / 2)
					WHEN o.kind = 'announcement' THEN LEAST($3::bigint, GREATEST(0, $6 - $4) / 2)
					ELSE $3::bigint END AS at
				FROM due JOIN registrar.outbox o USING (id) CROSS JOIN registrar.election e)
			UPDATE registrar.outbox o SET not_before = later.at, turn = CASE WHEN o.attempts = 0 THEN later.at ELSE o.turn END
			FROM later WHERE o.id = later.id`, now.UTC(), bulk, int64(spread/time.Second), now.Unix(), int64(LastHour), open)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("letting mails leave again: %w", err)
	}
	return changed, nil
}
