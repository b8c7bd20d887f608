package torture_test

import (
	"fmt"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/torture"
	"strikevote/internal/voter"
)

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
	mails, again := twice(w.mails(), "")
	if notices, _ := twice(w.mails(), "issued"); again > 0 || notices != int(r.Issued) {
		t.Errorf("%d mails came again, and %d tell of a ballot issued, want %d", again, notices, r.Issued)
	}
	naive := newTwins(t, 30)
	naive.connect()
	both, copies := naive.withoutKey(), naive.withoutMark()
	torture.Report(t, torture.Row{
		What: fmt.Sprintf("two serve processes each of registrar and box throughout: %d devices at once for each of %d links, %d other voters, %d of them around the close",
			devices, raced, len(all.received)-raced+all.uncast, late),
		Target: "one issuance a member, one ballot a voter, each mail once, one log; the record verifies",
		Measured: fmt.Sprintf("%d ballots of %d issued, all found with a witnessed proof; %d times refused as issued, %d at the close; %d mails, none twice",
			r.Ballots, r.Issued, all.refused["already_issued"], all.refused["closed"]+all.uncast, mails),
		Control: fmt.Sprintf("without the primary key of used: %d of %d devices with one link have a promise; where the mark of a mail does not stick: one mail %d times", both, devices, copies),
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
			cmd := exec.CommandContext(w.t.Context(), program, "mail", "send", "-data", w.p.Data, "-by", "Olga", "-spread", "0s", "-yes", "reminder")
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

// mails reads every mail and returns how often each person got each.
func (w *twins) mails() map[string]int {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.p.Mail, "*.eml"))
	if err != nil {
		w.t.Fatal(err)
	}
	seen := make(map[string]int)
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
		seen[m.Header.Get("To")+" "+m.Header.Get("Subject")]++
	}
	return seen
}

// twice counts the mails of a kind, by a word of their subject, and those that came
// again.
func twice(mails map[string]int, word string) (all, again int) {
	for name, n := range mails {
		if strings.Contains(name, word) {
			all, again = all+n, again+n-1
		}
	}
	return all, again
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
	for _, s := range w.carriers {
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
	if _, err := w.db.Exec(w.t.Context(), `ALTER TABLE registrar.used DROP CONSTRAINT used_pkey`); err != nil {
		w.t.Fatal(err)
	}
	if promised = w.contend(w.links[1], new(tally)); promised < 2 {
		w.t.Errorf("without the constraint %d devices were promised that their ballot counts: the race test is blind", promised)
	}
	return promised
}

// withoutMark is the negative control of the mails: that a mail was sent is not kept
// at once, as if whoever sent it had never claimed it. It returns how often one mail
// came.
func (w *twins) withoutMark() (copies int) {
	w.t.Helper()
	w.drained()
	if _, err := w.db.Exec(w.t.Context(), `
		CREATE FUNCTION registrar.loose() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			NEW.state := 'queued';
			RETURN NEW;
		END $$;
		CREATE TRIGGER loose BEFORE UPDATE ON registrar.outbox FOR EACH ROW
			WHEN (NEW.state = 'sent' AND NEW.attempts < 3) EXECUTE FUNCTION registrar.loose();
		INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before)
			SELECT uuid_send(gen_random_uuid()), 'resend', group_id, roll_index, to_timestamp(0) FROM registrar.member
			WHERE email IS NOT NULL LIMIT 1`); err != nil {
		w.t.Fatal(err)
	}
	w.drained()
	if copies, _ = twice(w.mails(), "your link again"); copies < 2 {
		w.t.Errorf("without a mark one mail came %d times: the test is blind", copies)
	}
	return copies
}
