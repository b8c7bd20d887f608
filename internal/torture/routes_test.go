package torture_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/booth"
	"strikevote/internal/committee"
	"strikevote/internal/pages"
	"strikevote/internal/registrar"
)

// exchange sends one request and reads the answer to it.
func exchange(t *testing.T, addr, method string, raw []byte) (*http.Response, []byte) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(answerTime))
	if _, err := c.Write(raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.200q: %v", raw, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%.200q: %v", raw, err)
	}
	return resp, body
}

// everywhere are the headers of every answer (over TLS there is one more).
var everywhere = map[string]string{
	"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp",
	"Integrity-Policy": "blocked-destinations=(script)",
}

// checkAnswer demands the headers of every answer and, of a refusal, the form of
// errors.
func checkAnswer(t *testing.T, what string, resp *http.Response, body []byte) {
	t.Helper()
	for name, want := range everywhere {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %d with %s %q", what, resp.StatusCode, name, got)
		}
	}
	for _, name := range []string{"Content-Security-Policy", "Permissions-Policy", "Cache-Control", "Cross-Origin-Resource-Policy"} {
		if resp.Header.Get(name) == "" {
			t.Errorf("%s: %d without %s", what, resp.StatusCode, name)
		}
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("%s: policy %q", what, csp)
	}
	if resp.Header.Get("Server") != "" || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s: got %v", what, resp.Header)
	}
	if resp.StatusCode < 400 || resp.Request.Method == http.MethodHead {
		return
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		// A form of the registrar's is refused with a page, and so is a page of the board's.
		if page := string(body); !strings.Contains(what, "/link") && !strings.Contains(what, "/report") && !strings.Contains(what, " /e/") || !strings.Contains(page, "<h1>") {
			t.Errorf("%s: %d is told as %q", what, resp.StatusCode, body)
		}
		return
	}
	var e struct{ Error, Message string }
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error == "" || !strings.HasSuffix(e.Message, ".") || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %d is told as %q", what, resp.StatusCode, body)
	}
}

// checkRoutes asks every route for what it must refuse: other methods, bodies that
// are too long, packed or nested, another host.
func checkRoutes(t *testing.T, list []sample) {
	t.Helper()
	for _, s := range list {
		resp, body := exchange(t, s.addr, s.method, s.bytes())
		checkAnswer(t, s.route, resp, body)
		right := resp.StatusCode
		refuse := func(what string, x sample, raw []byte, want ...int) {
			t.Helper()
			resp, body := exchange(t, x.addr, x.method, raw)
			checkAnswer(t, s.route+", "+what, resp, body)
			if !slices.Contains(want, resp.StatusCode) {
				t.Errorf("%s, %s: got %d, want %v", s.route, what, resp.StatusCode, want)
			}
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} {
			x := s
			if x.method = method; !answers(list, s, method) && (method != "HEAD" || !answers(list, s, "GET")) {
				refuse("method "+method, x, x.bytes(), 404, 405)
			}
		}
		bare := s
		bare.body = nil
		head := bytes.TrimSuffix(bytes.Replace(bare.bytes(), []byte("Content-Length: 0\r\n"), nil, 1), []byte("\r\n"))
		refuse("a body that says it is long", s, append(head, "Content-Length: 20971520\r\n\r\n"...), 413)
		if s.method == http.MethodPost {
			x, unread := s, []int{400, 404, 409, 413, 422}
			if strings.HasSuffix(s.route, "/e/E/box") {
				unread = append(unread, 200) // a form without a tracker, which the page says
			}
			x.body = bomb()
			refuse("a packed body", x, x.with("Content-Encoding: gzip\r\n"), unread...)
			x.body = []byte(deep()[:1800])
			refuse("a nested body", x, x.bytes(), unread...)
		}
		other := bytes.Replace(s.bytes(), []byte("Host: "+s.addr), []byte("Host: elsewhere.example"), 1)
		resp, body = exchange(t, s.addr, s.method, other)
		checkAnswer(t, s.route+", another host", resp, body)
		// A resend or a used link may be told to wait meanwhile.
		if want := map[bool]int{true: 421, false: right}[strings.HasSuffix(s.service, " admin")]; resp.StatusCode != want && resp.StatusCode != 429 {
			t.Errorf("%s, another host: got %d, want %d", s.route, resp.StatusCode, want)
		}
		if strings.Contains(fmt.Sprint(resp.Header)+string(body), "elsewhere.example") {
			t.Errorf("%s: the answer repeats the host", s.route)
		}
	}
}

// answers reports whether the path of a sample also has a sample with a method.
func answers(list []sample, s sample, method string) bool {
	route := strings.Replace(s.route, " "+s.method+" ", " "+method+" ", 1)
	return slices.ContainsFunc(list, func(x sample) bool { return x.route == route })
}

// checkComplete demands a sample for every route that a router knows. The box has a
// router for each election, so its routes are written down here.
func checkComplete(t *testing.T, list []sample) {
	t.Helper()
	routes := map[string][]string{"box": {"POST /v1/{election}/ballots", "POST /v1/{election}/find", "POST /v1/{election}/check", "POST /v1/{election}/acts", "POST /v1/{election}/lock"}}
	for service, h := range map[string]http.Handler{
		"board ": new(pages.Site).Handler(), "ledger": new(pages.Site).ContentHandler(),
		"booth": booth.Handler(booth.Config{}), "registrar": registrar.NewService(nil, nil).Handler(), "board": new(board.Site).Handler(),
		"console": committee.New(committee.Config{}).Handler(nil), "box": ballotbox.NewService(nil).Handler(),
	} {
		err := chi.Walk(h.(chi.Routes), func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
			if service != "box" {
				name := strings.TrimSpace(service) // a board has pages beside the record
				routes[name] = append(routes[name], method+" "+pattern)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for service, patterns := range routes {
		for _, pattern := range patterns {
			if !slices.ContainsFunc(list, func(s sample) bool { return s.service == service && matches(pattern, s.route[len(service)+1:]) }) && !strings.HasPrefix(pattern, "HEAD ") {
				t.Errorf("nothing is sent to %s of the %s", pattern, service)
			}
		}
	}
}

// matches reports whether a router's pattern is a sample's route.
func matches(pattern, route string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(route, "/")
	for i, part := range want {
		if part == "*" {
			return len(got) > i
		}
		if i >= len(got) || !strings.HasPrefix(part, "{") && part != got[i] {
			return false
		}
	}
	return len(want) == len(got)
}
