package committee

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/suite"
)

// A LogEntry is a line of the committee's log: who did what. It names nobody of
// the roll.
type LogEntry struct {
	At                time.Time
	Who, What, Detail string
}

// Who did something where no person is named.
const (
	byOperator  = "operator"
	byRegistrar = "registrar"
)

// Note adds a line to the committee's log, for what is done elsewhere: slips
// were printed, an address was corrected. Neither text may name a member of the
// roll.
func (s *Service) Note(ctx context.Context, id suite.ElectionID, who, what string) error {
	if err := CheckNote(who, what); err != nil {
		return err
	}
	if _, err := s.store.draft(ctx, id); err != nil {
		return err
	}
	return s.note(ctx, s.store, id, who, what, "")
}

// CheckNote refuses what [Service.Note] would for its texts: before it is done, for it
// would be done and stand nowhere.
func CheckNote(who, what string) error {
	if err := checkWho(who); err != nil {
		return err
	}
	if err := suite.CheckText(what, 500); err != nil {
		return &RefusedError{fmt.Errorf("it must be said what was done, in at most 500 bytes: %w", err)}
	}
	return nil
}

func (s *Service) note(ctx context.Context, tx store, id suite.ElectionID, who, what, detail string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO committee.log (election_id, at, who, what, detail) VALUES ($1, $2, $3, $4, $5)`,
		id[:], s.c.Now().UTC(), who, what, detail)
	if err != nil {
		return fmt.Errorf("inserting log entry: %w", err)
	}
	return nil
}

// Log returns the committee's log of an election, oldest first.
func (s *Service) Log(ctx context.Context, id suite.ElectionID) ([]LogEntry, error) {
	if _, err := s.store.draft(ctx, id); err != nil {
		return nil, err
	}
	rows, err := s.store.Query(ctx, `
		SELECT at, who, what, detail FROM committee.log WHERE election_id = $1 ORDER BY number`, id[:])
	if err != nil {
		return nil, fmt.Errorf("selecting log: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[LogEntry])
	if err != nil {
		return nil, fmt.Errorf("selecting log: %w", err)
	}
	return list, nil
}

// plain makes a reason fit to be kept and shown: visible, and not long.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if suite.Invisible(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	const most = 500
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return strings.TrimSpace(s)
}
