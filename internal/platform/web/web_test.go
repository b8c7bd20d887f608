package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestError(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("ETag", "x")
	w.Header().Set("Cache-Control", "immutable")
	web.Error(w, http.StatusConflict, "used", `A "different" ballot.`)
	if got, want := w.Body.String(), `{"error":"used","message":"A \"different\" ballot."}`+"\n"; got != want || w.Code != 409 {
		t.Errorf("got %d %s, want 409 %s", w.Code, got, want)
	}
	if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("ETag") != "" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("got headers %v", h)
	}
}

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		status     int // 0: accepted
	}{
		{"fair", ` {"a":1,"b":"x"} `, 0},
		{"empty object", `{}`, 0},
		{"nothing", ``, 400},
		{"unknown field", `{"a":1,"c":2}`, 400},
		{"wrong type", `{"a":"1"}`, 400},
		{"number too large", `{"a":1e99}`, 400},
		{"two values", `{"a":1}{"a":2}`, 400},
		{"something after", `{"a":1} x`, 400},
		{"not finished", `{"a":1`, 400},
		{"a list", `[{"a":1}]`, 400},
		{"too large", `{"b":"` + strings.Repeat("x", 100) + `"}`, 413},
		{"space for ever", `{"a":1}` + strings.Repeat(" ", 100), 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var v struct {
				A int    `json:"a"`
				B string `json:"b"`
			}
			err := web.DecodeJSON(httptest.NewRequest("POST", "/", strings.NewReader(tt.body)), 64, &v)
			problem := new(web.RequestError)
			switch {
			case tt.status == 0 && err != nil:
				t.Errorf("refused: %v", err)
			case tt.status != 0 && (!errors.As(err, &problem) || problem.Status != tt.status):
				t.Errorf("got %v, want status %d", err, tt.status)
			}
		})
	}
}

func TestHandle(t *testing.T) {
	t.Parallel()
	known, unavailable := errors.New("known secret"), errors.New("gone")
	for _, tt := range []struct {
		name   string
		err    error
		status int
		say    string
		logged bool
	}{
		{"none", nil, 200, "fine", false},
		{"known", fmt.Errorf("wrapped: %w", known), 409, "Used.", false},
		{"known and ours", unavailable, 503, "Later.", true},
		{"unknown", errors.New("dial 10.1.2.3: secret"), 500, "Something went wrong", true},
		{"of the request", &web.RequestError{Status: 418, Code: "tea", Message: "Tea."}, 418, "Tea.", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			e := web.Endpoints{
				Log: slog.New(slog.NewTextHandler(&log, nil)),
				Answer: func(err error) (int, string, string) {
					switch {
					case errors.Is(err, known):
						return 409, "used", "Used."
					case errors.Is(err, unavailable):
						return 503, "later", "Later."
					}
					return 0, "", ""
				},
			}
			r := web.NewRouter()
			r.Get("/{token}", e.Handle(func(w http.ResponseWriter, _ *http.Request) error {
				if tt.err == nil {
					_, _ = io.WriteString(w, "fine")
				}
				return tt.err
			}))
			w := get(r, "/tokentoken")
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.say) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if logged := log.Len() > 0; logged != tt.logged || strings.Contains(log.String(), "tokentoken") {
				t.Errorf("got log %q", &log)
			}
		})
	}
}

func TestRouter(t *testing.T) {
	t.Parallel()
	r := web.NewRouter(web.Chain(web.Config{})...)
	none := func(http.ResponseWriter, *http.Request) {}
	r.Get("/x", none)
	r.Route("/below/{name}", func(r chi.Router) { r.Get("/y", none); r.Post("/y", none) })
	if w := get(r, "/y"); w.Code != 404 || !strings.Contains(w.Body.String(), `"not_found"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for path, allow := range map[string][]string{"/x": {"GET"}, "/below/z/y": {"GET", "POST"}} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("DELETE", path, nil))
		if w.Code != 405 || !strings.Contains(w.Body.String(), `"method_not_allowed"`) || !slices.Equal(w.Header()["Allow"], allow) {
			t.Errorf("%s: got %d %s, and %q are allowed", path, w.Code, w.Body, w.Header()["Allow"])
		}
	}
}

// counter counts what is read of an endless body.
type counter struct{ n atomic.Int64 }

func (c *counter) Read(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// TestHugeBody sends 100 MB to a server and sees it refuse them at once, both
// when it says how much will come and when it does not.
func TestHugeBody(t *testing.T) {
	t.Parallel()
	r := web.NewRouter(web.Chain(web.Config{})...)
	e := web.Endpoints{}
	r.Post("/", e.Handle(func(_ http.ResponseWriter, r *http.Request) error {
		_, err := web.ReadBody(r, 16<<10)
		return err
	}))
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	const huge = 100 << 20
	for _, length := range []int64{huge, -1} {
		body := new(counter)
		req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, io.LimitReader(body, huge))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatalf("length %d: %v", length, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("length %d: got %d, want 413", length, res.StatusCode)
		}
		// The rest is what the kernel took from the client before the server hung
		// up.
		if n := body.n.Load(); n > 20<<20 {
			t.Errorf("length %d: %d bytes were sent", length, n)
		}
	}
}

func TestServerLimits(t *testing.T) {
	t.Parallel()
	s := web.Server("x:1", nil, web.Limits{})
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 10*time.Second || s.WriteTimeout != 15*time.Second ||
		s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 16<<10 || s.ErrorLog == nil || s.Addr != "x:1" {
		t.Errorf("got %+v", s)
	}
	s = web.Server("", nil, web.Limits{Write: time.Minute})
	if s.WriteTimeout != time.Minute || s.ReadTimeout != 10*time.Second {
		t.Errorf("got %+v", s)
	}
}

func serve(t *testing.T, ctx context.Context, h http.Handler, l web.Limits) (string, <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- web.Serve(ctx, web.Server("", h, l), listener) }()
	return listener.Addr().String(), done
}

// TestSlowClient opens a connection and says nothing, or too much.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	addr, done := serve(t, ctx, http.NotFoundHandler(), web.Limits{Header: 20 * time.Millisecond})
	for _, send := range []string{"", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10)} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, send) // the server may hang up in the middle
		answer, _ := io.ReadAll(conn)     // ends when the server hangs up
		if len(send) > 1000 && !bytes.Contains(answer, []byte("431")) && len(answer) > 0 {
			t.Errorf("got %q for a long header", answer)
		}
		_ = conn.Close()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestServeFinishes ends a server while a request is under way.
func TestServeFinishes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	inside, finish := make(chan struct{}), make(chan struct{})
	addr, done := serve(t, ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-finish
		_, _ = io.WriteString(w, "finished")
	}), web.Limits{})
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + addr)
		if err != nil {
			answer <- err.Error()
			return
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		answer <- string(b)
	}()
	<-inside
	cancel()
	close(finish)
	if got := <-answer; got != "finished" {
		t.Errorf("got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// A listener that is gone is an error.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := web.Serve(t.Context(), web.Server("", nil, web.Limits{}), listener); err == nil {
		t.Error("a closed listener is served")
	}
}
