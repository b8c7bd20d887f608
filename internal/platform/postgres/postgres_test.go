package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestOpen(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	for name, want := range map[string]string{
		"search_path":       "",
		"application_name":  "strikevote",
		"TimeZone":          "UTC",
		"statement_timeout": "30s",
	} {
		var got string
		if err := db.Service.QueryRow(t.Context(), `SELECT current_setting($1)`, name).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	_, err := db.Service.Exec(t.Context(), `SELECT 1 FROM pending`)
	if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "42P01" {
		t.Errorf("unqualified table: got %v, want undefined table", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := pgtest.BallotboxServer(t)
	for _, tt := range []struct{ name, url string }{
		{"not an address", "postgres://%zz"},
		{"no such database", server.URL("nothing", "sv_ballotbox_owner")},
		{"no such role", server.URL("postgres", "somebody")},
		{"maintenance database as a service", server.URL("postgres", "sv_ballotbox")},
		{"nobody there", "postgres://sv_ballotbox@/x?host=/nonexistent"},
	} {
		if pool, err := postgres.Open(t.Context(), tt.url); err == nil {
			pool.Close()
			t.Errorf("%s: opened", tt.name)
		}
	}
}

func TestConfigured(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("postgres://x:y@one,two:5433/z?target_session_attrs=read-write")
	if err != nil {
		t.Fatal(err)
	}
	var server postgres.Server = postgres.Configured{Base: base, Passwords: map[string]string{"sv_board": "p/w?"}}
	for role, want := range map[string]string{
		"sv_board":     "postgres://sv_board:p%2Fw%3F@one,two:5433/d?target_session_attrs=read-write",
		"sv_registrar": "postgres://sv_registrar@one,two:5433/d?target_session_attrs=read-write",
	} {
		if got := server.URL("d", role); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(verb, server); strings.Contains(got, "p/w?") {
			t.Errorf("%s shows the password: %s", verb, got)
		}
	}
}

func TestViolates(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	insert := func() error {
		_, err := db.Service.Exec(t.Context(), `INSERT INTO ballotbox.act (sequence, body) VALUES (1, '')`)
		return err
	}
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	err := fmt.Errorf("wrapped: %w", insert())
	if !postgres.Violates(err, "act_pkey") {
		t.Errorf("got %v, want a violation of act_pkey", err)
	}
	if postgres.Violates(err, "other") || postgres.Violates(nil, "act_pkey") || postgres.Violates(errors.New("23505 act_pkey"), "act_pkey") {
		t.Error("violation seen where there is none")
	}
	_, err = db.Service.Exec(t.Context(), `DELETE FROM ballotbox.act`)
	if err == nil || postgres.Violates(err, "") {
		t.Errorf("got %v, want a refusal that is no violation", err)
	}
}
