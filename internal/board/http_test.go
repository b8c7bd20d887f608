package board_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strikevote/internal/board"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A site serves two logs as one election.
type site struct {
	ledger, ballots *fixture
	id              suite.ElectionID
	handler         http.Handler
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{ledger: newFixture(t), ballots: newFixture(t)}
	random(s.id[:])
	s.handler = (&board.Site{Lookup: func(id suite.ElectionID) (board.Half, board.Half, bool) {
		return board.Local(layout.Ledger, s.ledger.Log), board.Local(layout.Ballots, s.ballots.Log), id == s.id
	}}).Handler()
	for _, f := range []*fixture{s.ledger, s.ballots} {
		f.mustAppend(t, f.first())
		f.mustSign(t)
	}
	return s
}

// apart serves the same election from a process that has neither database: it
// asks the two that have one half each.
func (s *site) apart(t *testing.T) {
	t.Helper()
	half := func(ledger, ballots func() board.Half) string {
		server := httptest.NewServer((&board.Site{Lookup: func(id suite.ElectionID) (board.Half, board.Half, bool) {
			return ledger(), ballots(), id == s.id
		}}).Handler())
		t.Cleanup(server.Close)
		return server.URL
	}
	none := func() board.Half { return nil }
	ledger := half(func() board.Half { return board.Local(layout.Ledger, s.ledger.Log) }, none)
	ballots := half(none, func() board.Half { return board.Local(layout.Ballots, s.ballots.Log) })
	client := &http.Client{Transport: new(http.Transport)}
	t.Cleanup(client.CloseIdleConnections)
	s.handler = (&board.Site{Lookup: func(id suite.ElectionID) (board.Half, board.Half, bool) {
		return board.Remote(client, ledger, id, layout.Ledger), board.Remote(client, ballots, id, layout.Ballots), true
	}}).Handler()
}

// both runs a test on a board that has both databases, and on one that has none.
func both(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("together", func(t *testing.T) { t.Parallel(); test(t, newSite(t)) })
	t.Run("apart", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.apart(t)
		test(t, s)
	})
}

func (s *site) do(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func (s *site) get(path string) *httptest.ResponseRecorder {
	return s.do("GET", "/"+s.id.String()+"/"+path, "")
}

func TestHandler(t *testing.T) {
	t.Parallel()
	both(t, testHandler)
}

func testHandler(t *testing.T, s *site) {
	s.ballots.mustAppend(t, entries(1, 300)...)
	s.ballots.mustSign(t)
	s.ledger.mustAppend(t, entries(1, 300)...)
	s.ledger.mustSign(t)
	if err := s.ballots.PutFile(t.Context(), "statements/box", []byte("box")); err != nil {
		t.Fatal(err)
	}
	if err := s.ledger.PutFile(t.Context(), "roll/00001", []byte("roll")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path  string
		code  int
		kind  string
		cache string
	}{
		{"ballots/checkpoint", 200, "text/plain; charset=utf-8", "public, max-age=5"},
		{"ballots/checkpoint-1", 200, "text/plain; charset=utf-8", "public, max-age=5"},
		{"ballots/tile/0/000", 200, "application/octet-stream", "public, max-age=31536000, immutable"},
		{"ballots/tile/0/001.p/45", 200, "application/octet-stream", "public, max-age=5"},
		{"ballots/tile/0/001.p/44", 200, "application/octet-stream", "public, max-age=5"},
		{"ballots/tile/0/001.p/46", 404, "", ""},
		{"ballots/tile/0/001", 404, "", ""},
		{"ballots/tile/0/1", 404, "", ""},
		{"ballots/tile/1/000.p/1", 200, "application/octet-stream", "public, max-age=5"},
		{"ballots/tile/entries/000", 200, "application/octet-stream", "public, max-age=31536000, immutable"},
		{"ballots/tile/entries/001.p/45", 200, "application/octet-stream", "public, max-age=5"},
		{"ledger/tile/0/000", 200, "application/octet-stream", "public, max-age=31536000, immutable"},
		{"ledger/tile/entries/000", 404, "", ""},
		{"ledger/checkpoint", 200, "text/plain; charset=utf-8", "public, max-age=5"},
		{"roll/00001", 200, "application/octet-stream", "public, max-age=5"},
		{"statements/box", 200, "text/plain; charset=utf-8", "public, max-age=5"},
		{"roll/00002", 404, "", ""},
		{"result", 404, "", ""},
		{"ledger", 404, "", ""},
		{"ledger/", 404, "", ""},
		{"ledger/../manifest", 404, "", ""},
		{"ballots/checkpoint%3fx", 404, "", ""},
		{"ballots/tile/0/000%23x", 404, "", ""},
		{"../" + s.id.String() + "/manifest", 404, "", ""},
		{"roll%2f00001", 404, "", ""},
	}
	for _, tt := range tests {
		w := s.get(tt.path)
		if w.Code != tt.code {
			t.Errorf("%s: got %d, want %d", tt.path, w.Code, tt.code)
		}
		h := w.Header()
		if h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: no page may read it", tt.path)
		}
		if tt.code != 200 {
			checkError(t, tt.path, w)
			continue
		}
		if got := h.Get("Content-Type"); got != tt.kind {
			t.Errorf("%s: type %q, want %q", tt.path, got, tt.kind)
		}
		if got := h.Get("Cache-Control"); got != tt.cache {
			t.Errorf("%s: caching %q, want %q", tt.path, got, tt.cache)
		}
	}
	m := newModel(s.ballots.mid)
	m.add(s.ballots.first())
	m.add(entries(1, 300)...)
	for tile := range tlog.Tiles(301) {
		if w := s.get("ballots/" + tile.Path()); !bytes.Equal(w.Body.Bytes(), wantTile(t, m, tile)) {
			t.Errorf("%s differs from the entries", tile.Path())
		}
	}
	for _, path := range []string{"/", "/00/manifest", "/" + strings.Repeat("0", 32) + "/manifest", "/x"} {
		if w := s.do("GET", path, ""); w.Code != 404 {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
	if w := s.do("GET", "/"+s.id.String(), ""); w.Code != 301 || w.Header().Get("Location") != "/"+s.id.String()+"/" {
		t.Errorf("without a slash: got %d to %q", w.Code, w.Header().Get("Location"))
	}
	if w := s.do("DELETE", "/"+s.id.String()+"/manifest", ""); w.Code != 405 {
		t.Errorf("DELETE: got %d, want 405", w.Code)
	}
	if w := s.do("HEAD", "/"+s.id.String()+"/roll/00001", ""); w.Code != 200 {
		t.Errorf("HEAD: got %d, want 200", w.Code)
	}
}

func checkError(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	var e struct{ Error, Message string }
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error == "" || !strings.HasSuffix(e.Message, ".") {
		t.Errorf("%s: answer is not an error with a sentence: %v", name, err)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: an error may be cached: %q", name, got)
	}
}

// TestWithheld hides the ledger's entries until it is final, and no others.
func TestWithheld(t *testing.T) {
	t.Parallel()
	both(t, testWithheld)
}

func testWithheld(t *testing.T, s *site) {
	s.ledger.mustAppend(t, entry(1))
	const path = "ledger/tile/entries/000.p/2"
	w := s.get(path)
	if w.Code != 404 || !strings.Contains(w.Body.String(), `"withheld"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := s.get("ledger/tile/0/000.p/2"); w.Code != 200 {
		t.Errorf("tiles: got %d, want 200", w.Code)
	}
	s.ledger.mustAppend(t, []byte{0xff})
	if w := s.get(path); w.Code != 200 {
		t.Errorf("final: got %d, want 200", w.Code)
	}
}

// TestPostCosignature cosigns over HTTP, as the role of the board alone.
func TestPostCosignature(t *testing.T) {
	t.Parallel()
	both(t, testPostCosignature)
}

func testPostCosignature(t *testing.T, s *site) {
	c := s.ballots.config(s.ballots.db.Pool("sv_board"))
	c.Signer = nil
	full := s.ballots.Log
	s.ballots.Log = board.New(c)
	note, err := full.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(note), "\n\n")
	line := s.ballots.witnesses[1].Cosign(text+"\n", time.Unix(1000, 0))
	path := "/" + s.id.String() + "/ballots/cosignatures"
	for _, tt := range []struct {
		name, path, body string
		code             int
		says             string
	}{
		{"empty", path, "", 422, "unknown_cosignature"},
		{"two lines", path, line + line, 400, "malformed"},
		{"too long", path, strings.Repeat("x", 2000), 400, "malformed"},
		{"junk", path, "— witness.example/1 AAAA", 422, "unknown_cosignature"},
		{"wrong log", strings.Replace(path, "ballots", "ledger", 1), line, 422, "unknown_cosignature"},
		{"no log", strings.Replace(path, "ballots", "other", 1), line, 404, "not_found"},
		{"ahead", path, s.ballots.witnesses[1].Cosign(text+"\n", c.Now().Add(24*time.Hour)), 422, "ahead"},
		{"good", path, line, 204, ""},
		{"again, without line end", path, strings.TrimSuffix(line, "\n"), 204, ""},
	} {
		w := s.do("POST", tt.path, tt.body)
		if w.Code != tt.code || tt.says != "" && !strings.Contains(w.Body.String(), `"`+tt.says+`"`) {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, w.Code, w.Body, tt.code, tt.says)
		}
		if w.Code >= 400 {
			checkError(t, tt.name, w)
		}
	}
	if w := s.get("ballots/checkpoint"); w.Body.String() != string(note)+line {
		t.Errorf("got %q", w.Body)
	}
	// The board's role reads, takes cosignatures, and does nothing else.
	pool := s.ballots.db.Pool("sv_board")
	for _, sql := range []string{
		`INSERT INTO board.entry (index, body) VALUES (9, 'x')`, `UPDATE board.head SET size = 9`,
		`INSERT INTO board.checkpoint (size, note) VALUES (9, 'x')`, `INSERT INTO board.file (path, body) VALUES ('x', 'x')`,
		`SELECT * FROM ballotbox.pending`, `SELECT * FROM ballotbox.cast_index`, `DELETE FROM board.cosignature`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("the board may %s", sql)
		}
	}
}
