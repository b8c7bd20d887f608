package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// A smallBoard shows an election whose logs have one entry, or another root.
type smallBoard struct {
	t        *testing.T
	manifest []byte
	logs     map[string]*tlog.LogSigner

	mu    sync.Mutex
	other map[string]bool // logs with another entry; guarded by mu
	lines []string        // guarded by mu
	gone  bool            // guarded by mu
}

func (b *smallBoard) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *smallBoard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, path, _ := strings.Cut(r.URL.Path[1:], "/")
	name, rest, _ := strings.Cut(path, "/")
	leaf := tlog.LeafHash(ledger.ManifestEntry(election.MID(b.manifest)))
	if b.other[name] {
		leaf = suite.Hash{1}
	}
	switch {
	case b.gone:
		http.Error(w, "gone", http.StatusServiceUnavailable)
	case path == "manifest":
		_, _ = w.Write(b.manifest)
	case rest == "checkpoint":
		s := b.logs[name]
		_, _ = w.Write(s.Sign(tlog.Checkpoint{Origin: s.Key().Name(), Size: 1, Root: leaf}))
	case rest == "cosignatures":
		line, err := io.ReadAll(r.Body)
		if err != nil {
			b.t.Error(err)
		}
		b.lines = append(b.lines, string(line))
	case strings.HasPrefix(rest, "tile/0/"):
		_, _ = w.Write(leaf[:])
	default:
		http.NotFound(w, r)
	}
}

// TestWitness makes a key, and runs a witness as cron does: before the sealing,
// after it, again, with a board that is gone, and with a log that turns.
func TestWitness(t *testing.T) {
	t.Parallel()
	p, dir := &person{t}, filepath.Join(t.TempDir(), "witness")
	if said := p.command(exitFailed, "", "witness", "-dir", dir, "-name", "w.example", "-follow", "http://127.0.0.1:1/x", "-once"); !strings.Contains(said, "no witness's key") {
		t.Errorf("without a key: %s", said)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made for no key")
	}
	p.command(exitFailed, "", "witness", "-dir", dir, "-name", "not a name", "key")
	vkey := strings.TrimSpace(p.command(exitOK, "", "witness", "-dir", dir, "-name", "w.example", "key"))
	for _, do := range [][]string{{"key"}, {"-follow", "http://127.0.0.1:1/x", "-once"}} {
		said := p.command(exitFailed, "", slices.Concat([]string{"witness", "-dir", dir, "-name", "other.example"}, do)...)
		has(t, said, "that of the witness w.example, and of no other")
		if strings.Contains(said, "other.example+") {
			t.Errorf("the same key has another name: %s", said)
		}
	}
	if again := strings.TrimSpace(p.command(exitOK, "", "witness", "-dir", dir, "-name", "w.example", "key")); again != vkey {
		t.Errorf("got %s, before it was %s", again, vkey)
	}
	if again := strings.TrimSpace(p.command(exitOK, "", "witness", "-dir", dir, "-name", "w.example", "key")); again != vkey {
		t.Errorf("another key at the second call: %q, %q", vkey, again)
	}
	m, keys := electiontest.Manifest(t)
	m.Witnesses.Keys = slices.Clone(m.Witnesses.Keys)
	m.Witnesses.Keys[1] = vkey
	b := &smallBoard{t: t, logs: map[string]*tlog.LogSigner{"ledger": keys.Ledger, "ballots": keys.Ballots}, other: make(map[string]bool), gone: true}
	b.manifest, _ = electiontest.Encode(t, m)
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	once := []string{"witness", "-dir", dir, "-name", "w.example", "-follow", server.URL + "/x", "-once"}

	if said := p.command(exitFailed, "", once...); !strings.Contains(said, "does not show this election now") {
		t.Errorf("before the sealing: %s", said)
	}
	b.set(func() { b.gone = false })
	if said := p.command(exitOK, "", once...); !strings.Contains(said, "Six check words: "+election.SixWords(election.MID(b.manifest))) || !strings.Contains(said, "that is signed") {
		t.Errorf("got %s", said)
	}
	policy, err := m.LedgerPolicy()
	if err != nil {
		t.Fatal(err)
	}
	text := tlog.Checkpoint{Origin: m.Ledger.Origin, Size: 1, Root: tlog.LeafHash(ledger.ManifestEntry(election.MID(b.manifest)))}.Text()
	if c, err := policy.CheckLine(text, b.lines[0]); err != nil || c.Witness != "w.example" || len(b.lines) != 2 {
		t.Errorf("got %q, %v", b.lines, err)
	}
	b.signedLines(p, once)
	b.set(func() { b.gone = true })
	p.command(exitFailed, "", once...)
	b.set(func() { b.gone, b.other["ballots"] = false, true })
	for range 2 {
		if said := p.command(exitFalse, "", once...); !strings.Contains(said, "TWO DIFFERENT STORIES") {
			t.Errorf("a fork: %s", said)
		}
	}
	if said := p.command(exitFalse, "", once[:len(once)-1]...); !strings.Contains(said, "TWO DIFFERENT STORIES") {
		t.Errorf("following a fork: %s", said)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "fork-*.txt")); err != nil || len(files) != 1 {
		t.Errorf("got evidence %q, %v", files, err)
	}
	p.command(exitFailed, "", append(once, "-mid", strings.Repeat("0", 64))...)
	p.command(exitFailed, "", "witness", "-dir", dir, "-name", "v.example", "-follow", server.URL+"/x", "-once")
	p.command(exitUsage, "", append(once, "-listen", "127.0.0.1:0")...)
	p.command(exitUsage, "", "witness", "-dir", dir, "-name", "w.example")
}

// signedLines looks as a new witness with an empty state would, and reads what is
// told: lines for a person, and JSON for a program that asks for it.
func (b *smallBoard) signedLines(p *person, once []string) {
	line := regexp.MustCompile(`(?m)^signed: (ledger|ballots), 1 entry, \d\d:\d\d:\d\d$`)
	for _, form := range []struct {
		flags []string
		lines int
	}{{nil, 2}, {[]string{"-json"}, 0}} {
		fresh := p.t.TempDir()
		key, err := os.ReadFile(filepath.Join(once[2], "witness.key"))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(fresh, "witness.key"), key, 0o600); err != nil {
			p.t.Fatal(err)
		}
		args := slices.Concat(once[:2], []string{fresh}, once[3:], form.flags)
		said := p.command(exitOK, "", args...)
		if got := len(line.FindAllString(said, -1)); got != form.lines || strings.Contains(said, "{") != (form.lines == 0) {
			p.t.Errorf("with %v: %d lines\n%s", form.flags, got, said)
		}
	}
}

// TestPlainLines: what a board makes a witness say stays on one line.
func TestPlainLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(&plainLines{w: &out, mu: new(sync.Mutex)})
	log.Debug("not shown")
	log.With("a", 1).WithGroup("g").Warn("two", "b", "x\x1b[2J\ny")
	log.Warn("waiting", "err", "gone")
	if !regexp.MustCompile(`^two \(a 1, b x\?\[2J; y\), [0-9:]{8}\nwaiting: gone, [0-9:]{8}\n$`).MatchString(out.String()) {
		t.Errorf("got %q", &out)
	}
}

// TestNeedsLinux reads what is said on other systems.
func TestNeedsLinux(t *testing.T) {
	t.Parallel()
	if err := needs("demo", "linux"); err != nil {
		t.Error(err)
	}
	for _, system := range []string{"darwin", "windows"} {
		err := needs("demo", system)
		if err == nil || !strings.Contains(err.Error(), "needs Linux") || !strings.Contains(err.Error(), "this is "+system) {
			t.Errorf("got %v", err)
		}
	}
}
