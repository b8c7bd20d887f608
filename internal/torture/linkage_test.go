package torture_test

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/torture"
	"strikevote/internal/voter"
)

// TestTortureLinkage is the attacker who holds, after an election, everything that
// is left of both sides but the keys that were destroyed: dumps, data directories,
// the write-ahead logs of the whole election, files. The order in which members were
// issued ballots is theirs by right of the registrar's database. They must not link
// more members to sealed ballots, nor to batches, than a guesser who knows that order
// and the public batches.
//
// Three negative controls are attacked by the same code: a schema in the same
// clusters that keeps ballots as they come, one whose batches delete only the rows
// that leave, and the box itself with the pending key.
func TestTortureLinkage(t *testing.T) {
	t.Parallel()
	sum := newFindings()
	for i := range torture.Rounds(1, 20, 0.15) {
		linkageRound(t, torture.Pick(300, 2000), i, sum)
	}
	torture.Report(t, torture.Row{
		What:     "ties members to sealed ballots from dumps, data directories, write-ahead logs and file times of both clusters after the close",
		Target:   "each method no more than mean + 4σ of a guesser with the order of issuance and the public batches",
		Measured: sum.measured(), Control: sum.control(),
	})
}

// findings collect the scores of rounds.
type findings struct {
	rounds         int
	best           map[string]score // of each method, its largest
	guess          []string
	naive, waiting []float64 // shares
	key            []float64
}

func newFindings() *findings { return &findings{best: make(map[string]score)} }

func (f *findings) measured() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(f.best)) {
		all = append(all, fmt.Sprintf("%s %d/%d", name, f.best[name].links, f.best[name].batches))
	}
	return fmt.Sprintf("%d elections; guesser (links; batches): %s; methods, most links/batches: %s",
		f.rounds, strings.Join(f.guess, " | "), strings.Join(all, ", "))
}

func (f *findings) control() string {
	return fmt.Sprintf("in each election: naive storage is linked at %.3f or more by each method that must; where exact rows are deleted the right batch is found at %.3f or more; with the pending key %.3f or more are linked",
		slices.Min(f.naive), slices.Min(f.waiting), slices.Min(f.key))
}

// linkageRound is one election.
func linkageRound(t *testing.T, voters, round int, sum *findings) {
	t.Helper()
	s := newStand(t, demo.Options{Members: voters, Seed: uint64(round)})
	s.keepLogs()
	key := s.pendingKey()
	votes := s.voteInOrder(uint64(round), 1+round%2*7)
	naive := s.voteNaively(voters)
	open := s.watchOpen()
	s.finish(filepath.Join(t.TempDir(), "record"))
	s.startCluster(registrarCluster)
	s.startCluster(boxCluster)

	if _, err := os.Stat(s.pendingPath()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the pending key is there after the lock")
	}
	sum.rounds++
	e := s.seize(votes)
	e.checkOpen(open)
	e.checkApart(s)
	sum.real(t, e)
	sum.controls(t, e, key)
	sum.naively(t, s, naive)
}

// keepLogs makes both clusters keep their write-ahead log from here on, as an
// archive or a standby would. The attacker is given all of it.
func (s *stand) keepLogs() {
	s.t.Helper()
	for _, c := range s.clusters {
		conn := open(s.t, c, "postgres")
		if _, err := conn.Exec(context.Background(), `SELECT pg_create_physical_replication_slot('kept', true)`); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stand) pendingPath() string {
	found, err := filepath.Glob(filepath.Join(s.p.Data, "keys", "*"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%d folders of keys, %v", len(found), err)
	}
	return filepath.Join(found[0], "box", "pending.key")
}

// pendingKey reads what the lock destroys.
func (s *stand) pendingKey() []byte {
	s.t.Helper()
	text, err := os.ReadFile(s.pendingPath())
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != 32 {
		s.t.Fatalf("the pending key is %d bytes, %v", len(b), err)
	}
	return b
}

// A vote is the truth that the attacker looks for.
type vote struct {
	address string
	ballot  suite.BallotID
}

// voteInOrder lets everybody vote: the first half one after another, the others so
// many at once.
func (s *stand) voteInOrder(seed uint64, atOnce int) []vote {
	s.t.Helper()
	letters, err := demo.ReadLetters(s.p.Mail)
	if err != nil || len(letters) == 0 {
		s.t.Fatal(len(letters), err)
	}
	slices.SortFunc(letters, func(a, b demo.Letter) int { return strings.Compare(a.Address, b.Address) })
	random := mathrand.New(mathrand.NewPCG(seed, 5))
	random.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
	booth, _, body, mid, err := token.ParseLink(letters[0].Link)
	if err != nil {
		s.t.Fatal(err)
	}
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	e, err := voter.Fetch(s.t.Context(), client, booth, body.Election, mid)
	if err != nil {
		s.t.Fatal(err)
	}
	votes := make([]vote, len(letters))
	half := len(letters) / 2
	for i := range half {
		votes[i] = s.voteOnce(e, letters[i])
	}
	var wg sync.WaitGroup
	turns := make(chan int)
	for range max(atOnce, 4) {
		wg.Go(func() {
			for i := range turns {
				votes[i] = s.voteOnce(e, letters[i])
			}
		})
	}
	for i := half; i < len(letters); i++ {
		turns <- i
	}
	close(turns)
	wg.Wait()
	if s.t.Failed() {
		s.t.FailNow()
	}
	return votes
}

func (s *stand) voteOnce(e *voter.Election, l demo.Letter) vote {
	session, err := e.Session(l.Link, voter.NoMemory{})
	if err == nil {
		_, err = session.Status(s.t.Context(), "")
	}
	if err == nil {
		err = session.Seal(ballot.Choices{1}, "")
	}
	if err != nil {
		s.t.Error(err)
		return vote{}
	}
	id, _ := session.Tracker()
	if err := session.Finish(s.t.Context(), ""); err != nil {
		s.t.Error(err)
	}
	return vote{l.Address, id}
}

// watchOpen is a dump of the box while voting is open.
func (s *stand) watchOpen() []byte {
	s.t.Helper()
	return dump(s.t, s.clusters[boxCluster], s.database(boxCluster))
}

// database returns the name of the election's database.
func (s *stand) database(name string) string {
	s.t.Helper()
	conn := open(s.t, s.clusters[name], "postgres")
	list := texts(s.t, conn, `SELECT datname FROM pg_database WHERE datname ~ '^sv_[0-9a-f]{8,}$'`)
	if len(list) != 1 {
		s.t.Fatalf("%d databases of elections", len(list))
	}
	return list[0]
}

// checkApart looks for ballots at the registrar's and in what the services logged.
// They are all in the box's data directory: rankings demands it.
func (e *loot) checkApart(s *stand) {
	e.t.Helper()
	files(e.t, filepath.Join(s.p.Data, "postgres", registrarCluster), func(path string, _ fs.FileInfo, content []byte) {
		e.index.find(content, func(int, int) { e.t.Errorf("a ballot is in the registrar's %s", filepath.Base(path)) })
	})
	hex := newNeedles()
	for i, id := range e.ids {
		hex.add(i, fmt.Appendf(nil, "%x", id[:]))
	}
	hex.find([]byte(s.log.text()), func(int, int) { e.t.Error("a ballot is in the services' log") })
}

// real tries every method on the box.
func (f *findings) real(t *testing.T, e *loot) {
	t.Helper()
	links, batches := guesser(e.public, 2000, mathrand.New(mathrand.NewPCG(1, uint64(f.rounds))))
	f.guess = append(f.guess, fmt.Sprintf("%v; %v of %d", links, batches, e.count))
	all := e.rankings()
	waits, told := e.byWaiting(e.pending, e.tables[0], e.groups)
	if told {
		t.Error("the write-ahead log shows which rows left in a batch")
	}
	all["rows that waited"], all["newest of those who came"] = waits, e.newest()
	for _, must := range []string{"bytes of pg_wal", "commit times of board.entry", "order of pg_dump"} {
		if len(all[must]) != e.count {
			t.Errorf("the attacker did not see the %s", must)
		}
	}
	for name, r := range all {
		s := e.score(r)
		if float64(s.links) > links.rare() || float64(s.batches) > batches.limit() {
			t.Errorf("%s: %d of %d members tied to ballots, %d to batches; a guesser has %v and %v",
				name, s.links, e.count, s.batches, links, batches)
		}
		method := name
		if strings.HasPrefix(name, "bytes of base/") {
			method = "bytes of a relation"
		}
		best := f.best[method]
		f.best[method] = score{max(best.links, s.links), max(best.batches, s.batches)}
	}
}

// controls shows with the pending key what the attacker lacks without it.
func (f *findings) controls(t *testing.T, e *loot, key []byte) {
	t.Helper()
	manifest := texts(t, e.conn, `SELECT encode(manifest, 'hex') FROM ballotbox.election`)[0]
	raw, err := hex.DecodeString(manifest)
	if err != nil {
		t.Fatal(err)
	}
	mid := election.MID(raw)
	k, err := hkdf.Key(sha512.New, key, mid[:], "strikevote/v1/pending-index", 32)
	if err != nil {
		t.Fatal(err)
	}
	came := make(map[string]int)
	for x, id := range e.ids {
		mac := hmac.New(sha256.New, k)
		mac.Write(id[:])
		came[hex.EncodeToString(mac.Sum(nil))] = x
	}
	tb := table{"ballotbox.received", "encode(key, 'hex')", func(text string) (int, bool) { x, ok := came[text]; return x, ok }}
	share := float64(e.score(e.complete(e.ordered(tb, "xmin::text::bigint"))).links) / float64(e.count)
	f.key = append(f.key, share)
	// Half voted one after another.
	if share < 0.45 {
		t.Errorf("with the pending key only %.2f of the members were tied to ballots: the attack is blind", share)
	}
}

// checkOpen looks in a dump that was taken while voting was open for ballots that
// were published after it, and in the record for anything of the rows that waited.
func (e *loot) checkOpen(open []byte) {
	e.t.Helper()
	_, table, _ := bytes.Cut(open, []byte("COPY ballotbox.pending "))
	table, _, _ = bytes.Cut(table, []byte("\n\\.\n"))
	rows := bytes.Split(table, []byte("\n"))[1:]
	if len(rows) < 20 {
		e.t.Fatalf("%d rows waited", len(rows))
	}
	parts := newNeedles()
	for i, row := range rows {
		for field := range bytes.FieldsSeq(row) {
			field = bytes.TrimPrefix(field, []byte(`\\x`))
			for ; len(field) >= 24; field = field[24:] {
				parts.add(i, field[:24])
			}
		}
	}
	final := dump(e.t, e.server, e.name)
	parts.find(final, func(int, int) { e.t.Error("the database after the lock holds a part of a row that waited") })
	// The control: the same search finds them where they were.
	found := make(map[int]bool)
	parts.find(open, func(_, name int) { found[name] = true })
	if len(found) != len(rows) {
		e.t.Errorf("the search found %d of %d rows that waited", len(found), len(rows))
	}
	hidden := 0
	for _, id := range e.ids {
		if !bytes.Contains(open, fmt.Appendf(nil, "%x", id[:])) {
			hidden++
		}
	}
	if hidden != len(rows) {
		e.t.Errorf("%d rows waited, and %d ballots were not to be seen", len(rows), hidden)
	}
}
