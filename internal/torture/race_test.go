package torture_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/audit"
	"strikevote/internal/demo"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/torture"
	"strikevote/internal/voter"
)

// twins are a stand whose registrar and box are served by two processes each, of the
// same data folder and the same databases. Voters come to either.
type twins struct {
	*stand
	first, second map[string]string // a service's host, by the host in the manifest
	spreads       []*spread         // of all devices; guarded by mu
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

// A spread carries each request of a device to one of several processes, at random,
// as what balances load does.
type spread struct {
	to   atomic.Pointer[[]map[string]string]
	next http.RoundTripper
}

func (s *spread) RoundTrip(r *http.Request) (*http.Response, error) {
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
	s := &spread{next: newClient().Transport}
	s.to.Store(&processes)
	w.mu.Lock()
	w.spreads = append(w.spreads, s)
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
	case errors.As(err, &said) && said.Code == "closed" && v.Stage() == voter.StageIssued:
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

// TestTortureTwoServes holds a whole election with two processes of the program for
// the registrar and two for the box. Devices with the same link vote through both at
// once; the others come to either for each request; two operators have reminders
// sent at once; and voting is closed, counted and certified by two processes that
// conduct it at once, while people vote through both.
func TestTortureTwoServes(t *testing.T) {
	t.Parallel()
	raced, late := torture.Pick(4, 60), torture.Pick(16, 100)
	w := newTwins(t, torture.Pick(60, 500))
	w.connect()
	all := new(tally)
	next := w.links
	take := func(n int) []string {
		out := next[:n]
		next = next[n:]
		return out
	}
	for _, link := range take(raced) {
		if n := w.contend(link, all); n != 1 {
			t.Fatalf("%d of %d devices with one link were promised that their ballot counts", n, devices)
		}
	}
	if all.refused["already_issued"] != raced*(devices-1) {
		t.Errorf("devices were refused with %v", all.refused)
	}
	last := take(late)
	w.voteAtOnce(take(len(next)*2/3), all)
	w.remind()
	r := w.closeWhileVoting(last, all)
	for _, err := range all.errs {
		t.Error(err)
	}
	if int(r.Ballots) != len(all.received) || int(r.Issued) != len(all.received)+all.uncast {
		t.Errorf("the record has %d ballots and %d issuances; %d were received, and %d issued and not cast", r.Ballots, r.Issued, len(all.received), all.uncast)
	}
	w.find(all.received)
	// Nor does a key stay where another process has stated its destruction.
	w.await("this process has no issuer keys any more", "this process has no pending key any more")
	mails := w.mails(int(r.Issued))
	both := newTwins(t, 30).withoutKey()
	torture.Report(t, torture.Row{
		What: fmt.Sprintf("two serve processes each of registrar and box throughout: %d devices at once for each of %d links, %d other voters, %d of them around the close",
			devices, raced, len(all.received)-raced+all.uncast, late),
		Target: "one issuance a member, one ballot a voter, each mail once, one log; the record verifies",
		Measured: fmt.Sprintf("%d ballots of %d issued, all found with a witnessed proof; %d times refused as issued, %d at the close; %d mails, none twice",
			r.Ballots, r.Issued, all.refused["already_issued"], all.refused["closed"]+all.uncast, mails),
		Control: fmt.Sprintf("without the primary key of used: %d of %d devices with one link have a promise", both, devices),
	})
}

// voteAtOnce lets many vote, eight at a time.
func (w *twins) voteAtOnce(links []string, all *tally) {
	w.t.Helper()
	turn := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for link := range turn {
				v, err := w.device(link, w.first, w.second)
				if err != nil {
					w.t.Error(err)
					continue
				}
				all.vote(w.t.Context(), v)
			}
		})
	}
	for _, link := range links {
		turn <- link
	}
	close(turn)
	wg.Wait()
}

// remind has two operators queue the same reminders at once, and waits until every
// mail has left.
func (w *twins) remind() {
	w.t.Helper()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			cmd := exec.CommandContext(w.t.Context(), program, "election", "mail", "-data", w.p.Data, "-yes", "reminder")
			cmd.Env = withoutSettings(os.Environ())
			if out, err := cmd.CombinedOutput(); err != nil {
				w.t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	w.drained()
}

func (w *twins) drained() {
	w.t.Helper()
	for w.count(`SELECT count(*) FROM registrar.outbox WHERE state IN ('queued', 'leased')`) > 0 {
	}
}

// mails reads every mail and returns how many there are: each once, and a notice for
// each ballot issued.
func (w *twins) mails(issued int) (n int) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.p.Mail, "*.eml"))
	if err != nil {
		w.t.Fatal(err)
	}
	seen := make(map[string]int)
	notices := 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			w.t.Fatal(err)
		}
		m, err := mail.ReadMessage(f)
		_ = f.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		subject := m.Header.Get("Subject")
		if seen[m.Header.Get("To")+subject]++; seen[m.Header.Get("To")+subject] == 2 {
			w.t.Errorf("somebody got %q twice", subject)
		}
		if strings.Contains(subject, "issued") {
			notices++
		}
	}
	if notices != issued {
		w.t.Errorf("%d notices of a ballot issued, want %d", notices, issued)
	}
	return len(files)
}

// closeWhileVoting ends the election as [stand.finish] does, in place of the first
// processes and beside the second ones, while the last voters vote through both.
func (w *twins) closeWhileVoting(links []string, all *tally) *audit.Report {
	w.t.Helper()
	var sessions []*voter.Session
	for _, link := range links {
		v, err := w.device(link, w.first, w.second)
		if err != nil {
			w.t.Fatal(err)
		}
		sessions = append(sessions, v)
	}
	before := w.count(`SELECT close_at FROM registrar.election`)
	for _, name := range []string{registrarService, boxService, boardService} {
		w.services[name].end()
		delete(w.services, name)
	}
	type end struct {
		report *audit.Report
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		r, err := w.p.Finish(w.t.Context(), filepath.Join(w.t.TempDir(), "record"))
		ended <- end{r, err}
	}()
	// From a second before the close that the committee names until a second after.
	var at int
	for at = before; at == before; at = w.count(`SELECT close_at FROM registrar.election`) {
	}
	var wg sync.WaitGroup
	for i, v := range sessions {
		moment := time.Unix(int64(at)-1, 0).Add(time.Duration(i) * 2 * time.Second / time.Duration(len(sessions)))
		wg.Go(func() {
			<-time.After(time.Until(moment))
			all.vote(w.t.Context(), v)
		})
	}
	e := <-ended
	wg.Wait()
	if e.err != nil {
		w.t.Fatalf("%v\n%s", e.err, w.log.tail())
	}
	if !e.report.Verified {
		w.t.Errorf("the record does not hold: %s", e.report.Fault())
	}
	w.drained()
	return e.report
}

// find looks every acknowledged ballot up in the box that still runs.
func (w *twins) find(received []*voter.Session) {
	w.t.Helper()
	for _, s := range w.spreads {
		s.to.Store(&[]map[string]string{w.second})
	}
	for i, v := range received {
		f, err := v.Find(w.t.Context())
		if err != nil || f.Proof == nil {
			w.t.Errorf("ballot %d: %+v, %v", i, f, err)
		}
	}
}

// await returns once the services have logged these.
func (w *twins) await(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		for !strings.Contains(w.log.text(), line) {
			select {
			case <-w.services["second registrar"].done:
				w.t.Fatalf("a service ended:\n%s", w.log.tail())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// withoutKey is the negative control: the same race of devices where nothing in the
// database decides it.
func (w *twins) withoutKey() (promised int) {
	w.t.Helper()
	w.connect()
	if _, err := w.db.Exec(w.t.Context(), `ALTER TABLE registrar.used DROP CONSTRAINT used_pkey`); err != nil {
		w.t.Fatal(err)
	}
	if promised = w.contend(w.links[1], new(tally)); promised < 2 {
		w.t.Errorf("without the constraint %d devices were promised that their ballot counts: the race test is blind", promised)
	}
	return promised
}
