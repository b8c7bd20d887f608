package torture_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
)

// A haul is what the attacker holds of a database in the ballot box's cluster after
// the election: the superuser's view of it, the data directory with the whole
// write-ahead log, and the public log, whose ballots count from 0 in its order.
type haul struct {
	t      testing.TB
	conn   *pgx.Conn
	server *cluster.Cluster
	data   string
	name   string // of the database

	count  int         // of ballots
	tables []table     // that hold ballots
	index  *needles    // each ballot's id, and the beginning of its entry
	batch  []int       // of each ballot, as published
	group  []int       // of each ballot
	wal    []walRecord // read once
}

// A table holds ballots. Its name and column are SQL; number says which ballot a
// text of the column is.
type table struct {
	name, column string
	number       func(string) (int, bool)
}

// A ranking is the attacker's order of arrival of the ballots.
type ranking []int

// rankings tries everything. Most of it names the same few orders.
func (h *haul) rankings() map[string]ranking {
	all := map[string]ranking{"order of the public log": h.publicOrder()}
	for _, tb := range h.tables {
		all["xmin of "+tb.name] = h.ordered(tb, "xmin::text::bigint, ctid")
		all["ctid of "+tb.name] = h.ordered(tb, "ctid")
		all["index order of "+tb.name] = h.ordered(tb, tb.column)
		h.byLog(tb, all)
	}
	h.byDump(all)
	h.byFiles(all)
	for name, r := range all {
		all[name] = h.complete(r)
	}
	return all
}

func (h *haul) publicOrder() ranking {
	r := make(ranking, h.count)
	for i := range r {
		r[i] = i
	}
	return r
}

// complete adds the ballots that a method did not see.
func (h *haul) complete(r ranking) ranking {
	seen := make([]bool, h.count)
	var out ranking
	for _, x := range append(slices.Clone(r), h.publicOrder()...) {
		if !seen[x] {
			seen[x] = true
			out = append(out, x)
		}
	}
	return out
}

// ordered reads a table in an order.
func (h *haul) ordered(tb table, order string) ranking {
	h.t.Helper()
	var r ranking
	for _, text := range texts(h.t, h.conn, `SELECT `+tb.column+`::text FROM `+tb.name+` ORDER BY `+order) {
		if x, ok := tb.number(text); ok {
			r = append(r, x)
		}
	}
	return r
}

func texts(t testing.TB, conn *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return list
}

// bin returns the folder of the server's programs.
func bin(t testing.TB, c *cluster.Cluster) string {
	t.Helper()
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(program)
}

// dump returns what pg_dump writes of a database.
func dump(t testing.TB, c *cluster.Cluster, database string) []byte {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin(t, c), "pg_dump"), "--dbname", c.AdminURL(database)).Output()
	if err != nil || len(out) == 0 {
		t.Fatalf("dumping: %v", err)
	}
	return out
}

// byDump ranks ballots by where a dump has them. It shows bytes in hexadecimal.
func (h *haul) byDump(all map[string]ranking) {
	text := dump(h.t, h.server, h.name)
	in := newNeedles()
	for _, list := range h.index.from {
		for _, one := range list {
			in.add(one.name, fmt.Appendf(nil, "%x", one.text))
		}
	}
	var first ranking
	in.find(text, func(_, name int) { first = append(first, name) })
	all["order of pg_dump"] = first
	all["order of pg_dump, last place"] = lastPlaces(first)
}

func lastPlaces(r ranking) ranking {
	r = slices.Clone(r)
	slices.Reverse(r)
	var out ranking
	seen := make(map[int]bool)
	for _, x := range r {
		if !seen[x] {
			seen[x] = true
			out = append(out, x)
		}
	}
	slices.Reverse(out)
	return out
}

// byFiles ranks ballots by where each file of the data directory has them, heaps,
// indexes and the write-ahead log alike, and by when the files were written last.
func (h *haul) byFiles(all map[string]ranking) {
	type place struct {
		path     string
		modified int64
		ranking
	}
	places := make(map[string]*place)
	files(h.t, h.data, func(path string, info fs.FileInfo, content []byte) {
		key, err := filepath.Rel(h.data, path)
		if err != nil {
			h.t.Fatal(err)
		}
		if strings.HasPrefix(key, "pg_wal/") {
			key = "pg_wal"
		}
		h.index.find(content, func(_, name int) {
			p := places[key]
			if p == nil {
				p = &place{path: key, modified: info.ModTime().UnixNano()}
				places[key] = p
			}
			p.ranking = append(p.ranking, name)
		})
	})
	list := slices.Collect(maps.Values(places))
	slices.SortFunc(list, func(a, b *place) int { return cmp.Or(cmp.Compare(a.modified, b.modified), cmp.Compare(a.path, b.path)) })
	var modified ranking
	for _, p := range list {
		modified = append(modified, p.ranking...)
		all["bytes of "+p.path] = p.ranking
		all["bytes of "+p.path+", last place"] = lastPlaces(p.ranking)
	}
	all["modification of files"] = modified
}

// A walRecord is one of the write-ahead log that inserts or deletes a row.
type walRecord struct {
	xid     uint64
	row     string // relation, block and place in it
	deletes bool
	commit  string // when its transaction was committed, to the microsecond
}

var (
	walLine  = regexp.MustCompile(`^rmgr: Heap .* tx: +(\d+), .* desc: (INSERT|DELETE)\S* off:? (\d+)\b.* blkref #0: rel (\S+)(?: fork main)? blk (\d+)`)
	walGroup = regexp.MustCompile(`^rmgr: Transaction .* tx: +(\d+), .* desc: COMMIT (\d{4}-\S+ \S+)`)
)

// readLog reads the write-ahead log of the whole election, without what was rolled
// back.
func (h *haul) readLog() []walRecord {
	h.t.Helper()
	if h.wal != nil {
		return h.wal
	}
	folder := filepath.Join(h.data, "pg_wal")
	segments, err := filepath.Glob(filepath.Join(folder, strings.Repeat("[0-9A-F]", 24)))
	if err != nil || len(segments) == 0 {
		h.t.Fatalf("no write-ahead log, %v", err)
	}
	var current string
	if err := h.conn.QueryRow(context.Background(), `SELECT pg_walfile_name(pg_current_wal_lsn())`).Scan(&current); err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin(h.t, h.server), "pg_waldump"), "-p", folder, filepath.Base(segments[0]), current)
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C"}
	out, err := cmd.Output() // it ends with an error where the log ends
	if len(out) == 0 {
		h.t.Fatalf("reading the write-ahead log: %v", err)
	}
	commits := make(map[uint64]string)
	var list []walRecord
	for line := range bytes.Lines(out) {
		if m := walLine.FindSubmatch(line); m != nil {
			list = append(list, walRecord{xid: number(m[1]), row: string(m[4]) + " " + string(m[5]) + "," + string(m[3]), deletes: string(m[2]) == "DELETE"})
		} else if m := walGroup.FindSubmatch(line); m != nil {
			commits[number(m[1])] = string(m[2])
		}
	}
	for _, r := range list {
		if r.commit = commits[r.xid]; r.commit != "" {
			h.wal = append(h.wal, r)
		}
	}
	return h.wal
}

func number(b []byte) uint64 {
	n, _ := strconv.ParseUint(string(b), 10, 64) // a regular expression found digits
	return n
}

// relation returns the name of a table in the write-ahead log.
func (h *haul) relation(name string) string {
	h.t.Helper()
	return texts(h.t, h.conn, `SELECT '1663/' || d.oid || '/' || pg_relation_filenode($1::text::regclass)
		FROM pg_database d WHERE d.datname = current_database()`, name)[0]
}

// rows says which ballot stands where in a table, as the write-ahead log names it.
func (h *haul) rows(tb table) map[string]int {
	h.t.Helper()
	relation := h.relation(tb.name)
	rows := make(map[string]int)
	for _, text := range texts(h.t, h.conn, `SELECT ctid::text || ' ' || `+tb.column+`::text FROM `+tb.name) {
		at, key, _ := strings.Cut(text, " ")
		if x, ok := tb.number(key); ok {
			rows[relation+" "+strings.Trim(at, "()")] = x
		}
	}
	return rows
}

// byLog ranks ballots by the write-ahead log: its order, and its times.
func (h *haul) byLog(tb table, all map[string]ranking) {
	at := h.rows(tb)
	type seen struct {
		ballot int
		commit string
	}
	var list []seen
	for _, r := range h.readLog() {
		if x, ok := at[r.row]; ok && !r.deletes {
			list = append(list, seen{x, r.commit})
		}
	}
	ranked := func() (r ranking) {
		for _, s := range list {
			r = append(r, s.ballot)
		}
		return r
	}
	all["write-ahead log of "+tb.name] = ranked()
	slices.SortStableFunc(list, func(a, b seen) int { return strings.Compare(a.commit, b.commit) })
	all["commit times of "+tb.name] = ranked()
}

// byWaiting follows the rows of a table in which ballots wait from their insertion
// to the transaction that takes them away and writes ballots into the table log. The
// k-th row is the ballot of the k-th member who was issued one, so that the group of
// each is known. It returns a ballot for each, and whether the log told which rows
// left; if not, the newest are said to.
func (h *haul) byWaiting(waiting string, log table, groups []int) (ranking, bool) {
	relation, at := h.relation(waiting)+" ", h.rows(log)
	out := make(map[uint64][]int)   // ballots, by the transaction that published them
	moved := make(map[uint64][]int) // rows by the transaction that deleted them
	puts := make(map[uint64]int)    // how many rows it wrote
	takes := make(map[uint64]bool)
	for _, r := range h.readLog() {
		takes[r.xid] = takes[r.xid] || r.deletes && strings.HasPrefix(r.row, relation)
	}
	var order []uint64
	here := make(map[string]int)
	came := 0
	for _, r := range h.readLog() {
		switch ballot, published := at[r.row]; {
		case published && !r.deletes:
			if len(out[r.xid]) == 0 && puts[r.xid] == 0 {
				order = append(order, r.xid)
			}
			out[r.xid] = append(out[r.xid], ballot)
		case !strings.HasPrefix(r.row, relation):
		case r.deletes:
			if k, ok := here[r.row]; ok {
				moved[r.xid] = append(moved[r.xid], k)
				delete(here, r.row)
			}
		case takes[r.xid]:
			if puts[r.xid] == 0 {
				order = append(order, r.xid) // it draws who leaves, and publishes nobody
			}
			puts[r.xid]++
		default:
			here[r.row] = came
			came++
		}
	}
	return h.assign(order, out, moved, puts, groups[:min(came, len(groups))])
}

// assign gives each row a ballot of the batch in which it left.
func (h *haul) assign(order []uint64, out, moved map[uint64][]int, puts map[uint64]int, groups []int) (ranking, bool) {
	var pool []int // rows that wait
	guess := make(map[int]int)
	told := true
	for _, xid := range order {
		rows := moved[xid]
		if puts[xid] > 0 {
			// All rows were taken, and put back as others, all or some of them.
			pool, rows, told = append(pool, rows...), nil, false
		} else if len(pool) > 0 {
			rows, pool = append(pool, rows...), nil
		}
		take := &rows
		if rows == nil {
			take = &pool
		}
		slices.Sort(*take)
		for _, ballot := range out[xid] {
			for i, k := range slices.Backward(*take) {
				if k < len(groups) && groups[k] == h.group[ballot] {
					guess[k] = ballot
					*take = slices.Delete(*take, i, i+1)
					break
				}
			}
		}
		if take == &rows {
			pool = rows // of other groups, which wait on
		}
	}
	var r ranking
	for _, k := range slices.Sorted(maps.Keys(guess)) {
		r = append(r, guess[k])
	}
	return h.complete(r), told
}

// open connects the attacker.
func open(t testing.TB, c *cluster.Cluster, database string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(context.Background(), c.AdminURL(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
