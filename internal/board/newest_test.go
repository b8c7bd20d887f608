package board_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres"
)

// appendTo appends entries to a log in a transaction of their own.
func appendTo(ctx context.Context, l *board.Log, f *fixture, entries ...[]byte) error {
	return postgres.InTx(ctx, f.db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := l.AppendTx(ctx, tx, entries)
		return err
	})
}

// TestNewest sets the whole database back: a process that starts on it knows nothing
// of what was signed but the file. Without the file it goes on, and signs a second
// history: the control.
func TestNewest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "signed", "ballots")
	c := f.config(f.db.Service)
	c.Newest = path
	log := board.New(c)
	f.mustAppend(t, f.first(), entry(1), entry(2))
	note, err := log.Sign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, note) {
		t.Fatalf("the file holds %q, %v", kept, err)
	}
	if err := log.Standing(t.Context()); err != nil {
		t.Errorf("as it was signed: %v", err)
	}

	for _, tt := range []struct {
		name    string
		entries [][]byte
	}{
		{"fewer entries", [][]byte{f.first(), entry(1)}},
		{"none", nil},
		{"others", [][]byte{f.first(), entry(1), entry(3)}},
		{"others, and more", [][]byte{f.first(), entry(3), entry(2), entry(4), entry(5)}},
	} {
		old := &fixture{db: newFixture(t).db, mid: f.mid, signer: f.signer, policy: f.policy}
		c := old.config(old.db.Service)
		old.Log = board.New(c)
		if tt.entries != nil {
			old.mustAppend(t, tt.entries...)
		}
		next := entry(9)
		if tt.entries == nil {
			next = f.first()
		}
		c.Newest = path
		again := board.New(c)
		if err := again.Standing(t.Context()); !errors.Is(err, board.ErrRollback) {
			t.Errorf("%s: standing: got %v, want ErrRollback", tt.name, err)
		}
		if err := appendTo(t.Context(), again, old, next); !errors.Is(err, board.ErrRollback) {
			t.Errorf("%s: append: got %v, want ErrRollback", tt.name, err)
		}
		if _, err := again.Sign(t.Context()); tt.entries != nil && !errors.Is(err, board.ErrRollback) {
			t.Errorf("%s: sign: got %v, want ErrRollback", tt.name, err)
		}
		if err := appendTo(t.Context(), old.Log, old, next); err != nil {
			t.Errorf("control, %s: %v", tt.name, err)
		}
		if _, err := old.Sign(t.Context()); err != nil {
			t.Errorf("control, %s: a second history is not signed: %v", tt.name, err)
		}
	}
}

// TestNewestComesFirst signs where nothing can be kept outside of the database: then
// nothing is published either. Nor is a file that somebody changed taken for none.
func TestNewestComesFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a checkpoint"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "ballots")} {
		c := f.config(f.db.Service)
		c.Newest = path
		if _, err := board.New(c).Sign(t.Context()); err == nil {
			t.Errorf("%s: signed", path)
		}
		if _, err := f.Checkpoint(t.Context()); !errors.Is(err, board.ErrNotFound) {
			t.Errorf("%s: got %v, want no checkpoint", path, err)
		}
	}
	f.mustSign(t) // the control: without the file it is signed
}

// TestRestored marks a database as restored for reading only.
func TestRestored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	f.mustSign(t)
	f.mustAppend(t, entry(1))
	if err := f.Standing(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.Owner.Exec(t.Context(), `INSERT INTO board.restored DEFAULT VALUES`); err != nil {
		t.Fatal(err)
	}
	if err := f.Standing(t.Context()); !errors.Is(err, board.ErrRestored) {
		t.Errorf("standing: got %v, want ErrRestored", err)
	}
	if _, err := f.append(t.Context(), entry(2)); !errors.Is(err, board.ErrRestored) {
		t.Errorf("append: got %v, want ErrRestored", err)
	}
	if _, err := f.Sign(t.Context()); !errors.Is(err, board.ErrRestored) {
		t.Errorf("sign: got %v, want ErrRestored", err)
	}
	if _, err := f.Checkpoint(t.Context()); err != nil {
		t.Errorf("reading: %v", err)
	}
}

// TestStandingTogether looks whether a log may go on, and lets another process append
// and sign just then: an honest database is never called an old one. The file is a
// pipe, so that the look stops where it reads the file.
func TestStandingTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	c := f.config(f.db.Service)
	c.Newest = filepath.Join(t.TempDir(), "ballots")
	if err := syscall.Mkfifo(c.Newest, 0o600); err != nil {
		t.Fatal(err)
	}
	stood := make(chan error, 1)
	go func() { stood <- board.New(c).Standing(t.Context()) }()
	file, err := os.OpenFile(c.Newest, os.O_WRONLY, 0) // waits for whoever reads
	if err != nil {
		t.Fatal(err)
	}
	f.mustAppend(t, entry(1), entry(2))
	note, err := f.Sign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(note); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-stood; err != nil {
		t.Errorf("an honest log: %v", err)
	}
}
