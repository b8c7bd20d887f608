package torture_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/suite"
)

const naiveName = "naive"

// A naiveVote is what a naive service stored, and in which order.
type naiveVote struct {
	ballots []suite.BallotID // as members came
	batched []suite.BallotID // the same voters, with batches, as they came
}

// voteNaively lets as many members vote in a service that stores them in the same
// clusters as everybody does at first: the member's row is marked, the ballot gets a
// random number. Beside it stand batches that delete exactly the rows that leave.
func (s *stand) voteNaively(n int) *naiveVote {
	s.t.Helper()
	ctx := context.Background()
	exec := func(conn *pgx.Conn, sql string, args ...any) {
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, name := range []string{registrarCluster, boxCluster} {
		exec(open(s.t, s.clusters[name], "postgres"), `CREATE DATABASE `+naiveName)
	}
	members, box := open(s.t, s.clusters[registrarCluster], naiveName), open(s.t, s.clusters[boxCluster], naiveName)
	exec(members, `CREATE TABLE public.member (number integer PRIMARY KEY, voted boolean NOT NULL DEFAULT false)`)
	exec(members, `INSERT INTO public.member SELECT generate_series(0, $1)`, n-1)
	exec(box, `CREATE TABLE public.ballot (id bytea PRIMARY KEY, choice text NOT NULL);
		CREATE TABLE public.waiting (key bytea PRIMARY KEY); CREATE TABLE public.log (id bytea PRIMARY KEY)`)
	exec(members, `SET synchronous_commit = off`)
	exec(box, `SET synchronous_commit = off`)
	v := &naiveVote{ballots: make([]suite.BallotID, n)}
	type wait struct{ key, id suite.BallotID }
	var pool []wait
	for _, k := range mathrand.Perm(n) {
		var key, id suite.BallotID
		_, _ = rand.Read(key[:])
		_, _ = rand.Read(id[:])
		v.ballots[k] = id
		v.batched = append(v.batched, id)
		exec(members, `UPDATE public.member SET voted = true WHERE number = $1`, k)
		exec(box, `INSERT INTO public.ballot VALUES ($1, 'yes')`, id[:])
		exec(box, `INSERT INTO public.waiting VALUES ($1)`, key[:])
		if pool = append(pool, wait{key, id}); len(pool) < 20 && len(v.batched) < n {
			continue
		}
		mathrand.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		leave := 10
		if len(v.batched) == n {
			leave = len(pool)
		}
		var keys, ids [][]byte
		for i := range pool[:leave] {
			keys, ids = append(keys, pool[i].key[:]), append(ids, pool[i].id[:])
		}
		slices.SortFunc(ids, bytes.Compare)
		exec(box, `WITH gone AS (DELETE FROM public.waiting WHERE key = ANY($1)) INSERT INTO public.log SELECT unnest($2::bytea[])`, keys, ids)
		pool = slices.Clone(pool[leave:])
	}
	return v
}

// naively runs the attack on the naive service.
func (f *findings) naively(t *testing.T, s *stand, v *naiveVote) {
	t.Helper()
	box := s.clusters[boxCluster]
	h := &haul{t: t, conn: open(t, box, naiveName), server: box, name: naiveName,
		data: filepath.Join(s.p.Data, "postgres", boxCluster, "data"), index: newNeedles()}
	e := &loot{haul: h}
	byID := make(map[string]int)
	// What a public list would have, in no order.
	for i, id := range slices.SortedFunc(slices.Values(v.ballots), func(a, b suite.BallotID) int { return bytes.Compare(a[:], b[:]) }) {
		byID[hex.EncodeToString(id[:])] = i
		h.index.add(i, id[:])
	}
	h.count = len(v.ballots)
	h.group, h.batch, e.groups = make([]int, h.count), make([]int, h.count), make([]int, h.count)
	look := func(text string) (int, bool) { x, ok := byID[strings.TrimPrefix(text, `\x`)]; return x, ok }
	h.tables = []table{{"public.ballot", "id", look}}

	registrar := open(t, s.clusters[registrarCluster], naiveName)
	for _, k := range texts(t, registrar, `SELECT number::text FROM public.member WHERE voted ORDER BY xmin::text::bigint`) {
		id := v.ballots[number([]byte(k))]
		e.issued = append(e.issued, byID[hex.EncodeToString(id[:])])
	}
	worked := make(map[string]float64)
	for name, r := range e.rankings() {
		worked[name] = float64(e.score(r).links) / float64(h.count)
	}
	for _, must := range []string{"xmin of public.ballot", "ctid of public.ballot", "order of pg_dump", "write-ahead log of public.ballot", "commit times of public.ballot", "bytes of pg_wal"} {
		if worked[must] < 0.9 {
			t.Errorf("naive storage: %s ties only %.2f of the members to ballots: the attack is blind", must, worked[must])
		}
		f.naive = append(f.naive, worked[must])
	}
	f.naiveBatches(t, e, v, look)
}

// naiveBatches follows the rows that waited.
func (f *findings) naiveBatches(t *testing.T, e *loot, v *naiveVote, look func(string) (int, bool)) {
	t.Helper()
	log := table{"public.log", "id", look}
	for _, row := range texts(t, e.conn, `SELECT id::text || ' ' || xmin::text FROM public.log`) {
		id, xid, _ := strings.Cut(row, " ")
		x, _ := look(id)
		e.batch[x] = int(number([]byte(xid)))
	}
	r, told := e.byWaiting("public.waiting", log, e.groups)
	share := float64(e.score(r).batches) / float64(e.count)
	if !told || share < 0.9 {
		t.Errorf("batches that delete the rows that leave: only %.2f of the members were tied to a batch: the attack is blind", share)
	}
	f.waiting = append(f.waiting, share)
}
