package registrar

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
)

// A Depositor is a person whose envelope waits for the committee, or was decided.
// It redacts itself.
type Depositor struct {
	Envelope             // without its body
	Number, Name, Campus string
	Reason               string // why somebody off the roll was admitted
	Accepted             bool
}

// Format keeps a depositor out of logs and error texts.
func (Depositor) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("depositor [redacted]")) }

// Depositors lists the envelopes with the people who sealed them, by group and
// name, so that the committee can decide on persons. What an envelope holds,
// nobody sees. Which of them were rejected is not known here: an act says only
// how many.
func (r *Registrar) Depositors(ctx context.Context) ([]Depositor, error) {
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
		rows, err := tx.Query(ctx, `
			SELECT e.group_id, e.ballot_id, e.on_roll, COALESCE(m.member_no, ''), COALESCE(m.name, a.name),
				COALESCE(m.campus, a.campus), COALESCE(a.reason, '')
			FROM registrar.envelope e
			LEFT JOIN registrar.member m ON e.on_roll AND m.group_id = e.group_id AND m.roll_index = e.roll_index
			LEFT JOIN registrar.applicant a ON NOT e.on_roll AND a.group_id = e.group_id AND a.roll_index = e.roll_index
			ORDER BY e.group_id, 5, e.ballot_id`)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Depositor, err error) {
			var id []byte
			err = row.Scan(&d.Group, &id, &d.OnRoll, &d.Number, &d.Name, &d.Campus, &d.Reason)
			copy(d.BallotID[:], id)
			return d, err
		})
		for i := range out {
			for _, decision := range s.Decisions {
				for _, id := range decision.Accepted {
					if id == out[i].BallotID {
						out[i].Accepted = true
					}
				}
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing envelopes: %w", scrub(err))
	}
	return out, nil
}
