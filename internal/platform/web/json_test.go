package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strikevote/internal/platform/web"
)

// TestKeysTwice: a request says each thing once, in whichever case it writes
// it. The decoder alone, the negative control, takes all of these.
func TestKeysTwice(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"twice":             `{"token":"a","token":"b"}`,
		"the same twice":    `{"token":"a","token":"a"}`,
		"in another case":   `{"token":"a","Token":"b"}`,
		"by Unicode's case": `{"token":"a","to` + "\u212a" + `en":"b"}`,
		"escaped":           `{"token":"a","t\u006fken":"b"}`,
		"with one between":  `{"token":"a","code":"c","token":"b"}`,
		"further in":        `{"list":[{"token":"a","token":"b"}]}`,
		"too deep":          strings.Repeat(`[`, 9) + strings.Repeat(`]`, 9),
	} {
		var v any
		if err := json.NewDecoder(strings.NewReader(body)).Decode(&v); err != nil {
			t.Errorf("%s: the plain decoder refuses it: %v", name, err)
		}
		err := web.DecodeJSON(httptest.NewRequest("POST", "/", strings.NewReader(body)), 1000, &v)
		if p := new(web.RequestError); !errors.As(err, &p) || p.Status != http.StatusBadRequest {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, body := range map[string]string{
		"twice in two objects": `{"a":{"x":1},"b":{"x":1}}`,
		"deep":                 strings.Repeat(`[`, 8) + strings.Repeat(`]`, 8),
		"empty key":            `{"":1,"a":2}`,
	} {
		var v any
		if err := web.DecodeJSON(httptest.NewRequest("POST", "/", strings.NewReader(body)), 1000, &v); err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
	}
}

// FuzzDecodeJSON: what is accepted is one JSON value, and reads the same when
// it is written anew.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":1,"A":2}`, `[[]]`, `null`, `{"a":{"a":[1,{}]}}`, ` "x" `, `{"a":1,}`, `{}{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v any
		if web.DecodeJSON(httptest.NewRequest("POST", "/", bytes.NewReader(body)), 1<<16, &v) != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatal("accepted what is not JSON")
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var w any
		if err := web.DecodeJSON(httptest.NewRequest("POST", "/", bytes.NewReader(again)), 1<<20, &w); err != nil {
			t.Fatalf("%s is refused when it is written anew: %v", body, err)
		}
	})
}

// TestFaults: however many requests fail, a minute has one line, and the line's
// time is that of no request.
func TestFaults(t *testing.T) {
	t.Parallel()
	// In the bubble nothing waits: its clock moves on by itself.
	synctest.Test(t, func(t *testing.T) {
		var log notebook
		logger := slog.New(slog.NewJSONHandler(&log, nil))
		e := web.Endpoints{Log: logger, Faults: web.NewFaults(logger), Answer: func(error) (int, string, string) { return 503, "later", "Later." }}
		r := web.NewRouter()
		r.Post("/{token}", e.Handle(func(http.ResponseWriter, *http.Request) error { return errors.New("connection refused") }))
		fail := func(n int) {
			for range n {
				w := httptest.NewRecorder()
				r.ServeHTTP(w, httptest.NewRequest("POST", "/tokentoken", nil))
				if w.Code != 503 {
					t.Errorf("got %d", w.Code)
				}
			}
		}
		time.Sleep(17*time.Second + 123*time.Millisecond)
		fail(1000)
		time.Sleep(20 * time.Second)
		fail(5)
		if log.String() != "" {
			t.Errorf("said at once: %s", &log)
		}
		time.Sleep(time.Minute)
		fail(3)
		time.Sleep(time.Hour)
		var lines []map[string]any
		for d := json.NewDecoder(strings.NewReader(log.String())); ; {
			var line map[string]any
			if err := d.Decode(&line); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
		if len(lines) != 2 || lines[0]["requests"] != 1005.0 || lines[1]["requests"] != 3.0 || lines[0]["route"] != "/{token}" || lines[0]["last"] != "connection refused" {
			t.Fatalf("got %v", lines)
		}
		for _, line := range lines {
			at, err := time.Parse(time.RFC3339Nano, line["time"].(string))
			if err != nil || at != at.Truncate(time.Minute) {
				t.Errorf("a line is of %v", line["time"])
			}
		}
	})
}

// TestGiveBack: what was given back can be taken again, and no more than that.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	l := web.NewLimiter(time.Minute, 2, func() time.Time { return time.Unix(1e9, 0) })
	for range 10 {
		if !l.Allow("a") {
			t.Fatal("what was given back is gone")
		}
		l.GiveBack("a")
	}
	l.GiveBack("a")
	l.GiveBack("b") // nobody took it
	for i, want := range []bool{true, true, false} {
		if got := l.Allow("a"); got != want {
			t.Errorf("%d: got %v", i, got)
		}
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
