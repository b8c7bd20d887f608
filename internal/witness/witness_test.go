package witness_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/witness"
)

// A board shows two logs that are kept in memory. It does what it is told, also
// what no log may do.
type board struct {
	t     testing.TB
	m     *election.Manifest
	keys  electiontest.Keys
	bytes []byte
	mid   suite.MID
	dir   string
	clock atomic.Int64

	mu     sync.Mutex
	logs   map[string]*log     // guarded by mu
	lines  map[string][]string // posted, by log; guarded by mu
	fixed  map[string][]byte   // answers by path; guarded by mu
	broken string              // a path of requests that fail; guarded by mu
	date   time.Time           // what the board's clock shows, if not zero; guarded by mu
	age    string              // of a cache's answer; guarded by mu
	refuse string              // the answer to a cosignature, if any; guarded by mu
}

// A log is what one log shows.
type log struct {
	signer *tlog.LogSigner
	tree   *tlog.Tree
	shown  int64 // size of the checkpoint
}

func newBoard(t testing.TB) *board {
	t.Helper()
	b := &board{t: t, dir: t.TempDir(), lines: make(map[string][]string)}
	b.m, b.keys = electiontest.Manifest(t)
	b.bytes, b.mid = electiontest.Encode(t, b.m)
	b.clock.Store(electiontest.Open)
	b.logs = map[string]*log{
		"ledger":  {signer: b.keys.Ledger, tree: b.tree(1)},
		"ballots": {signer: b.keys.Ballots, tree: b.tree(1)},
	}
	for _, l := range b.logs {
		l.shown = 1
	}
	return b
}

// tree makes a tree of the manifest entry and n-1 entries of a history.
func (b *board) tree(n int64, history ...uint64) *tlog.Tree {
	t := new(tlog.Tree)
	t.Append(tlog.LeafHash(ledger.ManifestEntry(b.mid)))
	for i := int64(1); i < n; i++ {
		t.Append(leaf(i, history...))
	}
	return t
}

// leaf is the i-th entry's hash. A history [at, x] differs from index at on.
func leaf(i int64, history ...uint64) suite.Hash {
	e := binary.BigEndian.AppendUint64(nil, uint64(i))
	if len(history) == 2 && uint64(i) >= history[0] {
		e = binary.BigEndian.AppendUint64(e, history[1])
	}
	return tlog.LeafHash(e)
}

// show sets what a log shows.
func (b *board) show(name string, tree *tlog.Tree, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logs[name].tree, b.logs[name].shown = tree, size
	b.fixed = nil
}

func (b *board) checkpoint(l *log) tlog.Checkpoint {
	root, err := l.tree.RootAt(l.shown)
	if err != nil {
		b.t.Fatal(err)
	}
	return tlog.Checkpoint{Origin: l.signer.Key().Name(), Size: l.shown, Root: root}
}

func (b *board) note(name string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.logs[name]
	return l.signer.Sign(b.checkpoint(l))
}

// RoundTrip answers as a board does, without a network.
func (b *board) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	b.serve(w, r)
	return w.Result(), nil
}

func (b *board) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/"+b.m.ElectionID.String()+"/")
	if !b.date.IsZero() {
		w.Header().Set("Date", b.date.UTC().Format(http.TimeFormat))
		w.Header().Set("Age", b.age)
	}
	if b.broken != "" && strings.Contains(path, b.broken) {
		http.Error(w, "broken", http.StatusServiceUnavailable)
		return
	}
	if answer, ok := b.fixed[path]; ok {
		_, _ = w.Write(answer)
		return
	}
	name, rest, _ := strings.Cut(path, "/")
	l := b.logs[name]
	switch {
	case path == "manifest":
		_, _ = w.Write(b.bytes)
	case l == nil:
		http.NotFound(w, r)
	case rest == "checkpoint":
		_, _ = w.Write(l.signer.Sign(b.checkpoint(l)))
	case rest == "cosignatures":
		var line [1024]byte
		n, _ := r.Body.Read(line[:])
		if b.refuse != "" {
			http.Error(w, b.refuse, http.StatusUnprocessableEntity)
			return
		}
		b.lines[name] = append(b.lines[name], string(line[:n]))
		w.WriteHeader(http.StatusNoContent)
	default:
		tile, err := tlog.ParseTilePath(rest)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		data, err := tlog.ReadTile(tile, l.tree.Reader())
		if err != nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}
}

func (b *board) posted(name string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines[name]...)
}

func (b *board) config() witness.Config {
	return witness.Config{
		URL:    "https://board.example/" + b.m.ElectionID.String(),
		Key:    b.keys.Witnesses[0],
		Dir:    b.dir,
		Client: &http.Client{Transport: b},
		Now:    func() time.Time { return time.Unix(b.clock.Load(), 0) },
	}
}

func (b *board) open() *witness.Witness {
	b.t.Helper()
	w, err := witness.Open(context.Background(), b.config())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = w.Close() })
	return w
}

// checkLine checks that a line cosigns what the log shows, and returns its time.
func (b *board) checkLine(name, line string) int64 {
	b.t.Helper()
	text, _, _ := strings.Cut(string(b.note(name)), "\n\n")
	policy, err := b.m.LedgerPolicy()
	if name == "ballots" {
		policy, err = b.m.BallotsPolicy()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := policy.CheckLine(text+"\n", line)
	if err != nil {
		b.t.Error(err)
	}
	return c.Time
}

// evidence lists the files that convict a log.
func (b *board) evidence() []string {
	b.t.Helper()
	list, err := filepath.Glob(filepath.Join(b.dir, "fork-*.txt"))
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// TestPoll follows a log that grows by random steps, through restarts.
func TestPoll(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	w := b.open()
	tree := b.tree(2000)
	size := int64(1)
	for step := range 25 {
		b.show("ballots", tree, size)
		b.clock.Add(1)
		before := len(b.posted("ballots"))
		if err := w.Poll(t.Context()); err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		lines := b.posted("ballots")
		if len(lines) != before+1 {
			t.Fatalf("size %d: %d lines were posted", size, len(lines)-before)
		}
		if at := b.checkLine("ballots", lines[before]); at != b.clock.Load() {
			t.Errorf("size %d: got time %d", size, at)
		}
		if step%5 == 0 {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			w = b.open()
		}
		size += 1 + mrand.Int64N(80)
	}
}

// TestPollAgain brings the same line again until the board has it, and survives
// a clock that is set back.
func TestPollAgain(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	w := b.open()
	b.broken = "ballots/cosignatures"
	if err := w.Poll(t.Context()); err == nil {
		t.Error("a line that was not posted is no error")
	}
	b.broken = ""
	b.clock.Add(100)
	for range 2 { // this board never shows cosignatures
		if err := w.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	lines := b.posted("ballots")
	if len(lines) != 2 || lines[0] != lines[1] {
		t.Fatalf("got %q", lines)
	}
	if at := b.checkLine("ballots", lines[0]); at != electiontest.Open {
		t.Errorf("got time %d", at)
	}
	b.clock.Add(-1000)
	b.show("ballots", b.tree(9), 9)
	if err := w.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := b.checkLine("ballots", b.posted("ballots")[2]); at != electiontest.Open {
		t.Errorf("the time went back to %d", at)
	}
}

// TestPollRefused shows what is not a checkpoint of the log, or cannot be
// checked: nothing is posted, nothing is written down.
func TestPollRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*board, *log){
		"another key": func(b *board, l *log) { l.signer = another(b, l) },
		"tiles missing": func(b *board, _ *log) {
			b.broken = "ballots/tile"
		},
		"tiles of another tree": func(b *board, l *log) {
			c := b.checkpoint(&log{l.signer, b.tree(700), 700})
			l.tree = b.tree(700, 9, 9)
			b.fixed = map[string][]byte{"ballots/checkpoint": l.signer.Sign(c)}
		},
		"another first entry": func(b *board, l *log) {
			l.tree = new(tlog.Tree)
			l.tree.Append(leaf(0))
		},
	} {
		b := newBoard(t)
		change(b, b.logs["ballots"])
		w := b.open()
		if err := w.Poll(t.Context()); err == nil || errors.Is(err, witness.ErrFork) {
			t.Errorf("%s: got %v", name, err)
		}
		if len(b.posted("ballots")) != 0 || len(b.posted("ledger")) != 1 || len(b.evidence()) != 0 {
			t.Errorf("%s: posted %d and %d", name, len(b.posted("ballots")), len(b.posted("ledger")))
		}
	}
}

func another(b *board, l *log) *tlog.LogSigner {
	var seed [32]byte
	_, _ = rand.Read(seed[:])
	s, err := tlog.NewLogSigner(l.signer.Key().Name(), seed)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// TestPollStale shows an old checkpoint of the same history.
func TestPollStale(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	w := b.open()
	tree := b.tree(600)
	b.show("ballots", tree, 600)
	if err := w.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{599, 256, 1} {
		b.show("ballots", tree, size)
		if err := w.Poll(t.Context()); !errors.Is(err, witness.ErrStale) || errors.Is(err, witness.ErrFork) {
			t.Errorf("size %d: got %v, want ErrStale", size, err)
		}
	}
	if len(b.posted("ballots")) != 1 || len(b.evidence()) != 0 {
		t.Error("a smaller checkpoint was cosigned")
	}
	b.show("ballots", b.tree(601), 601)
	if err := w.Poll(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPollFork shows second histories of every kind. The witness keeps the
// evidence, and refuses that log for ever, and not the other.
func TestPollFork(t *testing.T) {
	t.Parallel()
	for name, fork := range map[string]struct{ size, at int64 }{
		"same size, last entry":  {600, 599},
		"same size, first":       {600, 1},
		"larger, before the end": {700, 599},
		"larger, first":          {700, 1},
		"smaller":                {500, 499},
		"smaller, first":         {2, 1},
	} {
		b := newBoard(t)
		w := b.open()
		b.show("ballots", b.tree(600), 600)
		if err := w.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if fork.size < 600 {
			// A board that hides the true tiles shows no proof of anything;
			// one that shows them convicts itself.
			b.showFork("ballots", b.tree(600), b.tree(fork.size, uint64(fork.at), 1), fork.size)
		} else {
			b.show("ballots", b.tree(fork.size, uint64(fork.at), 1), fork.size)
		}
		if err := w.Poll(t.Context()); !errors.Is(err, witness.ErrFork) {
			t.Errorf("%s: got %v, want ErrFork", name, err)
		}
		if len(b.posted("ballots")) != 1 {
			t.Errorf("%s: a fork was cosigned", name)
		}
		b.checkEvidence(name)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		// Back to the first history, after a restart: too late.
		b.show("ballots", b.tree(700), 700)
		b.show("ledger", b.tree(3), 3)
		if err := b.open().Poll(t.Context()); !errors.Is(err, witness.ErrFork) {
			t.Errorf("%s: after a restart: got %v, want ErrFork", name, err)
		}
		if len(b.posted("ballots")) != 1 || len(b.posted("ledger")) < 2 {
			t.Errorf("%s: posted %d and %d", name, len(b.posted("ballots")), len(b.posted("ledger")))
		}
	}
}

// showFork shows tiles of one tree and a checkpoint of another.
func (b *board) showFork(name string, tiles, shown *tlog.Tree, size int64) {
	b.t.Helper()
	root, err := shown.RootAt(size)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.logs[name]
	note := l.signer.Sign(tlog.Checkpoint{Origin: l.signer.Key().Name(), Size: size, Root: root})
	l.tree = tiles
	b.fixed = map[string][]byte{name + "/checkpoint": note}
}

// checkEvidence checks that a file holds two notes of one log that contradict
// each other.
func (b *board) checkEvidence(name string) {
	b.t.Helper()
	files := b.evidence()
	if len(files) != 1 {
		b.t.Fatalf("%s: %d files of evidence", name, len(files))
	}
	all, err := os.ReadFile(files[0])
	if err != nil {
		b.t.Fatal(err)
	}
	policy, err := b.m.BallotsPolicy()
	if err != nil {
		b.t.Fatal(err)
	}
	first, second, ok := strings.Cut(string(all), "\n\n"+b.m.Ballots.Origin)
	if !ok {
		b.t.Fatalf("%s: the evidence is not two notes", name)
	}
	for _, note := range []string{first + "\n", b.m.Ballots.Origin + second} {
		if _, err := policy.OpenLog([]byte(note)); err != nil {
			b.t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	w := b.open()
	if _, err := witness.Open(t.Context(), b.config()); err == nil {
		t.Error("two witnesses use one directory")
	}
	if err := w.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.MID() != b.mid {
		t.Error("another mid")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	refused := func(name string, c witness.Config) {
		t.Helper()
		if w, err := witness.Open(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
			_ = w.Close()
		}
	}
	c := b.config()
	c.MID = &suite.MID{1}
	refused("another mid is pinned", c)
	c = b.config()
	key, err := tlog.NewWitnessSigner("witness.example", [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	c.Key = key
	refused("a witness that the manifest does not name", c)

	// The board shows another manifest of the same election.
	other := newBoard(t)
	other.dir = b.dir
	other.m.Program = "another"
	other.bytes, other.mid = electiontest.Encode(t, other.m)
	if _, err := witness.Open(t.Context(), other.config()); !errors.Is(err, witness.ErrManifest) {
		t.Errorf("got %v, want ErrManifest", err)
	}

	name := filepath.Join(b.dir, b.m.ElectionID.String()+".json")
	for _, bad := range []string{"", "{", `{"mid":"00"}`, `{"mid":"` + b.mid.String() + `","logs":[],"x":1}`} {
		if err := os.WriteFile(name, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		refused("a state that cannot be read", b.config())
	}
}

// TestFollow runs the loop until a fork ends it, and until the context does.
func TestFollow(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	c := b.config()
	c.Interval = time.Microsecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- witness.Follow(ctx, c) }()
	for len(b.posted("ballots")) == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("at the end: %v", err)
	}
	b.show("ballots", b.tree(1), 1)
	b.logs["ballots"].tree = new(tlog.Tree)
	b.logs["ballots"].tree.Append(leaf(0))
	if err := witness.Follow(t.Context(), c); !errors.Is(err, witness.ErrFork) {
		t.Errorf("got %v, want ErrFork", err)
	}
}
