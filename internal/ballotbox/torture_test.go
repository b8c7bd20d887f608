package ballotbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/torture"
)

// host opens this box once more as another host does: with connections of its own
// and a clock that is behind by a while.
func (w *world) host(behind time.Duration) *ballotbox.Box {
	w.t.Helper()
	pool, err := postgres.Open(context.Background(), w.db.URL("sv_ballotbox"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	c := w.config(pool)
	c.Now = func() time.Time { return w.now().Add(-behind) }
	b, err := ballotbox.New(context.Background(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// heldKey is the lock at which a cast waits that [world.hold] stopped.
const heldKey = 0x68656c64 // "held"

// hold keeps everybody from writing a pending ballot and lets them look: whoever
// looked before release has seen the box without it. They wait in the statement that
// writes, and not where it is prepared, which is before they have looked.
func (w *world) hold() (release func()) {
	w.t.Helper()
	ctx := context.Background()
	_, err := w.owner.Exec(ctx, fmt.Sprintf(`
		CREATE OR REPLACE FUNCTION ballotbox.held() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(%d); RETURN NULL; END $$;
		CREATE OR REPLACE TRIGGER held BEFORE INSERT ON ballotbox.pending FOR EACH STATEMENT EXECUTE FUNCTION ballotbox.held()`, heldKey))
	var tx pgx.Tx
	if err == nil {
		tx, err = w.owner.Begin(ctx)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(heldKey))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = tx.Rollback(ctx) })
	w.t.Cleanup(release)
	return release
}

// await returns once n sessions of this database wait for a lock of the service: at
// heldKey between look and write, or for the phase.
func (w *world) await(n int, key int64) {
	w.t.Helper()
	for waiting := 0; waiting < n; {
		w.scan(`SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND (classid::bigint << 32) | objid::bigint = $1
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, &waiting, key)
	}
}

// kept counts the ballots that the box has, pending and in the log.
func (w *world) kept() (n int) {
	w.t.Helper()
	w.scan(`SELECT (SELECT count(*) FROM ballotbox.pending) + (SELECT count(*) FROM ballotbox.cast_index)`, &n)
	return n
}

// casts is how often one credential is shown at once.
const casts = 200

// contend casts with one credential at once, in all boxes: the ballot that it is
// for, the same with another valid signature, and other ballots. When it is held,
// a cast waits in each box between its look and its write. It returns how many were
// acknowledged and how many refused for their credential.
func (w *world) contend(boxes []*ballotbox.Box, m made, others []made, held bool) (acknowledged, refused int) {
	w.t.Helper()
	second := w.sign(m.group, m.body)
	sig := m.sealed[len(m.body):]
	release := func() {}
	if held {
		release = w.hold()
	}
	var mu sync.Mutex // guards the counts
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range casts {
		sealed, own := m.sealed, i%5 < 4
		if i%5 == 3 {
			sealed = second.sealed
		} else if !own {
			sealed = slices.Concat(others[i/5%len(others)].body, sig)
		}
		wg.Go(func() {
			<-start
			p, _, err := boxes[i%len(boxes)].Cast(w.t.Context(), sealed)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && own:
				w.checkPromise(m.id, p)
				acknowledged++
			case errors.Is(err, ballotbox.ErrBadCredential) && !own:
				refused++
			default:
				w.t.Errorf("own %v: got %v", own, err)
			}
		})
	}
	close(start)
	if held {
		w.await(len(boxes), heldKey)
		release()
	}
	wg.Wait()
	return acknowledged, refused
}

// TestTortureCredential shows one credential two hundred times at once, through
// three processes, while all of them batch: with its ballot, with the same ballot
// under another signature of the issuer, and with other ballots. The box has one
// ballot more each time.
func TestTortureCredential(t *testing.T) {
	t.Parallel()
	n := torture.Pick(10, 1000)
	w := newWorld(t, func(p *electiontest.Plan) { p.Rolls = []uint32{uint32(max(n, 200)), 40} })
	boxes := []*ballotbox.Box{w.host(0), w.host(0), w.host(0)}
	others := make([]made, 8)
	for i := range others {
		others[i] = w.makeBallot(1) // sealed, and never cast
	}
	var list []made
	promised, refused := 0, 0
	for i := range torture.Rounds(n, n, 0.06) {
		m := w.ballot(1)
		list = append(list, m)
		var wg sync.WaitGroup
		if i%2 == 1 { // a batch would wait for whoever holds the table
			for _, b := range boxes {
				wg.Go(func() {
					if err := b.Tick(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
		}
		a, r := w.contend(boxes, m, others, i%2 == 0)
		wg.Wait()
		if a != casts*4/5 || r != casts/5 || w.kept() != len(list) {
			t.Fatalf("credential %d: %d acknowledged, %d refused, and the box has %d ballots", i, a, r, w.kept())
		}
		promised, refused = promised+a, refused+r
	}
	w.mustLock()
	w.mustHold(list...)
	rows, winners := looseRows(t), naiveCredential(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("%d casts with one credential at once, a fifth of them of other ballots, through three processes, for each of %d credentials", casts, len(list)),
		Target:   "one ballot a credential; the same promise for it always, and no other ballot",
		Measured: fmt.Sprintf("%d ballots in the log, %d promises, %d refused", len(list), promised, refused),
		Control:  fmt.Sprintf("nothing kept of what came before: %d rows of one ballot; credentials that do not name their ballot, looked up first: %d ballots with one", rows, winners),
	})
}

// looseRows is a negative control: the same race where nothing is kept of what came
// before. It returns how many rows one ballot has.
func looseRows(t *testing.T) int {
	t.Helper()
	w := newWorld(t)
	boxes := []*ballotbox.Box{w.host(0), w.host(0)}
	if _, err := w.owner.Exec(t.Context(), `
		DROP TRIGGER append_only ON ballotbox.received;
		CREATE FUNCTION ballotbox.loose() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			$$ BEGIN DELETE FROM ballotbox.received WHERE key = NEW.key; RETURN NULL; END $$;
		CREATE TRIGGER loose AFTER INSERT ON ballotbox.received FOR EACH ROW EXECUTE FUNCTION ballotbox.loose()`); err != nil {
		t.Fatal(err)
	}
	w.contend(boxes, w.ballot(1), []made{w.makeBallot(1)}, true)
	if w.kept() < 2 {
		t.Error("without the keys of what came it was kept once: the race test is blind")
	}
	return w.kept()
}

// naiveCredential is a negative control: a box whose credentials do not name the
// ballot they are for, so that it has to look up whether one was shown before.
func naiveCredential(t *testing.T) (winners int) {
	t.Helper()
	w := newWorld(t)
	w.naive(`CREATE TABLE naive.cast (sig bytea, body bytea)`)
	m := w.ballot(1)
	sig := m.sealed[len(m.body):]
	const n = 8 // as many as have a connection
	var wg, looked sync.WaitGroup
	looked.Add(n)
	for range n {
		body := w.makeBallot(1).body
		wg.Go(func() {
			var shown bool
			err := w.service.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM naive.cast WHERE sig = $1)`, sig).Scan(&shown)
			looked.Done()
			looked.Wait()
			if err == nil && !shown {
				_, err = w.service.Exec(t.Context(), `INSERT INTO naive.cast VALUES ($1, $2)`, sig, body)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if w.scan(`SELECT count(DISTINCT body) FROM naive.cast`, &winners); winners < 2 {
		t.Errorf("looking first and writing then kept %d ballots of one credential: the race test is blind", winners)
	}
	return winners
}

// naive makes tables of a box that decides nothing in its database.
func (w *world) naive(tables string) {
	w.t.Helper()
	if _, err := w.owner.Exec(context.Background(), `CREATE SCHEMA naive; GRANT USAGE ON SCHEMA naive TO sv_ballotbox; `+tables+
		`; GRANT ALL ON ALL TABLES IN SCHEMA naive TO sv_ballotbox`); err != nil {
		w.t.Fatal(err)
	}
}
