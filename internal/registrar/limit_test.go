package registrar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/token"
	"strikevote/internal/registrar"
)

// A front is a service that stays, with a clock for its limits.
type front struct {
	w *world
	s *registrar.Service
	h http.Handler
}

func (w *world) front(change ...func(*registrar.Service)) *front {
	s := registrar.NewService(slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	s.Count(w.clock)
	for _, c := range change {
		c(s)
	}
	s.Add(w.r)
	return &front{w, s, s.Handler()}
}

// ask sends a request from an address.
func (f *front) ask(from, path, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", "/v1/"+f.w.m.ElectionID.String()+path, strings.NewReader(body))
	req.RemoteAddr = from + ":1234"
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	f.h.ServeHTTP(rec, req)
	return rec
}

// wrongCode returns a code that is well formed and nobody's.
func (w *world) wrongCode(i int) string {
	_, c := w.minter.Mint(token.Body{Kind: token.KindMember, Election: w.m.ElectionID, Group: 1, Index: uint32(1000 + i), Expires: 1})
	return `{"code":"` + c.Reveal() + `"}`
}

// TestGuessing: after so many wrong codes a network gets none looked up any
// more, not even the right one, and goes on with links; others do not notice.
func TestGuessing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	link, typed := w.link(1, 0, true)
	right := `{"code":"` + typed.Reveal() + `"}`
	for i := range 20 { // right ones are not counted
		if rec := f.ask("192.0.2.1", "/status", right); rec.Code != 200 {
			t.Fatalf("%d: %d %s", i, rec.Code, rec.Body)
		}
	}
	var refused, unknown atomic.Int64
	var wg sync.WaitGroup
	for i := range 80 { // at once: the count is exact all the same
		wg.Go(func() {
			switch rec := f.ask("192.0.2.1", "/status", w.wrongCode(i)); rec.Code {
			case 404:
				unknown.Add(1)
			case 429:
				refused.Add(1)
				if code(rec) != "too_many_codes" || rec.Header().Get("Retry-After") == "" {
					t.Errorf("got %s", rec.Body)
				}
			default:
				t.Errorf("got %d %s", rec.Code, rec.Body)
			}
		})
	}
	wg.Wait()
	if unknown.Load() != 50 || refused.Load() != 30 {
		t.Errorf("%d codes were looked up, %d refused", unknown.Load(), refused.Load())
	}
	for _, tt := range []struct {
		from, body string
		status     int
	}{
		{"192.0.2.1", right, 429},
		{"192.0.2.1", `{"token":"` + link.Base64() + `"}`, 200},
		{"192.0.2.2", `{"code":"AAAA-BBBB-CCCC-DDDD-EEEE-F"}`, 404},
		{"192.0.2.2", w.wrongCode(1), 404},
	} {
		if rec := f.ask(tt.from, "/status", tt.body); rec.Code != tt.status {
			t.Errorf("%s %s: got %d %s", tt.from, tt.body, rec.Code, rec.Body)
		}
	}
	w.now.Add(60) // one more a minute, and a right one takes none
	for range 3 {
		if rec := f.ask("192.0.2.1", "/status", right); rec.Code != 200 {
			t.Errorf("a minute later: %d %s", rec.Code, rec.Body)
		}
	}
}

// TestGuessingElsewhere: whatever comes from other networks, and whatever is no
// code at all, a member with a slip goes on.
func TestGuessingElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	_, typed := w.link(1, 0, true)
	right := `{"code":"` + typed.Reveal() + `"}`
	for i := range 2100 {
		if rec := f.ask(fmt.Sprintf("198.51.%d.%d", i/250, i%250), "/status", w.wrongCode(i)); rec.Code != 404 {
			t.Fatalf("code %d from everywhere: %d %s", i, rec.Code, rec.Body)
		}
	}
	mistyped := typed.Reveal()
	mistyped = mistyped[:len(mistyped)-1] + map[bool]string{true: "B", false: "A"}[mistyped[len(mistyped)-1] == 'A']
	for i := range 60 {
		for _, bad := range []string{mistyped, "AAAA", strings.Repeat("A", 300)} {
			if rec := f.ask("192.0.2.1", "/status", `{"code":"`+bad+`"}`); rec.Code != 404 {
				t.Fatalf("mistyped %d times: %d %s", i, rec.Code, rec.Body)
			}
		}
	}
	for _, from := range []string{"192.0.2.1", "192.0.2.2", "198.51.0.0"} {
		if rec := f.ask(from, "/status", right); rec.Code != 200 {
			t.Errorf("the right code from %s: %d %s", from, rec.Code, rec.Body)
		}
	}
}

// TestOftenOneLink limits what is done with one link, from wherever.
func TestOftenOneLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	link, _ := w.link(1, 0, true)
	other, _ := w.link(1, 1, true)
	body := `{"token":"` + link.Base64() + `"}`
	for i := range 31 {
		rec := f.ask(fmt.Sprintf("192.0.2.%d", i+1), "/status", body)
		if want := 200; i < 30 && rec.Code != want || i == 30 && (rec.Code != 429 || code(rec) != "too_often" || rec.Header().Get("Retry-After") == "") {
			t.Errorf("%d: got %d %s", i, rec.Code, rec.Body)
		}
	}
	if rec := f.ask("192.0.2.1", "/status", `{"token":"`+other.Base64()+`"}`); rec.Code != 200 {
		t.Errorf("another link: got %d", rec.Code)
	}
	w.now.Add(2)
	if rec := f.ask("192.0.2.1", "/status", body); rec.Code != 200 {
		t.Errorf("later: got %d", rec.Code)
	}
}

// TestOneNetwork floods from one network. A connection from this machine says
// nothing about a client, and a header nothing that is believed, unless the
// program was told to read one.
func TestOneNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.front()
	proxied := w.front(func(s *registrar.Service) {
		s.Behind(func(r *http.Request) netip.Addr {
			a, _ := netip.ParseAddr(r.Header.Get("X-Client"))
			return a
		})
	})
	flood := func(f *front, from string, header func(i int) string) (refused int) {
		for i := range 3200 {
			if rec := f.ask(from, "/status", "x", "X-Client", header(i), "X-Forwarded-For", header(i)); rec.Code == 429 {
				refused++
				if code(rec) != "too_many" {
					t.Fatalf("got %s", rec.Body)
				}
			}
		}
		return refused
	}
	one := func(int) string { return "203.0.113.9" }
	each := func(i int) string { return fmt.Sprintf("203.0.%d.%d", i/250, i%250) }
	for name, got := range map[string][2]int{
		"one network":                  {flood(f, "192.0.2.1", each), 200},
		"another":                      {flood(f, "192.0.2.2", each) - 200, 0},
		"this machine":                 {flood(f, "127.0.0.1", one), 0},
		"one network behind proxy":     {flood(proxied, "127.0.0.1", one), 200},
		"many networks behind a proxy": {flood(proxied, "127.0.0.1", each), 0},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d were refused, want %d", name, got[0], got[1])
		}
	}
}

// TestResend: everybody gets the same answer and causes the same writes.
func TestResend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.front()
	// Before the opening no link leaves, whoever asks for one.
	if err := w.r.Resend(t.Context(), "M-1-5"); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind <> 'nobody'`); n != 0 || w.count(`SELECT count(*) FROM registrar.outbox`) != 1 {
		t.Errorf("%d links leave before the opening", n)
	}
	w.at(electiontest.Open)
	w.admit(1)
	ask := func(from, who string) string {
		t.Helper()
		rec := f.ask(from, "/resend", `{"to":"`+who+`"}`)
		if rec.Code != 200 {
			t.Fatalf("%s: %d %s", who, rec.Code, rec.Body)
		}
		return rec.Body.String()
	}
	rows := func() int { return w.count(`SELECT count(*) FROM registrar.outbox`) }
	before, answers := rows(), map[string]bool{}
	people := []string{"canary-m-1-3@mail.example", " CANARY-M-1-4@MAIL.EXAMPLE ", "M-1-5", "m-1-5", "nobody", "nobody@mail.example", "M-1-5", "off@mail.example", "' OR '1'='1", "%"}
	for i, who := range people {
		answers[ask("192.0.2.1", who)] = true
		if n := rows() - before - i; n != 1 {
			t.Errorf("%q wrote %d rows", who, n)
		}
	}
	if len(answers) != 1 {
		t.Errorf("different answers: %v", answers)
	}
	for a := range answers {
		if !strings.Contains(a, w.m.Help.Phone) || !strings.Contains(a, "Nothing came?") {
			t.Errorf("the answer does not say what to do: %s", a)
		}
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend' AND state = 'queued'`); n != 3 {
		t.Errorf("%d links are sent again, want 3", n)
	}
	// Whoever was admitted got a link within ten minutes, like whoever just asked.
	w.tried()
	w.now.Add(601)
	for _, who := range []string{"off@mail.example", "M-1-5"} {
		ask("192.0.2.1", who)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'envelope' AND state = 'queued'`); n != 2 {
		t.Errorf("%d links to an envelope, want 2", n)
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend' AND state = 'queued'`); n != 4 {
		t.Errorf("%d links are sent again, want 4", n)
	}
	// A resend takes nothing away, also in the last hour and after it.
	link, _ := w.link(1, 3, true)
	for _, at := range []int64{electiontest.Close - 60, electiontest.Close} {
		w.at(at)
		ask("192.0.2.1", "M-1-3")
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox WHERE kind = 'resend' AND group_id = 1 AND roll_index = 3`); n != 2 {
		t.Errorf("%d links to one member, want 2", n) // the second came too soon after the first
	}
	if rec := w.post("/status", fields{"token": link.Base64()}); rec.Code != 200 {
		t.Errorf("the link died of it: %d", rec.Code)
	}
	for _, bad := range []string{``, `  `, strings.Repeat("x", 400), `a\u0000b`, `a\nb`} {
		if rec := f.ask("192.0.2.1", "/resend", `{"to":"`+bad+`"}`); rec.Code != 400 || code(rec) != "bad_request" {
			t.Errorf("%q: %d %s", bad, rec.Code, rec.Body)
		}
	}
	if counts, err := w.r.Mails(t.Context()); err != nil || strings.Contains(fmt.Sprint(counts), "nobody") {
		t.Errorf("got %v, %v", counts, err)
	}
}

// tried lets every mail have had its first attempt.
func (w *world) tried() {
	w.t.Helper()
	if _, err := w.db.Owner.Exec(w.t.Context(), `UPDATE registrar.outbox SET attempts = 1`); err != nil {
		w.t.Fatal(err)
	}
}

// TestResendLimits: whoever asks too often gets the same answer, and nothing
// happens.
func TestResendLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	f := w.front()
	var first string
	ask := func(from string) {
		t.Helper()
		rec := f.ask(from, "/resend", `{"to":"nobody"}`)
		if first == "" {
			first = rec.Body.String()
		}
		if rec.Code != 200 || rec.Body.String() != first {
			t.Errorf("got %d %s", rec.Code, rec.Body)
		}
	}
	for range 130 {
		ask("192.0.2.1")
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox`); n != 100 {
		t.Errorf("one network: %d rows, want 100", n)
	}
	for i := range 1999 {
		ask(fmt.Sprintf("198.51.%d.%d", i/250, i%250))
	}
	if n := w.count(`SELECT count(*) FROM registrar.outbox`); n != 2000 {
		t.Errorf("in all: %d rows, want 2,000", n)
	}
}

// TestRotation: after a corrected address the old link is dead by token and by
// code, the new one works, and once anything was used up there is no other.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *electiontest.Plan) { p.Rolls = []uint32{60} })
	w.open(withEnvelopes)
	w.at(electiontest.Open)
	ctx := t.Context()
	no := electiontest.MemberNo(1, 0)
	old, oldCode := w.link(1, 0, true)
	if err := w.r.NewLink(ctx, no, "new@mail.example", "Ann and Bob", "corrected"); err != nil {
		t.Fatal(err)
	}
	link, typed := w.link(1, 0, true)
	for body, want := range map[string]string{
		`"token":"` + old.Base64() + `"`: "link_replaced", `"code":"` + oldCode.Reveal() + `"`: "link_replaced",
	} {
		for _, path := range []string{`/status {`, `/issue {"z":"` + b64(request(t)) + `",`, `/deposit {"ballot":"AQI",`} {
			p, start, _ := strings.Cut(path, " ")
			if rec := w.post(p, start+body+"}"); rec.Code != 410 || code(rec) != want {
				t.Errorf("%s with an old link: %d %s", p, rec.Code, rec.Body)
			}
		}
	}
	if rec := w.post("/status", fields{"code": typed.Reveal()}); rec.Code != 200 {
		t.Errorf("the new code: %d %s", rec.Code, rec.Body)
	}
	if rec := w.post("/issue", fields{"token": link.Base64(), "z": b64(request(t))}); rec.Code != 200 {
		t.Errorf("the new link: %d %s", rec.Code, rec.Body)
	}
	if _, err := w.r.Deposit(ctx, w.show(1, 1), "", []byte{1, 1}); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(2) {
		if err := w.r.NewLink(ctx, electiontest.MemberNo(1, i), "", "Ann", "theft"); !errors.Is(err, registrar.ErrAlreadyIssued) {
			t.Errorf("member %d was used up: %v", i, err)
		}
	}
	// Many at once: each ends the one before, one link lives.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := w.r.NewLink(context.Background(), electiontest.MemberNo(1, 2), "", "Ann", "theft"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	const tokens = `SELECT count(*) FROM registrar.token t WHERE roll_index = 2`
	const revoked = ` AND EXISTS (SELECT FROM registrar.token_revoked r WHERE r.token_id = t.token_id)`
	if n, dead, last := w.count(tokens), w.count(tokens+revoked), w.count(`SELECT max(version) FROM registrar.token WHERE roll_index = 2`); n != 9 || dead != 8 || last != 9 {
		t.Errorf("%d tokens, %d revoked, the last is the %dth", n, dead, last)
	}
	if _, err := w.r.Issue(ctx, w.show(1, 2), "", request(t)); err != nil {
		t.Errorf("the last link: %v", err)
	}
	rotateAndIssue(t, w)
}

// rotateAndIssue replaces links while ballots are issued on them: a member whose
// old link won keeps what it got, and one whose link was replaced got nothing.
func rotateAndIssue(t *testing.T, w *world) {
	t.Helper()
	both := [2]int{}
	for i := uint32(3); i < 60; i++ {
		c, z := w.show(1, i), request(t)
		var issued, rotated error
		var wg sync.WaitGroup
		wg.Go(func() { _, issued = w.r.Issue(context.Background(), c, "", z) })
		wg.Go(func() {
			rotated = w.r.NewLink(context.Background(), electiontest.MemberNo(1, i), "", "Ann", "theft")
		})
		wg.Wait()
		switch {
		case issued == nil && errors.Is(rotated, registrar.ErrAlreadyIssued):
			both[0]++
		case errors.Is(issued, registrar.ErrReplaced) && rotated == nil:
			both[1]++
		default:
			t.Errorf("member %d: issued %v, rotated %v", i, issued, rotated)
		}
	}
	if both[0]+both[1] != 57 {
		t.Errorf("%v", both)
	}
}

// TestActsWithoutLock: what is refused, or known already, is answered while
// others hold the phase lock shared, as issuing does all the time.
func TestActsWithoutLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	first := w.k.Act(w.mid, act.KindExtend, 1, act.Extend{Close: electiontest.Close + 60}.Bytes())
	if _, err := w.r.ApplyAct(t.Context(), first.Bytes()); err != nil {
		t.Fatal(err)
	}
	tx, err := w.db.Owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock_shared($1)`, int64(registrar.PhaseLock)); err != nil {
		t.Fatal(err)
	}
	payload := act.Extend{Close: electiontest.Close + 120}.Bytes()
	for range 2 {
		if n, err := w.r.ApplyAct(t.Context(), first.Bytes()); n != 1 || err != nil {
			t.Errorf("known: %d, %v", n, err)
		}
		for name, a := range map[string]*act.Act{
			"one signature":    w.k.Act(w.mid, act.KindExtend, 2, payload, 0),
			"gap":              w.k.Act(w.mid, act.KindExtend, 3, payload),
			"another act 1":    w.k.Act(w.mid, act.KindExtend, 1, payload),
			"another election": w.k.Act([32]byte{1}, act.KindExtend, 2, payload),
		} {
			if _, err := w.r.ApplyAct(t.Context(), a.Bytes()); !errors.As(err, new(*registrar.ActError)) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	// The negative control: a good act waits.
	var released atomic.Bool
	done := make(chan error, 1)
	go func() {
		_, err := w.r.ApplyAct(context.Background(), w.k.Act(w.mid, act.KindExtend, 2, payload).Bytes())
		if !released.Load() {
			err = errors.Join(err, errors.New("a good act took effect beside an issuance"))
		}
		done <- err
	}()
	for waits := 0; waits == 0; {
		waits = w.count(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database =
			(SELECT oid FROM pg_database WHERE datname = current_database())`)
	}
	released.Store(true)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// Another process, which has not seen the acts, sees them.
	w.open()
	if _, err := w.r.ApplyAct(t.Context(), w.k.Act(w.mid, act.KindExtend, 3, act.Extend{Close: electiontest.Close + 180}.Bytes()).Bytes()); err != nil {
		t.Error(err)
	}
}

// TestDatabaseGone: while the database is away everybody is told to come back,
// and the log says so once a minute.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	link, typed := w.link(1, 0, true)
	pool, err := postgres.Open(t.Context(), w.db.URL("sv_registrar"))
	if err != nil {
		t.Fatal(err)
	}
	w.open(withEnvelopes, func(c *registrar.Config) { c.Pool = pool })
	z := b64(request(t))
	var said notebook
	pool.Close()
	// In the bubble nothing waits: only the log's minute passes.
	synctest.Test(t, func(t *testing.T) {
		s := registrar.NewService(slog.New(slog.NewTextHandler(&said, nil)), nil)
		s.Add(w.r)
		f := &front{w, s, s.Handler()}
		for path, body := range map[string]string{
			"/status": `{"token":"` + link.Base64() + `"}`, "/issue": `{"code":"` + typed.Reveal() + `","z":"` + z + `"}`,
			"/deposit": `{"token":"` + link.Base64() + `","ballot":"AQI"}`, "/resend": `{"to":"M-1-1"}`,
			"/acts": string(w.k.Act(w.mid, act.KindCancel, 1, nil).Bytes()),
		} {
			for range 10 {
				rec := f.ask("192.0.2.1", path, body)
				if rec.Code != 503 || code(rec) != "unavailable" || rec.Header().Get("Retry-After") == "" {
					t.Errorf("%s: got %d %s", path, rec.Code, rec.Body)
				}
			}
		}
		if said.String() != "" {
			t.Errorf("said at once: %s", &said)
		}
		time.Sleep(time.Minute)
	})
	if lines := strings.Count(said.String(), "\n"); lines != 5 || strings.Count(said.String(), "requests=10") != 5 {
		t.Errorf("got %d lines: %s", lines, &said)
	}
	// Wrong codes were not counted for it, and nothing was done.
	w.open(withEnvelopes)
	if rec := w.post("/issue", fields{"token": link.Base64(), "z": z}); rec.Code != 200 {
		t.Errorf("afterwards: %d %s", rec.Code, rec.Body)
	}
}

// A notebook is a log that is read while it is written.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}
