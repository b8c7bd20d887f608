package torture_test

import (
	"context"
	"encoding/hex"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/suite"
)

// A loot is what the attacker has after the election, and the truth for the judge.
type loot struct {
	*haul
	ids     []suite.BallotID
	issued  []int // the true ballot of each member, in the order of issuance
	groups  []int // of each member in that order
	public  []pooled
	pending string
}

// seize reads both clusters.
func (s *stand) seize(votes []vote) *loot {
	s.t.Helper()
	box, name := s.clusters[boxCluster], s.database(boxCluster)
	h := &haul{t: s.t, conn: open(s.t, box, name), server: box, name: name,
		data: filepath.Join(s.p.Data, "postgres", boxCluster, "data"), index: newNeedles()}
	e := &loot{haul: h, pending: "ballotbox.pending"}
	byID := e.readPublic()
	at := make(map[string]int)
	for _, v := range votes {
		x, ok := byID[hex.EncodeToString(v.ballot[:])]
		if !ok {
			s.t.Fatal("a ballot that was acknowledged is not in the log")
		}
		at[v.address] = x
	}
	registrar := open(s.t, s.clusters[registrarCluster], s.database(registrarCluster))
	for _, address := range texts(s.t, registrar, `SELECT m.email FROM registrar.used u JOIN registrar.member m USING (group_id, roll_index)
		WHERE u.kind = 'issue' ORDER BY u.xmin::text::bigint`) {
		e.issued = append(e.issued, at[address])
		e.groups = append(e.groups, h.group[at[address]])
	}
	if len(e.issued) != len(votes) || len(votes) != h.count {
		s.t.Fatalf("%d issued, %d voted, %d in the log", len(e.issued), len(votes), h.count)
	}
	// Who voted one after another was issued ballots in that order: what the attacker
	// begins with is right.
	for i := range len(votes) / 2 {
		if at[votes[i].address] != e.issued[i] {
			s.t.Fatal("the order of issuance was not found")
		}
	}
	return e
}

// readPublic reads the public log: ballots, groups and batches.
func (e *loot) readPublic() map[string]int {
	e.t.Helper()
	byID, byIndex := make(map[string]int), make(map[string]int)
	var sizes []int
	for _, text := range texts(e.t, e.conn, `SELECT size::text FROM board.checkpoint c ORDER BY c.size`) {
		n, _ := strconv.Atoi(text)
		sizes = append(sizes, n)
	}
	in := make(map[[2]int]int) // group and checkpoint to batch
	rows, err := e.conn.Query(context.Background(), `
		SELECT c.ballot_id, e.index, e.body FROM board.entry e JOIN ballotbox.cast_index c USING (index) ORDER BY index`)
	if err != nil {
		e.t.Fatal(err)
	}
	batches := make(map[int][]int)
	var id, body []byte
	var index int64
	if _, err = pgx.ForEachRow(rows, []any{&id, &index, &body}, func() error {
		x, g := e.count, int(body[34])<<8|int(body[35])
		size, _ := slices.BinarySearch(sizes, int(index)+1)
		k, seen := in[[2]int{g, size}]
		if !seen {
			k = len(batches[g])
			in[[2]int{g, size}] = k
			batches[g] = append(batches[g], 0)
		}
		batches[g][k]++
		e.index.add(x, id)
		e.index.add(x, body[37:69]) // the nonce
		e.ids, e.group, e.batch = append(e.ids, suite.BallotID(id)), append(e.group, g), append(e.batch, k)
		byID[hex.EncodeToString(id)], byIndex[strconv.FormatInt(index, 10)] = x, x
		e.count++
		return nil
	}); err != nil {
		e.t.Fatal(err)
	}
	look := func(in map[string]int) func(string) (int, bool) {
		return func(text string) (int, bool) { x, ok := in[strings.TrimPrefix(text, `\x`)]; return x, ok }
	}
	e.tables = []table{{"ballotbox.cast_index", "ballot_id", look(byID)}, {"board.entry", "index", look(byIndex)}}
	e.poolGroups(batches)
	return byID
}

// poolGroups notes how the public batches of each group came about. But for the last
// one, each hides its ballots among at least as many as stayed, and those.
func (e *loot) poolGroups(batches map[int][]int) {
	for _, g := range slices.Sorted(maps.Keys(batches)) {
		one := pooled{batches: batches[g]}
		// Everybody voted: the group's roll is its ballots.
		n := one.count()
		one.stay = batched(n, n).stay
		for i, k := range one.batches {
			if k < one.stay && i < len(one.batches)-1 {
				e.t.Errorf("batch %d of group %d has %d ballots, fewer than %d", i, g, k, one.stay)
			}
		}
		e.public = append(e.public, one)
	}
}

// score compares a ranking with the truth, group by group and line by line.
func (e *loot) score(r ranking) (s score) {
	byGroup := make(map[int][]int)
	for _, x := range r {
		byGroup[e.group[x]] = append(byGroup[e.group[x]], x)
	}
	for i, truth := range e.issued {
		g := e.groups[i]
		guess := byGroup[g][0]
		byGroup[g] = byGroup[g][1:]
		if guess == truth {
			s.links++
		}
		if e.batch[guess] == e.batch[truth] {
			s.batches++
		}
	}
	return s
}

// newest is the guesser's own ranking.
func (e *loot) newest() ranking {
	var r ranking
	for i, g := range slices.Sorted(maps.Keys(e.numbered())) {
		numbers := e.numbered()[g]
		list := make(ranking, len(numbers))
		for at, k := range e.public[i].newest() {
			list[k] = numbers[at]
		}
		r = append(r, list...)
	}
	return r
}

// numbered lists the ballots of each group in the public order.
func (e *loot) numbered() map[int][]int {
	in := make(map[int][]int)
	for x, g := range e.group {
		in[g] = append(in[g], x)
	}
	return in
}
