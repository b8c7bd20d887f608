package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/board"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
)

// A faulty world is one whose registrar is broken again and again. What it keeps
// beside the world belongs to the operation that is broken now.
type faulty struct {
	*world
	next    uint32 // place on the roll of group 1 that nothing was done with yet
	at      uint32
	link    registrar.Credential
	z       []byte
	first   [credential.Size]byte // the answer to z, if there was one
	body    []byte                // of an act or an envelope
	applied uint32                // acts
	mail    string                // folder
	mailer  *mailer.Mailer
}

// A step is something that a registrar does, and what must hold after it, whether
// it was broken or not, once it is done again without a break.
type step struct {
	name   string
	opts   []func(*electiontest.Plan)
	sealed bool // it begins before voting is open
	before func(f *faulty)
	do     func(f *faulty) error
	again  func(f *faulty)
	spent  func(f *faulty) bool // the world cannot be used again; nil: it always can
}

// newFaulty makes a world for a step.
func newFaulty(t *testing.T, s step) *faulty {
	t.Helper()
	f := &faulty{world: newWorld(t, s.opts...), mail: t.TempDir()}
	if !s.sealed {
		f.world.at(electiontest.Open)
	}
	return f
}

// through restarts the registrar, its ledger and its mailer on a pool.
func (f *faulty) through(pool *pgxpool.Pool) {
	f.t.Helper()
	policy, err := f.m.LedgerPolicy()
	if err != nil {
		f.t.Fatal(err)
	}
	f.log = board.New(board.Config{Pool: pool, Signer: f.k.Ledger, MID: f.mid, Policy: policy, Now: f.clock})
	f.open(withEnvelopes, func(c *registrar.Config) { c.Pool = pool })
	f.mailer, err = mailer.New(mailer.Config{Pool: pool, Manifest: f.m, MID: f.mid, Minter: f.minter,
		Senders: []mailer.Sender{&mailer.Directory{Path: f.mail, Unsynced: true}}, From: mailer.Address{Name: "Union Ballot", Address: "ballot@union.example"},
		Zone: f.clock().UTC().Location(), Now: f.clock, Log: f.config.Log})
	if err != nil {
		f.t.Fatal(err)
	}
}

// TestTortureFaults breaks every round trip of every operation of the registrar,
// before the server sees it and after it answered, and restarts the registrar.
// Done again, the operation gets the answer that it would have got: nobody is
// used up twice or for nothing, the ledger is one ledger, and no mail is lost.
func TestTortureFaults(t *testing.T) {
	t.Parallel()
	var broken atomic.Int64
	t.Run("steps", func(t *testing.T) {
		for _, s := range steps {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, answered %v", s.name, after), func(t *testing.T) {
					t.Parallel()
					n := breakAll(t, s, after)
					if n == 0 {
						t.Error("nothing was broken")
					}
					broken.Add(int64(n))
				})
			}
		}
	})
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("every round trip of %d operations of the registrar to its database is cut, before and after the server saw it", len(steps)),
		Target:   "0 credentials too many, 0 answers changed, 0 entries lost or doubled, 0 mails lost",
		Measured: fmt.Sprintf("%d faults, all as if they had not been", broken.Load()),
		Control:  "TestTortureFaultControl: an issuance in two transactions and a mailer that marks first are caught",
	})
}

// breakAll breaks one round trip after the other until there is none left, and
// says how many it broke. The short form leaves out most of those that break before
// the server sees them: what the database then holds is what it holds when the
// answer to the one before is lost. Of what is not an issuance it leaves out some of
// the others too.
func breakAll(t *testing.T, s step, after bool) (broken int) {
	t.Helper()
	stride := 1
	if !after {
		stride = torture.Pick(4, 1)
	} else if s.name != "issue" {
		stride = torture.Pick(2, 1)
	}
	n := 1
	for hit := true; hit && !t.Failed(); {
		// A subtest for each world, so that its database goes with it.
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := newFaulty(t, s)
			for hit && !t.Failed() {
				s.before(f)
				if hit = breakOnce(f, s, n, after); hit {
					broken++
				}
				n += stride
				s.again(f)
				f.mustAgree()
				if s.spent != nil && s.spent(f) {
					return
				}
			}
		})
	}
	return broken
}

// breakOnce breaks the n-th round trip of a step, if it has so many, and restarts.
func breakOnce(f *faulty, s step, n int, after bool) bool {
	f.t.Helper()
	b := pgtest.NewBreaker(f.t, f.db.URL("sv_registrar"))
	pool := b.Pool(f.t, f.db.URL("sv_registrar"))
	f.through(pool)
	b.Arm(n, after)
	err := s.do(f)
	hit := b.Disarm()
	b.Cut()
	pool.Close()
	f.through(f.db.Service)
	mustAnswer(f, n, hit, err)
	return hit
}

// mustAnswer checks what is said of a break: nothing but that it is to be tried
// again, unless it was made good at once.
func mustAnswer(f *faulty, n int, hit bool, err error) {
	f.t.Helper()
	status, _, _ := registrar.Answer(err)
	switch {
	case !hit && err != nil:
		f.t.Fatalf("unbroken: %v", err)
	case hit && n == 1 && err == nil:
		f.t.Error("the first round trip was lost and nobody noticed")
	case hit && err != nil && status != http.StatusServiceUnavailable:
		f.t.Errorf("round trip %d: answered %d, %v", n, status, err)
	}
}

// mustAgree accounts for everything, with the head signed.
func (f *faulty) mustAgree() {
	f.t.Helper()
	if err := f.r.Tick(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	for _, err := range f.account() {
		f.t.Error(err)
	}
	if behind, err := f.log.Unsigned(f.t.Context()); behind || err != nil {
		f.t.Errorf("the head of the ledger has no checkpoint (%v)", err)
	}
}

// account compares what the registrar's tables say with one another.
func (w *world) account() (wrong []error) {
	w.t.Helper()
	equal := func(what string, a, b int) {
		if a != b {
			wrong = append(wrong, fmt.Errorf("%s: %d and %d", what, a, b))
		}
	}
	issued := w.count(`SELECT count(*) FROM registrar.used WHERE kind = 'issue'`)
	seen := map[string]bool{}
	for _, e := range w.entries(1) {
		seen[string(e)] = true
	}
	logged := len(w.entries(1))
	equal("entries in the ledger, and different ones", logged, len(seen))
	equal("members that were issued to, and entries", issued, logged+w.count(`SELECT count(*) FROM registrar.queue WHERE get_byte(entry, 0) = 1`))
	equal("members that were issued to, and notices", issued, w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'issued'`))
	equal("notices, and members with one", issued,
		w.count(`SELECT count(DISTINCT (group_id, roll_index)) FROM registrar.outbox WHERE kind = 'issued'`))
	equal("acts, and those in the ledger", w.count(`SELECT count(*) FROM registrar.act`), len(w.entries(5)))
	equal("envelopes, and notices", w.count(`SELECT count(*) FROM registrar.envelope`),
		w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'deposited'`))
	return wrong
}

// naives are weakened services, each with the accounting that has to notice.
var naives = []struct {
	name  string
	do    func(f *faulty, pool *pgxpool.Pool) error
	wrong func(f *faulty) []error
}{
	{
		name: "the entry in a transaction of its own",
		do: func(f *faulty, pool *pgxpool.Pool) error {
			tag, err := pool.Exec(context.Background(), `
				WITH won AS (INSERT INTO registrar.used (group_id, roll_index, kind, request_hash) VALUES (1, $1, 'issue', $2)
					ON CONFLICT DO NOTHING RETURNING 1)
				INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before)
				SELECT $4, 'issued', 1, $1, $3 FROM won`, f.at, f.z[:32], f.clock(), f.z[:16])
			if err != nil || tag.RowsAffected() == 0 {
				return err // issued before, so the answer can be given again
			}
			_, err = pool.Exec(context.Background(), `INSERT INTO registrar.queue (entry, group_id) VALUES ($1, 1)`, append([]byte{1}, f.z...))
			return err
		},
		wrong: func(f *faulty) []error { return f.account() },
	},
	{
		name: "a mail marked before it is sent",
		do: func(f *faulty, pool *pgxpool.Pool) error {
			tag, err := pool.Exec(context.Background(), `UPDATE registrar.outbox SET state = 'sent' WHERE kind = 'resend' AND state = 'queued'`)
			if err != nil || tag.RowsAffected() == 0 {
				return err
			}
			_, err = f.mailer.Drain(context.Background())
			return err
		},
		wrong: func(f *faulty) []error { return f.unsent() },
	},
}

// TestTortureFaultControl breaks weakened services at every round trip. The
// accounting has to notice an issuance that never reaches the ledger, and a mail
// that is lost.
func TestTortureFaultControl(t *testing.T) {
	t.Parallel()
	for _, s := range naives {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t, step{})
			f.through(f.db.Service)
			b := pgtest.NewBreaker(t, f.db.URL("sv_registrar"))
			pool := b.Pool(t, f.db.URL("sv_registrar"))
			for n := 1; len(s.wrong(f)) == 0; n++ {
				f.at, f.z = f.next, request(t)
				f.next++
				if err := f.r.Resend(t.Context(), electiontest.MemberNo(1, f.at)); err != nil {
					t.Fatal(err)
				}
				b.Arm(n, true)
				err := s.do(f, pool)
				if hit := b.Disarm(); !hit {
					t.Fatalf("broken at each of its %d round trips, it lost nothing (%v)", n-1, err)
				}
				if err := s.do(f, f.db.Service); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestTortureFaultPairs breaks an issuance twice, in every order of two round
// trips, each before the server sees it or after it answered, with the same
// process going on or another one after it. The third attempt gets the one
// answer.
func TestTortureFaultPairs(t *testing.T) {
	t.Parallel()
	issue := steps[0]
	f := newFaulty(t, step{opts: []func(*electiontest.Plan){func(p *electiontest.Plan) { p.Rolls = []uint32{4000, 30} }}})
	trips := 0
	for n, hit := 1, true; hit; n++ { // how many there are, on connections that are new
		issue.before(f)
		if hit = breakOnce(f, issue, n, false); hit {
			trips = n
		}
	}
	total := pgtest.Pairs(trips)
	done := 0
	for round := range torture.Rounds(24, total, 0.03) {
		issue.before(f)
		breakTwice(f, issue, pgtest.PairAt(trips, round))
		issue.again(f)
		done++
	}
	f.mustAgree()
	torture.Report(t, torture.Row{
		What:     "two faults in a row of an issuance, in every order of its round trips, with and without a restart between",
		Target:   "0 second credentials, 0 answers changed, 0 entries lost or doubled",
		Measured: fmt.Sprintf("%d of %d pairs, all as if they had not been", done, total),
		Control:  "TestTortureFaultControl",
	})
}

// breakTwice breaks a step twice, and does it until it is done.
func breakTwice(f *faulty, s step, p pgtest.Pair) {
	f.t.Helper()
	b := pgtest.NewBreaker(f.t, f.db.URL("sv_registrar"))
	pool := b.Pool(f.t, f.db.URL("sv_registrar"))
	f.through(pool)
	for _, fault := range []pgtest.Fault{p.First, p.Second} {
		b.Arm(fault.At, fault.After)
		err := s.do(f)
		mustAnswer(f, fault.At, b.Disarm(), err)
		if p.Restart {
			b.Cut()
			pool.Close()
			pool = b.Pool(f.t, f.db.URL("sv_registrar"))
			f.through(pool)
		}
	}
	// A process that went on may have a few more connections that were cut.
	err := s.do(f)
	for n := 0; err != nil && n < 8; n++ {
		mustAnswer(f, n+2, true, err)
		err = s.do(f)
	}
	if err != nil {
		f.t.Fatalf("%+v: in the end: %v", p, err)
	}
	b.Cut()
	pool.Close()
	f.through(f.db.Service)
}

// issueAgain issues on the request once more, to whoever has the answer already.
func (f *faulty) issueAgain() error {
	answer, err := f.r.Issue(context.Background(), f.link, f.factor(), f.z)
	if err != nil {
		return err
	}
	f.checkAnswer(1, f.z, answer)
	if f.first != [credential.Size]byte{} && answer != f.first {
		f.t.Error("the answer is another one than before")
	}
	f.first = answer
	return nil
}

func (f *faulty) factor() string {
	if f.m.Factor == nil {
		return ""
	}
	return "answer " + electiontest.MemberNo(1, f.at)
}

// mustBeIssued checks that there is one credential, for one request, for good.
func (f *faulty) mustBeIssued() {
	f.t.Helper()
	for range 2 {
		if err := f.issueAgain(); err != nil {
			f.t.Fatal(err)
		}
	}
	if _, err := f.r.Issue(context.Background(), f.link, f.factor(), request(f.t)); !errors.Is(err, registrar.ErrAlreadyIssued) {
		f.t.Errorf("another request: got %v", err)
	}
	if n := f.count(`SELECT count(*) FROM registrar.used WHERE group_id = 1 AND roll_index = $1`, f.at); n != 1 {
		f.t.Errorf("the member is used up %d times", n)
	}
}
