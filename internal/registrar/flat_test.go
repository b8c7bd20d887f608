package registrar_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
)

// grow adds n members with everything that a member leaves behind who has voted:
// link, issuance, mails. Only the costs of others' rows matter.
func (w *world) grow(from, n int) {
	w.t.Helper()
	const chunk = 10_000
	for ; n > chunk; from, n = from+chunk, n-chunk {
		w.grow(from, chunk)
	}
	for _, sql := range []string{
		`INSERT INTO registrar.member (group_id, roll_index, member_no, name, email, leaf, added)
			SELECT 1, 1000000 + i, 'X' || i, 'Somebody', 'x' || i || '@mail.example', sha256(i::text::bytea), true FROM generate_series($1::bigint, $2::bigint) i`,
		`INSERT INTO registrar.token (token_id, code_id, jti, group_id, roll_index)
			SELECT sha256(('t' || i)::bytea), sha256(('c' || i)::bytea), substr(sha256(('j' || i)::bytea), 1, 16), 1, 1000000 + i FROM generate_series($1::bigint, $2::bigint) i`,
		`INSERT INTO registrar.used (group_id, roll_index, kind, request_hash)
			SELECT 1, 1000000 + i, 'issue', sha256(('r' || i)::bytea) FROM generate_series($1::bigint, $2::bigint) i`,
		`INSERT INTO registrar.outbox (id, kind, group_id, roll_index, state, not_before)
			SELECT substr(sha256((k || i)::bytea), 1, 16), k, 1, 1000000 + i, 'sent', '2020-01-01' FROM generate_series($1::bigint, $2::bigint) i, unnest('{invitation,issued}'::text[]) k`,
	} {
		if _, err := w.db.Owner.Exec(context.Background(), sql, from, from+n-1); err != nil {
			w.t.Fatal(err)
		}
	}
	// What the server would do by itself a minute later, or in the middle of the test.
	if _, err := w.db.Owner.Exec(context.Background(), `ANALYZE`); err != nil {
		w.t.Fatal(err)
	}
}

// cost is how many blocks it takes to look up, issue, repeat, send again and mail
// for some members, from the given one on.
func (w *world) cost(first uint32) int64 {
	w.t.Helper()
	ctx := context.Background()
	var shown []registrar.Credential
	for i := range uint32(10) {
		shown = append(shown, w.show(2, first+i))
	}
	work := func(p *pgxpool.Pool, of []registrar.Credential) {
		c := w.config
		c.Pool, c.Keys = p, w.keys()
		r, err := registrar.Open(ctx, c)
		if err != nil {
			w.t.Fatal(err)
		}
		for i, credential := range of {
			z := request(w.t)
			if _, err := r.Status(ctx, credential, ""); err != nil {
				w.t.Fatal(err)
			}
			for range 2 {
				if _, err := r.Issue(ctx, credential, "", z); err != nil {
					w.t.Fatal(err)
				}
			}
			if err := r.Resend(ctx, electiontest.MemberNo(2, first+uint32(i))); err != nil {
				w.t.Fatal(err)
			}
		}
		post, err := mailer.New(mailer.Config{Pool: p, Manifest: w.m, MID: w.mid, Minter: w.minter, Zone: time.UTC, Now: w.clock,
			Log: w.config.Log, From: mailer.Address{Name: "Union", Address: "ballot@union.example"}, Senders: []mailer.Sender{&mailer.Directory{Path: w.t.TempDir(), Unsynced: true}}})
		if err != nil {
			w.t.Fatal(err)
		}
		if n, err := post.Drain(ctx); err != nil || n != 2*len(of) {
			w.t.Fatalf("%d mails, %v", n, err)
		}
	}
	start := w.db.Blocks(func(p *pgxpool.Pool) { work(p, nil) })
	return w.db.Blocks(func(p *pgxpool.Pool) { work(p, shown) }) - start
}

// TestTortureFlat serves members of a small union and of a large one. Each must
// cost the same but for the depth of an index. Blocks are counted, not time.
func TestTortureFlat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	size := []int{1000, torture.Pick(20_000, 200_000)}
	var cost, scan [2]int64
	for i, have := range []int{0, size[0]} {
		w.grow(have, size[i]-have)
		cost[i] = w.cost(uint32(10 * i))
		// The control: a look-up without an index.
		scan[i] = w.db.Blocks(func(p *pgxpool.Pool) {
			if _, err := p.Exec(context.Background(), `SELECT FROM registrar.member WHERE name = 'Nobody'`); err != nil {
				t.Fatal(err)
			}
		})
	}
	torture.Flat(t, "10 members looked up, issued to twice, sent their links and mailed", size, cost, scan)
}
