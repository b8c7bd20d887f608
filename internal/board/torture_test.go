package board_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/torture"
)

// twin opens this log once more, as another process does.
func (f *fixture) twin(t testing.TB) *board.Log {
	t.Helper()
	pool, err := postgres.Open(context.Background(), f.db.URL("sv_ballotbox"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return board.New(f.config(pool))
}

// A reader looks at the cosigned checkpoint again and again.
type reader struct {
	looks, backward int
	last            int64
}

// look notes one look at it.
func (r *reader) look(size int64) {
	if size < r.last {
		r.backward++
	}
	r.last = max(r.last, size)
	r.looks++
}

// TestTortureCosign brings the cosignatures of three witnesses, in any order and
// again and again, to two processes, while both append and sign. What readers are
// shown as cosigned never goes backward, and of one witness and checkpoint the first
// line stays.
func TestTortureCosign(t *testing.T) {
	t.Parallel()
	var all reader
	brought := 0
	for range torture.Rounds(1, 50, 0.02) {
		t.Run("", func(t *testing.T) {
			r, n := cosignTogether(t)
			all.looks, all.backward, brought = all.looks+r.looks, all.backward+r.backward, brought+n
		})
	}
	if all.backward > 0 {
		t.Errorf("readers were shown a smaller cosigned checkpoint %d times", all.backward)
	}
	var naive reader
	for _, size := range naiveCosign(t) {
		naive.look(size)
	}
	if naive.backward == 0 {
		t.Error("the newest that came went forward only: the test is blind")
	}
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("%d cosignatures in any order, to two processes that append and sign", brought),
		Target:   "the cosigned checkpoint never becomes smaller, and the first line of a witness stays",
		Measured: fmt.Sprintf("%d looks, %d backward", all.looks, all.backward),
		Control:  fmt.Sprintf("a board that shows what came last: %d backward", naive.backward),
	})
}

const checkpoints = 24 // fewer than the board tries a cosignature on

// cosignTogether is one round of TestTortureCosign.
func cosignTogether(t *testing.T) (r reader, brought int) {
	t.Helper()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	logs := []*board.Log{f.Log, f.twin(t)}
	lines := make(chan string, 4*checkpoints)
	var wg, reading sync.WaitGroup
	var n atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			for line := range lines {
				err := logs[i%2].AddCosignature(context.Background(), line)
				if err != nil && !errors.Is(err, board.ErrUnknownCosignature) {
					t.Error(err)
				}
				n.Add(1)
			}
		})
	}
	stop := make(chan struct{})
	reading.Go(func() {
		for k := 0; ; k++ {
			select {
			case <-stop:
				return
			default:
			}
			note, err := logs[k%2].CosignedCheckpoint(context.Background())
			if errors.Is(err, board.ErrNotCosigned) {
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			o, err := f.policy.Open(note)
			if err != nil {
				t.Error(err)
				return
			}
			r.look(o.Checkpoint.Size)
		}
	})
	firsts := f.sendLines(t, logs, lines)
	close(lines)
	wg.Wait()
	close(stop)
	reading.Wait()
	for size, list := range firsts {
		note, err := f.CheckpointAt(t.Context(), size)
		if err != nil {
			t.Fatal(err)
		}
		for name, some := range list {
			if !slices.ContainsFunc(some, func(l string) bool { return strings.Contains(string(note), l) }) {
				t.Errorf("checkpoint %d lacks the line of %s", size, name)
			}
			for _, line := range some {
				if err := f.AddCosignature(t.Context(), line); err != nil && !errors.Is(err, board.ErrUnknownCosignature) {
					t.Error(err)
				}
			}
		}
		if again, err := f.CheckpointAt(t.Context(), size); err != nil || string(again) != string(note) {
			t.Errorf("checkpoint %d has other lines than before (%v)", size, err)
		}
	}
	return r, int(n.Load())
}

// sendLines appends and signs in both processes, and sends every witness's line for
// every checkpoint, twice with different moments, and shuffled with those of some
// checkpoints before. It returns the lines, by size and witness.
func (f *fixture) sendLines(t *testing.T, logs []*board.Log, lines chan<- string) map[int64]map[string][]string {
	t.Helper()
	sent := make(map[int64]map[string][]string)
	var wait []string
	for k := range checkpoints {
		f.mustAppend(t, entries(1+3*k, 3)...)
		note, err := logs[k%2].Sign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		o, err := f.policy.OpenLog(note)
		if err != nil {
			t.Fatal(err)
		}
		sent[o.Checkpoint.Size] = make(map[string][]string)
		for _, w := range f.witnesses {
			for again := range 2 {
				line := w.Cosign(o.Checkpoint.Text(), time.Unix(int64(1000+k+again), 0))
				sent[o.Checkpoint.Size][w.Key().Name()] = append(sent[o.Checkpoint.Size][w.Key().Name()], line)
				wait = append(wait, line)
			}
		}
		if k%6 == 5 {
			rand.Shuffle(len(wait), func(i, j int) { wait[i], wait[j] = wait[j], wait[i] })
			for _, line := range wait {
				lines <- line
			}
			wait = nil
		}
	}
	return sent
}

// naiveCosign is the negative control: a board that verifies a cosigned checkpoint
// and then shows it, whatever was shown meanwhile. It returns what readers see.
func naiveCosign(t *testing.T) (shown []int64) {
	t.Helper()
	f := newFixture(t)
	f.mustAppend(t, f.first())
	var texts []tlog.Checkpoint
	for k := range 2 {
		f.mustAppend(t, entry(k+1))
		o, err := f.policy.OpenLog(f.mustSign(t))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, o.Checkpoint)
	}
	// Both are verified; the larger is written first.
	for _, c := range []tlog.Checkpoint{texts[1], texts[0]} {
		line := f.witnesses[0].Cosign(c.Text(), time.Unix(1000, 0))
		if _, err := f.policy.CheckLine(c.Text(), line); err != nil {
			t.Fatal(err)
		}
		shown = append(shown, c.Size)
	}
	return shown
}
