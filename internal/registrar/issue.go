package registrar

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// Issue signs a blinded request, once for each member. The same request again
// gets the same answer until the grace after the close has passed, whatever
// became of the first; another one gets [ErrAlreadyIssued]. Other errors are
// those of errors.go; any further one means that the member should try again,
// with the same request.
func (r *Registrar) Issue(ctx context.Context, c Credential, factor string, z []byte) (answer [credential.Size]byte, err error) {
	leave, err := r.signer.enter()
	if err != nil {
		return answer, err
	}
	defer leave()
	hash := sha256.Sum256(z)
	if r.manifest.Factor != nil {
		if err := r.firstFactor(ctx, c, factor, hash[:]); err != nil {
			return answer, err
		}
	}
	var group suite.GroupID
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		s, err := lookShared(ctx, tx, c)
		if err != nil {
			return err
		}
		group = s.group
		repeated, err := r.decide(&s, hash[:])
		if err != nil {
			return err
		}
		if repeated {
			return touch(ctx, tx)
		}
		if err := r.signer.check(s.group, z); err != nil {
			return err
		}
		return r.use(ctx, tx, &s, hash[:])
	})
	if err != nil {
		return answer, fmt.Errorf("issuing: %w", err)
	}
	// Signed after the commit, and checked by the issuer against the request.
	// Whoever loses this answer asks again and gets the same.
	if answer, err = r.signer.sign(ctx, group, z); err != nil {
		return answer, fmt.Errorf("issuing: %w", err)
	}
	return answer, nil
}

// decide says whether a request is to be signed now (nil), and whether it was
// before. The order is that of SPEC 7 and of what a member must hear first: a
// repetition is answered although voting has closed meanwhile.
func (r *Registrar) decide(s *standing, hash []byte) (repeated bool, err error) {
	if err := s.valid(); err != nil {
		return false, err
	}
	now := r.c.Now().Unix()
	switch {
	case s.used == usedIssue && bytes.Equal(s.request, hash):
		inTime := now < s.close+r.manifest.Schedule.Grace
		if !inTime || s.phase != election.PhaseOpen && s.phase != election.PhaseClosed {
			return false, ErrClosed
		}
		return true, nil
	case s.used == usedDeposit:
		return false, ErrDeposited
	case s.used != "":
		return false, ErrAlreadyIssued
	case !s.onRoll:
		return false, ErrEnvelopeOnly
	}
	return false, s.open(now)
}

// firstFactor checks the extra answer before the transaction that issues, since
// a wrong one is counted in a transaction of its own. What the other transaction
// would say first is said first here too: a repetition needs no answer.
func (r *Registrar) firstFactor(ctx context.Context, c Credential, factor string, hash []byte) error {
	s, err := r.look(ctx, c)
	if err != nil {
		return err
	}
	repeated, err := r.decide(&s, hash)
	if err != nil || repeated {
		return err
	}
	return r.checkFactor(ctx, &s, factor)
}

// use uses a member up for a request. The primary key decides: of several
// requests at once one inserts, the others wait for it and find its row.
func (r *Registrar) use(ctx context.Context, tx pgx.Tx, s *standing, hash []byte) error {
	entry := ledger.Issuance{MID: r.mid, Group: s.group, Blinded: ledger.Blinded(suite.Hash(s.leaf)), Request: suite.Hash(hash)}.Bytes()
	id := randomID()
	var won int
	err := tx.QueryRow(ctx, `
		WITH won AS (
			INSERT INTO registrar.used (group_id, roll_index, kind, request_hash) VALUES ($1, $2, 'issue', $3)
			ON CONFLICT DO NOTHING RETURNING 1),
		queued AS (INSERT INTO registrar.queue (entry, group_id) SELECT $4, $1 FROM won),
		noticed AS (
			INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before)
			SELECT $5, 'issued', $1, $2, $6 FROM won WHERE $7)
		SELECT count(*) FROM won`,
		s.group, s.index, hash, entry, id[:], time.Unix(r.noticeTime(), 0).UTC(), s.mail).Scan(&won)
	if err != nil {
		return fmt.Errorf("using a member up: %w", err)
	}
	if won == 1 {
		return nil
	}
	var kind string
	var request []byte
	err = tx.QueryRow(ctx, `SELECT kind, request_hash FROM registrar.used WHERE group_id = $1 AND roll_index = $2`, s.group, s.index).
		Scan(&kind, &request)
	switch {
	case err == pgx.ErrNoRows:
		// The hash is taken, by another member's request: no honest device
		// makes the same request for two.
		return ErrRequest
	case err != nil:
		return fmt.Errorf("reading what a member was used for: %w", err)
	case kind == usedIssue && bytes.Equal(request, hash):
		return touch(ctx, tx)
	case kind == usedDeposit:
		return ErrDeposited
	}
	return ErrAlreadyIssued
}

// noticeTime is when every notice of an issuance or a deposit was due, so that it
// leaves at once: a moment of its own would say, in every copy of the database, when
// and in which order members voted.
func (r *Registrar) noticeTime() int64 { return r.manifest.Schedule.Open }

// touch makes the transaction write, so that its commit waits for whatever the
// first one's had to wait for. If that one's wait for a second copy of the
// database was cut off, a retry must not be answered before the copy is there.
func touch(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT one FROM registrar.election FOR KEY SHARE`); err != nil {
		return fmt.Errorf("waiting for the first commit: %w", err)
	}
	return nil
}
