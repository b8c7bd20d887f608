package torture_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/voter"
)

// twins are a stand whose registrar and box are served by two processes each, of the
// same data folder and the same databases. Voters come to either.
type twins struct {
	*stand
	first, second map[string]string // a service's host, by the host in the manifest
	carriers      []*carrier        // of all devices; guarded by mu
	mu            sync.Mutex
	links         []string
	db            *pgx.Conn // to the registrar's database, as its superuser
}

func newTwins(t testing.TB, members int) *twins {
	t.Helper()
	s := newStand(t, demo.Options{Members: members})
	host := func(origin string) string { return strings.TrimPrefix(origin, "http://") }
	registrar, box := host(s.p.Origins.Registrar), host(s.p.Origins.Box)
	w := &twins{stand: s, first: map[string]string{registrar: registrar, box: box},
		second: map[string]string{registrar: freeAddress(t), box: freeAddress(t)}}
	ballots := freeAddress(t)
	common := []string{"serve", "-data", s.p.Data, "-pace", "100ms", "-mail-spread", "0s"}
	s.services["second box"] = s.spawn("second box", append(common, "-only", "box",
		"-box", w.second[box], "-admin", freeAddress(t), "-ballots", ballots)...)
	s.services["second registrar"] = s.spawn("second registrar", append(common, "-only", "registrar,console,booth",
		"-registrar", w.second[registrar], "-admin", freeAddress(t), "-console", freeAddress(t), "-booth", freeAddress(t),
		"-ledger", freeAddress(t), "-upstream-ballots", "http://"+ballots)...)
	letters, err := demo.ReadLetters(s.p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		w.links = append(w.links, l.Link)
	}
	return w
}

// A carrier takes each request of a device to one of several processes, at random,
// as what balances load does.
type carrier struct {
	to   atomic.Pointer[[]map[string]string]
	next http.RoundTripper
}

func (s *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	to := *s.to.Load()
	if host := to[rand.IntN(len(to))][r.URL.Host]; host != "" {
		r = r.Clone(r.Context())
		r.Host, r.URL.Host = r.URL.Host, host
	}
	return s.next.RoundTrip(r)
}

// device opens a link on another device, which seals a ballot, and speaks to these
// processes only.
func (w *twins) device(link string, processes ...map[string]string) (*voter.Session, error) {
	s := &carrier{next: newClient().Transport}
	s.to.Store(&processes)
	w.mu.Lock()
	w.carriers = append(w.carriers, s)
	w.mu.Unlock()
	v, err := voter.Open(w.t.Context(), &http.Client{Timeout: time.Minute, Transport: s}, link, voter.NoMemory{})
	if err == nil {
		_, err = v.Status(w.t.Context(), "")
	}
	if err == nil {
		err = v.Seal(ballot.Choices{uint8(rand.IntN(3))}, "")
	}
	return v, err
}

// A tally counts what became of voters. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex // guards what follows
	received []*voter.Session
	uncast   int            // issued, and refused by the box
	refused  map[string]int // by the registrar, with which code
	errs     []error
}

// vote takes a sealed ballot to the box and notes the outcome. Until there is one
// it is tried again, as people do who are told that nothing is lost.
func (c *tally) vote(ctx context.Context, v *voter.Session) {
	err := v.Finish(ctx, "")
	for away := new(voter.AwayError); errors.As(err, &away) && ctx.Err() == nil; {
		err = v.Finish(ctx, "")
	}
	said := new(voter.ServiceError)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil && v.Stage() == voter.StageReceived:
		c.received = append(c.received, v)
	case errors.As(err, &said) && (said.Code == "closed" || said.Code == "locked") && v.Stage() == voter.StageIssued:
		c.uncast++
	case errors.As(err, &said) && v.Stage() == voter.StageSealed:
		if c.refused == nil {
			c.refused = make(map[string]int)
		}
		c.refused[said.Code]++
	default:
		c.errs = append(c.errs, fmt.Errorf("a voter at stage %v: %w", v.Stage(), err))
	}
}

const devices = 4 // at which one link is opened, two for each process

// contend lets several devices vote with one link at once, each with another ballot
// and half of them through each process. All have seen the link unused before the
// first is answered. It returns how many were promised that their ballot counts.
func (w *twins) contend(link string, all *tally) (promised int) {
	w.t.Helper()
	var sessions []*voter.Session
	for i := range devices {
		v, err := w.device(link, []map[string]string{w.first, w.second}[i%2])
		if err != nil {
			w.t.Fatal(err, w.log.tail())
		}
		sessions = append(sessions, v)
	}
	tx, err := w.db.Begin(w.t.Context())
	if err == nil {
		_, err = tx.Exec(w.t.Context(), `LOCK TABLE registrar.used IN SHARE ROW EXCLUSIVE MODE`)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	before := len(all.received)
	var wg sync.WaitGroup
	for _, v := range sessions {
		wg.Go(func() { all.vote(w.t.Context(), v) })
	}
	for w.count(`SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'`) < devices {
	}
	if err := tx.Rollback(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	wg.Wait()
	return len(all.received) - before
}

func (w *twins) count(query string) (n int) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), query).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// connect connects to the registrar's database.
func (w *twins) connect() {
	w.t.Helper()
	v, err := w.device(w.links[0], w.first)
	if err != nil {
		w.t.Fatal(err, w.log.tail())
	}
	w.db, err = pgx.Connect(w.t.Context(), w.clusters[registrarCluster].AdminURL("sv_"+v.Manifest.ElectionID.String()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.db.Close(context.Background()) })
}
