package pgtest

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
)

// Blocks runs do with a pool of its own, as the service's role, and returns how
// many blocks of tables and indexes it touched: what work costs the server, whatever
// else the machine does meanwhile. Nothing else may use the database meanwhile.
func (d *DB) Blocks(do func(*pgxpool.Pool)) int64 {
	d.t.Helper()
	before := d.touched()
	p, err := postgres.Open(context.Background(), d.URL(d.Kind.Service))
	if err != nil {
		d.t.Fatal(err)
	}
	do(p)
	p.Close()
	n := d.touched()
	// Once in a great many runs the list of sessions was empty, and nothing was added yet.
	for tries := 0; n == before && tries < 1000; tries++ {
		n = d.touched()
	}
	return n - before
}

// touched returns how many blocks all sessions touched until now. A session adds
// what it touched to the statistics before it is gone, so all are ended first.
func (d *DB) touched() (n int64) {
	d.t.Helper()
	ctx := context.Background()
	d.Service.Reset()
	d.Owner.Reset()
	conn, err := postgres.Connect(ctx, d.URL(d.Kind.Owner))
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(ctx)
	for left := 1; left > 0; {
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
			AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&left); err != nil {
			d.t.Fatal(err)
		}
	}
	err = conn.QueryRow(ctx, `
		SELECT coalesce(sum(coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0) + coalesce(idx_blks_hit, 0) + coalesce(idx_blks_read, 0)), 0)::bigint
		FROM pg_statio_user_tables`).Scan(&n)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}
