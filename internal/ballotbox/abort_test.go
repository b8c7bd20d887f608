package ballotbox_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/ballotbox"
)

// TestAbortedBatch ends every batch before its commit, as a kill or a full disk does, or
// whoever runs the database and wants to know, and reads what the files of the log's
// table keep of it. All attempts together show the one batch that was drawn, and nothing
// of a ballot that came after it.
func TestAbortedBatch(t *testing.T) {
	t.Parallel()
	c := startDurable(t, t.TempDir())
	w := newDurableWorld(t, c)
	admin := connect(t, c.AdminURL(durableName))
	list := w.ballots(1, 20)
	for _, m := range list {
		w.mustCast(m, ballotbox.Received)
	}
	w.exec(admin, `CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$`)
	w.exec(admin, `CREATE TRIGGER no BEFORE INSERT ON ballotbox.cast_index FOR EACH STATEMENT EXECUTE FUNCTION public.no()`)
	if n := w.inFiles(admin, list); n != 0 {
		t.Fatalf("%d ballots are in the log's files before any batch", n)
	}
	for i := range 12 {
		if err := w.box.Tick(context.Background()); err == nil {
			t.Fatal("the batch was not ended")
		}
		// That it is found at all is the control: the files are read rightly.
		if n := w.inFiles(admin, list); n != 10 {
			t.Fatalf("after %d batches that were ended %d ballots can be read, want the 10 that were drawn", i+1, n)
		}
	}
	last := w.ballots(1, 3)
	for _, m := range last {
		w.mustCast(m, ballotbox.Received)
		_ = w.box.Tick(context.Background())
	}
	if n := w.inFiles(admin, last); n != 0 {
		t.Errorf("%d ballots can be read that came after the draw", n)
	}
	w.exec(admin, `DROP TRIGGER no ON ballotbox.cast_index`)
	w.tick()
	if n, waiting := len(w.published()), w.waiting(); n != 10 || waiting != 13 {
		t.Errorf("%d ballots are in the log and %d wait", n, waiting)
	}
	for _, m := range w.published() {
		if w.inFiles(admin, []made{m}) != 1 {
			t.Error("a ballot is in the log that was not drawn")
		}
	}
	w.mustLock()
	w.mustHold(append(list, last...)...)
}

// inFiles counts the ballots that can be read in the files of the log's table.
func (w *world) inFiles(admin *pgx.Conn, list []made) (n int) {
	w.t.Helper()
	w.exec(admin, `CHECKPOINT`)
	var files []byte
	for _, table := range []string{`'board.entry'::regclass`, `(SELECT reltoastrelid FROM pg_class WHERE oid = 'board.entry'::regclass)`} {
		var b []byte
		if err := admin.QueryRow(context.Background(), `SELECT pg_read_binary_file(pg_relation_filepath(`+table+`))`).Scan(&b); err != nil {
			w.t.Fatal(err)
		}
		files = append(files, b...)
	}
	for _, m := range list {
		if bytes.Contains(files, m.body[36:68]) {
			n++
		}
	}
	return n
}
