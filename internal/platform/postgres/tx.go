package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrUnconfirmed is returned by [InTx] when the server warned while it
// committed: the rows are there, and may not be on every copy of the database.
// The caller must not acknowledge them.
var ErrUnconfirmed = errors.New("commit was not confirmed")

// attempts bounds how often a transaction is tried.
const attempts = 12

// InTx runs fn in a transaction and commits it. It runs fn again, at most a
// dozen times, when the server reports that transactions got in each other's
// way (40001, 40P01); so fn must have no effect outside its transaction that
// cannot be repeated. It does not nest: fn must use its tx and not the pool.
//
// COMMIT and ROLLBACK ignore the cancellation of ctx. If a voter who closes a
// tab could cancel a commit, the driver would ask the server to stop waiting
// for a second copy, the server would keep the row locally, and the voter's
// retry would find the row and be acknowledged.
//
// The pool must come from [Open], which counts the warnings of the server.
func InTx(ctx context.Context, pool *pgxpool.Pool, level pgx.TxIsoLevel, fn func(pgx.Tx) error) error {
	for n := 1; ; n++ {
		err := inTx(ctx, pool, level, fn)
		if c := code(err); c != "40001" && c != "40P01" {
			return err
		}
		if n == attempts {
			return fmt.Errorf("giving up after %d attempts: %w", n, err)
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

func inTx(ctx context.Context, pool *pgxpool.Pool, level pgx.TxIsoLevel, fn func(pgx.Tx) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	defer conn.Release()
	data := conn.Conn().PgConn().CustomData()
	if _, ok := data[warnings]; !ok {
		return errors.New("pool was not opened by postgres.Open")
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
	if err != nil {
		return fmt.Errorf("beginning transaction: %w", err)
	}
	lasting := context.WithoutCancel(ctx)
	// Also when fn panics. After Commit it does nothing.
	defer func() { _ = tx.Rollback(lasting) }()
	if err := fn(tx); err != nil {
		return err
	}
	data[warnings] = 0
	if err := tx.Commit(lasting); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	if n, _ := data[warnings].(int); n != 0 {
		return ErrUnconfirmed
	}
	return nil
}

// pause waits before attempt n+1: longer each time, by a random part, so that
// two transactions that collided do not meet again.
func pause(ctx context.Context, n int) error {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	t := time.NewTimer(time.Duration(n) * time.Duration(1+int(b[0])) * 100 * time.Microsecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
