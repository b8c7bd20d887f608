package torture_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/internal/voter"
)

// A crowd are voters who vote at once, each with a file that outlives their
// program. What fails is begun again from the file.
type crowd struct {
	t    testing.TB
	dir  string // of the files
	acks acks
	over chan struct{} // closed when the attack has ended
	// between stands between voters and the service; nil: nothing does.
	between func(http.RoundTripper) http.RoundTripper

	mu     sync.Mutex
	queue  []demo.Letter // who has not begun
	done   []demo.Letter // who has a promise
	failed []error
	begun  int           // requests; guarded by mu
	under  int           // way
	target int           // of begun
	there  chan struct{} // closed when target is reached
}

// tries bounds how often a voter's program is started again.
const tries = 60

func newCrowd(t testing.TB, letters []demo.Letter) *crowd {
	return &crowd{t: t, dir: t.TempDir(), queue: letters, over: make(chan struct{})}
}

// run lets voters vote, so many at a time, until all have a promise. While the
// attack lasts those who are done look for their ballots.
func (c *crowd) run(ctx context.Context, atOnce int) {
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for c.one(ctx) {
			}
		})
	}
	wg.Wait()
}

// one does the next thing, if there is one.
func (c *crowd) one(ctx context.Context) bool {
	c.mu.Lock()
	if len(c.queue) > 0 {
		l := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		err := c.vote(ctx, l)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			c.failed = append(c.failed, err)
			return true
		}
		c.done = append(c.done, l)
		return true
	}
	var l demo.Letter
	if n := len(c.done); n > 0 {
		l = c.done[c.begun%n]
	}
	c.mu.Unlock()
	select {
	case <-c.over:
		return false
	default:
	}
	if l.Link != "" {
		c.look(ctx, l)
	}
	return true
}

// vote votes, as often as it takes to be promised that the ballot is kept.
func (c *crowd) vote(ctx context.Context, l demo.Letter) (err error) {
	for range tries {
		if err = c.attempt(ctx, l); err == nil {
			return nil
		}
		if said := new(voter.ServiceError); errors.As(err, &said) && said.Status/100 == 4 {
			return fmt.Errorf("a voter was refused: %d %s: %w", said.Status, said.Code, err)
		}
	}
	return fmt.Errorf("a voter is stuck after %d tries: %w", tries, err)
}

// attempt is one run of a voter's program.
func (c *crowd) attempt(ctx context.Context, l demo.Letter) error {
	s, leave, err := c.open(ctx, l)
	if err != nil {
		return err
	}
	defer leave()
	if s.Stage() == voter.StageNew {
		if err := s.Seal(ballot.Choices{uint8(len(l.Address) % 3)}, ""); err != nil {
			return err
		}
	}
	if err := s.Finish(ctx, ""); err != nil {
		return err
	}
	if s.Stage() != voter.StageReceived {
		return fmt.Errorf("the vote ended in stage %q", s.Stage())
	}
	return nil
}

// look asks for a ballot that was promised. While a part is away there may be no
// answer; that the box does not know it is none.
func (c *crowd) look(ctx context.Context, l demo.Letter) {
	s, leave, err := c.open(ctx, l)
	if err != nil {
		return
	}
	defer leave()
	if f, err := s.Find(ctx); err == nil && f.State == "unknown" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed = append(c.failed, errors.New("the box does not know a ballot that it promised to count"))
	}
}

func (c *crowd) open(ctx context.Context, l demo.Letter) (*voter.Session, func(), error) {
	client := newClient()
	direct := client.Transport.(*http.Transport)
	client.Transport = counted{c, direct}
	if c.between != nil {
		client.Transport = counted{c, c.between(direct)}
	}
	s, err := voter.Open(ctx, client, l.Link, voter.FileFor(c.dir, l.Link))
	if err != nil {
		direct.CloseIdleConnections()
		return nil, nil, err
	}
	return s, direct.CloseIdleConnections, nil
}

// counted counts requests, and keeps what the box acknowledges.
type counted struct {
	*crowd
	next http.RoundTripper
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.count()
	defer c.ended()
	return c.acks.through(r, c.next)
}

func (c *crowd) count() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun++
	c.under++
	if c.there != nil && c.begun >= c.target {
		close(c.there)
		c.there = nil
	}
}

func (c *crowd) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.under--
}

// after returns what is closed when so many more requests have begun.
func (c *crowd) after(n int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	there := make(chan struct{})
	c.target, c.there = c.begun+n, there
	return there
}

// acks are the trackers of the casts that were answered with 200: whoever sent
// one may have gone home. It is safe for concurrent use.
type acks struct {
	mu   sync.Mutex
	seen map[suite.BallotID]bool
}

// through sends a request on, and notes an acknowledged cast.
func (a *acks) through(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/ballots") {
		return next.RoundTrip(r)
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	sealed, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	resp, err := next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK && len(sealed) > ballot.SignatureSize {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.seen == nil {
			a.seen = make(map[suite.BallotID]bool)
		}
		a.seen[suite.BallotID(suite.H("ballot-id", sealed[:len(sealed)-ballot.SignatureSize]))] = true
	}
	return resp, err
}

// lost returns the acknowledged trackers that are not in a record.
func (a *acks) lost(counted map[suite.BallotID]bool) (lost []suite.BallotID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.seen {
		if !counted[id] {
			lost = append(lost, id)
		}
	}
	return lost
}

// trackers reads the ballots of a record's folder. Each may stand there once.
func trackers(t testing.TB, dir string, r *audit.Report) map[suite.BallotID]bool {
	t.Helper()
	ids := make(map[suite.BallotID]bool)
	for _, e := range entriesOf(t, dir, layout.Ballots) {
		parsed, err := ledger.ParseBallots(e)
		if err != nil {
			t.Fatal(err)
		}
		b, ok := parsed.(ledger.Ballot)
		if !ok {
			continue
		}
		body, _, err := ballot.ParseCast(b.Cast, r.Manifest.Options())
		if err != nil {
			t.Fatal(err)
		}
		id := suite.BallotID(suite.H("ballot-id", body))
		if ids[id] {
			t.Error("a ballot is counted twice")
		}
		ids[id] = true
	}
	return ids
}

// issuances reads the members, blinded, to whom a ballot was issued. Each may
// stand there once.
func issuances(t testing.TB, dir string) int {
	t.Helper()
	members := make(map[suite.Hash]bool)
	for _, e := range entriesOf(t, dir, layout.Ledger) {
		parsed, err := ledger.ParseLedger(e)
		if err != nil {
			t.Fatal(err)
		}
		if i, ok := parsed.(ledger.Issuance); ok {
			if members[i.Blinded] {
				t.Error("a member was issued two ballots")
			}
			members[i.Blinded] = true
		}
	}
	return len(members)
}

// entriesOf reads a log of a record's folder.
func entriesOf(t testing.TB, dir, log string) (entries [][]byte) {
	t.Helper()
	note, err := os.ReadFile(filepath.Join(dir, layout.Checkpoint(log)))
	if err != nil {
		t.Fatal(err)
	}
	var origin string
	var size int64
	if _, err := fmt.Sscan(string(note), &origin, &size); err != nil {
		t.Fatal(err)
	}
	for tile := range tlog.Tiles(size) {
		if tile.Level != tlog.Entries {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, layout.Tile(log, tile)))
		if err != nil {
			t.Fatal(err)
		}
		some, err := tlog.DecodeBundle(b, tile.Width)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, some...)
	}
	return entries
}

// patience bounds how long a test waits for something that has to come.
const patience = 3 * time.Minute
