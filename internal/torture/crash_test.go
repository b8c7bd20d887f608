package torture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/demo"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/torture"
)

// victims are what is killed: each service, and each database server, by a signal
// and by a disk without room.
var victims = []string{"service " + registrarService, "service " + boxService, "service " + boardService,
	"database " + registrarCluster, "database " + boxCluster, "disk " + registrarCluster, "disk " + boxCluster}

// TestTortureKill kills services and databases with SIGKILL while members vote,
// at a random number of requests, or lets a database find no room on its disk, and
// starts them again. In the end everybody has
// a promise, every acknowledged ballot is counted, nobody is counted twice, a
// witness that followed throughout has seen one log, and the record holds.
//
// The negative control rides along: one more member votes through something that
// acknowledges a ballot before it passes it on, and drops it.
func TestTortureKill(t *testing.T) {
	t.Parallel()
	s := newStand(t, demo.Options{Members: torture.Pick(120, 1500)})
	letters, err := demo.ReadLetters(s.p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	control := dropOne(t, letters[0])
	letters = letters[1:]
	c := newCrowd(t, letters)

	witnessed := make(chan error, 1)
	following, unfollow := context.WithCancel(context.Background())
	defer unfollow()
	go func() { witnessed <- s.p.Follow(following) }()

	voting := make(chan struct{})
	go func() {
		defer close(voting)
		c.run(t.Context(), 40)
	}()
	killed := s.killAll(c, torture.Rounds(20, 400, 0.15))
	s.awaitVoters(c, voting)
	unfollow()
	if err := <-witnessed; err != nil {
		t.Errorf("the witness: %v", err)
	}
	out := filepath.Join(t.TempDir(), "record")
	report := s.finish(out)
	c.account(out, report, len(letters))
	if lost := control.lost(trackers(t, out, report)); len(lost) != 1 {
		t.Errorf("the control: %d acknowledged ballots are missed that nobody kept, want 1", len(lost))
	}
	torture.Report(t, torture.Row{
		What:   fmt.Sprintf("kill -9 of services and databases, and disks without room, at random requests of %d members who vote at once", len(letters)),
		Target: "0 acknowledged ballots lost, 0 counted twice, 0 voters stuck, 0 forks",
		Measured: fmt.Sprintf("%s; %d of %d voters have a promise, %d acknowledged ballots and %d counted",
			killed, len(c.done), len(letters), len(c.acks.seen), report.Ballots),
		Control: "a ballot that was acknowledged and dropped is missed by the same accounting",
	})
}

// kills are the victims, and how long each took until it was ready again.
type kills map[string][]time.Duration

func (k kills) String() string {
	var parts []string
	n := 0
	for _, victim := range slices.Sorted(maps.Keys(k)) {
		took := slices.Sorted(slices.Values(k[victim]))
		n += len(took)
		parts = append(parts, fmt.Sprintf("%s %d times (ready again in %.1f s, at most %.1f s)",
			victim, len(took), took[len(took)/2].Seconds(), took[len(took)-1].Seconds()))
	}
	return fmt.Sprintf("%d kills: %s", n, strings.Join(parts, ", "))
}

// killAll kills a victim in each round.
func (s *stand) killAll(c *crowd, rounds func(yield func(int) bool)) kills {
	s.t.Helper()
	seed := rand.Uint64()
	s.t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killed := make(kills)
	for round := range rounds {
		n, victim := 1+random.IntN(torture.Pick(30, 60)), victims[random.IntN(len(victims))]
		if round < len(victims) {
			victim = victims[round] // each at least once
		}
		s.awaitRequests(c, n)
		kind, name, _ := strings.Cut(victim, " ")
		if kind == "disk" {
			s.fill(c, name)
		}
		start := time.Now()
		if kind == "service" {
			s.killService(name)
			s.startService(name)
		} else {
			s.killCluster(name)
			s.startCluster(name)
		}
		killed[victim] = append(killed[victim], time.Since(start))
	}
	return killed
}

// fill lets a database write nothing any more, while a few more requests come. It
// ends at its next write, and its service with it; no start of either can succeed
// before there is room.
func (s *stand) fill(c *crowd, name string) {
	s.t.Helper()
	pgtest.LimitFiles(s.t, s.clusters[name], 4096) // less than a page
	select {
	case <-c.after(8):
	case <-time.After(patience):
		s.t.Fatalf("the voters stand still:\n%s", s.log.tail())
	}
}

// awaitRequests waits until so many more requests have begun. A service ends by
// itself when its database did, and is started again, as systemd does.
func (s *stand) awaitRequests(c *crowd, n int) {
	s.t.Helper()
	there := c.after(n)
	s.attend(there)
}

// awaitVoters waits until everybody has a promise, or failed.
func (s *stand) awaitVoters(c *crowd, voting <-chan struct{}) {
	s.t.Helper()
	close(c.over)
	s.attend(voting)
}

// attend starts services again that end, until something is closed.
func (s *stand) attend(closed <-chan struct{}) {
	s.t.Helper()
	end := time.After(patience)
	for {
		select {
		case <-closed:
			return
		case <-s.services[registrarService].done:
			s.startService(registrarService)
		case <-s.services[boxService].done:
			s.startService(boxService)
		case <-s.services[boardService].done:
			s.startService(boardService)
		case <-end:
			s.t.Fatalf("the voters stand still:\n%s", s.log.tail())
		}
	}
}

// account compares what voters were told with a record.
func (c *crowd) account(out string, r *audit.Report, voters int) {
	c.t.Helper()
	for _, err := range c.failed {
		c.t.Error(err)
	}
	counted := trackers(c.t, out, r)
	if lost := c.acks.lost(counted); len(lost) > 0 {
		c.t.Errorf("%d acknowledged ballots are lost", len(lost))
	}
	if len(c.done) != voters || len(c.acks.seen) != voters || len(counted) != voters || r.Ballots != uint64(voters) {
		c.t.Errorf("%d voters: %d have a promise, %d ballots were acknowledged, %d are in the log, %d are counted",
			voters, len(c.done), len(c.acks.seen), len(counted), r.Ballots)
	}
	// One more has a credential: the control's, whose ballot was dropped.
	if issued := issuances(c.t, out); issued != voters+1 {
		c.t.Errorf("%d ballots were issued to %d voters", issued, voters+1)
	}
}

// dropOne votes through something that acknowledges a ballot and drops it, and
// returns what was acknowledged. A voter's program does not believe it, having no
// promise; one that did would be at home by now.
func dropOne(t testing.TB, l demo.Letter) *acks {
	t.Helper()
	c := newCrowd(t, nil)
	c.between = func(next http.RoundTripper) http.RoundTripper { return dropper{next} }
	if err := c.attempt(t.Context(), l); err == nil {
		t.Error("a voter's program took an empty promise for one")
	}
	if len(c.acks.seen) != 1 {
		t.Fatalf("the control: %d ballots were acknowledged, want 1", len(c.acks.seen))
	}
	return &c.acks
}

// A dropper answers a cast as if it were kept.
type dropper struct{ next http.RoundTripper }

func (d dropper) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/ballots") {
		return d.next.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte(`{"promise":"","state":"received"}`)))}, nil
}
