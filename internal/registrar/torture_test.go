package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
)

// twin opens the registrar of this election once more, as a second process does:
// with connections, keys and a log of its own.
func (w *world) twin() *registrar.Registrar {
	w.t.Helper()
	pool, err := postgres.Open(w.t.Context(), w.db.URL("sv_registrar"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	policy, err := w.m.LedgerPolicy()
	if err != nil {
		w.t.Fatal(err)
	}
	c := w.config
	c.Pool, c.Keys = pool, w.keys()
	c.Ledger = registrar.LedgerOf(board.New(board.Config{Pool: pool, Signer: w.k.Ledger, MID: w.mid, Policy: policy, Now: w.clock}))
	r, err := registrar.Open(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// hold keeps everybody from writing to a table and lets them look: whoever looked
// before release has seen it as it is now. Of registrar.used that is a member to
// whom no ballot was issued.
func (w *world) hold(table string) (release func()) {
	w.t.Helper()
	tx, err := w.db.Owner.Begin(w.t.Context())
	if err == nil {
		_, err = tx.Exec(w.t.Context(), `LOCK TABLE `+table+` IN SHARE ROW EXCLUSIVE MODE`)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = tx.Rollback(context.Background()) })
	w.t.Cleanup(release)
	return release
}

// await returns once n requests of this database wait for a lock of a kind:
// 'relation' between look and write, 'advisory' for the phase.
func (w *world) await(n int, kind string) {
	w.t.Helper()
	for w.count(`SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = $1
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, kind) < n {
	}
}

// contend lets n different requests for one member run against each other, through
// all registrars. When it is held, at least atOnce of them have seen the member
// unused before the first may write. It counts the answers, by their status, and
// returns the requests that were signed.
func (w *world) contend(rs []*registrar.Registrar, c registrar.Credential, n int, held bool) (signed [][]byte, answers map[int]int) {
	w.t.Helper()
	var release func()
	if held {
		release = w.hold("registrar.used")
	}
	answers = make(map[int]int)
	var mu sync.Mutex // guards signed and answers
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		r, z := rs[i%len(rs)], request(w.t)
		wg.Go(func() {
			<-start
			_, err := r.Issue(w.t.Context(), c, "", z)
			status := http.StatusOK
			if err != nil {
				status, _, _ = registrar.Answer(err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
			if err == nil {
				signed = append(signed, z)
			}
		})
	}
	close(start)
	if held {
		w.await(atOnce, "relation")
		release()
	}
	wg.Wait()
	return signed, answers
}

const (
	uses   = 200 // of one link, at once
	atOnce = 8   // fewer than one process has connections
)

// processes opens the registrar as three processes do, each of which lets so many
// requests in that the race is decided by the database and not by its door.
func (w *world) processes() []*registrar.Registrar {
	w.t.Helper()
	w.open(func(c *registrar.Config) { c.Workers = 2 })
	return []*registrar.Registrar{w.r, w.twin(), w.twin()}
}

// issuances returns the entries of ballots issued that the ledger holds or that
// wait for it, each with how often it is there.
func (w *world) issuances() map[string]int {
	w.t.Helper()
	rows, err := w.db.Owner.Query(w.t.Context(), `SELECT entry FROM registrar.queue`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	seen := make(map[string]int)
	add := func(entry []byte) {
		e, err := ledger.ParseLedger(entry)
		if err != nil {
			w.t.Error(err)
		}
		if i, ok := e.(ledger.Issuance); ok {
			seen[fmt.Sprintf("%d %x", i.Group, i.Blinded)]++
		}
	}
	for rows.Next() {
		var entry []byte
		if err := rows.Scan(&entry); err != nil {
			w.t.Fatal(err)
		}
		add(entry)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	for _, entry := range w.entries(0x01) {
		add(entry)
	}
	return seen
}

// TestTortureLink uses one link two hundred times at once, each time for another
// request, through three processes; and so with one member after another. One
// request is signed, and 199 are told that a ballot was issued.
func TestTortureLink(t *testing.T) {
	t.Parallel()
	tokens := torture.Pick(20, 1000)
	w := newWorld(t, sized(uint32(tokens)))
	rs := w.processes()
	w.at(opening)
	raced, conflicts := 0, 0
	for i := range torture.Rounds(tokens, tokens, 0.06) {
		c := w.show(2, uint32(i))
		signed, answers := w.contend(rs, c, uses, i%2 == 0)
		if len(signed) != 1 || answers[http.StatusConflict] != uses-1 {
			t.Fatalf("token %d: answers by status are %v", i, answers)
		}
		again, err := rs[(i+1)%len(rs)].Issue(t.Context(), c, "", signed[0])
		if err != nil {
			t.Fatalf("token %d: the winner at another process: %v", i, err)
		}
		w.checkAnswer(2, signed[0], again)
		raced, conflicts = raced+1, conflicts+answers[http.StatusConflict]
	}
	for entry, n := range w.issuances() {
		if n != 1 {
			t.Errorf("%d entries of issuance of one member: %s", n, entry)
		}
	}
	if n := len(w.issuances()); n != raced {
		t.Errorf("%d members were issued a ballot, want %d", n, raced)
	}
	winners := w.linkControl(t)
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("%d different requests on one link at once, through three processes, for each of %d links", uses, raced),
		Target:   "one signature a link, and 409 to all others",
		Measured: fmt.Sprintf("%d signatures, %d times 409", raced, conflicts),
		Control:  fmt.Sprintf("without the primary key of used: %d signatures on one link", winners),
	})
}

// linkControl is the negative control: the same race without the constraint that
// decides it. What is left is looking first and writing then.
func (w *world) linkControl(t *testing.T) int {
	t.Helper()
	naive := newWorld(t)
	rs := naive.processes()
	naive.at(opening)
	naive.unconstrained()
	signed, _ := naive.contend(rs, naive.show(2, 7), uses, true)
	if len(signed) < 2 {
		t.Errorf("looking first and writing then signed %d requests: the race test is blind", len(signed))
	}
	return len(signed)
}

// unconstrained drops what decides every race about a member.
func (w *world) unconstrained() {
	w.t.Helper()
	if _, err := w.db.Owner.Exec(w.t.Context(), `ALTER TABLE registrar.used DROP CONSTRAINT used_pkey`); err != nil {
		w.t.Fatal(err)
	}
}

// TestTortureLinkHTTP is TestTortureLink as members see it, over HTTP: the limit of
// one link turns most away, and never is a second request signed.
func TestTortureLinkHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(opening)
	services := []*registrar.Service{w.service(w.r), w.service(w.twin())}
	answers := make(map[int]int)
	tokens := torture.Pick(4, 40)
	for i := range tokens {
		link, _ := w.link(2, uint32(i), true)
		for _, s := range services {
			s.Count(w.clock) // those of one computer would come to the limit of a network
		}
		var mu sync.Mutex // guards answers
		var wg sync.WaitGroup
		won := 0
		for k := range uses {
			body := map[string]string{"token": link.Base64(), "z": b64(request(t))}
			wg.Go(func() {
				rec := w.postTo(services[k%len(services)], "/issue", body)
				mu.Lock()
				defer mu.Unlock()
				answers[rec.Code]++
				if rec.Code == http.StatusOK {
					won++
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d requests were signed for one link", won)
		}
	}
	if n := answers[http.StatusOK] + answers[http.StatusConflict] + answers[http.StatusTooManyRequests]; n != tokens*uses || answers[http.StatusConflict] == 0 {
		t.Errorf("answers by status are %v", answers)
	}
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("the same over HTTP, two processes, %d links", tokens),
		Target:   "one signature a link; to all others 409, or 429 where the link's limit is reached",
		Measured: fmt.Sprintf("%d times 200, %d times 409, %d times 429", answers[200], answers[409], answers[429]),
		Control:  "that of TestTortureLink",
	})
}

// refusedLate reports whether an error says that voting has ended.
func refusedLate(err error) bool {
	refused := new(registrar.ActError)
	return errors.Is(err, registrar.ErrClosed) || errors.As(err, &refused)
}
