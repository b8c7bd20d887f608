package pgtest_test

import (
	"testing"

	"strikevote/internal/platform/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestDatabases checks that tests run side by side on databases of their own.
func TestDatabases(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		open func(testing.TB) *pgtest.DB
		read string
	}{
		{"registrar", pgtest.Registrar, `SELECT count(*) FROM registrar.member`},
		{"ballotbox", pgtest.Ballotbox, `SELECT count(*) FROM ballotbox.pending`},
		{"committee", pgtest.Committee, `SELECT count(*) FROM committee.election`},
	} {
		for range 2 {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				db := kind.open(t)
				var n int
				if err := db.Service.QueryRow(t.Context(), kind.read).Scan(&n); err != nil {
					t.Error(err)
				}
				if _, err := db.Owner.Exec(t.Context(), `CREATE TABLE public.mine (a integer)`); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
