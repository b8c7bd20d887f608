package registrar_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
)

const opening = electiontest.Open

// sized has a second group of a size, with the smallest batches.
func sized(n uint32) func(*electiontest.Plan) {
	return func(p *electiontest.Plan) { p.Rolls = []uint32{30, max(n, 40)} }
}

// TestTortureStrike lets the committee strike a member while a ballot is issued to
// the same member in another process: in both orders, each made certain, and as it
// comes. Never are both done.
func TestTortureStrike(t *testing.T) {
	t.Parallel()
	members := torture.Pick(9, 300)
	w := newWorld(t, sized(uint32(members)))
	other := w.twin()
	w.at(opening)
	issued, struck := 0, 0
	for i := range torture.Rounds(members, members, 0.03) {
		order := []string{"issue first", "strike first", "as it comes"}[i%3]
		i, s := w.issueAndStrike(other, uint32(i), order)
		if i == s {
			t.Fatalf("%s: issued %v, struck %v", order, i, s)
		}
		if order == "issue first" && s || order == "strike first" && i {
			t.Errorf("%s: issued %v, struck %v", order, i, s)
		}
		if i {
			issued++
		} else {
			struck++
		}
	}
	groups, err := w.r.Counts(t.Context())
	if err != nil || int(groups[1].Issued) != issued || int(groups[1].Struck) != struck {
		t.Errorf("got %+v, %v; want %d issued, %d struck", groups[1], err, issued, struck)
	}
	naive := newWorld(t)
	twin := naive.twin()
	naive.at(opening)
	naive.unconstrained()
	if i, s := naive.issueAndStrike(twin, 7, "issue first"); !i || !s {
		t.Errorf("without the constraint a member was issued %v, struck %v: the race test is blind", i, s)
	}
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("a strike against an issuance of the same member, two processes, %d members, in both orders", issued+struck),
		Target:   "each is issued a ballot or struck, never both",
		Measured: fmt.Sprintf("%d issued, %d struck, none both", issued, struck),
		Control:  "without the primary key of used a member is both",
	})
}

// issueAndStrike does both to a member of the second group at once.
func (w *world) issueAndStrike(other *registrar.Registrar, index uint32, order string) (issued, struck bool) {
	w.t.Helper()
	g, blinded, err := w.r.BlindedLeaf(w.t.Context(), electiontest.MemberNo(2, index))
	if err != nil {
		w.t.Fatal(err)
	}
	c, z := w.show(2, index), request(w.t)
	var wg sync.WaitGroup
	issue := func() {
		_, err := other.Issue(w.t.Context(), c, "", z)
		if issued = err == nil; err != nil && !errors.Is(err, registrar.ErrStruck) && !errors.Is(err, registrar.ErrAlreadyIssued) {
			w.t.Errorf("issuing: %v", err)
		}
	}
	strike := func() {
		err := w.act(act.KindAmend, act.Amend{Op: act.OpStrike, Group: g, Hash: blinded})
		if struck = err == nil; err != nil && !refusedLate(err) {
			w.t.Errorf("striking: %v", err)
		}
	}
	first, second := issue, strike
	switch order {
	case "as it comes":
		wg.Go(first)
		wg.Go(second)
		wg.Wait()
		return issued, struck
	case "strike first":
		first, second = strike, issue
	}
	// The first has looked and waits to write, in its transaction; then the second
	// comes and waits for it.
	release := w.hold("registrar.used")
	wg.Go(first)
	w.await(1, "relation")
	wg.Go(second)
	w.await(1, "advisory")
	release()
	wg.Wait()
	return issued, struck
}

// TestTortureClose closes voting, in two processes at once, while ballots are
// issued and a late member is added in both. Whatever was not done when the first
// of them has closed is refused. In two of three elections the close comes for
// certain while the addition, or an issuance, has looked at the clock and not
// written yet.
func TestTortureClose(t *testing.T) {
	t.Parallel()
	var all closing
	rounds := 0
	for i := range torture.Rounds(3, 100, 0.04) {
		// A test of its own, at whose end its databases go.
		t.Run("", func(t *testing.T) {
			all.add(newRace(t).closeWhile([]string{"", "registrar.act", "registrar.used"}[i%3]))
		})
		rounds++
	}
	if all.issued == 0 || all.refused == 0 || all.added == 0 {
		t.Errorf("no race: %+v of %d elections", all, rounds)
	}
	naive := lateIssue(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("close in two processes against issuing and adding a member in both, %d elections", rounds),
		Target:   "nothing is issued or added after the close; an act has one answer everywhere",
		Measured: fmt.Sprintf("%d issued, %d refused, %d of %d additions in time, 0 after the close", all.issued, all.refused, all.added, rounds),
		Control:  fmt.Sprintf("a phase that is read without its lock: %d issued after the close", naive),
	})
}

// A closing counts what became of requests around a close.
type closing struct{ issued, refused, added int }

func (c *closing) add(o closing) {
	c.issued, c.refused, c.added = c.issued+o.issued, c.refused+o.refused, c.added+o.added
}

// A race is an election with two processes and an act that adds a late member.
type race struct {
	*world
	rs              []*registrar.Registrar
	add             []byte
	issued, refused atomic.Int64
}

func newRace(t *testing.T) *race {
	t.Helper()
	w := newWorld(t)
	r := &race{world: w, rs: []*registrar.Registrar{w.r, w.twin()}}
	w.at(opening)
	g, leaf, err := w.r.Stage(t.Context(), registrar.Member{Number: "L-1", Name: "Late", Email: "late@mail.example", Unit: "Unit 1"})
	if err != nil {
		t.Fatal(err)
	}
	r.add = w.k.Act(w.mid, act.KindAmend, 1, act.Amend{Op: act.OpAdd, Group: g, Hash: leaf}.Bytes()).Bytes()
	return r
}

// issue lets the members from one on ask for a ballot, in both processes.
func (w *race) issue(from, to int, wg *sync.WaitGroup) {
	for i := from; i < to; i++ {
		c, z, r := w.show(1, uint32(i)), request(w.t), w.rs[i%2]
		wg.Go(func() {
			switch _, err := r.Issue(w.t.Context(), c, "", z); {
			case err == nil:
				w.issued.Add(1)
			case errors.Is(err, registrar.ErrClosed):
				w.refused.Add(1)
			default:
				w.t.Errorf("got %v", err)
			}
		})
	}
}

// closeWhile is one round of TestTortureClose. With the name of a table the close
// comes while one waits to write there.
func (w *race) closeWhile(held string) (c closing) {
	w.t.Helper()
	const n = 24
	var wg sync.WaitGroup
	before := rand.IntN(n) // so many are issued before the close
	if held != "" {
		before = n - 1
	}
	w.issue(0, before, &wg)
	wg.Wait()
	release := func() {}
	if held != "" {
		release = w.hold(held)
	}
	w.now.Store(electiontest.Close - 1)
	applied := make([]error, len(w.rs))
	apply := func() {
		for i, r := range w.rs {
			wg.Go(func() { _, applied[i] = r.ApplyAct(w.t.Context(), w.add) })
		}
	}
	first, second := func() { w.issue(before, n, &wg) }, apply
	if held == "registrar.act" {
		first, second = second, first
	}
	first()
	if held != "" {
		w.await(1, "relation") // one has looked at the clock
	}
	done := w.closeAll(&wg)
	second()
	if held != "" {
		w.await(3, "advisory") // both closes, and what came after
		release()
	}
	wg.Wait()
	c.issued, c.refused = int(w.issued.Load()), int(w.refused.Load())
	if end := w.done("registrar.used"); end != done[0] || end != done[1] || end[0] != c.issued {
		w.t.Errorf("used, acts and members were %v when the two had closed, and are %v; %d were answered", done, end, c.issued)
	}
	c.added = w.oneAnswer(applied, w.add)
	if held == "registrar.act" && c.added != 1 || held == "registrar.used" && c.issued != n {
		w.t.Errorf("what came before the close was refused: %+v", c)
	}
	return c
}

// closeAll sets the clock and closes in every process. What it returns is filled
// when all have: what was done then, by process.
func (w *race) closeAll(wg *sync.WaitGroup) [][3]int {
	done := make([][3]int, len(w.rs))
	w.now.Store(electiontest.Close)
	for i, r := range w.rs {
		wg.Go(func() {
			if _, err := r.Advance(w.t.Context()); err != nil {
				w.t.Error(err)
			}
			done[i] = w.done("registrar.used")
		})
	}
	return done
}

// done counts who is used up, the acts and the members.
func (w *world) done(used string) [3]int {
	w.t.Helper()
	return [3]int{w.count(`SELECT count(*) FROM ` + used), w.count(`SELECT count(*) FROM registrar.act`), w.count(`SELECT count(*) FROM registrar.member`)}
}

// oneAnswer checks that an act was applied by all processes or refused by all, and
// that the ledger says the same.
func (w *world) oneAnswer(applied []error, body []byte) (count int) {
	w.t.Helper()
	in := w.entries(0x05)
	if applied[0] == nil {
		count = 1
	}
	for _, err := range applied {
		if (err == nil) != (applied[0] == nil) || err != nil && !refusedLate(err) {
			w.t.Errorf("one act was answered with %v", applied)
		}
	}
	if len(in) != count || count == 1 && !bytes.Contains(in[0], body) {
		w.t.Errorf("the ledger has %d acts, want %d", len(in), count)
	}
	return count
}

// lateIssue is the negative control of TestTortureClose: an issuance that reads the
// phase without its lock, and a close that comes before it writes. It returns how
// many more are used up at the end than when voting had closed.
func lateIssue(t *testing.T) int {
	t.Helper()
	w := newWorld(t)
	w.at(opening)
	ctx := t.Context()
	w.naive(`CREATE TABLE naive.used (g integer, i integer)`)
	looked, closed, wrote := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		var phase string
		err := w.db.Service.QueryRow(ctx, `SELECT phase FROM registrar.election`).Scan(&phase)
		close(looked)
		<-closed
		if err == nil && phase == "open" {
			_, err = w.db.Service.Exec(ctx, `INSERT INTO naive.used VALUES (1, 0)`)
		}
		wrote <- err
	}()
	<-looked
	w.at(electiontest.Close)
	before := w.done("naive.used")
	close(closed)
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	late := w.done("naive.used")[0] - before[0]
	if late != 1 {
		t.Errorf("%d were issued after the close of a registrar without a lock: the race test is blind", late)
	}
	return late
}

// naive makes tables of a registrar that decides nothing in its database.
func (w *world) naive(tables string) {
	w.t.Helper()
	if _, err := w.db.Owner.Exec(w.t.Context(), `CREATE SCHEMA naive; GRANT USAGE ON SCHEMA naive TO sv_registrar; `+tables+
		`; GRANT ALL ON ALL TABLES IN SCHEMA naive TO sv_registrar`); err != nil {
		w.t.Fatal(err)
	}
}
