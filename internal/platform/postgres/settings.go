package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// oldest is the first version of PostgreSQL that the schemas are for.
const oldest = 15

// demanded lists what a server's settings must be, and the values that are as
// good. A server of somebody else is checked against it; private ones are started
// so, see cluster.
var demanded = map[string][]string{
	// What is acknowledged is on the disk.
	"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_apply"},

	// Nothing is kept of when who did what, and with which words.
	"track_commit_timestamp": {"off"}, "log_statement": {"none"}, "log_min_error_statement": {"panic"},
	"log_min_duration_statement": {"-1"}, "log_min_duration_sample": {"-1"}, "log_transaction_sample_rate": {"0"},
	"log_parameter_max_length": {"0"}, "log_parameter_max_length_on_error": {"0"},
	// Since version 18 this one is a list.
	"log_connections": {"off", ""}, "log_disconnections": {"off"}, "log_duration": {"off"}, "log_lock_waits": {"off"},
	"log_replication_commands": {"off"}, "log_line_prefix": {""}, "log_autovacuum_min_duration": {"-1"}, "log_temp_files": {"-1"},
	// The detail of an error has the row that it is about: a name, an address, a key.
	"log_error_verbosity": {"terse"},
	// What servers say for those who look for their faults tells transactions apart.
	"log_min_messages":    {"warning", "notice", "info", "error", "log", "fatal", "panic"},
	"log_statement_stats": {"off"}, "log_parser_stats": {"off"}, "log_planner_stats": {"off"}, "log_executor_stats": {"off"},
	"debug_print_parse": {"off"}, "debug_print_rewritten": {"off"}, "debug_print_plan": {"off"},
}

// preloads are settings that name libraries to load, and watchers the libraries
// that keep statements, their times or their parameters.
var (
	preloads = []string{"shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"}
	watchers = []string{"pg_stat_statements", "auto_explain", "pgaudit", "pg_stat_monitor", "pg_qualstats", "pg_stat_kcache", "pg_store_plans", "pg_wait_sampling"}
)

// CheckSettings returns what is wrong with a server's settings, as they are for
// the role that is connected, and what that role cannot see, one sentence each. A
// role or a database can have settings of its own, so every service has to be
// asked about.
func CheckSettings(ctx context.Context, q Querier) (bad, unseen []string, err error) {
	names := append(slices.Sorted(maps.Keys(demanded)), preloads...)
	rows, err := q.Query(ctx, `SELECT name, setting FROM pg_catalog.pg_settings
		WHERE name = ANY($1) OR split_part(name, '.', 1) = ANY($2)`, names, watchers)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the server's settings: %w", err)
	}
	found := make(map[string]string)
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		found[name] = value
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the server's settings: %w", err)
	}
	bad, unseen = wrong(found)
	return bad, unseen, nil
}

// wrong compares settings with what they must be. One that is missing cannot be
// seen by this role.
func wrong(found map[string]string) (problems, hidden []string) {
	for _, name := range slices.Sorted(maps.Keys(demanded)) {
		good := demanded[name]
		value, seen := found[name]
		switch {
		case !seen:
			hidden = append(hidden, unseen(name))
		case !slices.Contains(good, value):
			must := good[0]
			if must == "" {
				must = "empty"
			}
			problems = append(problems, fmt.Sprintf("%s is %q, it must be %s", name, value, must))
		}
	}
	for _, name := range preloads {
		value, seen := found[name]
		if !seen {
			hidden = append(hidden, unseen(name))
		}
		for library := range strings.SplitSeq(value, ",") {
			// It may be a path.
			library = strings.Trim(library[strings.LastIndexByte(library, '/')+1:], ` "`)
			if slices.Contains(watchers, library) {
				problems = append(problems, fmt.Sprintf("%s loads %s, which keeps statements; remove it", name, library))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		library, _, extension := strings.Cut(name, ".")
		if extension && !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, " "+library) }) {
			problems = append(problems, fmt.Sprintf("%s is loaded; it keeps statements, remove it", library))
		}
	}
	return problems, hidden
}

func unseen(name string) string {
	return fmt.Sprintf("%s cannot be seen by this role; as superuser, GRANT pg_read_all_settings to it", name)
}

// CheckVersion returns an error for a server that is too old.
func CheckVersion(ctx context.Context, q Querier) error {
	var number int
	var text string
	err := q.QueryRow(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('server_version')`).Scan(&number, &text)
	if err != nil {
		return fmt.Errorf("asking for the server's version: %w", err)
	}
	return oldEnough(number, text)
}

func oldEnough(number int, text string) error {
	if number < oldest*10000 {
		return fmt.Errorf("this is PostgreSQL %s, it must be version %d or newer", text, oldest)
	}
	return nil
}

// HasStandby reports whether the server waits for a second one, which then has a
// copy of all that was acknowledged. Whether it must is not for every side the
// same, so [CheckSettings] does not demand it.
func HasStandby(ctx context.Context, q Querier) (bool, error) {
	var names string
	if err := q.QueryRow(ctx, `SELECT current_setting('synchronous_standby_names')`).Scan(&names); err != nil {
		return false, fmt.Errorf("reading the server's settings: %w", err)
	}
	return names != "", nil
}
