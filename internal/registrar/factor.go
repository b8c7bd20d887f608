package registrar

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
)

const (
	// tries is how many wrong answers there are before a link rests.
	tries = 5
	// rest is how long.
	rest = time.Hour
)

// checkFactor compares the extra answer. It returns [ErrFactorNeeded], which is
// not counted, a [*FactorError] or a [*LockedError]. A wrong answer is counted
// in a transaction of its own, so that nothing that fails later takes it back,
// and members' tries are counted one after another, so that many at once are
// not many for the price of one.
func (r *Registrar) checkFactor(ctx context.Context, s *standing, answer string) error {
	if answer == "" {
		return ErrFactorNeeded
	}
	given := factorHash(r.c.Keys.FactorKey, r.manifest.ElectionID, s.number, answer)
	right := len(s.factorHash) > 0 && hmac.Equal(given, s.factorHash)
	var verdict error
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		verdict = nil
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, int32(s.group), int32(s.index)); err != nil {
			return err
		}
		failures, last, err := countFailures(ctx, tx, s)
		if err != nil {
			return err
		}
		now := r.c.Now().UTC()
		if wait := last.Add(rest).Sub(now); failures > 0 && failures%tries == 0 && wait > 0 {
			verdict = &LockedError{For: wait}
			return nil // a right answer too: otherwise the lock would only slow down, not stop, a guesser
		}
		if right {
			return nil
		}
		verdict = &FactorError{Left: tries - 1 - failures%tries}
		if failures%tries == tries-1 {
			verdict = &LockedError{For: rest}
		}
		id := randomID()
		_, err = tx.Exec(ctx, `INSERT INTO registrar.factor_failure (id, group_id, roll_index, at) VALUES ($1, $2, $3, $4)`,
			id[:], s.group, s.index, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("counting answers: %w", err)
	}
	return verdict
}

// countFailures counts the wrong answers since the last reset.
func countFailures(ctx context.Context, tx pgx.Tx, s *standing) (n int, last time.Time, err error) {
	var at *time.Time
	err = tx.QueryRow(ctx, `
		SELECT count(*), max(at) FROM registrar.factor_failure f
		WHERE group_id = $1 AND roll_index = $2 AND reset_by = '' AND at > COALESCE(
			(SELECT max(at) FROM registrar.factor_failure WHERE group_id = $1 AND roll_index = $2 AND reset_by <> ''), '-infinity')`,
		s.group, s.index).Scan(&n, &at)
	if at != nil {
		last = *at
	}
	return n, last, err
}

// ResetFactor lets a member try again at once, after the committee has made
// sure who it is. by says who did; it is kept.
func (r *Registrar) ResetFactor(ctx context.Context, number, by string) error {
	if by == "" {
		return fmt.Errorf("resetting tries: it must be said by whom")
	}
	id := randomID()
	tag, err := r.c.Pool.Exec(ctx, `
		INSERT INTO registrar.factor_failure (id, group_id, roll_index, at, reset_by)
		SELECT $1, group_id, roll_index, $3, $4 FROM registrar.member WHERE member_no = $2`,
		id[:], number, r.c.Now().UTC(), by)
	if err != nil {
		return fmt.Errorf("resetting tries: %w", scrub(err))
	}
	if tag.RowsAffected() == 0 {
		return ErrNoMember
	}
	return nil
}

// Place is where somebody stands on the roll.
type Place struct {
	Group suite.GroupID
	Index uint32
}

func randomID() (id [16]byte) {
	rand.Read(id[:]) // never fails
	return id
}
