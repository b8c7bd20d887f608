package registrar

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// A Credential is what a member shows: a token that the token key has signed,
// or a code. It holds hashes only.
type Credential struct {
	id     suite.Hash
	isCode bool
}

// Present checks what a member sent, exactly one of a link's token and a typed
// code. It returns [ErrUnknownLink] for a forged token, as for one that nobody
// was sent, [ErrExpired], or [ErrRequest]. It asks no database: a flood of
// made-up tokens costs a signature check each.
func (r *Registrar) Present(tok, code string) (Credential, error) {
	switch {
	case (tok == "") == (code == ""):
		return Credential{}, ErrRequest
	case code != "":
		c, err := token.ParseCode(code)
		if err != nil {
			return Credential{}, ErrUnknownLink
		}
		if r.c.Now().Unix() >= r.manifest.Schedule.TokenExpires() {
			return Credential{}, ErrExpired
		}
		return Credential{c.ID(), true}, nil
	}
	t, _, err := token.ParseBase64(tok)
	if err != nil {
		return Credential{}, ErrUnknownLink
	}
	b, err := token.Verify(ed25519.PublicKey(r.manifest.TokenKey[:]), t, r.c.Now())
	switch {
	case errors.Is(err, token.ErrExpired):
		return Credential{}, ErrExpired
	case err != nil || b.Election != r.manifest.ElectionID:
		return Credential{}, ErrUnknownLink
	}
	return Credential{t.ID(), false}, nil
}

// A standing is everything that decides what a member may do now.
type standing struct {
	phase      election.Phase
	close      int64
	found      bool
	revoked    bool
	onRoll     bool
	group      suite.GroupID
	index      uint32
	number     string
	leaf       []byte
	factorHash []byte
	mail       bool   // there is an address
	used       string // "", "issue", "deposit", "strike"
	request    []byte // hash of the request it was used on
	deposited  []byte // id of the ballot in an envelope; nil: none
}

const selectStanding = `
	SELECT e.phase, COALESCE(e.close_at, 0), t.token_id IS NOT NULL, r.token_id IS NOT NULL,
		COALESCE(t.on_roll, false), COALESCE(t.group_id, 0), COALESCE(t.roll_index, 0),
		COALESCE(m.member_no, ''), m.leaf, m.factor_hmac, COALESCE(m.email, a.email) IS NOT NULL, COALESCE(u.kind, ''), u.request_hash,
		v.ballot_id
	FROM registrar.election e
	LEFT JOIN registrar.token t ON %s = $1
	LEFT JOIN registrar.token_revoked r ON r.token_id = t.token_id
	LEFT JOIN registrar.member m ON t.on_roll AND m.group_id = t.group_id AND m.roll_index = t.roll_index
	LEFT JOIN registrar.applicant a ON NOT t.on_roll AND a.group_id = t.group_id AND a.roll_index = t.roll_index
	LEFT JOIN registrar.used u ON t.on_roll AND u.group_id = t.group_id AND u.roll_index = t.roll_index
	LEFT JOIN registrar.envelope v ON v.on_roll = t.on_roll AND v.group_id = t.group_id AND v.roll_index = t.roll_index`

var (
	standingByToken = fmt.Sprintf(selectStanding, "t.token_id")
	standingByCode  = fmt.Sprintf(selectStanding, "t.code_id")
)

func (c Credential) query() string {
	if c.isCode {
		return standingByCode
	}
	return standingByToken
}

func scanStanding(row pgx.Row) (s standing, err error) {
	err = row.Scan(&s.phase, &s.close, &s.found, &s.revoked, &s.onRoll, &s.group, &s.index,
		&s.number, &s.leaf, &s.factorHash, &s.mail, &s.used, &s.request, &s.deposited)
	if err != nil {
		return s, fmt.Errorf("looking up a link: %w", err)
	}
	return s, nil
}

// look reads a standing without any lock: for answers that decide nothing.
func (r *Registrar) look(ctx context.Context, c Credential) (standing, error) {
	return scanStanding(r.c.Pool.QueryRow(ctx, c.query(), c.id[:]))
}

// lookShared takes the phase lock shared and reads the standing after it. The
// two are sent at once, yet are two statements: the second sees what whoever
// held the lock alone has committed.
func lookShared(ctx context.Context, tx pgx.Tx, c Credential) (standing, error) {
	b := new(pgx.Batch)
	b.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, int64(phaseLock))
	b.Queue(c.query(), c.id[:])
	results := tx.SendBatch(ctx, b)
	if _, err := results.Exec(); err != nil {
		results.Close()
		return standing{}, fmt.Errorf("locking the phase: %w", err)
	}
	s, err := scanStanding(results.QueryRow())
	if closed := results.Close(); err == nil && closed != nil {
		err = fmt.Errorf("looking up a link: %w", closed)
	}
	return s, err
}

// valid returns an error for a link that opens nothing, whatever the phase.
func (s *standing) valid() error {
	switch {
	case !s.found:
		return ErrUnknownLink
	case s.revoked:
		return ErrReplaced
	case s.used == usedStrike:
		return ErrStruck
	}
	return nil
}

// open returns an error unless ballots are issued now. The row decides; the
// clock only makes a close that nobody has written yet hold to the second.
func (s *standing) open(now int64) error {
	switch s.phase {
	case election.PhaseOpen:
		if now < s.close {
			return nil
		}
		return ErrClosed
	case election.PhaseSealed:
		return ErrNotOpen
	case election.PhaseCancelled:
		return ErrCancelled
	default:
		return ErrClosed
	}
}

// The kinds of use of a member.
const (
	usedIssue   = "issue"
	usedDeposit = "deposit"
	usedStrike  = "strike"
)
