package registrar

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailer"
)

// A MailCount says how many mails of a kind are in a state.
type MailCount struct {
	Kind string
	// State is queued, sent, delivered, delayed, bounced, blocked, complained or failed:
	// the last that is known.
	State  string
	Reason mailer.Reason // why, in a word; empty where nothing went wrong
	Count  int
}

// mailCounts leaves out notices, whose number is that of voters. Reminders it counts
// by whether their turn has come, and by nothing else: whoever has voted gets none,
// which looks like one that was sent, and so every number that came of sending one,
// that waits to be sent again, failed, was delivered or came back, would be a number of
// people who had not voted. When somebody's turn comes depends on nobody's vote.
const mailCounts = `
	SELECT kind, state, reason, count(*) FROM (
		SELECT kind, CASE
			WHEN kind <> ALL ($1) THEN CASE WHEN attempts = 0 THEN 'queued' ELSE 'sent' END
			WHEN state = 'sent' AND delivery <> 'processed' THEN delivery
			WHEN state = 'leased' THEN 'queued'
			ELSE state END AS state,
			CASE WHEN kind = ANY ($1) AND state IN ('sent', 'failed') THEN COALESCE(reason, '') ELSE '' END AS reason
		FROM registrar.outbox WHERE kind <> ALL ($2)) x
	GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`

// Mails counts the outbox, and nothing in it by which somebody could see how many have
// voted.
func (r *Registrar) Mails(ctx context.Context) ([]MailCount, error) {
	rows, err := r.c.Pool.Query(ctx, mailCounts, mailer.NeutralKinds(), []string{mailer.Issued, mailer.Deposited, mailer.Nobody})
	if err != nil {
		return nil, fmt.Errorf("counting mails: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MailCount])
	if err != nil {
		return nil, fmt.Errorf("counting mails: %w", err)
	}
	return counts, nil
}

// Left reports whether mails in this state have left.
func (c MailCount) Left() bool { return c.State != "queued" && c.State != "failed" }
