package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
)

// mark and marked write and count rows that show whether a transaction took
// effect.
func mark(ctx context.Context, tx pgx.Tx, n int) error {
	_, err := tx.Exec(ctx, `INSERT INTO ballotbox.act (sequence, body) VALUES ($1, '')`, n)
	return err
}

func marked(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(context.Background(), `SELECT count(*) FROM ballotbox.act`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// atCommit makes the server do something when a mark is committed.
func atCommit(t *testing.T, db *pgtest.DB, plpgsql string) {
	t.Helper()
	_, err := db.Owner.Exec(t.Context(), `
		CREATE FUNCTION ballotbox.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+plpgsql+` RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER late AFTER INSERT ON ballotbox.act
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ballotbox.late()`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
}

func TestInTx(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	own := errors.New("own")
	if err := postgres.InTx(t.Context(), db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
		return mark(t.Context(), tx, 1)
	}); err != nil {
		t.Fatal(err)
	}
	if err := postgres.InTx(t.Context(), db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
		return errors.Join(mark(t.Context(), tx, 2), own)
	}); !errors.Is(err, own) {
		t.Errorf("got %v, want the function's own error", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = postgres.InTx(t.Context(), db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
			if err := mark(t.Context(), tx, 3); err != nil {
				t.Error(err)
			}
			panic("x")
		})
		t.Error("the panic was swallowed")
	}()
	// A statement that failed and whose error is ignored spoils the transaction.
	if err := postgres.InTx(t.Context(), db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_ = mark(t.Context(), tx, 4)
		_ = mark(t.Context(), tx, 1)
		return nil
	}); !errors.Is(err, pgx.ErrTxCommitRollback) {
		t.Errorf("got %v, want ErrTxCommitRollback", err)
	}
	if n := marked(t, db.Service); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
	if n := db.Service.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections did not come back", n)
	}
	if err := postgres.InTx(t.Context(), db.Service, pgx.Serializable, func(tx pgx.Tx) error {
		var level string
		err := tx.QueryRow(t.Context(), `SHOW transaction_isolation`).Scan(&level)
		if err == nil && level != "serializable" {
			err = fmt.Errorf("got level %s", level)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestInTxForeignPool checks that a pool whose warnings nobody counts is refused.
func TestInTxForeignPool(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	pool, err := pgxpool.New(t.Context(), db.URL("sv_ballotbox"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.InTx(t.Context(), pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		return mark(t.Context(), tx, 1)
	}); err == nil {
		t.Error("accepted")
	}
	if n := marked(t, db.Service); n != 0 {
		t.Errorf("got %d rows, want none", n)
	}
}

func TestInTxRetries(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	for _, tt := range []struct {
		name  string
		code  string
		fail  int // how often
		tries int
		ok    bool
	}{
		{"serialization failure", "40001", 2, 3, true},
		{"deadlock", "40P01", 1, 2, true},
		{"for ever", "40001", 1000, 12, false},
		{"another error", "23505", 1, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tries := 0
			err := postgres.InTx(t.Context(), db.Service, pgx.Serializable, func(pgx.Tx) error {
				if tries++; tries <= tt.fail {
					return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: tt.code})
				}
				return nil
			})
			if tries != tt.tries || (err == nil) != tt.ok {
				t.Errorf("got %d tries and %v, want %d and ok %v", tries, err, tt.tries, tt.ok)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := postgres.InTx(ctx, db.Service, pgx.Serializable, func(pgx.Tx) error {
		tries++
		cancel()
		return &pgconn.PgError{Code: "40001"}
	})
	if tries != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %d tries and %v", tries, err)
	}
}

// TestInTxConflict lets transactions get in each other's way for real: each adds
// one to what it read.
func TestInTxConflict(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	_, err := db.Service.Exec(t.Context(), `INSERT INTO board.head (size, root, chain)
		VALUES (0, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'))`)
	if err != nil {
		t.Fatal(err)
	}
	const n = 8 // each round has a winner, so the last needs at most eight
	done := make(chan error, n)
	for range n {
		go func() {
			done <- postgres.InTx(t.Context(), db.Service, pgx.Serializable, func(tx pgx.Tx) error {
				var size int64
				if err := tx.QueryRow(t.Context(), `SELECT size FROM board.head`).Scan(&size); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), `UPDATE board.head SET size = $1`, size+1)
				return err
			})
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var size int64
	if err := db.Service.QueryRow(t.Context(), `SELECT size FROM board.head`).Scan(&size); err != nil || size != n {
		t.Errorf("got %d, %v; want %d", size, err, n)
	}
}

// TestCommitIgnoresCancel holds a commit up until the client is gone, and sees
// it succeed.
func TestCommitIgnoresCancel(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	atCommit(t, db, `PERFORM pg_advisory_xact_lock(7);`)
	blocker, err := db.Owner.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Release()
	if _, err := blocker.Exec(t.Context(), `SELECT pg_advisory_lock(7)`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- postgres.InTx(ctx, db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error { return mark(ctx, tx, 1) })
	}()
	for waiting := false; !waiting; {
		err := blocker.QueryRow(t.Context(),
			`SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted)`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := blocker.Exec(t.Context(), `SELECT pg_advisory_unlock(7)`); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("got %v from a commit whose client left", err)
	}
	if n := marked(t, db.Service); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
}

// TestCommitOutlastsTimeout pins that the server does not apply a statement
// time-out to the work of COMMIT, on which Open relies.
func TestCommitOutlastsTimeout(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	atCommit(t, db, `PERFORM pg_sleep(0.2);`)
	err := postgres.InTx(t.Context(), db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if err := mark(t.Context(), tx, 1); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `SET LOCAL statement_timeout = 50`)
		return err
	})
	if err != nil || marked(t, db.Service) != 1 {
		t.Errorf("got %v", err)
	}
}

// TestCommitWarning checks that a commit is not taken for done when the server
// has something to say about it, as it has when it stopped waiting for a standby.
func TestCommitWarning(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, say string
		want      error
	}{
		{"warning", `RAISE WARNING 'might not have been replicated';`, postgres.ErrUnconfirmed},
		{"notice", `RAISE NOTICE 'hello';`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.Ballotbox(t)
			atCommit(t, db, tt.say)
			err := postgres.InTx(t.Context(), db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
				return mark(t.Context(), tx, 1)
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	// A warning of a statement before says nothing about the commit.
	db := pgtest.Ballotbox(t)
	err := postgres.InTx(t.Context(), db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `DO $$ BEGIN RAISE WARNING 'x'; END $$`)
		return err
	})
	if err != nil {
		t.Errorf("got %v after a warning that was not the commit's", err)
	}
}
