// Package board keeps one public log in one database and shows it to everybody.
//
// A log only grows: entries enter in the transaction of the service that feeds
// it, the head moves by compare-and-swap, and a checkpoint is signed after the
// commit, over what is committed. The package must never sign a head that a
// crash could take back, a head smaller than one it signed before, or a second
// root for a size. It knows nothing of who appends and why; of an entry it
// reads the first byte only, which says whether the log is finished.
//
// The bytes are those of internal/protocol/SPEC.md, sections 9, 17 and 19, and
// of c2sp.org/tlog-tiles, tlog-checkpoint, tlog-cosignature and tlog-proof.
package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// Errors for which a caller branches.
var (
	// ErrNotCosigned is returned when no checkpoint that holds what was asked
	// for carries enough cosignatures yet.
	ErrNotCosigned = errors.New("not cosigned yet")
	// ErrNotFound is returned for an entry, tile, checkpoint or file that does
	// not exist, or not yet.
	ErrNotFound = errors.New("not found")
	// ErrFinal is returned for an append to a log whose last entry is its
	// final one: nothing follows it.
	ErrFinal = errors.New("the log is final")
	// ErrRollback is returned by [Log.Sign], [Log.AppendTx] and [Log.Standing] when
	// the database does not hold what was signed before, as an old copy of it does
	// not.
	ErrRollback = errors.New("the log was set back: it does not hold what was signed before")
	// ErrRestored is returned by the same when the database was restored from a
	// backup after which more may have been acknowledged.
	ErrRestored = errors.New("the log was restored from a backup, for reading only")
	// ErrUnknownCosignature is returned by [Log.AddCosignature] for a line that
	// fits no recent checkpoint of the log, or is by no witness of the manifest.
	ErrUnknownCosignature = errors.New("the line cosigns no recent checkpoint of this log")
	// ErrAhead is returned by [Log.AddCosignature] for a moment that has not come
	// yet.
	ErrAhead = errors.New("the cosignature's moment is in the future: the witness's clock is ahead")
	// ErrConflict is returned by [Log.PutFile] when another file is kept under
	// the path already.
	ErrConflict = errors.New("another file stands there already")
)

// The types of entry that say where a log begins and ends (SPEC 9).
const (
	typeManifest byte = 0x00
	typeFinal    byte = 0xff
)

// Config holds what a [Log] needs.
type Config struct {
	// Pool connects to the log's database. The role needs what it is used
	// for: who only serves needs to read.
	Pool *pgxpool.Pool
	// Signer signs checkpoints. It is nil where a log is only served.
	Signer *tlog.LogSigner
	// MID is the hash of the election's manifest; the chain starts from it.
	MID suite.MID
	// Newest names a file outside of the database that keeps the newest checkpoint
	// that was signed, so that a database that is set back is found. It may be empty
	// where nothing is signed.
	Newest string
	// Policy is the manifest's: the log's key, its witnesses and how many of
	// them it takes.
	Policy tlog.Policy
	// Log may be nil.
	Log *slog.Logger
	// Now may be nil. Moments of witnesses are compared with it.
	Now func() time.Time
}

// A Log is one public log. It is safe for concurrent use, and several
// processes may use one database.
type Log struct {
	c Config

	// first is the checkpoint of the first entry once every witness has cosigned it,
	// after which it never changes. Every voter's program asks for it.
	first atomic.Pointer[[]byte]

	mu sync.Mutex
	// signed is the largest size that this process signed. A database that was
	// set back while the process runs is caught by it, even if the table of
	// checkpoints was set back too. Guarded by mu.
	signed int64
	// final is set once the last entry was seen to be the final one, which
	// nothing can undo. Guarded by mu.
	final bool
}

// New returns a Log. It does not touch the database.
func New(c Config) *Log {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Log{c: c}
}

// A Head is the state of a log: its size, the RFC 6962 root over its entries,
// and the end of the chain over their leaf hashes.
type Head struct {
	Size  int64
	Root  suite.Hash
	Chain suite.Hash
}

// Origin returns the log's origin, which is the name of its key.
func (l *Log) Origin() string { return l.c.Policy.Log.Name() }

// MID returns the hash of the manifest the log belongs to.
func (l *Log) MID() suite.MID { return l.c.MID }

// AppendTx appends entries in the caller's transaction and returns the head
// that holds once it commits. The head's row is locked until then, so that
// appends happen one after another, also those of other processes. It never
// signs: the transaction may still fail.
//
// It returns [ErrFinal] if the log ended, [ErrRollback] or [ErrRestored] where
// nothing may follow what the database holds. An error leaves the transaction fit
// only to be rolled back.
func (l *Log) AppendTx(ctx context.Context, tx pgx.Tx, entries [][]byte) (Head, error) {
	head, last, err := l.lockHead(ctx, tx)
	if err != nil {
		return Head{}, fmt.Errorf("locking head of log: %w", err)
	}
	if len(entries) == 0 {
		return head, nil
	}
	if err := l.checkKept(ctx, tx, head); err != nil {
		return Head{}, err
	}
	if err := checkOrder(head.Size, last, entries); err != nil {
		return Head{}, err
	}
	edge, err := readNodes(ctx, tx, rightEdge(head.Size))
	if err != nil {
		return Head{}, fmt.Errorf("reading right edge of log: %w", err)
	}
	g, err := grow(head, edge, entries)
	if err != nil {
		return Head{}, fmt.Errorf("growing log: %w", err)
	}
	if err := store(ctx, tx, head, g, entries); err != nil {
		return Head{}, fmt.Errorf("storing entries of log: %w", restored(err))
	}
	return g.head, nil
}

// checkOrder holds a log to its grammar: the manifest entry first and only
// there, the final entry last and only there. A bug in a service must not be
// able to write past an end that the tellers opened on.
func checkOrder(size int64, last byte, entries [][]byte) error {
	if size > 0 && last == typeFinal {
		return ErrFinal
	}
	for i, e := range entries {
		at := size + int64(i)
		switch {
		case len(e) == 0 || len(e) > tlog.MaxEntry:
			return fmt.Errorf("entry %d has %d bytes, the most is %d", at, len(e), tlog.MaxEntry)
		case (e[0] == typeManifest) != (at == 0):
			return fmt.Errorf("entry %d: the manifest entry stands at 0 and nowhere else", at)
		case e[0] == typeFinal && i != len(entries)-1:
			return fmt.Errorf("entry %d: nothing follows the final entry", at)
		}
	}
	return nil
}

// A growth is what an append adds to the tables.
type growth struct {
	head  Head
	index []int64 // of nodes, ascending
	node  [][]byte
}

// grow computes the nodes, root and chain of a log that gets more entries. All
// it reads of the old tree are the roots of its complete subtrees, whatever
// the number of entries.
func grow(head Head, edge nodes, entries [][]byte) (growth, error) {
	g := growth{head: head}
	read := edge.reader()
	chain := tlog.ResumeChain(head.Chain)
	for _, e := range entries {
		leaf := tlog.LeafHash(e)
		hashes, err := tlog.StoredHashes(g.head.Size, leaf, read)
		if err != nil {
			return growth{}, err
		}
		at := tlog.StoredHashIndex(g.head.Size)
		for i, h := range hashes {
			edge[at+int64(i)] = h
			g.index = append(g.index, at+int64(i))
			g.node = append(g.node, h[:])
		}
		chain.Add(leaf)
		g.head.Size++
	}
	g.head.Chain = chain.Head()
	root, err := tlog.TreeHash(g.head.Size, read)
	if err != nil {
		return growth{}, err
	}
	g.head.Root = root
	return g, nil
}

// empty is the head of a log without entries.
func empty(mid suite.MID) Head {
	chain := tlog.NewChain(mid)
	return Head{Root: tlog.EmptyRoot, Chain: chain.Head()}
}
