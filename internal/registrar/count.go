package registrar

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// Counts returns what happened to each group so far, as the ledger's final
// entry will say it.
func (r *Registrar) Counts(ctx context.Context) (groups []ledger.FinalGroup, err error) {
	// One snapshot for all tables: a count must not disagree with itself.
	err = postgres.InTx(ctx, r.c.Pool, pgx.RepeatableRead, func(tx pgx.Tx) error {
		groups, err = r.count(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting: %w", err)
	}
	return groups, nil
}

// count needs the phase lock alone, or a snapshot.
func (r *Registrar) count(ctx context.Context, tx pgx.Tx) ([]ledger.FinalGroup, error) {
	at := map[suite.GroupID]*ledger.FinalGroup{}
	groups := make([]ledger.FinalGroup, len(r.manifest.Groups))
	for i, g := range r.manifest.Groups {
		groups[i].Group = g.ID
		at[g.ID] = &groups[i]
	}
	rows, err := tx.Query(ctx, `
		SELECT group_id, kind, count(*) FROM (
			SELECT group_id, kind FROM registrar.used WHERE kind <> 'deposit'
			UNION ALL SELECT group_id, 'added' FROM registrar.member WHERE added
			UNION ALL SELECT group_id, CASE WHEN on_roll THEN 'on' ELSE 'off' END FROM registrar.envelope) x
		GROUP BY 1, 2`)
	if err != nil {
		return nil, err
	}
	var g suite.GroupID
	var kind string
	var n uint32
	_, err = pgx.ForEachRow(rows, []any{&g, &kind, &n}, func() error {
		f := at[g]
		if f == nil {
			return fmt.Errorf("there is no group %d", g)
		}
		*map[string]*uint32{usedIssue: &f.Issued, usedStrike: &f.Struck, "added": &f.Added, "on": &f.DepositedOn, "off": &f.DepositedOff}[kind] = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	acts, err := readActs(ctx, tx)
	if err != nil {
		return nil, err
	}
	s, err := r.state(acts)
	if err != nil {
		return nil, err
	}
	for _, d := range s.Decisions {
		f := at[d.Group]
		f.AcceptedOn += d.AcceptedOn
		f.AcceptedOff += d.AcceptedOff
		f.RejectedOn += d.RejectedOn
		f.RejectedOff += d.RejectedOff
	}
	for i, g := range r.manifest.Groups {
		f := &groups[i]
		f.UndecidedOn = f.DepositedOn - f.AcceptedOn - f.RejectedOn
		f.UndecidedOff = f.DepositedOff - f.AcceptedOff - f.RejectedOff
		if err := f.Check(g.RollSize); err != nil {
			return nil, fmt.Errorf("the counts of group %d do not fit: %w", g.ID, err)
		}
	}
	return groups, nil
}
