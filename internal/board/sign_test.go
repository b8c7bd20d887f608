package board_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/board"
	"strikevote/internal/protocol/tlog"
)

func TestSign(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.Sign(t.Context()); err == nil {
		t.Error("an empty log was signed")
	}
	f.mustAppend(t, f.first())
	if behind, err := f.Unsigned(t.Context()); !behind || err != nil {
		t.Errorf("unsigned: got %v, %v", behind, err)
	}
	a := f.mustSign(t)
	if behind, err := f.Unsigned(t.Context()); behind || err != nil {
		t.Errorf("unsigned: got %v, %v", behind, err)
	}
	// Again, and by another process: the same bytes.
	if b := f.mustSign(t); !bytes.Equal(a, b) {
		t.Error("the same head was signed twice with different bytes")
	}
	b, err := board.New(f.config(f.db.Service)).Sign(t.Context())
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("another process: %v, same %v", err, bytes.Equal(a, b))
	}
	c := f.config(f.db.Service)
	c.Signer = nil
	if _, err := board.New(c).Sign(t.Context()); err == nil {
		t.Error("signed without a key")
	}
	if _, err := board.New(c).SignText("x\n"); err == nil {
		t.Error("statement signed without a key")
	}
}

// TestSignCommitted shows that a head is signed only when it is committed: the
// signature waits for an append under way.
func TestSignCommitted(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{true, false} {
		f := newFixture(t)
		f.mustAppend(t, f.first())
		tx, err := f.db.Service.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) }) // if the test fails before its end
		if _, err := f.AppendTx(t.Context(), tx, entries(1, 3)); err != nil {
			t.Fatal(err)
		}
		type answer struct {
			note []byte
			err  error
		}
		signed := make(chan answer, 1)
		go func() {
			note, err := f.Sign(t.Context())
			signed <- answer{note, err}
		}()
		f.waitForLock(t, func() {
			select {
			case <-signed:
				t.Fatal("signed while an append was under way")
			default:
			}
		})
		want := int64(1)
		if commit {
			want = 4
			err = tx.Commit(t.Context())
		} else {
			err = tx.Rollback(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		a := <-signed
		if a.err != nil {
			t.Fatal(a.err)
		}
		if o, err := f.policy.OpenLog(a.note); err != nil || o.Checkpoint.Size != want {
			t.Errorf("commit %v: signed size %d, want %d (%v)", commit, o.Checkpoint.Size, want, err)
		}
	}
}

// waitForLock returns once a session of the database waits for another.
func (f *fixture) waitForLock(t *testing.T, meanwhile func()) {
	t.Helper()
	for waiting := 0; waiting == 0; {
		meanwhile()
		err := f.db.Owner.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted AND pid <> pg_catalog.pg_backend_pid()
				AND pid IN (SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database())`).
			Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSignRollback shows a log what a restored backup shows it: less than it
// signed before.
func TestSignRollback(t *testing.T) {
	t.Parallel()
	t.Run("checkpoint kept", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.mustAppend(t, f.first(), entry(1))
		later := f.signer.Sign(tlog.Checkpoint{Origin: f.Origin(), Size: 9})
		f.exec(t, `INSERT INTO board.checkpoint (size, note) VALUES (9, $1)`, later)
		if _, err := f.Sign(t.Context()); !errors.Is(err, board.ErrRollback) {
			t.Errorf("got %v, want ErrRollback", err)
		}
	})
	t.Run("checkpoint set back too", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.mustAppend(t, f.first(), entry(1))
		f.Log.SetSigned(3)
		if _, err := f.Sign(t.Context()); !errors.Is(err, board.ErrRollback) {
			t.Errorf("got %v, want ErrRollback", err)
		}
	})
	t.Run("other checkpoint of this size", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.mustAppend(t, f.first())
		f.exec(t, `INSERT INTO board.checkpoint (size, note) VALUES (1, $1)`,
			f.signer.Sign(tlog.Checkpoint{Origin: f.Origin(), Size: 1}))
		if _, err := f.Sign(t.Context()); err == nil {
			t.Error("a fork was signed")
		}
	})
}

func (f *fixture) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := f.db.Service.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// TestSignTampered changes the tables by the hand of a superuser, whom no
// trigger stops: neither another root nor another node is signed.
func TestSignTampered(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`UPDATE board.head SET root = chain`,
		`UPDATE board.node SET hash = (SELECT chain FROM board.head) WHERE index = (SELECT max(index) FROM board.node)`,
		`DELETE FROM board.node WHERE index = (SELECT max(index) FROM board.node)`,
	} {
		f := newFixture(t)
		f.mustAppend(t, f.first(), entry(1), entry(2))
		conn, err := pgx.Connect(t.Context(), f.db.Server.AdminURL(f.db.Name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{`SET session_replication_role = replica`, sql} {
			if _, err := conn.Exec(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Sign(t.Context()); err == nil {
			t.Errorf("signed after %s", sql)
		}
	}
}

func TestCosign(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	if _, err := f.Checkpoint(t.Context()); !errors.Is(err, board.ErrNotFound) {
		t.Errorf("no checkpoint: got %v, want ErrNotFound", err)
	}
	f.mustSign(t)
	if _, err := f.CosignedCheckpoint(t.Context()); !errors.Is(err, board.ErrNotCosigned) {
		t.Errorf("got %v, want ErrNotCosigned", err)
	}
	f.cosign(t, 1, 1000)
	if _, err := f.CosignedCheckpoint(t.Context()); !errors.Is(err, board.ErrNotCosigned) {
		t.Errorf("one of two: got %v, want ErrNotCosigned", err)
	}
	early, err := f.CheckpointAt(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	f.cosign(t, 3, 2000) // the first keeps its line of 1000
	note, err := f.CosignedCheckpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o, err := f.policy.Open(note)
	if err != nil || len(o.Cosignatures) != 3 {
		t.Fatalf("got %v, %v", o, err)
	}
	if got := o.Cosignatures[0].Time; got != 1000 {
		t.Errorf("the first line's time became %d", got)
	}
	if o.Moment(2) != 2001 {
		t.Errorf("moment: got %d", o.Moment(2))
	}

	// A larger checkpoint does not hide the cosigned one.
	f.mustAppend(t, entries(1, 300)...)
	f.mustSign(t)
	again, err := f.CosignedCheckpoint(t.Context())
	if err != nil || !bytes.Equal(again, note) {
		t.Errorf("the cosigned checkpoint is gone: %v", err)
	}
	// Kept in memory only once every witness has signed.
	for range 2 {
		at1, err := f.CheckpointAt(t.Context(), 1)
		if err != nil || !bytes.Equal(at1, note) || bytes.Equal(at1, early) {
			t.Errorf("checkpoint-1: %v", err)
		}
	}
	if _, err := f.CheckpointAt(t.Context(), 7); !errors.Is(err, board.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	checkProof(t, f, note)
}

func checkProof(t *testing.T, f *fixture, first []byte) {
	t.Helper()
	if _, err := f.Proof(t.Context(), 5, nil); !errors.Is(err, board.ErrNotCosigned) {
		t.Errorf("got %v, want ErrNotCosigned", err)
	}
	f.cosign(t, 2, 3000)
	f.mustAppend(t, entries(301, 20)...)
	f.mustSign(t)
	f.cosign(t, 2, 4000)
	for _, tt := range []struct {
		name  string
		index int64
		make  func() ([]byte, error)
		size  int64
	}{
		{"newest", 5, func() ([]byte, error) { return f.Proof(t.Context(), 5, entry(5)) }, 321},
		{"first", 5, func() ([]byte, error) { return f.FirstProof(t.Context(), 5, entry(5)) }, 301},
		{"first of all", 0, func() ([]byte, error) { return f.FirstProof(t.Context(), 0, nil) }, 1},
	} {
		b, err := tt.make()
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		p, err := tlog.ParseProof(b)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		leaf := tlog.LeafHash(entry(5))
		if tt.index == 0 {
			leaf = tlog.LeafHash(f.first())
		}
		o, err := p.Check(f.policy, leaf)
		if err != nil || o.Checkpoint.Size != tt.size || p.Index != tt.index {
			t.Errorf("%s: got %+v, %v; want size %d", tt.name, o, err, tt.size)
		}
	}
}

// TestCosignRefused brings lines that are none, or not for this log.
func TestCosignRefused(t *testing.T) {
	t.Parallel()
	f, g := newFixture(t), newFixture(t)
	for _, x := range []*fixture{f, g} {
		x.mustAppend(t, x.first(), entry(1))
		x.mustSign(t)
	}
	text := func(x *fixture) string {
		note, err := x.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, _, _ := strings.Cut(string(note), "\n\n")
		return s + "\n"
	}
	good := f.witnesses[0].Cosign(text(f), time.Unix(1000, 0))
	for name, line := range map[string]string{
		"empty":             "",
		"junk":              "— witness.example/0 AAAA\n",
		"no name":           "— \n",
		"without line end":  strings.TrimSuffix(good, "\n"),
		"two lines":         good + good,
		"another log":       f.witnesses[0].Cosign(text(g), time.Unix(1000, 0)),
		"stranger":          newWitness(t, "witness.example/9").Cosign(text(f), time.Unix(1000, 0)),
		"name taken":        newWitness(t, "witness.example/0").Cosign(text(f), time.Unix(1000, 0)),
		"the log's line":    strings.SplitAfter(string(f.signer.SignText(text(f))), "\n")[4],
		"larger than known": f.witnesses[0].Cosign(strings.Replace(text(f), "\n2\n", "\n3\n", 1), time.Unix(1000, 0)),
	} {
		if err := f.AddCosignature(t.Context(), line); !errors.Is(err, board.ErrUnknownCosignature) {
			t.Errorf("%s: got %v, want ErrUnknownCosignature", name, err)
		}
	}
	for i := range good {
		bad := []byte(good)
		bad[i] ^= 1
		if err := f.AddCosignature(t.Context(), string(bad)); !errors.Is(err, board.ErrUnknownCosignature) {
			t.Errorf("byte %d flipped: got %v", i, err)
		}
	}
	if err := f.AddCosignature(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{"", "/manifest", "manifest/", "a//b", "../x", "a/../b", ".", "a/.", "ledger/x", "ballots", "A", "ä",
		"a b", "a\x00", strings.Repeat("a", 101)} {
		if err := f.PutFile(t.Context(), path, []byte("x")); err == nil {
			t.Errorf("%q: kept", path)
		}
	}
	for range 2 {
		if err := f.PutFile(t.Context(), "roll/00001", []byte("x")); err != nil {
			t.Error(err)
		}
		if err := f.PutFile(t.Context(), "manifest", nil); err != nil {
			t.Error(err)
		}
	}
	if err := f.PutFile(t.Context(), "roll/00001", []byte("y")); !errors.Is(err, board.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if err := f.PutFile(t.Context(), "ceremony/fresh", make([]byte, 33)); err == nil {
		t.Error("a file longer than its limit was kept")
	}
	if b, err := f.File(t.Context(), "roll/00001"); err != nil || string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := f.File(t.Context(), "roll/00002"); !errors.Is(err, board.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if list, err := f.Files(t.Context()); err != nil || strings.Join(list, " ") != "manifest roll/00001" {
		t.Errorf("got %v, %v", list, err)
	}
}
