package witness_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/protocol/tlog"
	"strikevote/internal/witness"
)

// A gathering board keeps the lines that its policy accepts, as a board does.
type gathering struct {
	*board
	dirs []string // by witness
}

func newGathering(t *testing.T) *gathering {
	t.Helper()
	g := &gathering{board: newBoard(t)}
	for range g.keys.Witnesses {
		g.dirs = append(g.dirs, t.TempDir())
	}
	return g
}

// poll lets witness i look once. A home router was rebooted in between: it opens
// its state anew.
func (g *gathering) poll(t *testing.T, i int) error {
	t.Helper()
	c := g.config()
	c.Key, c.Dir = g.keys.Witnesses[i], g.dirs[i]
	w, err := witness.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.Poll(t.Context())
}

// opened gathers the lines that were posted for the checkpoint shown now.
func (g *gathering) opened(t *testing.T) (*tlog.Opened, error) {
	t.Helper()
	policy, err := g.m.BallotsPolicy()
	if err != nil {
		t.Fatal(err)
	}
	note := g.note("ballots")
	for _, line := range g.posted("ballots") {
		if next, err := policy.AddCosignature(note, line); err == nil {
			note = next
		}
	}
	return policy.Open(note)
}

// TestTwoOfThree goes on while one witness is gone, stops without two, and takes
// the lost one back, also with a state of last week.
func TestTwoOfThree(t *testing.T) {
	t.Parallel()
	g := newGathering(t)
	tree := g.tree(600)
	g.show("ballots", tree, 100)
	for i := range 3 {
		if err := g.poll(t, i); err != nil {
			t.Fatal(err)
		}
	}
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(g.dirs[2])); err != nil {
		t.Fatal(err)
	}
	g.show("ballots", tree, 300)
	if err := g.poll(t, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.opened(t); !errors.Is(err, tlog.ErrThreshold) {
		t.Errorf("one of two: got %v", err)
	}
	if err := g.poll(t, 1); err != nil {
		t.Fatal(err)
	}
	if o, err := g.opened(t); err != nil || o.Checkpoint.Size != 300 || len(o.Cosignatures) != 2 {
		t.Errorf("with one gone: got %+v, %v", o, err)
	}
	if err := g.poll(t, 2); err != nil {
		t.Fatal(err)
	}
	// Its computer was restored from a backup: it signs what grew since.
	g.dirs[2] = old
	g.show("ballots", tree, 500)
	if err := g.poll(t, 2); err != nil {
		t.Fatal(err)
	}
	if err := g.poll(t, 0); err != nil {
		t.Fatal(err)
	}
	if o, err := g.opened(t); err != nil || o.Checkpoint.Size != 500 || len(o.Cosignatures) != 2 {
		t.Errorf("with one set back: got %+v, %v", o, err)
	}
	if len(g.evidence()) != 0 {
		t.Error("an honest log was convicted")
	}
}

// TestSetBack shows another history to a witness that was set back before the
// fork, and to those who remember: it signs, as a dishonest one would, and they
// do not, so that the second history never finds two.
func TestSetBack(t *testing.T) {
	t.Parallel()
	g := newGathering(t)
	g.show("ballots", g.tree(100), 100)
	for i := range 3 {
		if err := g.poll(t, i); err != nil {
			t.Fatal(err)
		}
	}
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(g.dirs[2])); err != nil {
		t.Fatal(err)
	}
	g.show("ballots", g.tree(300), 300)
	for i := range 3 {
		if err := g.poll(t, i); err != nil {
			t.Fatal(err)
		}
	}
	g.dirs[2] = old
	g.show("ballots", g.tree(400, 200, 1), 400)
	for i, forked := range []bool{true, true, false} {
		if err := g.poll(t, i); forked != errors.Is(err, witness.ErrFork) || !forked && err != nil {
			t.Errorf("witness %d: got %v", i, err)
		}
	}
	if o, err := g.opened(t); !errors.Is(err, tlog.ErrThreshold) {
		t.Errorf("the second history: got %+v, %v", o, err)
	}
}

// TestOneKeyTwice runs one witness on two computers. Its lines count once.
func TestOneKeyTwice(t *testing.T) {
	t.Parallel()
	g := newGathering(t)
	g.show("ballots", g.tree(100), 100)
	for range 2 {
		if err := g.poll(t, 1); err != nil {
			t.Fatal(err)
		}
		g.clock.Add(100)
		g.dirs[1] = t.TempDir()
	}
	if lines := g.posted("ballots"); len(lines) != 2 || lines[0] == lines[1] {
		t.Errorf("got %q", lines)
	}
	if _, err := g.opened(t); !errors.Is(err, tlog.ErrThreshold) {
		t.Errorf("one witness counts as two: %v", err)
	}
}

// TestOneName refuses a manifest with two witnesses of one name: nobody could
// tell their lines apart.
func TestOneName(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	twin, err := tlog.NewWitnessSigner(b.keys.Witnesses[0].Key().Name(), [32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	b.m.Witnesses.Keys[1] = twin.VKey()
	if _, err := b.m.Encode(); err == nil || !strings.Contains(err.Error(), "witness") {
		t.Errorf("got %v", err)
	}
}

// A flaky transport fails the first few requests.
type flaky struct {
	*board
	left atomic.Int64
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errors.New("the network is unreachable")
	}
	return f.board.RoundTrip(r)
}

// TestAwait starts a witness before the board is there, or shows the election.
func TestAwait(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	c := b.config()
	c.Interval = time.Microsecond
	f := &flaky{board: b}
	f.left.Store(5)
	c.Client = &http.Client{Transport: f}
	if _, err := witness.Open(t.Context(), c); !errors.Is(err, witness.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	w, err := witness.Await(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Poll(t.Context()), w.Close()); err != nil {
		t.Error(err)
	}
	// What waiting does not cure ends it.
	c.Key = stranger(t)
	if _, err := witness.Await(t.Context(), c); err == nil || errors.Is(err, witness.ErrUnreachable) {
		t.Errorf("a stranger waits: %v", err)
	}
	b.broken = "manifest"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := witness.Follow(ctx, c); err != nil {
		t.Errorf("interrupted: got %v", err)
	}
}

// TestAway: a board that does not answer is told of once, not once for each log, and
// with when it is asked again.
func TestAway(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	c := b.config()
	f := &flaky{board: b}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := &ending{end: cancel}
	c.Client, c.Log, c.Interval = &http.Client{Transport: f}, slog.New(slog.NewTextHandler(said, nil)), time.Hour
	w, err := witness.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	f.left.Store(1000)
	if err := w.Poll(t.Context()); err == nil || strings.Count(err.Error(), "the board at board.example does not answer now") != 1 || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(w.Follow(ctx), w.Close()); err != nil {
		t.Error(err)
	}
	if strings.Count(said.String(), "could not follow, and tries again in 1h0m0s") != 1 {
		t.Errorf("it says %q", said)
	}
}

// An ending log ends what is told in it after the first line.
type ending struct {
	bytes.Buffer
	end context.CancelFunc
}

func (e *ending) Write(line []byte) (int, error) {
	defer e.end()
	return e.Buffer.Write(line)
}

func stranger(t *testing.T) *tlog.WitnessSigner {
	t.Helper()
	s, err := tlog.NewWitnessSigner("stranger.example", [32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
