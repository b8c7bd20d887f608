package registrar_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/registrar"
	"strikevote/internal/torture"
)

// sameAnswers asks again and again, and returns an error unless the answer is
// always the first one, byte for byte.
func sameAnswers(long int, ask func(i int) *httptest.ResponseRecorder) (asked int, err error) {
	first := ""
	for i := range torture.Rounds(10, long, 0.02) {
		rec := ask(i)
		if first == "" {
			first = rec.Body.String()
		}
		if rec.Code != http.StatusOK || rec.Body.String() != first {
			return asked, fmt.Errorf("attempt %d: got %d %s, and before %s", i, rec.Code, rec.Body, first)
		}
		asked++
	}
	return asked, nil
}

// TestTortureRetries loses the answer to a commit, and then asks ten times and
// more, by link and by code, of one process and of another: every answer is the
// first one, byte for byte. Another request is refused.
func TestTortureRetries(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, step{})
	tok, typed := f.world.link(1, 0, true)
	z := b64(request(t))
	b := pgtest.NewBreaker(t, f.db.URL("sv_registrar"))
	f.through(b.Pool(t, f.db.URL("sv_registrar")))
	issue := func(z string, byCode bool) *httptest.ResponseRecorder {
		if byCode {
			return f.post("/issue", fields{"code": typed.Reveal(), "z": z})
		}
		return f.post("/issue", fields{"token": tok.Base64(), "z": z})
	}
	used := func() int { return f.count(`SELECT count(*) FROM registrar.used`) }
	for n := 1; used() == 0; n++ { // until the member is used up, and the answer lost
		b.Arm(n, true)
		if rec := issue(z, false); b.Disarm() && used() == 1 && rec.Code == http.StatusOK {
			t.Fatal("the answer was not lost")
		}
	}
	asked, err := sameAnswers(10_000, func(i int) *httptest.ResponseRecorder {
		if i == 5 {
			f.through(f.db.Service) // another process
		}
		rec := issue(z, i%2 == 1)
		for n := 0; rec.Code == http.StatusServiceUnavailable && n < 8; n++ { // connections that were cut
			rec = issue(z, i%2 == 1)
		}
		return rec
	})
	if err != nil {
		t.Error(err)
	}
	if rec := issue(b64(request(t)), false); rec.Code != http.StatusConflict || code(rec) != "already_issued" {
		t.Errorf("another request: got %d %s", rec.Code, rec.Body)
	}
	f.mustAgree()
	torture.Report(t, torture.Row{
		What:     "an issuance whose answer is lost after the commit, asked for again and again, by link and code",
		Target:   "one credential, the same bytes each time; another blinded request gets 409",
		Measured: fmt.Sprintf("%d answers, all the same", asked),
		Control:  "TestTortureRetriesControl: a registrar that keeps its answers in memory is caught",
	})
}

// TestTortureRetriesControl asks a registrar that remembers its answers and starts
// anew after the fifth: what a member was used up for is known, and the answer is
// gone.
func TestTortureRetriesControl(t *testing.T) {
	t.Parallel()
	used, answers := false, make(map[string]string)
	_, err := sameAnswers(10, func(i int) *httptest.ResponseRecorder {
		if i == 5 {
			clear(answers)
		}
		rec := httptest.NewRecorder()
		if answers["z"] == "" && used {
			rec.WriteHeader(http.StatusConflict)
			return rec
		}
		used, answers["z"] = true, "signed"
		_, _ = rec.WriteString(answers["z"])
		return rec
	})
	if err == nil {
		t.Error("answers that were lost were not missed")
	}
	if _, err := sameAnswers(10, func(i int) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		_, _ = fmt.Fprint(rec, i)
		return rec
	}); err == nil {
		t.Error("answers that differ were not noticed")
	}
}

// TestTortureRetryDeposit is [TestTortureRetries] for an envelope.
func TestTortureRetryDeposit(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, step{})
	f.through(f.db.Service)
	f.take()
	body := append([]byte{1}, f.z...)
	tok, _ := f.world.link(1, f.at, true)
	if _, err := sameAnswers(100, func(int) *httptest.ResponseRecorder {
		return f.post("/deposit", fields{"token": tok.Base64(), "ballot": b64(body)})
	}); err != nil {
		t.Error(err)
	}
	if rec := f.post("/deposit", fields{"token": tok.Base64(), "ballot": b64(append(body, 1))}); rec.Code != http.StatusConflict {
		t.Errorf("another envelope: got %d %s", rec.Code, rec.Body)
	}
	if _, err := f.r.Issue(t.Context(), f.show(1, f.at), "", request(t)); !errors.Is(err, registrar.ErrDeposited) {
		t.Errorf("a ballot beside the envelope: got %v", err)
	}
	if n := f.count(`SELECT count(*) FROM registrar.envelope`); n != 1 {
		t.Errorf("%d envelopes", n)
	}
}
