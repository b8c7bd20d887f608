// Package registrar decides who may vote, and sees to it that everybody on the
// roll is issued one ballot and nobody two.
//
// It knows members and never learns a vote: it signs requests that are blinded
// and keeps only their hashes. It must never reach a ballot's meaning, never
// write a token, code, name or address into a log or an error, and never decide
// a race by looking first: a primary key does. What it does is set out in
// internal/protocol/SPEC.md, sections 4, 5 and 7 to 12.
//
// # Security considerations
//
// Everything that depends on the phase takes a lock in the database shared, and
// reads the phase in the transaction that writes; transitions, strikes and new
// links take it alone. So nothing is issued after a close, and nobody is struck
// and issued to, on however many processes. Signing follows the commit: a
// signature that leaves is one that is accounted for, and one that is lost is
// made again for the same request, bit by bit.
package registrar

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// A Ledger is the public log of who was issued a ballot, without names. It must
// be safe for concurrent use.
type Ledger interface {
	// AppendTx appends entries in the caller's transaction and signs nothing.
	AppendTx(ctx context.Context, tx pgx.Tx, entries [][]byte) error
	// Sign signs a checkpoint over what is committed. It may be called again.
	Sign(ctx context.Context) ([]byte, error)
	// Unsigned reports whether what is committed has no checkpoint yet.
	Unsigned(ctx context.Context) (bool, error)
}

// LedgerOf makes a [Ledger] of a log whose AppendTx also returns its head,
// which nobody here needs.
func LedgerOf[H any](l interface {
	AppendTx(ctx context.Context, tx pgx.Tx, entries [][]byte) (H, error)
	Sign(ctx context.Context) ([]byte, error)
	Unsigned(ctx context.Context) (bool, error)
}) Ledger {
	return ledgerOf[H]{l.Sign, l.Unsigned, l.AppendTx}
}

type ledgerOf[H any] struct {
	sign     func(context.Context) ([]byte, error)
	unsigned func(context.Context) (bool, error)
	append   func(context.Context, pgx.Tx, [][]byte) (H, error)
}

func (l ledgerOf[H]) Sign(ctx context.Context) ([]byte, error)   { return l.sign(ctx) }
func (l ledgerOf[H]) Unsigned(ctx context.Context) (bool, error) { return l.unsigned(ctx) }

func (l ledgerOf[H]) AppendTx(ctx context.Context, tx pgx.Tx, entries [][]byte) error {
	_, err := l.append(ctx, tx, entries)
	return err
}

// A Minter makes the tokens of members and says what is kept of them. The keys
// are the mailer's.
type Minter interface {
	Public() ed25519.PublicKey
	IDs(b token.Body) (tokenID, codeID suite.Hash)
}

// Keys are the registrar's secrets of one election.
type Keys struct {
	Issuers   map[suite.GroupID]*issuer.Key
	RollKey   [32]byte // salts of the roll
	FactorKey [32]byte // answers to the extra question
}

// Format hides the keys, whatever the verb.
func (Keys) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[registrar keys]") }

// Config holds what a [Registrar] needs.
type Config struct {
	Pool   *pgxpool.Pool // role sv_registrar; must come from postgres.Open
	Keys   Keys
	Minter Minter // for new links; nil where the mailer's keys are gone
	Ledger Ledger

	// CheckEnvelope says which ballot of which group a disputed person's sealed
	// ballot is, see [CheckAt]. It returns [ErrNotBallot] for what is none; any
	// other error means that it cannot be told now, and nothing is kept. Nil: no
	// envelopes are taken.
	CheckEnvelope func(ctx context.Context, body []byte) (suite.BallotID, suite.GroupID, error)

	// Ready returns an error until mail may leave and voting may open: until
	// both logs' first checkpoints are witnessed. Nil: always ready.
	Ready func(ctx context.Context) error

	// Certified reports whether the committee has signed the certificate, after which a
	// report cannot change it. Nil: it has not.
	Certified func(ctx context.Context) (bool, error)

	Zone    *time.Location // of times on pages; nil: UTC
	Now     func() time.Time
	Log     *slog.Logger // gets no request, no token, no name
	Workers int          // signatures made at once; 0: one for each processor
}

// A Registrar serves one sealed election. It is safe for concurrent use, and
// several processes may serve one election.
type Registrar struct {
	c        Config
	manifest *election.Manifest
	mid      suite.MID
	signer   *signer

	deposits chan struct{}             // one for each deposit under way
	resends  chan struct{}             // one while a link is queued again
	reports  chan struct{}             // one while a report is recorded or decided
	known    atomic.Pointer[act.State] // after the acts so far, verified; never changed
	looked   atomic.Int64              // the quarter hour of the last look at the turnout
}

// ErrDraft is returned by [Open] for an election that is not sealed.
var ErrDraft = errors.New("the election is not sealed yet")

// Open returns the Registrar of the election that the database holds. It
// returns [ErrDraft] before sealing.
func Open(ctx context.Context, c Config) (*Registrar, error) {
	var body []byte
	err := c.Pool.QueryRow(ctx, `SELECT manifest FROM registrar.election WHERE phase <> 'draft'`).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrDraft
	}
	if err != nil {
		return nil, fmt.Errorf("reading the election: %w", err)
	}
	m, err := election.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading the election: %w", err)
	}
	s, err := newSigner(m, c.Keys.Issuers, c.Workers)
	if err != nil {
		return nil, err
	}
	return &Registrar{c: c, manifest: m, mid: election.MID(body), signer: s,
		deposits: make(chan struct{}, maxDeposits), resends: make(chan struct{}, 1), reports: make(chan struct{}, 1)}, nil
}

// Manifest returns the election's manifest, which nobody may change.
func (r *Registrar) Manifest() *election.Manifest { return r.manifest }

// MID returns the hash of the manifest.
func (r *Registrar) MID() suite.MID { return r.mid }

// Wipe overwrites the issuer keys, which is due at lock (SPEC 20). It waits for
// signatures under way; there are none after it.
func (r *Registrar) Wipe() { r.signer.wipe() }

// phaseLock is the key of the lock that guards the phase. Each election has a
// database of its own, so that a constant serves.
const phaseLock = 0x7068617365 // "phase"

// alone runs fn in a transaction beside which nothing runs that depends on the
// phase. Whoever holds the lock shared is waited for.
func alone(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return postgres.InTx(ctx, pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(phaseLock)); err != nil {
			return fmt.Errorf("locking the phase: %w", err)
		}
		return fn(tx)
	})
}

// A row is the election's one row.
type row struct {
	phase election.Phase
	close int64 // in force
}

func readRow(ctx context.Context, tx pgx.Tx) (row, error) {
	var e row
	if err := tx.QueryRow(ctx, `SELECT phase, COALESCE(close_at, 0) FROM registrar.election`).Scan(&e.phase, &e.close); err != nil {
		return row{}, fmt.Errorf("reading the phase: %w", err)
	}
	return e, nil
}
