package ballotbox_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/torture"
)

// castUntilFull casts ballots until one is refused, at most so many, and returns
// those that were acknowledged and those that were not. A refusal has to say that
// it is to be tried again.
func castUntilFull(w *world, most, refusals int) (kept, refused []made) {
	w.t.Helper()
	for range most {
		m := w.ballot(1)
		rec := w.post("/ballots", octets, m.sealed)
		if rec.Code == http.StatusOK {
			kept = append(kept, m)
			continue
		}
		checkError(w.t, "full", rec, http.StatusServiceUnavailable, "unavailable")
		if refused = append(refused, m); len(refused) == refusals {
			break
		}
	}
	return kept, refused
}

// mustGoOn checks a box that has space again: it has what it acknowledged, takes
// what it refused, and its log holds all of it.
func mustGoOn(w *world, kept, refused []made) {
	w.t.Helper()
	w.box = w.mustOpen()
	if n := w.lost(kept); n != 0 {
		w.t.Errorf("%d acknowledged ballots are lost", n)
	}
	for _, m := range refused {
		w.mustCast(m, ballotbox.Received)
	}
	w.mustLock()
	w.mustHold(append(kept, refused...)...)
}

// TestTortureFullTable lets the table of pending ballots find no place for another
// page. Casts are refused with 503 and are not kept, everything else goes on, and
// when there is space so do they.
func TestTortureFullTable(t *testing.T) {
	t.Parallel()
	c := startDurable(t, t.TempDir())
	w := newDurableWorld(t, c, large)
	kept, _ := castUntilFull(w, 5, 1)

	// Larger than a file of the write-ahead log, which would be full first, and
	// without a place that is free: what is deleted here stays in its pages.
	admin := connect(t, c.AdminURL(durableName))
	w.exec(admin, `ALTER TABLE ballotbox.pending SET (autovacuum_enabled = false)`)
	w.exec(admin, `CREATE TABLE public.own AS SELECT * FROM ballotbox.pending`)
	w.exec(admin, `
		INSERT INTO ballotbox.pending (key, sealed, group_id)
		SELECT sha256(n::text::bytea), o.sealed, 1 FROM generate_series(1, 20000) AS n, (SELECT sealed FROM public.own LIMIT 1) AS o`)
	w.exec(admin, `DELETE FROM ballotbox.pending WHERE key NOT IN (SELECT key FROM public.own)`)
	w.exec(admin, `CHECKPOINT`)
	var size int64
	if err := admin.QueryRow(t.Context(), `SELECT pg_relation_size('ballotbox.pending')`).Scan(&size); err != nil || size < 16<<20 {
		t.Fatalf("the table has %d bytes (%v)", size, err)
	}
	pgtest.LimitFiles(t, c, size)
	more, refused := castUntilFull(w, 190, 10)
	kept = append(kept, more...)
	if len(refused) == 0 {
		t.Fatalf("%d ballots found a place in a full table", len(more))
	}
	if n := w.lost(kept); n != 0 {
		t.Errorf("while it is full: %d acknowledged ballots are not found", n)
	}
	if n := w.lost(refused); n != len(refused) {
		t.Errorf("%d of %d refused ballots are there", len(refused)-n, len(refused))
	}
	if _, err := w.log().Head(t.Context()); err != nil {
		t.Errorf("reading the log: %v", err)
	}
	pgtest.LimitFiles(t, c, -1)
	mustGoOn(w, kept, refused)
	torture.Report(t, torture.Row{
		What:     "the box's table cannot grow, as on a full disk (limit of the server's files)",
		Target:   "503, 0 acknowledged ballots lost, goes on when there is space",
		Measured: fmt.Sprintf("%d casts refused with 503, 0 of %d kept ones lost, all taken afterwards", len(refused), len(kept)),
		Control:  "TestTortureFullLog: a commit that does not wait for the disk is lost",
	})
}

// TestTortureFullLog lets the write-ahead log find no place at all. The server can
// do nothing but end, as it does on a full disk; what it acknowledged is there when
// it is started with space.
//
// The negative control is a commit that does not wait for the disk: it is
// acknowledged, and gone.
func TestTortureFullLog(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	c := startDurable(t, dir)
	w := newDurableWorld(t, c, large)
	kept, _ := castUntilFull(w, 20, 1)
	admin := connect(t, c.AdminURL(durableName))
	w.exec(admin, `CREATE TABLE public.control AS SELECT 0 AS a`)
	w.exec(admin, `SET synchronous_commit = off`)
	pgtest.LimitFiles(t, c, 4096) // less than a page
	w.exec(admin, `INSERT INTO public.control VALUES (1)`)
	more, refused := castUntilFull(w, 20, 20)
	if kept = append(kept, more...); len(refused) != 20 {
		t.Errorf("%d of 20 ballots were acknowledged that could not be written", len(more))
	}
	<-c.Done()
	_ = c.Stop(ctx) // gives the directory back
	c = startDurable(t, dir)
	w.attach(c)
	var control int
	admin = connect(t, c.AdminURL(durableName))
	if err := admin.QueryRow(ctx, `SELECT count(*) FROM public.control WHERE a = 1`).Scan(&control); err != nil || control != 0 {
		t.Errorf("the control: %d rows that were never written are there (%v)", control, err)
	}
	mustGoOn(w, kept, refused)
	torture.Report(t, torture.Row{
		What:     "the box's write-ahead log cannot be written, as on a full disk (limit of the server's files)",
		Target:   "503, 0 acknowledged ballots lost, goes on when started with space",
		Measured: fmt.Sprintf("%d casts refused with 503, 0 of %d kept ones lost, all taken afterwards", len(refused), len(kept)),
		Control:  "a commit that does not wait for the disk is acknowledged and lost",
	})
}
