package registrar_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
	"strikevote/internal/registrar"
)

type fields map[string]string

func TestHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, real)
	w.at(electiontest.Open)
	link, typed := w.link(1, 0, true)
	z := b64(request(t))

	rec := w.post("/status", fields{"token": link.Base64()})
	var status map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &status); err != nil || rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	for _, key := range []string{"title", "group", "phase", "close", "issued", "salt", "index"} {
		if _, ok := status[key]; !ok {
			t.Errorf("status lacks %s", key)
		}
		delete(status, key)
	}
	if len(status) > 0 {
		t.Errorf("status also says %v", status)
	}
	rec = httptest.NewRecorder()
	w.service(w.r).Handler().ServeHTTP(rec, httptest.NewRequest("GET", fmt.Sprintf("/v1/%s/phase", w.m.ElectionID), nil))
	if rec.Code != 200 || rec.Body.String() != fmt.Sprintf(`{"phase":"open","close":%d}`+"\n", w.m.Schedule.Close) {
		t.Errorf("the phase: %d %s", rec.Code, rec.Body)
	}
	first := w.post("/issue", fields{"token": link.Base64(), "z": z})
	again := w.post("/issue", fields{"code": typed.Reveal(), "factor": "", "z": z})
	if first.Code != 200 || first.Body.String() != again.Body.String() {
		t.Errorf("got %d %s, again %d %s", first.Code, first.Body, again.Code, again.Body)
	}

	forged := link
	forged[110] ^= 1
	other := w.minter
	unknown, _ := other.Mint(token.Body{Kind: token.KindMember, Election: w.m.ElectionID, Group: 1, Index: 0, Expires: w.m.Schedule.TokenExpires()})
	elsewhere, _ := other.Mint(token.Body{Kind: token.KindMember, Election: suite.ElectionID{1}, Group: 1, Index: 0, Expires: w.m.Schedule.TokenExpires()})
	if err := w.r.NewLink(t.Context(), electiontest.MemberNo(1, 9), "", "Ann and Bob", "theft"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		body       any
		status     int
		code       string
	}{
		{"forged", "/status", fields{"token": forged.Base64()}, 404, "unknown_link"},
		{"unknown", "/status", fields{"token": unknown.Base64()}, 404, "unknown_link"},
		{"another election's", "/status", fields{"token": elsewhere.Base64()}, 404, "unknown_link"},
		{"cut", "/status", fields{"token": link.Base64()[:50]}, 404, "unknown_link"},
		{"mistyped code", "/status", fields{"code": "AAAA-BBBB-CCCC-DDDD-EEEE-F"}, 404, "unknown_link"},
		{"token and code", "/status", fields{"token": link.Base64(), "code": typed.Reveal()}, 400, "bad_request"},
		{"neither", "/status", fields{}, 400, "bad_request"},
		{"unknown field", "/status", fields{"token": link.Base64(), "z": z}, 400, "bad_request"},
		{"no JSON", "/status", "hello", 400, "bad_request"},
		{"two values", "/status", `{"token":"x"}{}`, 400, "bad_request"},
		{"too large", "/status", fields{"token": strings.Repeat("A", 5000)}, 413, "too_large"},
		{"z too short", "/issue", fields{"token": link.Base64(), "z": z[4:]}, 400, "bad_request"},
		{"z with padding", "/issue", fields{"token": link.Base64(), "z": z + "="}, 400, "bad_request"},
		{"z of zero", "/issue", fields{"token": first2(w.link(2, 1, true)), "z": b64(make([]byte, 384))}, 400, "bad_request"},
		{"already issued", "/issue", fields{"token": link.Base64(), "z": b64(request(t))}, 409, "already_issued"},
		{"act", "/acts", []byte("rubbish"), 409, "act_refused"},
		{"act too large", "/acts", bytes.Repeat([]byte{1}, act.MaxSize+1), 413, "too_large"},
	} {
		if rec := w.post(tt.path, tt.body); rec.Code != tt.status || code(rec) != tt.code {
			t.Errorf("%s: got %d %s", tt.name, rec.Code, rec.Body)
		}
	}
	a := w.k.Act(w.mid, act.KindExtend, 1, act.Extend{Close: electiontest.Close + 60}.Bytes())
	for range 2 {
		if rec := w.post("/acts", a.Bytes()); rec.Code != 200 || strings.TrimSpace(rec.Body.String()) != `{"sequence":1}` {
			t.Errorf("act: got %d %s", rec.Code, rec.Body)
		}
	}
	w.now.Store(w.m.Schedule.TokenExpires())
	for _, body := range []fields{{"token": link.Base64()}, {"code": typed.Reveal()}} {
		if rec := w.post("/status", body); rec.Code != 410 || code(rec) != "expired" {
			t.Errorf("expired: got %d %s", rec.Code, rec.Body)
		}
	}
}

func first2(t token.Token, _ token.Code) string { return t.Base64() }

func TestFactorOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withFactor)
	w.at(electiontest.Open)
	link, _ := w.link(1, 0, true)
	if rec := w.post("/status", fields{"token": link.Base64()}); rec.Code != 401 || code(rec) != "factor_required" {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	for i := range 5 {
		rec := w.post("/status", fields{"token": link.Base64(), "factor": "wrong"})
		if want := "factor_wrong"; i < 4 && (rec.Code != 401 || code(rec) != want) {
			t.Errorf("try %d: got %d %s", i, rec.Code, rec.Body)
		} else if left := fmt.Sprintf("%d %s left", 4-i, []string{"tries", "try"}[i/3]); i < 4 && !strings.Contains(rec.Body.String(), left) {
			// The voter's page reads the number in this sentence (failure.js).
			t.Errorf("try %d: %s does not say %q", i, rec.Body, left)
		} else if i == 4 && (rec.Code != 429 || code(rec) != "factor_locked" || rec.Header().Get("Retry-After") == "") {
			t.Errorf("try %d: got %d %s", i, rec.Code, rec.Body)
		}
	}
}

// TestOrigins: pages of the booth may ask, other pages may not, and nothing
// answers GET.
func TestOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(electiontest.Open)
	link, _ := w.link(1, 0, true)
	body := fields{"token": link.Base64()}
	if rec := w.post("/status", body, "Origin", w.m.Origins.Booth); rec.Code != 200 || rec.Header().Get("Access-Control-Allow-Origin") != w.m.Origins.Booth {
		t.Errorf("booth: %d", rec.Code)
	}
	if rec := w.post("/status", body, "Origin", "https://evil.example"); rec.Code != 403 || rec.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("elsewhere: %d", rec.Code)
	}
	s := registrar.NewService(w.config.Log, nil)
	path := "/v1/" + w.m.ElectionID.String()
	ask := func(method, path, origin string) int {
		req := httptest.NewRequest(method, path, strings.NewReader("{}"))
		if origin != "" {
			req.Header.Set("Origin", origin)
			req.Header.Set("Access-Control-Request-Method", "POST")
		}
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, req)
		return rec.Code
	}
	if got := ask("POST", path+"/status", ""); got != 404 {
		t.Errorf("an election that is not there: %d", got)
	}
	s.Add(w.r)
	if s.Get(w.m.ElectionID) != w.r {
		t.Error("the election is not there")
	}
	if got := ask("OPTIONS", path+"/issue", w.m.Origins.Booth); got != 204 {
		t.Errorf("preflight: %d", got)
	}
	for _, p := range []string{"", "/status", "/issue", "/acts"} {
		if got := ask("GET", path+p, ""); got != 404 && got != 405 {
			t.Errorf("GET %s: %d", p, got)
		}
	}
	if got := ask("POST", "/v1/zz/status", ""); got != 404 {
		t.Errorf("no election id: %d", got)
	}
	s.Remove(w.m.ElectionID)
	if got := ask("POST", path+"/status", ""); got != 404 {
		t.Errorf("an election that was removed: %d", got)
	}
}
