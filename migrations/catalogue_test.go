package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres/pgtest"
)

// boxColumns is every column of the ballot box's database, with its type and
// default. It is an allow-list: a column that could say when, in which order,
// from where or by whom a ballot came must not be added, and any other is a
// design decision.
const boxColumns = `
	ballotbox.act.body bytea
	ballotbox.act.sequence integer
	ballotbox.cast_index.ballot_id bytea
	ballotbox.cast_index.index bigint
	ballotbox.election.key_check bytea
	ballotbox.election.manifest bytea
	ballotbox.election.one boolean = true
	ballotbox.election.phase text = 'sealed'::text
	ballotbox.election.sealing bytea
	ballotbox.pending.group_id integer
	ballotbox.pending.key bytea
	ballotbox.pending.leaving boolean = false
	ballotbox.pending.sealed bytea
	ballotbox.received.key bytea
	board.checkpoint.note bytea
	board.checkpoint.size bigint
	board.cosignature.line text
	board.cosignature.size bigint
	board.cosignature.witness text
	board.entry.body bytea
	board.entry.index bigint
	board.file.body bytea
	board.file.path text
	board.head.chain bytea
	board.head.one boolean = true
	board.head.root bytea
	board.head.size bigint
	board.node.hash bytea
	board.node.index bigint
	board.restored.one boolean = true
	migration.applied.dir text
	migration.applied.name text
	migration.applied.number integer
	migration.applied.sha256 bytea
`

const ours = ` n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' `

func columns(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return lines(t, pool, `
		SELECT n.nspname || '.' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ||
			coalesce(' = ' || pg_get_expr(d.adbin, d.adrelid), '')
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND `+ours)
}

// recorders lists what records time or order by itself: columns of a type of
// time, columns that count, and sequences.
func recorders(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return lines(t, pool, `
		SELECT n.nspname || '.' || c.relname || '.' || a.attname
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_type y ON y.oid = a.atttypid
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND `+ours+`
			AND (y.typcategory IN ('D', 'T', 'I') OR y.typname IN ('uuid', 'xid', 'xid8', 'tid', 'pg_lsn', '_timestamptz', '_timestamp')
				OR a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%(%')
		UNION ALL
		SELECT 'sequence ' || n.nspname || '.' || c.relname
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'S' AND `+ours)
}

// TestBoxRecordsNoTime reads the catalogue of the box's database.
func TestBoxRecordsNoTime(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	compare(t, "columns", columns(t, db.Owner), boxColumns)
	for _, r := range recorders(t, db.Owner) {
		t.Errorf("%s records time or order", r)
	}
	var off bool
	err := db.Owner.QueryRow(t.Context(), `SELECT NOT current_setting('track_commit_timestamp')::boolean`).Scan(&off)
	if err != nil || !off {
		t.Errorf("the server keeps the time of commits (%v)", err)
	}
}

// TestRecordersAreFound is its negative control.
func TestRecordersAreFound(t *testing.T) {
	t.Parallel()
	db := pgtest.Ballotbox(t)
	must(t, db.Owner, `CREATE TABLE ballotbox.spy (
		a bigserial, b timestamptz, c date, d time, e timestamp, f integer GENERATED ALWAYS AS IDENTITY,
		g interval, h inet, i uuid, j text DEFAULT clock_timestamp()::text, k xid8, l timestamptz[],
		z text DEFAULT 'fixed')`)
	must(t, db.Owner, `CREATE SEQUENCE board.counter`)
	must(t, db.Owner, `ALTER TABLE board.entry ADD seen_at timestamptz DEFAULT now()`)
	want := `sequence board.counter
		sequence ballotbox.spy_a_seq
		sequence ballotbox.spy_f_seq
		board.entry.seen_at
		`
	for c := 'a'; c <= 'l'; c++ {
		want += "\nballotbox.spy." + string(c)
	}
	compare(t, "recorders", recorders(t, db.Owner), want)
	extra := len(columns(t, db.Owner)) - len(columns(t, pgtest.Ballotbox(t).Owner))
	if extra != 14 {
		t.Errorf("got %d columns more, want 14", extra)
	}
}
