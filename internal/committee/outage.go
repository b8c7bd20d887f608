package committee

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// An Outage is a time in which a part of the service did not answer: from its
// first second to the one in which it answered again.
type Outage struct {
	Part     string // booth, registrar, box, board, console or mail
	From, To int64
}

// parts says of each part of the service whether voting needs it.
var parts = map[string]bool{"booth": true, "registrar": true, "box": true, "board": false, "console": false, "mail": false}

// RecordOutage keeps when a part of the service did not answer. The same again
// is the same one.
func (s *Service) RecordOutage(ctx context.Context, id suite.ElectionID, part string, from, to int64, by string) error {
	if err := checkWho(by); err != nil {
		return err
	}
	if _, ok := parts[part]; !ok {
		return &RefusedError{fmt.Errorf("there is no part %q; name booth, registrar, box, board, console or mail", part)}
	}
	switch {
	case from <= 0 || from >= to:
		return &RefusedError{errors.New("the downtime ends before it begins")}
	case to > s.c.Now().Unix():
		return &RefusedError{errors.New("the downtime ends in the future; record it once the part answers again")}
	}
	return s.store.alone(ctx, id, func(tx store) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO committee.outage (election_id, part, from_at, to_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`, id[:], part, from, to)
		if err != nil {
			return fmt.Errorf("inserting outage: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return nil
		}
		return s.note(ctx, tx, id, by, "downtime recorded", fmt.Sprintf("%s, %s to %s", part, moment(from), moment(to)))
	})
}

// Outages returns what was recorded, by beginning.
func (s *Service) Outages(ctx context.Context, id suite.ElectionID) ([]Outage, error) {
	if _, err := s.store.draft(ctx, id); err != nil {
		return nil, err
	}
	rows, err := s.store.Query(ctx, `
		SELECT part, from_at, to_at FROM committee.outage WHERE election_id = $1 ORDER BY from_at, to_at, part`, id[:])
	if err != nil {
		return nil, fmt.Errorf("selecting outages: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Outage])
	if err != nil {
		return nil, fmt.Errorf("selecting outages: %w", err)
	}
	return list, nil
}

const (
	leastDowntime = 600 // seconds; less is not made up for
	wholeMinutes  = 900 // an extension is so many seconds, or a multiple
)

// ProposedExtension returns the close to which voting is to be extended for
// downtime, by the rule of SPEC.md section 11. ok is false where there is
// nothing to propose.
func ProposedExtension(m *election.Manifest, closeInForce int64, outages []Outage, now int64) (newClose int64, ok bool) {
	s := m.Schedule
	// An election that was closed early on purpose is not opened again by a rule.
	if closeInForce < s.Close || s.PhaseAt(closeInForce, unix(now)) != election.PhaseOpen {
		return 0, false
	}
	down := downtime(outages, s.Open, min(closeInForce, now))
	if down < leastDowntime {
		return 0, false
	}
	newClose = min(s.LatestClose, s.Close+(down+wholeMinutes-1)/wholeMinutes*wholeMinutes)
	return newClose, newClose > closeInForce
}

// downtime returns how long, within two moments, some part that voting needs did
// not answer. What overlaps counts once.
func downtime(outages []Outage, from, to int64) int64 {
	var needed []Outage
	for _, o := range outages {
		if parts[o.Part] {
			needed = append(needed, Outage{o.Part, max(o.From, from), min(o.To, to)})
		}
	}
	slices.SortFunc(needed, func(a, b Outage) int { return cmp.Compare(a.From, b.From) })
	var total int64
	for _, o := range needed {
		begin := max(o.From, from)
		if o.To > begin {
			total += o.To - begin
			from = o.To
		}
	}
	return total
}
