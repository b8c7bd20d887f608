package ballotbox_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/torture"
)

// grow puts n ballots into the log that nobody looks at.
func (w *world) grow(from, n int) {
	w.t.Helper()
	ctx := context.Background()
	const chunk = 10_000
	for at := 0; at < n; at += chunk {
		entries := make([][]byte, min(chunk, n-at))
		for i := range entries {
			entries[i] = fmt.Appendf([]byte{2}, "%0899d", from+at+i)
		}
		err := postgres.InTx(ctx, w.service, pgx.ReadCommitted, func(tx pgx.Tx) error {
			_, err := w.log().AppendTx(ctx, tx, entries)
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := w.owner.Exec(ctx, `INSERT INTO ballotbox.cast_index (ballot_id, index)
		SELECT sha256(i::text::bytea), i + 1000000 FROM generate_series($1::bigint, $2::bigint) AS i`, from, from+n-1); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.log().Sign(ctx); err != nil {
		w.t.Fatal(err)
	}
	// What the server would do by itself a minute later, or in the middle of the test.
	if _, err := w.owner.Exec(ctx, `ANALYZE`); err != nil {
		w.t.Fatal(err)
	}
}

// cost is how many blocks it takes to look for, cast and find some ballots.
func (w *world) cost() int64 {
	w.t.Helper()
	list := w.ballots(1, 15)
	open := func(p *pgxpool.Pool) *ballotbox.Box {
		b, err := ballotbox.New(context.Background(), w.config(p))
		if err != nil {
			w.t.Fatal(err)
		}
		return b
	}
	start := w.db.Blocks(func(p *pgxpool.Pool) { open(p) })
	return w.db.Blocks(func(p *pgxpool.Pool) {
		w.box = open(p)
		for _, m := range list {
			w.mustCast(m, ballotbox.Received)
			w.mustCast(m, ballotbox.Received)
			if _, err := w.box.Find(context.Background(), m.id); err != nil {
				w.t.Error(err)
			}
		}
	}) - start
}

// TestTortureFlat casts into a short log and into a long one. A ballot must cost
// the same but for the depth of an index: what reads all of a table works in every
// test, and is too slow on the day. Blocks are counted, not time.
func TestTortureFlat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, large)
	size := []int{1000, torture.Pick(20_000, 200_000)}
	var cost, scan [2]int64
	for i, have := range []int{0, size[0]} {
		w.grow(have, size[i]-have)
		cost[i] = w.cost()
		// The control: a look-up without an index.
		scan[i] = w.db.Blocks(func(p *pgxpool.Pool) {
			if _, err := p.Exec(context.Background(), `SELECT FROM board.entry WHERE body = '\x00'`); err != nil {
				t.Fatal(err)
			}
		})
	}
	torture.Flat(t, "15 ballots cast twice and looked for", size, cost, scan)
}
