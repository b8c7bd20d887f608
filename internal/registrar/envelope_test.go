package registrar_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

func ballotID(body []byte) suite.BallotID { return suite.BallotID(suite.H("ballot-id", body)) }

// withEnvelopes takes two bytes or more for a ballot, of the group that the
// first one says.
func withEnvelopes(c *registrar.Config) {
	c.CheckEnvelope = func(_ context.Context, body []byte) (suite.BallotID, suite.GroupID, error) {
		if len(body) < 2 {
			return suite.BallotID{}, 0, registrar.ErrNotBallot
		}
		return ballotID(body), suite.GroupID(body[0]), nil
	}
}

// admit lets somebody off the roll in and returns their credential.
func (w *world) admit(g suite.GroupID) registrar.Credential {
	w.t.Helper()
	at, err := w.r.Admit(w.t.Context(), registrar.Applicant{Name: "CANARY", Email: "off@mail.example", Group: g})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.showOff(at)
}

func (w *world) showOff(at registrar.Place) registrar.Credential {
	w.t.Helper()
	t, _ := w.link(at.Group, at.Index, false)
	c, err := w.r.Present(t.Base64(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// TestDepositOverHTTP deposits by link and by code, and repeats what was lost.
func TestDepositOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	w.open(withEnvelopes)
	link, typed := w.link(1, 0, true)
	body := []byte{1, 7, 7}
	deposit := fields{"token": link.Base64(), "ballot": b64(body)}
	if rec := w.post("/deposit", deposit); rec.Code != 403 || code(rec) != "not_open" {
		t.Errorf("before the opening: %d %s", rec.Code, rec.Body)
	}
	w.at(electiontest.Open)
	for name, tt := range map[string]struct {
		body   any
		status int
		code   string
	}{
		"no ballot":       {fields{"token": link.Base64(), "ballot": b64([]byte{1})}, 422, "not_a_ballot"},
		"another group's": {fields{"token": link.Base64(), "ballot": b64([]byte{2, 1})}, 422, "not_a_ballot"},
		"nothing":         {fields{"token": link.Base64(), "ballot": ""}, 400, "bad_request"},
		"padding":         {fields{"token": link.Base64(), "ballot": b64(body) + "="}, 400, "bad_request"},
		"a key twice":     {`{"token":"` + link.Base64() + `","ballot":"AQc","ballot":"AQc"}`, 400, "bad_request"},
		"unknown field":   {fields{"token": link.Base64(), "ballot": b64(body), "z": ""}, 400, "bad_request"},
		"too large":       {fields{"token": link.Base64(), "ballot": strings.Repeat("A", 17000)}, 413, "too_large"},
		"no link":         {fields{"ballot": b64(body)}, 400, "bad_request"},
	} {
		if rec := w.post("/deposit", tt.body); rec.Code != tt.status || code(rec) != tt.code {
			t.Errorf("%s: got %d %s", name, rec.Code, rec.Body)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.envelope`) + w.count(`SELECT count(*) FROM registrar.used`); n != 0 {
		t.Fatalf("%d rows of what was refused", n)
	}
	want := fmt.Sprintf(`{"ballot_id":"%s","state":"deposited"}`, ballotID(body))
	for _, in := range []fields{deposit, deposit, {"code": typed.Reveal(), "ballot": b64(body)}} {
		if rec := w.post("/deposit", in); rec.Code != 200 || strings.TrimSpace(rec.Body.String()) != want {
			t.Errorf("got %d %s", rec.Code, rec.Body)
		}
	}
	if rec := w.post("/deposit", fields{"token": link.Base64(), "ballot": b64([]byte{1, 8})}); code(rec) != "already_deposited" {
		t.Errorf("another ballot: %d %s", rec.Code, rec.Body)
	}
	if rec := w.post("/issue", fields{"token": link.Base64(), "z": b64(request(t))}); code(rec) != "already_deposited" {
		t.Errorf("issuance after it: %d %s", rec.Code, rec.Body)
	}
	other, _ := w.link(1, 1, true)
	if rec := w.post("/issue", fields{"token": other.Base64(), "z": b64(request(t))}); rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if rec := w.post("/deposit", fields{"token": other.Base64(), "ballot": b64([]byte{1, 9})}); code(rec) != "already_issued" {
		t.Errorf("deposit after issuance: %d %s", rec.Code, rec.Body)
	}
	// Somebody else's ballot is nobody's.
	third, _ := w.link(1, 2, true)
	if rec := w.post("/deposit", fields{"token": third.Base64(), "ballot": b64(body)}); rec.Code != 400 {
		t.Errorf("somebody else's ballot: %d %s", rec.Code, rec.Body)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'deposited'`); n != 1 {
		t.Errorf("%d notices, want 1", n)
	}
	w.at(electiontest.Close)
	if rec := w.post("/deposit", fields{"token": third.Base64(), "ballot": b64([]byte{1, 10})}); code(rec) != "closed" {
		t.Errorf("after the close: %d %s", rec.Code, rec.Body)
	}
	if rec := w.post("/deposit", deposit); rec.Code != 200 {
		t.Errorf("again, after the close: %d %s", rec.Code, rec.Body)
	}
}

// TestDepositFactor: an envelope needs the extra answer too, but not for a
// repetition, and not from people who are not on the roll, of whom there is none.
func TestDepositFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withFactor)
	var asked atomic.Int64
	w.open(withEnvelopes, func(c *registrar.Config) {
		check := c.CheckEnvelope
		c.CheckEnvelope = func(ctx context.Context, body []byte) (suite.BallotID, suite.GroupID, error) {
			asked.Add(1)
			return check(ctx, body)
		}
	})
	w.at(electiontest.Open)
	c, body := w.show(1, 0), []byte{1, 1}
	if _, err := w.r.Deposit(t.Context(), c, "", body); !errors.Is(err, registrar.ErrFactorNeeded) {
		t.Errorf("without: got %v", err)
	}
	if _, err := w.r.Deposit(t.Context(), c, "wrong", body); !errors.As(err, new(*registrar.FactorError)) {
		t.Errorf("wrong: got %v", err)
	}
	if asked.Load() != 0 {
		t.Error("the box was asked for somebody who may not deposit")
	}
	for _, answer := range []string{"answer M-1-0", ""} {
		if _, err := w.r.Deposit(t.Context(), c, answer, body); err != nil {
			t.Errorf("%q: %v", answer, err)
		}
	}
	if _, err := w.r.Deposit(t.Context(), w.admit(1), "", []byte{1, 2}); err != nil {
		t.Errorf("off the roll: %v", err)
	}
}

// TestBoxAway: while the box does not answer nothing is kept, and the person
// hears that and when to come back. A body that is no ballot is another matter.
func TestBoxAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	body := []byte{1, 2, 3}
	// The detector sees no order between an answer that hangs up and the next.
	var answer atomic.Pointer[func(http.ResponseWriter)]
	box := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/v1/x/check" || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("got %s %s", req.Method, req.URL)
		}
		(*answer.Load())(rw)
	}))
	w.open(func(c *registrar.Config) { c.CheckEnvelope = registrar.CheckAt(box.Client(), box.URL+"/v1/x") })
	w.at(electiontest.Open)
	link, _ := w.link(1, 0, true)
	says := func(status int, body string) func(http.ResponseWriter) {
		return func(rw http.ResponseWriter) {
			rw.WriteHeader(status)
			fmt.Fprint(rw, body)
		}
	}
	good := fmt.Sprintf(`{"ballot_id":"%s","group":1}`, ballotID(body))
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		status int
		code   string
	}{
		"malformed":      {says(400, `{}`), 422, "not_a_ballot"},
		"too large":      {says(413, `{}`), 422, "not_a_ballot"},
		"invalid":        {says(422, `{}`), 422, "not_a_ballot"},
		"another group":  {says(200, strings.Replace(good, ":1}", ":2}", 1)), 422, "not_a_ballot"},
		"busy":           {says(503, `{}`), 503, "box_away"},
		"broken":         {says(500, `{}`), 503, "box_away"},
		"no election":    {says(404, `{}`), 503, "box_away"},
		"too often":      {says(429, `{}`), 503, "box_away"},
		"nonsense":       {says(200, `<html>`), 503, "box_away"},
		"nothing":        {says(200, `{}`), 503, "box_away"},
		"another ballot": {says(200, fmt.Sprintf(`{"ballot_id":"%s","group":1}`, ballotID([]byte{9}))), 503, "box_away"},
		"hangs up":       {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 503, "box_away"},
		"elsewhere": {func(rw http.ResponseWriter) {
			rw.Header().Set("Location", box.URL+"/v1/x/check")
			rw.WriteHeader(307)
		}, 503, "box_away"},
	} {
		answer.Store(&tt.answer)
		rec := w.post("/deposit", fields{"token": link.Base64(), "ballot": b64(body)})
		if rec.Code != tt.status || code(rec) != tt.code || (tt.status == 503) != (rec.Header().Get("Retry-After") != "") {
			t.Errorf("%s: got %d %s, Retry-After %q", name, rec.Code, rec.Body, rec.Header().Get("Retry-After"))
		}
	}
	box.Close()
	if rec := w.post("/deposit", fields{"token": link.Base64(), "ballot": b64(body)}); code(rec) != "box_away" {
		t.Errorf("gone: got %d %s", rec.Code, rec.Body)
	}
	if n := w.count(`SELECT count(*) FROM registrar.envelope`) + w.count(`SELECT count(*) FROM registrar.used`) +
		w.count(`SELECT count(*) FROM registrar.queue`); n != 0 {
		t.Errorf("%d rows were kept", n)
	}
	// The vote is still free, in either way.
	if _, err := w.r.Issue(t.Context(), w.show(1, 0), "", request(t)); err != nil {
		t.Error(err)
	}
}

// TestDepositRace sends deposits and a request for an ordinary ballot at once,
// 200 times: one of them wins, and the person has one thing.
func TestDepositRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Rolls = []uint32{220} })
	w.open(withEnvelopes)
	w.at(electiontest.Open)
	var issued, deposited atomic.Int64
	// Each alone, so that either can win whatever the race below is like.
	if _, err := w.r.Deposit(t.Context(), w.show(1, 200), "", []byte{1, 200, 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Issue(t.Context(), w.show(1, 201), "", request(t)); err != nil {
		t.Fatal(err)
	}
	deposited.Add(1)
	issued.Add(1)
	for i := range uint32(200) {
		c := w.show(1, i)
		bodies := [][]byte{{1, byte(i), 1}, {1, byte(i), 1}, {1, byte(i), 2}}
		won := make([]bool, len(bodies))
		var ballots atomic.Int64
		var wg sync.WaitGroup
		for k, body := range bodies {
			wg.Go(func() {
				_, err := w.r.Deposit(context.Background(), c, "", body)
				won[k] = err == nil
				if err != nil && !errors.Is(err, registrar.ErrDeposited) && !errors.Is(err, registrar.ErrAlreadyIssued) {
					t.Errorf("deposit: %v", err)
				}
			})
		}
		for range 2 {
			z := request(t)
			wg.Go(func() {
				_, err := w.r.Issue(context.Background(), c, "", z)
				if err == nil {
					ballots.Add(1)
				} else if !errors.Is(err, registrar.ErrDeposited) && !errors.Is(err, registrar.ErrAlreadyIssued) {
					t.Errorf("issue: %v", err)
				}
			})
		}
		wg.Wait()
		// The same body twice is one deposit, and both of its senders hear so.
		one := int64(0)
		if won[0] || won[1] {
			one++
		}
		if won[2] {
			one++
		}
		if one+ballots.Load() != 1 || won[0] != won[1] {
			t.Fatalf("member %d: deposits %v and %d ballots", i, won, ballots.Load())
		}
		issued.Add(ballots.Load())
		deposited.Add(one)
	}
	if n := w.count(`SELECT count(*) FROM registrar.envelope`); int64(n) != deposited.Load() {
		t.Errorf("%d envelopes, %d were acknowledged", n, deposited.Load())
	}
	if n := w.count(`SELECT count(*) FROM registrar.used WHERE kind = 'issue'`); int64(n) != issued.Load() {
		t.Errorf("%d issuances, %d were acknowledged", n, issued.Load())
	}
	if w.count(`SELECT count(*) FROM registrar.queue`) != 202 {
		t.Error("not every member has one entry")
	}
}

// TestNaiveDeposit is the negative control of TestDepositRace: a registrar that
// looks whether there is an issuance and then keeps the deposit has both.
func TestNaiveDeposit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.db.Owner.Exec(ctx, `CREATE SCHEMA naive; CREATE TABLE naive.issued (i integer); CREATE TABLE naive.deposited (i integer);
		GRANT USAGE ON SCHEMA naive TO sv_registrar; GRANT SELECT, INSERT ON naive.issued, naive.deposited TO sv_registrar`); err != nil {
		t.Fatal(err)
	}
	naive := func(table, other string, looked *sync.WaitGroup) bool {
		won := false
		err := postgres.InTx(ctx, w.db.Service, pgx.ReadCommitted, func(tx pgx.Tx) error {
			var used bool
			if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM naive.`+other+` WHERE i = 1)`).Scan(&used); err != nil || used {
				looked.Done()
				return err
			}
			// As it may happen, and on a slow machine hardly ever does.
			looked.Done()
			looked.Wait()
			_, err := tx.Exec(ctx, `INSERT INTO naive.`+table+` VALUES (1)`)
			won = err == nil
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return won
	}
	var both atomic.Int64
	var wg, looked sync.WaitGroup
	looked.Add(2)
	for _, pair := range [][2]string{{"issued", "deposited"}, {"deposited", "issued"}} {
		wg.Go(func() {
			if naive(pair[0], pair[1], &looked) {
				both.Add(1)
			}
		})
	}
	wg.Wait()
	if both.Load() != 2 {
		t.Error("looking first and writing then did not give somebody both: the race test is blind")
	}
}

// TestDepositsAtOnce: deposits that wait for the box leave issuing alone, and
// who comes then is told to come back.
func TestDepositsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Rolls = []uint32{60} })
	entered, leave := make(chan struct{}), make(chan struct{})
	w.open(withEnvelopes, func(c *registrar.Config) {
		c.CheckEnvelope = func(_ context.Context, body []byte) (suite.BallotID, suite.GroupID, error) {
			entered <- struct{}{}
			<-leave
			return ballotID(body), 1, nil
		}
	})
	w.at(electiontest.Open)
	var wg sync.WaitGroup
	for i := range uint32(registrar.MaxDeposits) {
		c := w.show(1, i)
		wg.Go(func() {
			if _, err := w.r.Deposit(context.Background(), c, "", []byte{1, byte(i)}); err != nil {
				t.Error(err)
			}
		})
		<-entered
	}
	if _, err := w.r.Deposit(t.Context(), w.show(1, 50), "", []byte{1, 50}); !errors.Is(err, registrar.ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := w.r.Issue(t.Context(), w.show(1, 51), "", request(t)); err != nil {
		t.Errorf("issuing meanwhile: %v", err)
	}
	close(leave)
	wg.Wait()
}

// TestDecisionAfterDeposits: the ledger has the deposits that a decision is about
// before it, although too few wait for a batch; issuances go on waiting, and so
// do the deposits of other groups. The counter of an auditor refuses any other
// order.
func TestDecisionAfterDeposits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	w.open(withEnvelopes)
	w.at(electiontest.Open)
	for i := range uint32(3) {
		for g := suite.GroupID(1); g <= 2; g++ {
			if _, err := w.r.Deposit(t.Context(), w.show(g, i), "", []byte{byte(g), byte(i)}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.r.Issue(t.Context(), w.show(g, i+10), "", request(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.act(act.KindDecide, act.Decide{Group: 1, RejectedOn: 4}); err == nil {
		t.Error("more were decided than there are")
	}
	if n := len(w.entries(3)); n != 0 {
		t.Errorf("%d deposits entered with a decision that was refused", n)
	}
	if err := w.act(act.KindDecide, act.Decide{Group: 1, RejectedOn: 2}); err != nil {
		t.Fatal(err)
	}
	if deposits, waiting := w.entries(3), w.count(`SELECT count(*) FROM registrar.queue`); len(deposits) != 3 || waiting != 9 ||
		!slices.IsSortedFunc(deposits, bytes.Compare) {
		t.Errorf("%d deposits in the ledger, %d entries wait", len(deposits), waiting)
	}
	w.at(electiontest.Close)
	w.now.Store(w.m.Schedule.DecideUntil)
	if err := w.r.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	head, err := w.log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := ledger.NewCounter(w.m)
	for e, err := range w.log.Entries(t.Context(), 1, head.Size-1) {
		if err != nil {
			t.Fatal(err)
		}
		entry, err := ledger.ParseLedger(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Add(entry); err != nil {
			t.Fatal(err)
		}
	}
	if groups, err := c.Groups(); err != nil || groups[0].RejectedOn != 2 || groups[0].UndecidedOn != 1 || groups[1].UndecidedOn != 3 {
		t.Errorf("%+v, %v", groups, err)
	}
}

// TestAdmit: whoever is admitted gets another mail than members, not before the
// opening, and nobody is admitted once voting has closed.
func TestAdmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ready := errors.New("not witnessed")
	w.open(func(c *registrar.Config) { c.Ready = func(context.Context) error { return ready } })
	a := registrar.Applicant{Name: "CANARY", Email: "off@mail.example", Group: 2}
	if _, err := w.r.Admit(t.Context(), a); !errors.Is(err, ready) {
		t.Errorf("before the witnesses: %v", err)
	}
	ready = nil
	if _, err := w.r.Admit(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = $1 AND NOT on_roll AND not_before = to_timestamp($2)`,
		mailer.Envelope, electiontest.Open); n != 1 {
		t.Errorf("%d mails at the opening, want 1", n)
	}
	w.at(electiontest.Open)
	c := w.showOff(registrar.Place{Group: 2})
	s, err := w.r.Status(t.Context(), c, "")
	if err != nil || s.Issued || s.Salt != "" || s.Group != 2 {
		t.Errorf("got %+v, %v", s, err)
	}
	w.now.Store(electiontest.Close) // nobody has written it yet
	if _, err := w.r.Admit(t.Context(), a); !errors.Is(err, registrar.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}
}

// TestAdmitTwice: an address that is known is refused, unless it is shared on
// purpose, and nobody hears whose it is.
func TestAdmitTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	a := registrar.Applicant{Name: "CANARY", Email: "off@mail.example", Group: 1}
	if _, err := w.r.Admit(ctx, a); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.r.Stage(ctx, registrar.Member{Number: "L-1", Name: "Late", Email: "late@mail.example", Unit: "Unit 1"}); err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"off@mail.example", "OFF@Mail.Example", "canary-m-1-3@mail.example", "Canary-M-2-1@mail.example", "LATE@mail.example"} {
		a.Email = known
		_, err := w.r.Admit(ctx, a)
		if !errors.Is(err, registrar.ErrAddressTaken) || strings.Contains(err.Error(), "@") {
			t.Errorf("%s: %v", known, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.applicant`); n != 1 {
		t.Errorf("%d applicants", n)
	}
	a.Shared = true
	if at, err := w.r.Admit(ctx, a); err != nil || at.Index != 1 {
		t.Errorf("shared on purpose: %v, %v", at, err)
	}
	for range 2 { // no address is nobody's
		if _, err := w.r.Admit(ctx, registrar.Applicant{Name: "CANARY", Group: 1}); err != nil {
			t.Error(err)
		}
	}
}

// TestResultOfEnvelopes: whoever is off the roll and whose envelope counted is told the
// result as members are, once. The negative controls are envelopes that were refused, not
// decided, or never handed in.
func TestResultOfEnvelopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	w.open(withEnvelopes)
	ctx := t.Context()
	w.at(electiontest.Open)
	for i := range 4 {
		at, err := w.r.Admit(ctx, registrar.Applicant{Name: "CANARY", Email: fmt.Sprintf("off%d@mail.example", i), Group: 1})
		if err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			continue
		}
		if _, err := w.r.Deposit(ctx, w.showOff(at), "", []byte{1, byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	w.at(electiontest.Close)
	if err := w.act(act.KindDecide, act.Decide{Group: 1, AcceptedOff: 1, RejectedOff: 1, Accepted: []suite.BallotID{ballotID([]byte{1, 1})}}); err != nil {
		t.Fatal(err)
	}
	w.at(w.m.Schedule.DecideUntil)
	members := w.count(`SELECT count(*) FROM registrar.member WHERE email IS NOT NULL`)
	for i, want := range []int{members + 1, 0} {
		if n, err := w.r.Enqueue(ctx, mailer.Result, w.clock(), 0); n != want || err != nil {
			t.Errorf("time %d: %d mails with the result, %v; want %d", i, n, err, want)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox o JOIN registrar.applicant a USING (group_id, roll_index)
		WHERE o.kind = 'result' AND NOT o.on_roll AND a.email = 'off1@mail.example'`); n != 1 {
		t.Errorf("%d mails to whose envelope counted", n)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'result' AND NOT on_roll`); n != 1 {
		t.Errorf("%d mails to who is off the roll", n)
	}
}

// TestMovedEnvelopes: whoever has a link for an envelope is told that the close was moved,
// once. The negative control is one whose link has not left.
func TestMovedEnvelopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	ctx := t.Context()
	w.at(electiontest.Open)
	for i := range 3 {
		if _, err := w.r.Admit(ctx, registrar.Applicant{Name: "CANARY", Email: fmt.Sprintf("off%d@mail.example", i), Group: 1}); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if _, err := w.db.Owner.Exec(ctx, `UPDATE registrar.outbox SET state = 'sent', attempts = 1`); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.act(act.KindCloseEarly, act.CloseEarly{Close: electiontest.Open + 7200}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 0} {
		if n, err := w.r.CheckEnqueue(ctx, mailer.Moved, w.clock(), 0); n != want || err != nil {
			t.Errorf("time %d: %d would be queued, %v; want %d", i, n, err, want)
		}
		if n, err := w.r.Enqueue(ctx, mailer.Moved, w.clock(), 0); n != want || err != nil {
			t.Errorf("time %d: %d queued, %v; want %d", i, n, err, want)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'moved' AND NOT on_roll`); n != 2 {
		t.Errorf("%d mails to who is off the roll", n)
	}
}

// TestEveryFieldOfADeposit: nothing but the whole ballot is the same ballot.
func TestEveryFieldOfADeposit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open(withEnvelopes)
	w.at(electiontest.Open)
	body := []byte{1, 2, 3, 4, 5, 6}
	for n, c := range []registrar.Credential{w.show(1, 0), w.admit(1)} {
		mine := append(bytes.Clone(body), byte(n))
		id, err := w.r.Deposit(t.Context(), c, "", mine)
		if err != nil || id != ballotID(mine) {
			t.Fatalf("%x, %v", id, err)
		}
		for i := 1; i < len(body); i++ {
			bad := bytes.Clone(mine)
			bad[i] ^= 1
			if _, err := w.r.Deposit(t.Context(), c, "", bad); !errors.Is(err, registrar.ErrDeposited) {
				t.Errorf("byte %d changed: %v", i, err)
			}
		}
	}
	var status struct{ Issued bool }
	link, _ := w.link(1, 0, false)
	if rec := w.post("/status", fields{"token": link.Base64()}); json.Unmarshal(rec.Body.Bytes(), &status) != nil || !status.Issued {
		t.Errorf("status of a deposit: %s", rec.Body)
	}
}
