package board

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"strikevote/internal/platform/durable"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/tlog"
)

// Standing returns nil if the log may go on from what the database holds,
// [ErrRollback] if more or something else was signed before, and [ErrRestored] if the
// database was restored for reading only. It changes nothing.
func (l *Log) Standing(ctx context.Context) error {
	var reading bool
	if err := l.c.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM board.restored)`).Scan(&reading); err != nil {
		return fmt.Errorf("reading whether the log was restored: %w", err)
	}
	if reading {
		return ErrRestored
	}
	// The file first: nothing holds the head here, and another process that appends
	// and signs in between would make an honest database look like an old one.
	kept, err := l.newest()
	if err != nil {
		return err
	}
	head, err := l.Head(ctx)
	if err != nil {
		return err
	}
	return l.continues(ctx, l.c.Pool, head, kept)
}

// newest returns the checkpoint that is kept outside of the database: the zero
// one if there is none.
func (l *Log) newest() (tlog.Checkpoint, error) {
	if l.c.Newest == "" {
		return tlog.Checkpoint{}, nil
	}
	note, err := os.ReadFile(l.c.Newest)
	if errors.Is(err, fs.ErrNotExist) {
		return tlog.Checkpoint{}, nil
	}
	if err != nil {
		return tlog.Checkpoint{}, fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	o, err := l.c.Policy.OpenLog(note)
	if err != nil {
		return tlog.Checkpoint{}, fmt.Errorf("reading the newest checkpoint in %s: %w", l.c.Newest, err)
	}
	return o.Checkpoint, nil
}

// checkKept is continues for the checkpoint that is kept. The head's row is locked.
func (l *Log) checkKept(ctx context.Context, q querier, head Head) error {
	kept, err := l.newest()
	if err != nil {
		return err
	}
	return l.continues(ctx, q, head, kept)
}

// continues returns [ErrRollback] unless the log continues a checkpoint that was
// signed: of the same size or larger, and with the same entries so far.
func (l *Log) continues(ctx context.Context, q querier, head Head, kept tlog.Checkpoint) error {
	if kept.Size == 0 {
		return nil
	}
	if head.Size < kept.Size {
		return fmt.Errorf("%w: it has %d entries, and the checkpoint in %s has %d", ErrRollback, head.Size, l.c.Newest, kept.Size)
	}
	root, err := tlog.TreeHash(kept.Size, hashReader(ctx, q))
	if err != nil {
		return fmt.Errorf("computing root: %w", err)
	}
	if root != kept.Root {
		return fmt.Errorf("%w: its first %d entries are not those of the checkpoint in %s", ErrRollback, kept.Size, l.c.Newest)
	}
	return nil
}

// keep keeps a checkpoint outside of the database, unless a larger one is kept. The
// head's row is locked meanwhile.
func (l *Log) keep(head Head, note []byte) error {
	if l.c.Newest == "" {
		return nil
	}
	kept, err := l.newest()
	if err != nil || head.Size <= kept.Size {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(l.c.Newest), 0o700); err != nil {
		return fmt.Errorf("keeping the newest checkpoint: %w", err)
	}
	if err := durable.Replace(l.c.Newest, note); err != nil {
		return fmt.Errorf("keeping the newest checkpoint: %w", err)
	}
	return nil
}

// restored makes the refusal of a database that is for reading only [ErrRestored].
func restored(err error) error {
	if postgres.Violates(err, "restored") {
		return ErrRestored
	}
	return err
}
