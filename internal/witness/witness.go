// Package witness cosigns the checkpoints of an election's two logs.
//
// A witness states one thing: this checkpoint continues every one that it saw
// before. It must never sign a smaller log than it signed, two roots of one
// size, or a checkpoint that it has not written down first; and it reads no
// entry but the first, so that what it says is never about content. It keeps
// what convicts a log that shows two histories.
//
// It works in both directions: [Witness.Poll] follows the board from behind a
// home router and brings its lines there, [Handler] lets a log push
// checkpoints (c2sp.org/tlog-witness). Both go through one record of state.
// The bytes are those of internal/protocol/SPEC.md, section 9, and of
// c2sp.org/tlog-cosignature, Ed25519, type 0x04.
//
// # Security considerations
//
// Everything rests on the state directory. Whoever sets it back makes the
// witness forget what it signed; a copy of the key elsewhere does the same. To
// move it to another computer, stop the witness, move the whole directory, and
// start it there only.
//
// The moment in a cosignature is this computer's. While its clock and the board's
// are more than five minutes apart nothing is signed. If this one is ahead, the
// board would not take the line, and every later one would have to be later still;
// if the board's is, it would open and close the voting too early, which is found
// by this before any mail leaves. The board can only keep a witness from signing
// by that, which it can do anyway.
package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// Errors for which a caller branches.
var (
	// ErrFork is returned when a log has signed two histories. The evidence is
	// kept in the state directory, and nothing of that log is cosigned any more.
	ErrFork = errors.New("the log has signed two histories")
	// ErrStale is returned for a checkpoint smaller than one cosigned before,
	// and consistent with it: a cache may show it.
	ErrStale = errors.New("the checkpoint is older than one seen before")
	// ErrUnreachable is returned by [Open] while the board does not show the
	// election, or does not answer.
	ErrUnreachable = errors.New("the board does not show this election now")
	// ErrAhead is returned where this computer's clock is further ahead of the
	// board's than the board allows. Nothing is signed.
	ErrAhead = errors.New("this computer's clock is ahead of the board's by more than five minutes; set it right")
	// ErrBehind is returned where this computer's clock is as far behind the
	// board's. Nothing is signed: a service whose clock is ahead would close the
	// voting early, and what it locks then is a false record (SPEC 18).
	ErrBehind = errors.New("this computer's clock is behind the board's by more than five minutes; set it right, and if it is right, tell the operator of the vote that the service's is wrong")
	// ErrManifest is returned for another manifest than the first.
	ErrManifest = errors.New("the board shows another manifest than before")
)

// Config holds what a [Witness] needs.
type Config struct {
	// URL is the address of the election's record, <board origin>/<election_id>.
	URL string
	// MID pins the manifest. Nil means that the first one seen is believed,
	// which the operator compares with the six words elsewhere.
	MID *suite.MID
	Key *tlog.WitnessSigner
	// Dir holds the state. It must be kept, and belongs to one process.
	Dir      string
	Interval time.Duration    // between two polls of [Follow]; 0 is ten seconds
	Client   *http.Client     // nil is one with time-outs
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger     // may be nil
}

// A Witness follows one election. It is safe for concurrent use.
type Witness struct {
	c     Config
	mid   suite.MID
	logs  []followed
	store *store

	ahead atomic.Int64 // nanoseconds, of this clock before the board's
	apart atomic.Bool  // whether the operator was told of it
}

// A followed log is one of the two.
type followed struct {
	name   string // in paths
	policy tlog.Policy
}

const (
	defaultInterval = 10 * time.Second
	clientTimeout   = 20 * time.Second
)

// Open reads the manifest, pins it, and opens the state of its election. It
// refuses a manifest that does not name this witness. Close it.
func Open(ctx context.Context, c Config) (*Witness, error) {
	if c.Client == nil {
		c.Client = &http.Client{Timeout: clientTimeout}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	w := &Witness{c: c}
	b, err := w.get(ctx, layout.Manifest, layout.Limit(layout.Manifest))
	if err != nil {
		return nil, fmt.Errorf("%w: reading manifest: %w", ErrUnreachable, err)
	}
	m, err := election.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	w.mid = election.MID(b)
	if c.MID != nil && w.mid != *c.MID {
		return nil, ErrManifest
	}
	if err := w.setLogs(m); err != nil {
		return nil, err
	}
	if w.store, err = openStore(c.Dir, m.ElectionID, w.mid); err != nil {
		return nil, fmt.Errorf("opening witness's state: %w", err)
	}
	return w, nil
}

func (w *Witness) setLogs(m *election.Manifest) error {
	if !slices.Contains(m.Witnesses.Keys, w.c.Key.VKey()) {
		return errors.New("the manifest does not name this witness")
	}
	ledger, err := m.LedgerPolicy()
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	ballots, err := m.BallotsPolicy()
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	w.logs = []followed{{layout.Ledger, ledger}, {layout.Ballots, ballots}}
	return nil
}

// MID returns the hash of the manifest that is followed.
func (w *Witness) MID() suite.MID { return w.mid }

// Close gives up the state directory.
func (w *Witness) Close() error { return w.store.close() }

// Follow opens a witness, however long the board is not there, and follows until
// the context ends, which is no error, or a log has forked, which is [ErrFork].
func Follow(ctx context.Context, c Config) error {
	w, err := Await(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return errors.Join(w.Follow(ctx), w.Close())
}

// Await opens a witness as soon as the board shows the election: a witness may
// be started before the sealing, or after a power cut before its router.
func Await(ctx context.Context, c Config) (*Witness, error) {
	t := time.NewTicker(c.interval())
	defer t.Stop()
	for told := false; ; told = true {
		w, err := Open(ctx, c)
		if !errors.Is(err, ErrUnreachable) || ctx.Err() != nil {
			return w, err
		}
		if c.Log != nil && !told {
			c.Log.WarnContext(ctx, "waiting for the board, and asks again every "+c.interval().String(), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.C:
		}
	}
}

// Follow polls until the context ends, which is no error, or a log has forked,
// which is [ErrFork]. Whatever else fails is logged and tried again.
func (w *Witness) Follow(ctx context.Context) error {
	t := time.NewTicker(w.c.interval())
	defer t.Stop()
	for {
		err := w.Poll(ctx)
		if errors.Is(err, ErrFork) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			w.c.Log.WarnContext(ctx, "could not follow, and tries again in "+w.c.interval().String(), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (c *Config) interval() time.Duration {
	if c.Interval <= 0 {
		return defaultInterval
	}
	return c.Interval
}

// A refusal says why a checkpoint is not cosigned, in the terms of tlog-witness.
type refusal struct {
	status int
	size   int64 // for a conflict: of the last checkpoint cosigned
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(status int, err error) *refusal { return &refusal{status: status, err: err} }

// cosign checks that a checkpoint continues the last one cosigned, writes it
// down, and returns the cosignature line. Check and write are one step: two
// that come at once must not both be compared with the same old state, or the
// smaller one, written last, would take the record back. note is the checkpoint
// with the log's line, verified.
func (w *Witness) cosign(c tlog.Checkpoint, note string, old int64, proof []suite.Hash) (string, error) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	last := w.store.last(c.Origin)
	if last.Forked {
		return "", refuse(http.StatusUnprocessableEntity, ErrFork)
	}
	if old > c.Size {
		return "", refuse(http.StatusBadRequest, errors.New("the old size is larger than the checkpoint"))
	}
	if old != last.Size {
		return "", &refusal{http.StatusConflict, last.Size, errors.New("the old size is not that of the last checkpoint cosigned")}
	}
	if err := continues(last, c, proof); err != nil {
		// A junk proof convicts nobody: only a second root of one size does.
		if last.cosigned() && c.Size == last.Size && c.Root != last.Root {
			err = errors.Join(ErrFork, w.store.convict(last, note))
		}
		return "", refuse(http.StatusUnprocessableEntity, err)
	}
	// A clock that was set back must not make a later statement look earlier.
	at := max(w.c.Now().Unix(), last.Time)
	line := w.c.Key.Cosign(c.Text(), time.Unix(at, 0))
	next := record{Origin: c.Origin, Size: c.Size, Root: c.Root, Time: at, Note: note, Line: line}
	if err := w.store.put(next); err != nil {
		return "", fmt.Errorf("writing down checkpoint: %w", err)
	}
	return line, nil
}

// continues returns an error unless a checkpoint continues the last one.
func continues(last record, c tlog.Checkpoint, proof []suite.Hash) error {
	switch {
	case c.Size == 0 && c.Root != tlog.EmptyRoot:
		return errors.New("an empty log has another root")
	case last.cosigned() && c.Size == last.Size && c.Root != last.Root:
		return errors.New("another root of this size was cosigned")
	case last.Size == 0 || c.Size == last.Size:
		if len(proof) != 0 {
			return errors.New("a proof where none is needed")
		}
		return nil
	}
	if err := tlog.CheckConsistency(proof, c.Size, c.Root, last.Size, last.Root); err != nil {
		return fmt.Errorf("the proof does not show that the log was continued: %w", err)
	}
	return nil
}
