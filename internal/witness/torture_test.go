package witness_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/protocol/tlog"
	"strikevote/internal/torture"
	"strikevote/internal/witness"
)

// signed is a cosignature: of which size, and when by a clock that counts them.
type signed struct{ at, size int64 }

// backward counts the cosignatures that follow one of a larger size.
func backward(list []signed) (n int) {
	slices.SortFunc(list, func(x, y signed) int { return int(x.at - y.at) })
	for i := 1; i < len(list); i++ {
		if list[i].size < list[i-1].size {
			n++
		}
	}
	return n
}

// crowdEntries are in the log of a crowd, which goes to its end at most.
const crowdEntries = 6000

// A crowd pushes checkpoints of one tree to one witness, from many connections.
type crowd struct {
	*pusher
	tree *tlog.Tree

	mu        sync.Mutex // guards what follows
	list      []signed
	conflicts int
}

// counted opens a witness whose clock counts what it signs.
func (c *crowd) counted(dir string) *witness.Witness {
	c.t.Helper()
	config := c.config()
	config.Dir = dir
	config.Now = func() time.Time { return time.Unix(c.clock.Add(1), 0) }
	w, err := witness.Open(c.t.Context(), config)
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

// pushAll lets sixteen push n times each, from the size that each believes to be the
// witness's to any larger one, while the witness follows the board by itself too.
func (c *crowd) pushAll(w *witness.Witness, n int) {
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			last := int64(0)
			for range n {
				last = c.pushOne(last, last+rand.Int64N(6)) // on a fast disk most of them succeed
			}
		})
	}
	wg.Wait()
	c.show("ballots", c.tree, min(c.last()+rand.Int64N(10), crowdEntries))
	for range 4 {
		wg.Go(func() {
			// It may be refused for what another one has signed meanwhile.
			if err := w.Poll(c.t.Context()); errors.Is(err, witness.ErrFork) {
				c.t.Error(err)
			}
		})
		wg.Go(func() { c.pushOne(c.last(), c.last()+rand.Int64N(5)) })
	}
	wg.Wait()
	c.notePosted()
}

// notePosted notes the cosignatures that the witness brought to the board.
func (c *crowd) notePosted() {
	policy, err := c.m.BallotsPolicy()
	if err != nil {
		c.t.Fatal(err)
	}
	size := c.logs["ballots"].shown
	text, _, _ := strings.Cut(string(c.sign(c.tree, size)), "\n\n")
	for _, line := range c.posted("ballots") {
		if cos, err := policy.CheckLine(text+"\n", line); err == nil {
			c.list = append(c.list, signed{cos.Time, size})
		}
	}
}

func (c *crowd) pushOne(from, size int64) (last int64) {
	size = min(max(size, 1), crowdEntries)
	rec := c.push(c.grow(c.tree, from, size))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch rec.Code {
	case http.StatusOK:
		c.list = append(c.list, signed{c.checkCosigned(rec, c.tree, size), size})
		return size
	case http.StatusConflict:
		c.conflicts++
		n, err := strconv.ParseInt(strings.TrimSpace(rec.Body.String()), 10, 64)
		if err != nil {
			c.t.Error(err)
		}
		return n
	}
	c.t.Errorf("got %d %s", rec.Code, rec.Body)
	return from
}

func (c *crowd) last() (size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.list {
		size = max(size, s.size)
	}
	return size
}

// TestTortureWitness pushes checkpoints to a witness from sixteen connections while
// it follows the board, and starts it again in between. What it signs never goes
// backward.
func TestTortureWitness(t *testing.T) {
	t.Parallel()
	cosigned, conflicts, starts := 0, 0, 0
	for range torture.Rounds(1, 100, 0.02) {
		b := newBoard(t)
		c := &crowd{pusher: &pusher{board: b}, tree: b.tree(crowdEntries)}
		for range 3 {
			w := c.counted(b.dir)
			c.handler = witness.Handler(w)
			c.pushAll(w, torture.Pick(15, 40))
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			starts++
		}
		if n := backward(c.list); n > 0 {
			t.Errorf("%d of %d cosignatures are of a smaller size than one before", n, len(c.list))
		}
		if len(b.evidence()) > 0 || c.conflicts == 0 {
			t.Errorf("an honest log: evidence %v, %d conflicts", b.evidence(), c.conflicts)
		}
		cosigned, conflicts = cosigned+len(c.list), conflicts+c.conflicts
	}
	control := twoRecords(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("sixteen connections push checkpoints at once while it polls, through %d starts", starts),
		Target:   "no cosignature of a smaller size follows one of a larger",
		Measured: fmt.Sprintf("%d cosignatures, none backward; %d pushes refused as out of date", cosigned, conflicts),
		Control:  fmt.Sprintf("one key with two records: %d of 2 backward", control),
	})
}

// twoRecords is the negative control: a witness that compares with one record and
// writes another, as one does that looks first and writes then.
func twoRecords(t *testing.T) int {
	t.Helper()
	b := newBoard(t)
	c := &crowd{pusher: &pusher{board: b}, tree: b.tree(crowdEntries)}
	for i, size := range []int64{20, 10} {
		w := c.counted(t.TempDir())
		defer func() { _ = w.Close() }()
		c.handler = witness.Handler(w)
		if c.pushOne(0, size); len(c.list) != i+1 {
			t.Fatal("not signed")
		}
	}
	n := backward(c.list)
	if n == 0 {
		t.Error("a witness with two records went forward only: the test is blind")
	}
	return n
}
