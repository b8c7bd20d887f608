package pgtest_test

import (
	"strings"
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

// TestText finds what is in the tables that it is asked for, whatever they are called.
func TestText(t *testing.T) {
	t.Parallel()
	db := pgtest.Registrar(t)
	if _, err := db.Owner.Exec(t.Context(), `CREATE SCHEMA "a b"; CREATE TABLE "a b"."c.D" (e text, f bytea);
		INSERT INTO "a b"."c.D" VALUES ('here', '\x0abc'), (NULL, NULL); CREATE TABLE public.other (g text); INSERT INTO public.other VALUES ('there')`); err != nil {
		t.Fatal(err)
	}
	if got, want := db.Text(func(schema, table string) bool { return schema == "a b" && table == "c.D" }), "(here,\"\\\\x0abc\")\n(,)\n"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if all := db.Text(func(string, string) bool { return true }); !strings.Contains(all, "here") || !strings.Contains(all, "there") {
		t.Errorf("of all tables: %q", all)
	}
}
