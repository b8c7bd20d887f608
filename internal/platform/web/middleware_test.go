package web_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"strikevote/internal/platform/web"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	r := web.NewRouter(web.Chain(web.Config{Policy: web.Policy("https://box.example")})...)
	r.Get("/", func(http.ResponseWriter, *http.Request) {})
	r.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("x") })
	r.Get("/asset", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	})
	for _, path := range []string{"/", "/nothing", "/panic"} {
		if got := get(r, path).Header().Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%s: over plain HTTP it says %q", path, got)
		}
		h := get(r, "https://vote.example"+path).Header()
		for name, want := range map[string]string{
			"Referrer-Policy":              "same-origin",
			"X-Content-Type-Options":       "nosniff",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Embedder-Policy": "require-corp",
			"Cache-Control":                "no-store",
			"Strict-Transport-Security":    "max-age=63072000; includeSubDomains; preload",
			"Integrity-Policy":             "blocked-destinations=(script)",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", path, name, got, want)
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self' https://box.example",
			"form-action 'self'", "base-uri 'none'", "object-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("Permissions-Policy") == "" || h.Get("Set-Cookie") != "" || h.Get("Server") != "" {
			t.Errorf("%s: got %v", path, h)
		}
	}
	if got := get(r, "/asset").Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("got %q for what never changes", got)
	}
	plain := web.NewRouter(web.Chain(web.Config{})...)
	plain.Get("/", func(http.ResponseWriter, *http.Request) {})
	if csp := get(plain, "/").Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "'self'") {
		t.Errorf("got %q for a service without pages", csp)
	}
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := web.NewRouter(web.Chain(web.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})...)
	r.Get("/before/{token}", func(http.ResponseWriter, *http.Request) { panic("secret value") })
	r.Get("/after", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("secret value")
	})
	w := get(r, "/before/tokentoken")
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if s := log.String(); !strings.Contains(s, "/before/{token}") || !strings.Contains(s, "middleware_test.go") ||
		strings.Contains(s, "secret value") || strings.Contains(s, "tokentoken") {
		t.Errorf("got log %s", s)
	}
	// Half an answer must not look like a whole one.
	func() {
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("got %v, want ErrAbortHandler", err)
			}
		}()
		get(r, "/after")
	}()
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var seen []string
	r := web.NewRouter(web.Chain(web.Config{Observe: func(route, method string, status int, took time.Duration) {
		if took < 0 {
			t.Error("time runs backwards")
		}
		seen = append(seen, route, method, http.StatusText(status))
	}})...)
	r.Get("/a/{token}", func(http.ResponseWriter, *http.Request) {})
	r.Get("/b", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409) })
	get(r, "/a/tokentoken")
	get(r, "/b")
	get(r, "/tokentoken")
	if got := strings.Join(seen, " "); got != "/a/{token} GET OK /b GET Conflict none GET Not Found" {
		t.Errorf("got %s", got)
	}
}

// TestNoIcon asks for the icon that browsers ask every origin for.
func TestNoIcon(t *testing.T) {
	t.Parallel()
	r := web.NewRouter(web.Chain(web.Config{CORS: []string{"https://booth.example"}})...)
	r.Get("/", func(http.ResponseWriter, *http.Request) {})
	for path, status := range map[string]int{"/favicon.ico": 204, "/favicon.ico/": 404, "/v1/favicon.ico": 404} {
		w := get(r, path)
		if w.Code != status || (status == 204) != (w.Header().Get("Cache-Control") == "public, max-age=86400") || w.Header().Get("X-Content-Type-Options") == "" {
			t.Errorf("%s: got %d, %v", path, w.Code, w.Header())
		}
		if status == 204 && w.Body.Len() > 0 {
			t.Errorf("%s: got %q", path, w.Body)
		}
	}
}

func TestAnonymous(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := web.NewRouter(web.Anonymous(web.Config{
		Log:     slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(string, string, int, time.Duration) { t.Error("a request was counted") },
		CORS:    []string{"https://booth.example"},
	})...)
	var seen *http.Request
	r.Post("/", func(_ http.ResponseWriter, r *http.Request) { seen = r })
	req := httptest.NewRequest("POST", "/", strings.NewReader("ballot"))
	req.RemoteAddr = "192.0.2.7:1234"
	req.Header.Set("Origin", "https://booth.example")
	req.Header.Set("Content-Type", "application/octet-stream")
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "Cookie", "Authorization", "User-Agent",
		"Referer", "X-Request-ID", "Traceparent", "CF-Connecting-IP", "True-Client-IP", "Accept-Language"} {
		req.Header.Set(name, "192.0.2.7")
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if seen == nil {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if seen.RemoteAddr != "" || len(seen.Cookies()) != 0 {
		t.Errorf("the handler sees %q", seen.RemoteAddr)
	}
	for name, values := range seen.Header {
		if strings.Contains(strings.Join(values, " "), "192.0.2.7") {
			t.Errorf("the handler sees %s", name)
		}
	}
	if seen.Header.Get("Content-Type") == "" {
		t.Error("the handler does not see the type of the body")
	}
	if log.Len() != 0 {
		t.Errorf("got log %s", &log)
	}
	if got := w.Header().Get("Access-Control-Allow-Origin"); got != "https://booth.example" {
		t.Errorf("got origin %q", got)
	}
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	r := web.NewRouter(web.Chain(web.Config{Time: time.Hour})...)
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		if at, ok := r.Context().Deadline(); !ok || time.Until(at) > time.Hour {
			t.Error("the context has no end")
		}
	})
	get(r, "/")
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const booth, other = "https://booth.example", "https://other.example"
	for _, tt := range []struct {
		name, method, origin string
		preflight            bool
		allowed              []string
		status               int
		allow                string
	}{
		{"its page", "POST", booth, false, []string{booth}, 200, booth},
		{"its page asks first", "OPTIONS", booth, true, []string{booth}, 204, booth},
		{"another page", "POST", other, false, []string{booth}, 403, ""},
		{"another page asks first", "OPTIONS", other, true, []string{booth}, 403, ""},
		{"another page reads", "GET", other, false, []string{booth}, 200, ""},
		{"a page without origin", "POST", "null", false, []string{booth}, 403, ""},
		{"a longer name", "POST", booth + ".evil", false, []string{booth}, 403, ""},
		{"a program", "POST", "", false, []string{booth}, 200, ""},
		{"any page", "GET", other, false, []string{"*"}, 200, "*"},
		{"any page asks first", "OPTIONS", other, true, []string{"*"}, 204, "*"},
		{"a plain question", "OPTIONS", booth, false, []string{booth}, 405, booth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := web.NewRouter(web.CORS(tt.allowed...))
			r.Get("/", func(http.ResponseWriter, *http.Request) {})
			r.Post("/", func(http.ResponseWriter, *http.Request) {})
			req := httptest.NewRequest(tt.method, "/", nil)
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			if tt.preflight {
				req.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := httptest.NewRecorder()
			r.ServeHTTP(w, req)
			if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != tt.status || got != tt.allow {
				t.Errorf("got %d and origin %q, want %d and %q", w.Code, got, tt.status, tt.allow)
			}
			if got := w.Header().Get("Access-Control-Expose-Headers"); (got == "Date, Retry-After") != (tt.allow != "") {
				t.Errorf("origin %q may read the headers %q", tt.allow, got)
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Error("cookies are allowed")
			}
			if tt.allowed[0] != "*" && w.Header().Get("Vary") != "Origin" {
				t.Error("a cache may give one page's answer to another")
			}
		})
	}
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	h := web.SameOrigin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range []struct {
		method, site string
		status       int
	}{
		{"POST", "cross-site", 403}, {"POST", "same-site", 403}, {"POST", "same-origin", 200}, {"GET", "cross-site", 200},
	} {
		req := httptest.NewRequest(tt.method, "/", nil)
		req.Header.Set("Sec-Fetch-Site", tt.site)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != tt.status {
			t.Errorf("%s %s: got %d, want %d", tt.method, tt.site, w.Code, tt.status)
		}
	}
}

func TestAtMost(t *testing.T) {
	t.Parallel()
	inside, finish := make(chan struct{}), make(chan struct{})
	h := web.AtMost(1, 16)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		inside <- struct{}{}
		<-finish
	}))
	codes := make(chan int, 3)
	for range 3 {
		go func() { codes <- get(h, "/").Code }()
	}
	<-inside // one works, and of the others one waits
	if got := <-codes; got != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", got)
	}
	finish <- struct{}{}
	<-inside
	finish <- struct{}{}
	for range 2 {
		if got := <-codes; got != 200 {
			t.Errorf("got %d, want 200", got)
		}
	}
}

// TestAtMostSlow keeps bodies back: who sends one whole is not kept out by those.
func TestAtMostSlow(t *testing.T) {
	t.Parallel()
	h := web.AtMost(1, 16)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	var slow sync.WaitGroup
	var rests []io.Closer
	for range 5 {
		body, rest := io.Pipe()
		rests = append(rests, rest)
		slow.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", body)) })
		if _, err := rest.Write([]byte{'x'}); err != nil { // it is being read
			t.Fatal(err)
		}
	}
	ask := func(body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(body)))
		return w
	}
	if w := ask("whole"); w.Code != 200 || w.Body.String() != "whole" {
		t.Errorf("got %d, %q", w.Code, w.Body)
	}
	if w := ask("seventeen letters"); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("too long: got %d", w.Code)
	}
	for _, rest := range rests {
		_ = rest.Close()
	}
	slow.Wait()
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := web.NewLimiter(time.Minute, 2, func() time.Time { return now })
	steps := []struct {
		after time.Duration
		key   string
		want  bool
	}{
		{0, "a", true}, {0, "a", true}, {0, "a", false}, {0, "b", true},
		{59 * time.Second, "a", false}, {time.Second, "a", true}, {0, "a", false},
		{time.Hour, "a", true}, {0, "a", true}, {0, "a", false}, // never more than the burst
		{25 * time.Hour, "a", true},
	}
	for i, s := range steps {
		now = now.Add(s.after)
		if got := l.Allow(s.key); got != s.want {
			t.Errorf("step %d: got %v", i, got)
		}
	}
}

func TestByAddress(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	request := func(h http.Handler, remote string) int {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	fresh := func(address func(*http.Request) netip.Addr) http.Handler {
		l := web.NewLimiter(time.Minute, 1, func() time.Time { return now })
		return l.ByAddress(address)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}
	h := fresh(nil)
	for _, tt := range []struct {
		remote string
		want   int
	}{
		{"192.0.2.7:1", 200}, {"192.0.2.7:2", 429}, {"192.0.2.8:1", 200}, {"[::ffff:192.0.2.8]:1", 429},
		{"[2001:db8::1]:1", 200}, {"[2001:db8::2]:1", 429}, {"[2001:db8:0:1::1]:1", 200},
		{"nonsense", 200}, {"@", 429},
		{"127.0.0.1:1", 200}, {"127.0.0.1:1", 200}, {"[::1]:1", 200}, {"[::1]:1", 200}, {"[::ffff:127.0.0.1]:1", 200},
	} {
		if got := request(h, tt.remote); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.remote, got, tt.want)
		}
	}
	proxied := fresh(func(*http.Request) netip.Addr { return netip.MustParseAddr("198.51.100.1") })
	if request(proxied, "192.0.2.1:1") != 200 || request(proxied, "192.0.2.2:1") != 429 {
		t.Error("the address that the proxy gave is not what counts")
	}
}
