package ballotbox_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strikevote/internal/ballotbox"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

const octets = "application/octet-stream"

func decode[T any](t *testing.T, rec *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	d := json.NewDecoder(rec.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("got %d, %v", rec.Code, err)
	}
	return v
}

// TestHTTP goes through an election over HTTP.
func TestHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.ballot(1)
	type castAnswer struct{ Promise, State string }
	type findAnswer struct{ State, Promise, Proof string }
	find := func(id string) findAnswer {
		t.Helper()
		return decode[findAnswer](t, w.post("/find", "application/json", []byte(`{"ballot_id":"`+id+`"}`)))
	}
	if f := find(m.id.String()); f != (findAnswer{State: "unknown"}) {
		t.Errorf("got %+v", f)
	}
	a := decode[castAnswer](t, w.post("/ballots", octets, m.sealed))
	p, err := hex.DecodeString(a.Promise)
	if err != nil || a.State != "received" {
		t.Fatalf("got %+v, %v", a, err)
	}
	w.checkPromise(m.id, receipt.Promise(p))
	if f := find(m.id.String()); f != (findAnswer{State: "received", Promise: a.Promise}) {
		t.Errorf("got %+v", f)
	}
	one := w.keys.Act(w.mid, act.KindAmend, 1, act.Amend{Op: act.OpAdd, Group: 1}.Bytes())
	// Well signed, and not in the ledger: the registrar may have refused it.
	checkError(t, "act without proof", w.post("/acts", octets, one.Bytes()), http.StatusUnprocessableEntity, "invalid_act")
	few := w.proof(func(e *ledgerEnd) { e.extra, e.cosign = ledger.ActEntry(one.Bytes()), 0 })
	checkError(t, "act that no witness saw", w.post("/acts", octets, few), http.StatusUnprocessableEntity, "invalid_act")
	if got := decode[struct{ Sequence int }](t, w.post("/acts", octets, w.proven(one))); got.Sequence != 1 {
		t.Errorf("got %+v", got)
	}
	w.acts = append(w.acts, one)
	checkError(t, "lock", w.post("/lock", "text/plain", w.proof(nil)), http.StatusConflict, "too_early")
	w.afterGrace()
	w.tick()
	c := decode[struct {
		CloseRoot suite.Hash `json:"close_root"`
		CloseSize int64      `json:"close_size"`
	}](t, w.post("/lock", "text/plain", w.proof(nil)))
	if head, err := w.log().Head(t.Context()); err != nil || c.CloseSize != 3 || c.CloseRoot != head.Root {
		t.Errorf("got %+v, %v", c, err)
	}
	w.cosign()
	f := find(m.id.String())
	if f.State != "in the log" || f.Promise != a.Promise {
		t.Errorf("got %+v", f)
	}
	w.checkProof([]byte(f.Proof), append([]byte{1}, m.sealed...))
	if got := decode[castAnswer](t, w.post("/ballots", octets, m.sealed)); got != (castAnswer{a.Promise, "in the log"}) {
		t.Errorf("got %+v", got)
	}
}

func TestHTTPRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.ballot(1)
	h := w.box.Handler()
	id := w.m.ElectionID.String()
	post := func(path, kind string, body []byte) *httptest.ResponseRecorder {
		return request(h, http.MethodPost, path, kind, body)
	}
	early := newWorldAt(t, electiontest.Open-1)
	for _, tt := range []struct {
		name   string
		rec    *httptest.ResponseRecorder
		status int
		code   string
	}{
		{"unknown election", post("/v1/"+strings.Repeat("0", 32)+"/ballots", octets, m.sealed), 404, "unknown_election"},
		{"no election", post("/v1/x/ballots", octets, m.sealed), 404, "unknown_election"},
		{"upper case", post("/v1/"+strings.ToUpper(id)+"/ballots", octets, m.sealed), 404, "unknown_election"},
		{"root", post("/", octets, nil), 404, "unknown_election"},
		{"no path", post("/v1/"+id+"/", octets, nil), 404, "not_found"},
		{"form", post("/v1/"+id+"/ballots", "application/x-www-form-urlencoded", m.sealed), 400, "malformed"},
		{"too large", post("/v1/"+id+"/ballots", octets, make([]byte, 1<<19)), 413, "too_large"},
		{"one byte more", post("/v1/"+id+"/ballots", octets, append(bytes.Clone(m.sealed), 0)), 413, "too_large"},
		{"before the opening", early.post("/ballots", octets, early.ballot(1).sealed), 403, "not_open"},
		{"find nothing", post("/v1/"+id+"/find", "application/json", nil), 400, "malformed"},
		{"find more", post("/v1/"+id+"/find", "application/json", []byte(`{"ballot_id":"`+m.id.String()+`","x":1}`)), 400, "malformed"},
		{"find two", post("/v1/"+id+"/find", "application/json", []byte(`{"ballot_id":"`+m.id.String()+`"}{}`)), 400, "malformed"},
		{"find short", post("/v1/"+id+"/find", "application/json", []byte(`{"ballot_id":"00"}`)), 400, "malformed"},
		{"act", post("/v1/"+id+"/acts", octets, []byte("x")), 422, "invalid_act"},
		{"act gap", post("/v1/"+id+"/acts", octets, w.proven(w.keys.Act(w.mid, act.KindCancel, 2, nil))), 409, "act_gap"},
		{"act too large", post("/v1/"+id+"/acts", octets, make([]byte, tlog.MaxProof+1)), 413, "too_large"},
		{"lock", post("/v1/"+id+"/lock", "text/plain", []byte("x")), 422, "invalid_proof"},
		{"get", request(h, http.MethodGet, "/v1/"+id+"/ballots", "", nil), 405, "method_not_allowed"},
	} {
		checkError(t, tt.name, tt.rec, tt.status, tt.code)
		if len(tt.rec.Result().Cookies()) > 0 || tt.rec.Header().Get("X-Request-Id") != "" {
			t.Errorf("%s: the answer marks its reader", tt.name)
		}
	}
}

// TestCORS lets the booth of the manifest in and nobody else, but the board to what
// finds a ballot.
func TestCORS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.box.Handler()
	m := w.ballot(1)
	for _, tt := range []struct {
		method, path, origin string
		status               int
		allowed              bool
	}{
		{http.MethodOptions, "/ballots", w.m.Origins.Booth, 204, true},
		{http.MethodOptions, "/ballots", w.m.Origins.Board, 403, false},
		{http.MethodOptions, "/ballots", "https://evil.example", 403, false},
		{http.MethodPost, "/ballots", w.m.Origins.Booth, 200, true},
		{http.MethodPost, "/ballots", w.m.Origins.Board, 403, false},
		{http.MethodPost, "/ballots", "https://evil.example", 403, false},
		{http.MethodPost, "/ballots", "null", 403, false},
		{http.MethodPost, "/ballots", "", 200, false},
		{http.MethodOptions, "/find", w.m.Origins.Board, 204, true},
		{http.MethodPost, "/find", w.m.Origins.Board, 200, true},
		{http.MethodPost, "/find", w.m.Origins.Booth, 200, true},
		{http.MethodPost, "/find", "https://evil.example", 403, false},
	} {
		sent, kind := m.sealed, octets
		if tt.path == "/find" {
			sent, kind = fmt.Appendf(nil, `{"ballot_id":"%s"}`, suite.BallotID{1}), "application/json"
		}
		r := httptest.NewRequest(tt.method, "/v1/"+w.m.ElectionID.String()+tt.path, bytes.NewReader(sent))
		r.Header.Set("Content-Type", kind)
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.method == http.MethodOptions {
			r.Header.Set("Access-Control-Request-Method", http.MethodPost)
			r.Header.Set("Access-Control-Request-Headers", "content-type")
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		got := rec.Header().Get("Access-Control-Allow-Origin")
		if rec.Code != tt.status || (got == tt.origin && got != "") != tt.allowed {
			t.Errorf("%s %s from %q: got %d %q", tt.method, tt.path, tt.origin, rec.Code, got)
		}
		if rec.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Error("credentials are allowed")
		}
	}
}

// TestService serves two elections, and one no more.
func TestService(t *testing.T) {
	t.Parallel()
	a, b := newWorld(t), newWorld(t, func(p *electiontest.Plan) { p.Seed = "another" })
	s := ballotbox.NewService(nil)
	s.Add(a.box)
	s.Add(b.box)
	h := s.Handler()
	cast := func(w *world) int {
		t.Helper()
		return request(h, http.MethodPost, "/v1/"+w.m.ElectionID.String()+"/ballots", octets, w.ballot(1).sealed).Code
	}
	if got := [2]int{cast(a), cast(b)}; got != [2]int{200, 200} {
		t.Errorf("got %v", got)
	}
	// A ballot of one election is nothing in another.
	rec := request(h, http.MethodPost, "/v1/"+b.m.ElectionID.String()+"/ballots", octets, a.ballot(1).sealed)
	checkError(t, "other election", rec, 400, "malformed")
	if err := s.Tick(t.Context()); err != nil {
		t.Error(err)
	}
	s.Remove(a.m.ElectionID)
	if got := [2]int{cast(a), cast(b)}; got != [2]int{404, 200} {
		t.Errorf("got %v", got)
	}
	if _, ok := s.Box(b.m.ElectionID); !ok {
		t.Error("the other box is gone")
	}
}

// TestBusy fills each station of the box, and shows that who comes then is told
// so, and gets through later.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, station := range []string{"lookups", "checks", "inserts"} {
		leave := w.box.Occupy(station)
		m := w.ballot(1)
		rec := w.post("/ballots", octets, m.sealed)
		if rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", station)
		}
		checkError(t, station, rec, 503, "busy")
		leave()
		w.mustCast(m, ballotbox.Received)
	}
}

// TestDatabaseGone takes the database away and brings it back.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept, later := w.ballot(1), w.ballot(1)
	w.mustCast(kept, ballotbox.Received)
	admin := w.admin()
	w.exec(admin, `ALTER DATABASE "`+w.db.Name+`" ALLOW_CONNECTIONS false`)
	w.exec(admin, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, w.db.Name)
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"cast":       w.post("/ballots", octets, later.sealed),
		"cast again": w.post("/ballots", octets, kept.sealed),
		"find":       w.post("/find", "application/json", []byte(`{"ballot_id":"`+kept.id.String()+`"}`)),
		"act":        w.post("/acts", octets, w.proven(w.keys.Act(w.mid, act.KindCancel, 1, nil))),
	} {
		if rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
		checkError(t, name, rec, 503, "unavailable")
	}
	if err := w.box.Tick(t.Context()); err == nil {
		t.Error("tick without a database")
	}
	w.exec(admin, `ALTER DATABASE "`+w.db.Name+`" ALLOW_CONNECTIONS true`)
	w.mustCast(kept, ballotbox.Received)
	w.mustCast(later, ballotbox.Received)
	w.mustLock()
	w.mustHold(kept, later)
}
