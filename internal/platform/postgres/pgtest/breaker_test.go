package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres/pgtest"
)

// TestBreaker breaks an insert at both sides of the server: before, nothing is
// done; after, it is, and the client does not know. The next one passes.
func TestBreaker(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	if _, err := db.Owner.Exec(t.Context(), `CREATE TABLE public.mine (a integer)`); err != nil {
		t.Fatal(err)
	}
	b := pgtest.NewBreaker(t, db.URL(db.Kind.Owner))
	pool := b.Pool(t, db.URL(db.Kind.Owner))
	insert := func(p *pgxpool.Pool) error {
		_, err := p.Exec(t.Context(), `INSERT INTO public.mine VALUES (1)`)
		return err
	}
	rows := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			b.Arm(n, after)
			err := insert(pool)
			hit := b.Disarm()
			if hit != (err != nil) {
				t.Fatalf("round trip %d, answered %v: broken %v, got %v", n, after, hit, err)
			}
			if got := count(t, db); got != rows && got != rows+1 || hit && !after && got != rows || !hit && got != rows+1 {
				t.Errorf("round trip %d, answered %v: %d rows after %d", n, after, got, rows)
			}
			if rows = count(t, db); !hit {
				if b.Trips() != n-1 {
					t.Errorf("%d round trips, %d were broken", b.Trips(), n-1)
				}
				break
			}
		}
	}
	if rows != 3 {
		t.Errorf("%d rows, want 3: the unbroken ones, and the one whose answer was lost", rows)
	}
}

func count(t *testing.T, db *pgtest.DB) (n int) {
	t.Helper()
	if err := db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM public.mine`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPairs: every pair has one number.
func TestPairs(t *testing.T) {
	t.Parallel()
	for trips := 1; trips < 20; trips++ {
		seen := make(map[pgtest.Pair]bool)
		for n := range pgtest.Pairs(trips) {
			p := pgtest.PairAt(trips, n)
			if seen[p] || p.First.At < 1 || p.First.At > trips || p.Second.At < 1 || p.Second.At > trips {
				t.Fatalf("%d round trips: %+v", trips, p)
			}
			seen[p] = true
		}
	}
}
