package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/migrations"
)

// TestSettings asks a server that is as it must be, and then sets for one role
// what a role can have of its own.
func TestSettings(t *testing.T) {
	t.Parallel()
	server := pgtest.Durable(t, "ballotbox", migrations.BallotboxRoles)
	all := func() (bad, unseen []string) {
		t.Helper()
		// A new connection has the role's new settings.
		conn, err := postgres.Connect(t.Context(), server.URL("postgres", "sv_ballotbox_owner"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if bad, unseen, err = postgres.CheckSettings(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		return bad, unseen
	}
	check := func() []string {
		t.Helper()
		bad, unseen := all()
		return append(bad, unseen...)
	}
	admin, err := postgres.Connect(t.Context(), server.AdminURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	do := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if bad, unseen := all(); len(bad) > 0 || len(unseen) != 2 {
		t.Errorf("a private server: %q, %q", bad, unseen)
	}
	do(`GRANT pg_read_all_settings TO sv_ballotbox_owner`)
	if problems := check(); len(problems) > 0 {
		t.Errorf("a private server: %q", problems)
	}
	for _, set := range []string{
		"synchronous_commit = off", "log_statement = 'all'", "log_min_error_statement = 'error'", "log_min_duration_statement = 0",
		"log_min_duration_sample = 100", "log_transaction_sample_rate = 0.5", "log_parameter_max_length = -1",
		"log_parameter_max_length_on_error = -1", "log_duration = on", "log_lock_waits = on", "log_replication_commands = on",
		"log_temp_files = 0", "log_error_verbosity = 'default'", "log_min_messages = 'debug5'", "log_statement_stats = on", "debug_print_plan = on", "session_preload_libraries = 'auto_explain'",
	} {
		name, _, _ := strings.Cut(set, " ")
		do(`ALTER ROLE sv_ballotbox_owner SET ` + set)
		if problems := check(); len(problems) != 1 || !strings.Contains(problems[0], name) {
			t.Errorf("%s: got %q", set, problems)
		}
		do(`ALTER ROLE sv_ballotbox_owner RESET ` + name)
	}
	// Its own settings give a library away, where what loads it cannot be seen.
	do(`REVOKE pg_read_all_settings FROM sv_ballotbox_owner`)
	do(`ALTER ROLE sv_ballotbox_owner SET session_preload_libraries = 'auto_explain'`)
	bad, unseen := all()
	if !slices.Contains(bad, "auto_explain is loaded; it keeps statements, remove it") || !slices.ContainsFunc(unseen, func(p string) bool { return strings.HasPrefix(p, "session_preload_libraries cannot be seen") }) {
		t.Errorf("got %q, %q", bad, unseen)
	}
	if err := postgres.CheckVersion(t.Context(), admin); err != nil {
		t.Error(err)
	}

	scratch := pgtest.Ballotbox(t)
	bad, _, err = postgres.CheckSettings(t.Context(), scratch.Service)
	if text := strings.Join(bad, "; "); err != nil || !strings.Contains(text, "fsync is") || !strings.Contains(text, "full_page_writes is") {
		t.Errorf("a server that does not wait for the disk: %v, %s", err, text)
	}
}

// TestWrong changes every setting there is a demand for.
func TestWrong(t *testing.T) {
	t.Parallel()
	good := func() map[string]string {
		m := make(map[string]string)
		for name, values := range postgres.Demanded {
			m[name] = values[0]
		}
		for _, name := range postgres.Preloads {
			m[name] = ""
		}
		return m
	}
	wrong := func(m map[string]string) []string {
		bad, unseen := postgres.Wrong(m)
		return append(bad, unseen...)
	}
	if p := wrong(good()); len(p) > 0 {
		t.Errorf("got %q", p)
	}
	for name := range good() {
		m := good()
		m[name] = "auto_explain"
		if p := wrong(m); len(p) != 1 || !strings.HasPrefix(p[0], name+" ") {
			t.Errorf("%s: got %q", name, p)
		}
		delete(m, name)
		if p := wrong(m); len(p) != 1 || !strings.HasPrefix(p[0], name+" cannot be seen") {
			t.Errorf("without %s: got %q", name, p)
		}
	}
	m := good()
	m["shared_preload_libraries"] = `timescaledb, "$libdir/pg_stat_statements",pgaudit`
	m["pg_stat_statements.track"], m["pg_stat_monitor.x"] = "all", "1"
	if p := wrong(m); len(p) != 3 {
		t.Errorf("got %q", p)
	}
	for number, ok := range map[int]bool{140020: false, 90624: false, 150000: true, 180001: true} {
		if err := postgres.OldEnough(number, "x"); (err == nil) != ok {
			t.Errorf("%d: %v", number, err)
		}
	}
}

// TestHasStandby names a standby, and takes the server away.
func TestHasStandby(t *testing.T) {
	t.Parallel()
	server := pgtest.Durable(t, "ballotbox", migrations.BallotboxRoles)
	pool, err := postgres.Open(t.Context(), server.URL("postgres", "sv_ballotbox_owner"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if there, err := postgres.HasStandby(t.Context(), pool); err != nil || there {
		t.Errorf("a private server: %t, %v", there, err)
	}
	admin, err := postgres.Connect(t.Context(), server.AdminURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	for _, sql := range []string{`ALTER SYSTEM SET synchronous_standby_names = 'other'`, `SELECT pg_reload_conf()`} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// The server tells its connections of it a moment later.
	for there := false; !there; {
		if there, err = postgres.HasStandby(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
	}
	pool.Close()
	if _, err := postgres.HasStandby(t.Context(), pool); err == nil {
		t.Error("a server that does not answer was asked")
	}
}
