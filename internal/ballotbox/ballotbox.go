// Package ballotbox accepts sealed ballots and puts them into the ballot log.
//
// It learns that somebody who may vote cast a ballot, and never who: no name,
// mail address, token or network address reaches it, and it keeps neither the
// time nor the order in which ballots came. A ballot waits encrypted, under a
// key that no database holds, until enough of its group wait with it; then a
// batch enters the log, sorted. What is answered to a voter is durable first:
// an acknowledged ballot is in the log that the close record pins, whatever
// crashes in between.
//
// The rules are those of internal/protocol/SPEC.md, sections 8 to 12.
//
// # Security considerations
//
// The row of ballotbox.election alone decides the phase, read in the very
// transaction that keeps a ballot, under a lock that every transition takes
// exclusively. ballot_id is the only key of uniqueness; primary keys decide
// races, checks before them only save work. Commits run under a context that
// no client can cancel, and a ballot that was found to be kept already is
// acknowledged only after a commit of its own: the one that kept it may have
// been cancelled while it waited for a second copy of the database.
package ballotbox

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/board"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
)

// Errors of [Box.Cast] and the other methods, for which a caller branches.
var (
	ErrMalformed     = errors.New("not a sealed ballot of this election")
	ErrNotOpen       = errors.New("voting has not begun")
	ErrClosed        = errors.New("voting has ended")
	ErrLocked        = errors.New("the election is locked")
	ErrBadCredential = errors.New("the credential is not valid for this ballot")
	ErrBusy          = errors.New("too many ballots at once")
	// ErrOtherKey is returned by [New]: under another key waiting ballots cannot be
	// opened.
	ErrOtherKey = errors.New("the pending key is not the one that this box began with; restore it from its copy")
	ErrSetBack  = errors.New("the election is for reading only") // see [Service.Halt]
)

// An InvalidError reports a ballot that carries a valid credential and is not
// valid itself. It does not say what is wrong to anybody but the log: the
// ballot was made by a program, and no voter can mend it.
type InvalidError struct {
	Err error
}

func (e *InvalidError) Error() string { return "invalid ballot: " + e.Err.Error() }
func (e *InvalidError) Unwrap() error { return e.Err }

// A State says where a ballot is.
type State string

// The states of a ballot.
const (
	Received State = "received"   // durable, waiting for its batch
	InTheLog State = "in the log" // published
	Unknown  State = "unknown"
)

// Config holds what a [Box] needs.
type Config struct {
	Pool     *pgxpool.Pool // role sv_ballotbox, opened by postgres.Open
	Manifest *election.Manifest
	MID      suite.MID
	// PendingKey is the key that every host of this box was given at sealing.
	// It is zero only once it is destroyed, after the lock.
	PendingKey [32]byte
	Promise    ed25519.PrivateKey
	Log        *board.Log       // the ballot log, with its signer
	Now        func() time.Time // nil is time.Now
	Logger     *slog.Logger     // may be nil; is never told of a request
	Metrics    *Metrics         // may be nil

	// Queue bounds how many requests are served or wait at once; 0 is 512.
	// Beyond it a voter is told to try again: better now than after a time-out.
	Queue int
}

// Format hides the keys, whatever the verb.
func (Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[ballot box configuration]") }

// A Box is the ballot box of one election. It is safe for concurrent use, and
// several processes may serve one box.
type Box struct {
	c       Config
	options []int
	groups  map[suite.GroupID]*group
	// sealer is nil once the pending key is destroyed.
	sealer atomic.Pointer[sealer]
	acts   atomic.Pointer[acts]

	// The three stations of a ballot, and the one of an envelope's.
	lookups pool[suite.BallotID, place]
	checks  pool[*cast, error]
	inserts pool[*cast, outcome]
	bodies  pool[*cast, error]

	faults *web.Faults
}

// Format hides the keys, whatever the verb.
func (*Box) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[ballot box]") }

// A group is what the box needs of a manifest's group.
type group struct {
	context  *ballot.Context
	issuer   *credential.PublicKey
	batchMin int
}

const defaultQueue = 512

// New opens the box of an election that [Create] prepared. It refuses a
// manifest or a pending key other than the first, and signs the head of the
// log, which a crash may have left without a checkpoint.
func New(ctx context.Context, c Config) (*Box, error) {
	b := &Box{c: c, options: c.Manifest.Options(), groups: make(map[suite.GroupID]*group)}
	b.defaults()
	key, err := c.Manifest.Key()
	if err != nil {
		return nil, fmt.Errorf("opening ballot box: %w", err)
	}
	for _, g := range c.Manifest.Groups {
		issuer, err := c.Manifest.IssuerKey(g.ID)
		if err != nil {
			return nil, fmt.Errorf("opening ballot box: %w", err)
		}
		b.groups[g.ID] = &group{
			context:  &ballot.Context{MID: c.MID, Group: g.ID, Key: key, Options: b.options},
			issuer:   issuer,
			batchMin: int(g.BatchMin),
		}
	}
	if err := b.checkKeys(); err != nil {
		return nil, fmt.Errorf("opening ballot box: %w", err)
	}
	if err := b.attach(ctx); err != nil {
		return nil, fmt.Errorf("opening ballot box: %w", err)
	}
	b.c.PendingKey = [32]byte{} // what is forgotten at the lock must not stay here
	if _, err := c.Log.Sign(ctx); err != nil {
		return nil, fmt.Errorf("opening ballot box: %w", err)
	}
	return b, nil
}

func (b *Box) defaults() {
	if b.c.Now == nil {
		b.c.Now = time.Now
	}
	if b.c.Logger == nil {
		b.c.Logger = slog.New(slog.DiscardHandler)
	}
	if b.c.Metrics == nil {
		b.c.Metrics = NewMetrics(nil)
	}
	if b.c.Queue <= 0 {
		b.c.Queue = defaultQueue
	}
	b.lookups = pool[suite.BallotID, place]{workers: 2, largest: 256, limit: b.c.Queue, do: b.locate}
	b.checks = pool[*cast, error]{workers: runtime.GOMAXPROCS(0), largest: 64, limit: b.c.Queue, do: b.verify}
	// One transaction at a time: while it waits for the disk, others gather.
	b.inserts = pool[*cast, outcome]{workers: 1, largest: 256, limit: b.c.Queue, do: b.keep}
	b.bodies = pool[*cast, error]{workers: 1, largest: 16, limit: min(b.c.Queue, 64), do: b.verifyBodies}
	b.faults = web.NewFaults(b.c.Logger)
}

// checkKeys compares the keys given with the manifest: a promise that nobody
// can verify is worse than none.
func (b *Box) checkKeys() error {
	if len(b.c.Promise) != ed25519.PrivateKeySize {
		return errors.New("the promise key is missing")
	}
	public := [ed25519.PublicKeySize]byte(b.c.Promise[ed25519.SeedSize:])
	if public != b.c.Manifest.PromiseKey {
		return errors.New("the promise key is not the manifest's")
	}
	if b.c.Log.MID() != b.c.MID || b.c.Log.Origin() != b.c.Manifest.Ballots.Origin {
		return errors.New("the log is not the manifest's ballot log")
	}
	return nil
}

func (b *Box) promise(id suite.BallotID) receipt.Promise {
	return receipt.SignPromise(b.c.Promise, b.c.MID, id)
}
