package mailer

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/protocol/election"
)

// A Waiting is what has not left of the mails of one election.
type Waiting struct {
	Mails  int           // that are due, or are tried again
	Oldest time.Duration // for how long the first of those is due whose turn has not come
	Paused bool          // because somebody said so
}

// Waits returns what waits, but for what depends on who has voted: notices, and
// reminders that were tried once. Until then those for members who need none wait with
// the others; and but for reminders that are kept back for their links, which are not due
// before they are free.
func Waits(ctx context.Context, pool *pgxpool.Pool, m *election.Manifest, now time.Time) (w Waiting, err error) {
	var first *time.Time
	err = pool.QueryRow(ctx, `
		SELECT count(*), min(GREATEST(not_before, free)) FILTER (WHERE not_before <= $1), EXISTS (SELECT FROM registrar.mail_pause WHERE paused)
		FROM registrar.outbox o CROSS JOIN LATERAL (SELECT max(w.not_before) + ($1::timestamptz - $2::timestamptz) AS free`+itsLink+` AND w.state = 'sent') link
		WHERE state IN ('queued', 'leased') AND (not_before <= $1 OR attempts > 0)
			AND (kind = ANY ($3) OR kind IN ('reminder', 'closing', 'moved') AND attempts = 0 AND NOT `+keptBack+`)`,
		now.UTC(), now.Add(-LinkAge(m)).UTC(), neutral).Scan(&w.Mails, &first, &w.Paused)
	if err != nil {
		return Waiting{}, fmt.Errorf("counting mails that wait: %w", err)
	}
	if first != nil {
		w.Oldest = now.Sub(*first)
	}
	return w, nil
}

// Held returns why each sender is held back, by its name: no reason for one that is
// not.
func (m *Mailer) Held() map[string]Reason {
	held := make(map[string]Reason)
	for _, s := range m.c.Senders {
		held[s.Name()] = ReasonNone
	}
	maps.Copy(held, m.route.holds(m.c.Now()))
	return held
}
