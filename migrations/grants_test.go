package migrations_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres/pgtest"
)

// grants lists what roles that do not own a table may do with it: one line for
// each role and table, the verbs in order, UPDATE with its columns.
func grants(t *testing.T, pool *pgxpool.Pool, roles []string) []string {
	t.Helper()
	return lines(t, pool, `
		WITH role AS (SELECT unnest($1::text[]) AS name),
		relation AS (
			SELECT c.oid, n.nspname || '.' || c.relname AS name
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND `+ours+`),
		may AS (
			SELECT role.name AS role, relation.name AS relation, concat_ws(' ',
				CASE WHEN has_table_privilege(role.name, oid, 'SELECT') THEN 'SELECT' END,
				CASE WHEN has_table_privilege(role.name, oid, 'INSERT') THEN 'INSERT' END,
				CASE WHEN has_table_privilege(role.name, oid, 'UPDATE') THEN 'UPDATE' ELSE
					(SELECT 'UPDATE(' || string_agg(attname, ',' ORDER BY attname) || ')' FROM pg_attribute
					WHERE attrelid = oid AND attnum > 0 AND has_column_privilege(role.name, oid, attnum, 'UPDATE')) END,
				CASE WHEN has_table_privilege(role.name, oid, 'DELETE') THEN 'DELETE' END,
				CASE WHEN has_table_privilege(role.name, oid, 'TRUNCATE') THEN 'TRUNCATE' END,
				CASE WHEN has_any_column_privilege(role.name, oid, 'REFERENCES') THEN 'REFERENCES' END,
				CASE WHEN has_table_privilege(role.name, oid, 'TRIGGER') THEN 'TRIGGER' END,
				CASE WHEN NOT has_table_privilege(role.name, oid, 'SELECT')
					AND has_any_column_privilege(role.name, oid, 'SELECT') THEN 'SELECT(some)' END,
				CASE WHEN NOT has_table_privilege(role.name, oid, 'INSERT')
					AND has_any_column_privilege(role.name, oid, 'INSERT') THEN 'INSERT(some)' END) AS verbs
			FROM role, relation)
		SELECT role || ' ' || relation || ' ' || verbs FROM may WHERE verbs <> ''
		UNION ALL
		SELECT role.name || ' schema ' || n.nspname || concat(
			CASE WHEN has_schema_privilege(role.name, n.oid, 'USAGE') THEN ' USAGE' END,
			CASE WHEN has_schema_privilege(role.name, n.oid, 'CREATE') THEN ' CREATE' END)
		FROM role, pg_namespace n WHERE `+ours+` AND (has_schema_privilege(role.name, n.oid, 'USAGE') OR has_schema_privilege(role.name, n.oid, 'CREATE'))
		UNION ALL
		SELECT role.name || ' database' || concat(
			CASE WHEN has_database_privilege(role.name, current_database(), 'CONNECT') THEN ' CONNECT' END,
			CASE WHEN has_database_privilege(role.name, current_database(), 'CREATE') THEN ' CREATE' END,
			CASE WHEN has_database_privilege(role.name, current_database(), 'TEMPORARY') THEN ' TEMPORARY' END)
		FROM role WHERE has_database_privilege(role.name, current_database(), 'CONNECT')
			OR has_database_privilege(role.name, current_database(), 'TEMPORARY')
		UNION ALL
		SELECT role.name || ' function ' || n.nspname || '.' || p.proname
		FROM role, pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE has_function_privilege(role.name, p.oid, 'EXECUTE') AND `+ours, roles)
}

// others are the roles of a side but its owner, and everybody.
func others(all ...string) []string { return append([]string{"public"}, all...) }

// boardReader is what the role that serves the boards may do, on both sides.
const boardReader = `
	sv_board database CONNECT
	sv_board schema board USAGE
	sv_board schema migration USAGE
	sv_board migration.applied SELECT
	sv_board board.entry SELECT
	sv_board board.node SELECT
	sv_board board.head SELECT
	sv_board board.checkpoint SELECT
	sv_board board.cosignature SELECT INSERT
	sv_board board.file SELECT
	sv_board board.restored SELECT
`

// boardWriter is what the service that feeds a log may do with it.
const boardWriter = `
	SERVICE database CONNECT
	SERVICE schema board USAGE
	SERVICE schema migration USAGE
	SERVICE migration.applied SELECT
	SERVICE board.entry SELECT INSERT
	SERVICE board.node SELECT INSERT
	SERVICE board.head SELECT INSERT UPDATE(chain,root,size)
	SERVICE board.checkpoint SELECT INSERT
	SERVICE board.cosignature SELECT INSERT
	SERVICE board.file SELECT INSERT
	SERVICE board.restored SELECT
`

func TestGrantsRegistrar(t *testing.T) {
	t.Parallel()
	got := grants(t, pgtest.Registrar(t).Owner, others("sv_registrar", "sv_board", "sv_committee"))
	compare(t, "registrar", got, boardReader+strings.ReplaceAll(boardWriter, "SERVICE", "sv_registrar")+`
		sv_registrar schema registrar USAGE
		sv_registrar registrar.election SELECT INSERT UPDATE(close_at,manifest,next_act,phase,sealing)
		sv_registrar registrar.member SELECT INSERT UPDATE(email,former_email,language,leaf) DELETE
		sv_registrar registrar.applicant SELECT INSERT UPDATE(email,language)
		sv_registrar registrar.token SELECT INSERT
		sv_registrar registrar.token_revoked SELECT INSERT
		sv_registrar registrar.used SELECT INSERT
		sv_registrar registrar.envelope SELECT INSERT
		sv_registrar registrar.rejection SELECT INSERT
		sv_registrar registrar.act SELECT INSERT
		sv_registrar registrar.factor_failure SELECT INSERT
		sv_registrar registrar.dispute SELECT INSERT
		sv_registrar registrar.dispute_word SELECT INSERT
		sv_registrar registrar.queue SELECT INSERT DELETE
		sv_registrar registrar.addition SELECT INSERT DELETE
		sv_registrar registrar.outbox SELECT INSERT UPDATE(attempts,delivery,lease_until,not_before,reason,sender,state,turn)
		sv_registrar registrar.mail_event SELECT INSERT
		sv_registrar registrar.mail_pause SELECT INSERT UPDATE(paused)
		sv_registrar registrar.turnout SELECT INSERT UPDATE(body,cells)
		sv_registrar schema content USAGE
		sv_registrar content.edition SELECT INSERT
		sv_registrar content.document SELECT INSERT
		sv_board schema content USAGE
		sv_board content.edition SELECT
		sv_board content.document SELECT
	`)
}

func TestGrantsBallotbox(t *testing.T) {
	t.Parallel()
	got := grants(t, pgtest.Ballotbox(t).Owner, others("sv_ballotbox", "sv_board"))
	compare(t, "ballotbox", got, boardReader+strings.ReplaceAll(boardWriter, "SERVICE", "sv_ballotbox")+`
		sv_ballotbox schema ballotbox USAGE
		sv_ballotbox ballotbox.election SELECT INSERT UPDATE(key_check,phase)
		sv_ballotbox ballotbox.act SELECT INSERT
		sv_ballotbox ballotbox.cast_index SELECT INSERT
		sv_ballotbox ballotbox.received SELECT INSERT
		sv_ballotbox ballotbox.pending SELECT INSERT DELETE
	`)
}

func TestGrantsCommittee(t *testing.T) {
	t.Parallel()
	got := grants(t, pgtest.Committee(t).Owner, others("sv_registrar", "sv_board", "sv_committee"))
	compare(t, "committee", got, `
		sv_committee database CONNECT
		sv_committee schema committee USAGE
		sv_committee schema migration USAGE
		sv_committee migration.applied SELECT
		sv_committee committee.election SELECT INSERT UPDATE(draft,state,title)
		sv_committee committee.teller SELECT INSERT
		sv_committee committee.message SELECT INSERT
		sv_committee committee.proposal SELECT INSERT
		sv_committee committee.proposal_signature SELECT INSERT
		sv_committee committee.proposal_end SELECT INSERT
		sv_committee committee.log SELECT INSERT
		sv_committee committee.outage SELECT INSERT
	`)
}

// TestGrantsAreSeen is the negative control: rights given by a slip are found.
func TestGrantsAreSeen(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	roles := others("sv_ballotbox", "sv_board")
	before := grants(t, db.Owner, roles)
	must(t, db.Owner, `GRANT UPDATE (body) ON board.entry TO sv_ballotbox`)
	must(t, db.Owner, `GRANT SELECT ON ballotbox.pending TO PUBLIC`)
	must(t, db.Owner, `CREATE FUNCTION ballotbox.slip() RETURNS integer LANGUAGE sql AS 'SELECT 1'`)
	seen := make(map[string]bool)
	for _, line := range grants(t, db.Owner, roles) {
		seen[line] = true
	}
	for _, line := range before {
		delete(seen, line)
	}
	for _, want := range []string{
		"sv_ballotbox board.entry SELECT INSERT UPDATE(body)",
		"public ballotbox.pending SELECT", "sv_board ballotbox.pending SELECT",
		"public function ballotbox.slip",
	} {
		if !seen[want] {
			t.Errorf("%q was not seen in %v", want, seen)
		}
	}
}
