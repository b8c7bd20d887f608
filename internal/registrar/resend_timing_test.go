package registrar_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
	"strikevote/migrations"
)

// TestResendSame looks at what an answer costs, whoever is asked for: the same round
// trips to the database, one row, and as many bytes that have to reach the disk.
func TestResendSame(t *testing.T) {
	t.Parallel()
	// A server of its own: only what is asked here is written.
	w := newWorldOn(t, pgtest.On(t, pgtest.Durable(t, "registrar", migrations.RegistrarRoles), migrations.Registrar))
	w.at(electiontest.Open)
	w.admit(1)
	if err := w.r.NewLink(t.Context(), "M-1-6", "zoe@xn--mnchen-3ya.example", "Ann", "corrected"); err != nil {
		t.Fatal(err)
	}
	breaker := pgtest.NewBreaker(t, w.db.URL("sv_registrar"))
	pool := breaker.Pool(t, w.db.URL("sv_registrar"))
	w.open(withEnvelopes, func(c *registrar.Config) { c.Pool = pool })
	ask := func(who string) (trips, rows, bytes int) {
		t.Helper()
		const rowsAndBytes = `SELECT count(*), pg_current_wal_insert_lsn() - '0/0' FROM registrar.outbox`
		var before, after [2]int
		scan := func(to *[2]int) {
			if err := w.db.Owner.QueryRow(t.Context(), rowsAndBytes).Scan(&to[0], &to[1]); err != nil {
				t.Fatal(err)
			}
		}
		scan(&before)
		breaker.Arm(0, false)
		if err := w.r.Resend(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		trips = breaker.Trips()
		scan(&after)
		return trips, after[0] - before[0], after[1] - before[1]
	}
	ask("nobody@mail.example") // the statements are prepared once
	trips, _, _ := ask("nobody@mail.example")
	for _, who := range []string{"canary-m-1-3@mail.example", "M-1-4", "m-1-5", "canary-m-1-3@mail.example", "off@mail.example", "nobody", "nobody@mail.example", "%",
		"zoe@münchen.example", "zoe@xn--mnchen-3ya.example", "nobody@münchen.example", "zoë@münchen.example"} {
		if n, rows, _ := ask(who); n != trips || rows != 1 {
			t.Errorf("%q: %d round trips and %d rows, want %d and 1", who, n, rows, trips)
		}
	}
	// Of many, the middle: the first row on a page takes a copy of the page along.
	var known, unknown []int
	for i, m := range members(w.m)[:60] {
		w.now.Add(601)
		_, _, a := ask(m.Email)
		_, _, b := ask(fmt.Sprintf("nobody-%d@mail.example", i))
		known, unknown = append(known, a), append(unknown, b)
	}
	slices.Sort(known)
	slices.Sort(unknown)
	if known[30] != unknown[30] || known[30] < 100 {
		t.Errorf("known: %d bytes, unknown: %d", known[30], unknown[30])
	}
}

// welch returns t of Welch's test for two series.
func welch(a, b []float64) float64 {
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b)))
}

func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, variance
}

// A stopwatch times answers to requests of two kinds, in pairs, each in an order by chance.
type stopwatch struct{ known, unknown []float64 }

func run(pairs int, ask func(known bool, i int)) stopwatch {
	var r stopwatch
	timed := func(known bool, i int) {
		start := time.Now()
		ask(known, i)
		took := float64(time.Since(start).Microseconds())
		if known {
			r.known = append(r.known, took)
		} else {
			r.unknown = append(r.unknown, took)
		}
	}
	for i := range pairs {
		first := rand.N(2) == 0
		timed(first, i)
		timed(!first, i)
	}
	return r
}

// t returns Welch's t of all times and of those below a share of them. What disturbs
// the machine makes the longest, and hides a difference that the others show.
func (r stopwatch) t(share float64) float64 {
	all := slices.Sorted(slices.Values(slices.Concat(r.known, r.unknown)))
	most := all[int(float64(len(all)-1)*share)]
	below := func(x []float64) []float64 {
		return slices.DeleteFunc(slices.Clone(x), func(v float64) bool { return v > most })
	}
	return welch(below(r.known), below(r.unknown))
}

func (r stopwatch) String() string {
	mk, _ := moments(r.known)
	mu, _ := moments(r.unknown)
	return fmt.Sprintf("%d requests: known %.0f µs, unknown %.0f µs; Welch's t %.2f, below the 95th percentile %.2f, below the median %.2f",
		len(r.known)+len(r.unknown), mk, mu, r.t(1), r.t(0.95), r.t(0.5))
}

// TestResendTiming times whether an address is known, on a database that waits for its
// disk and a roll of 22,000. With MAIL_LONG=1 it asks 20,000 times and demands that
// Welch's t tells nothing; without, it asks a few times and demands nothing of time, for
// a busy machine says what it likes. The negative control looks first whether there is
// such a person, as a program would that writes nothing for nobody: it is found out.
func TestResendTiming(t *testing.T) {
	pairs, plan := 100, func(p *electiontest.Plan) {}
	long := os.Getenv("MAIL_LONG") == "1"
	if long {
		pairs, plan = 10_000, large
	}
	w := newWorldOn(t, pgtest.On(t, pgtest.Durable(t, "registrar", migrations.RegistrarRoles), migrations.Registrar), plan)
	w.at(electiontest.Open)
	if _, err := w.db.Owner.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	var tick time.Duration
	service := w.service(w.r)
	service.Count(func() time.Time { tick += time.Second; return time.Unix(0, 0).Add(tick) }) // no limit is reached
	h := service.Handler()
	post := func(h http.Handler, who string) {
		r := httptest.NewRequest("POST", fmt.Sprintf("/v1/%s/resend", w.m.ElectionID), strings.NewReader(`{"to":"`+who+`"}`))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 200 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
	roll := members(w.m)
	rand.Shuffle(len(roll), func(i, j int) { roll[i], roll[j] = roll[j], roll[i] })
	// An unknown address is as long as a known one.
	who := func(known bool, i int) string {
		address := roll[i%len(roll)].Email
		if !known {
			address = strings.Replace(address, "canary", "nobody", 1)
		}
		return address
	}
	for i := range 100 { // statements are prepared, pages are in memory
		post(h, who(false, i))
	}
	fair := run(pairs, func(known bool, i int) {
		if i%len(roll) == 0 && known && i > 0 {
			w.now.Add(601) // everybody was asked for once
		}
		post(h, who(known, i))
	})
	t.Logf("the registrar: %v", fair)
	weak := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		var is bool
		if err := w.db.Service.QueryRow(r.Context(), `SELECT EXISTS (SELECT FROM registrar.member WHERE lower(email) = lower($1))`, r.Header.Get("Who")).Scan(&is); err != nil || !is {
			out.WriteHeader(http.StatusOK)
			return
		}
		h.ServeHTTP(out, r)
	})
	control := run(pairs/2, func(known bool, i int) {
		address := who(known, len(roll)-1-i%len(roll))
		r := httptest.NewRequest("POST", fmt.Sprintf("/v1/%s/resend", w.m.ElectionID), strings.NewReader(`{"to":"`+address+`"}`))
		r.Header.Set("Who", address)
		weak.ServeHTTP(httptest.NewRecorder(), r)
	})
	t.Logf("one that returns early: %v", control)
	if !long {
		return
	}
	for _, share := range []float64{1, 0.95} {
		if v := math.Abs(fair.t(share)); v >= 4.5 {
			t.Errorf("below the share of %v: |t| is %.2f", share, v)
		}
		if v := math.Abs(control.t(share)); v < 9 {
			t.Errorf("the negative control: |t| is %.2f", v)
		}
	}
}
