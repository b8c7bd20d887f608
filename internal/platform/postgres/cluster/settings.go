package cluster

import (
	"strings"
)

// settings are given on the command line, where neither a file in the data
// directory nor ALTER SYSTEM can overrule them.
func settings(c Config, base, socket string) []string {
	s := []string{
		"listen_addresses=",
		"port=" + port,
		"unix_socket_directories=" + socket,
		"unix_socket_permissions=0700",
		"hba_file=" + base + "/hba.conf",
		"ident_file=" + base + "/ident.conf",
		"cluster_name=" + c.Name,

		// What is acknowledged is on the disk.
		"fsync=on",
		"synchronous_commit=on",
		"full_page_writes=on",

		// Nothing is kept of when who did what. Errors go to the client, which
		// knows them anyway; the log has what the server says about itself.
		"track_commit_timestamp=off",
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=",
		"log_min_messages=log",
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
		"log_statement=none",
		"log_min_duration_statement=-1",
		"log_min_duration_sample=-1",
		"log_transaction_sample_rate=0",
		"log_parameter_max_length=0",
		"log_parameter_max_length_on_error=0",
		"log_connections=off",
		"log_disconnections=off",
		"log_duration=off",
		"log_checkpoints=off",
		"log_lock_waits=off",
		"log_temp_files=-1",
		"log_autovacuum_min_duration=-1",
		"log_replication_commands=off",
		"shared_preload_libraries=",
		"session_preload_libraries=",
		"local_preload_libraries=",
		"archive_mode=off",
		"wal_keep_size=0",

		"timezone=UTC",
		"log_timezone=UTC",
		"max_connections=200",
		"shared_buffers=64MB",
		"max_wal_size=512MB",
		"jit=off",
	}
	if c.Scratch {
		// The last of two settings wins.
		s = append(s, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	return s
}

// hba lets in whom the kernel names, over the socket, as ident maps them.
const hba = "local all all peer map=strikevote\n"

// ident maps accounts of the system to roles: each account may log in as any
// role of this cluster. A role that is not listed cannot log in.
func ident(accounts, roles []string) string {
	var b strings.Builder
	for _, account := range accounts {
		for _, role := range append([]string{admin}, roles...) {
			b.WriteString(`strikevote "` + account + `" "` + role + `"` + "\n")
		}
	}
	return b.String()
}
