package booth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strikevote/internal/booth"
	"strikevote/internal/protocol/suite"
)

var known, broken = suite.ElectionID{0xab, 1}, suite.ElectionID{0xab, 2}

const manifest = `{"suite":"SV1"}` + "\n"

func handler(log *slog.Logger) http.Handler {
	return booth.Handler(booth.Config{Log: log, Manifest: func(_ context.Context, id suite.ElectionID) ([]byte, error) {
		switch id {
		case known:
			return []byte(manifest), nil
		case broken:
			return nil, errors.New("dial tcp 10.1.2.3:443: connection refused")
		}
		return nil, booth.ErrUnknown
	}})
}

func do(h http.Handler, method, path string, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://booth.example"+path, strings.NewReader(body))
	r.Header.Set("Cookie", "a=b")
	r.Header.Set("Origin", "https://verifier.example")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestBooth asks for what there is and for what there is not, and looks at what
// every answer carries.
func TestBooth(t *testing.T) {
	t.Parallel()
	const html, data = "text/html; charset=utf-8", "application/json"
	id := known.String()
	for _, tt := range []struct {
		method, path string
		status       int
		kind, holds  string
	}{
		{"GET", "/v1/", 200, html, "Union ballot"},
		{"HEAD", "/v1/", 200, html, ""},
		{"GET", "/v1/" + id, 200, html, "Union ballot"},
		{"GET", "/v1/" + id + "/manifest", 200, data, manifest},
		{"HEAD", "/v1/" + id + "/manifest", 200, data, ""},
		{"GET", "/v1/" + strings.ToUpper(id) + "/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + suite.ElectionID{9}.String() + "/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + suite.ElectionID{9}.String(), 404, data, "no such election"},
		{"GET", "/v1/" + id[:31] + "/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + broken.String() + "/manifest", 503, data, "try again"},
		{"GET", "/v1/x", 404, data, "no such election"},
		{"GET", "/v1/%2e%2e/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + id + "/other", 404, data, "nothing here"},
		{"GET", "/", 404, data, "nothing here"},
		{"GET", "/v2/", 404, data, "nothing here"},
		{"POST", "/v1/", 405, data, "cannot be done"},
		{"POST", "/v1/" + id + "/manifest", 405, data, "cannot be done"},
		{"DELETE", "/v1/" + id, 405, data, "cannot be done"},
	} {
		w := do(handler(nil), tt.method, tt.path, "")
		h := w.Result().Header
		if w.Code != tt.status || h.Get("Content-Type") != tt.kind {
			t.Errorf("%s %s: got %d, %s", tt.method, tt.path, w.Code, h.Get("Content-Type"))
		}
		if tt.method != "HEAD" && !strings.Contains(w.Body.String(), tt.holds) {
			t.Errorf("%s %s: got %q", tt.method, tt.path, w.Body)
		}
		if tt.status != 200 {
			said := struct{ Error, Message string }{}
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Error == "" || said.Message == "" {
				t.Errorf("%s %s: got %q", tt.method, tt.path, w.Body)
			}
		}
		if len(h.Values("Set-Cookie")) > 0 {
			t.Errorf("%s %s sets a cookie", tt.method, tt.path)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy":     "default-src 'none'; script-src 'self'; ",
			"X-Content-Type-Options":      "nosniff",
			"Referrer-Policy":             "same-origin",
			"Cache-Control":               "no-store",
			"Strict-Transport-Security":   "max-age=",
			"Access-Control-Allow-Origin": "*",
		} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s %s: %s is %q", tt.method, tt.path, name, h.Get(name))
			}
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s lets pages send cookies", tt.method, tt.path)
		}
	}
}

// TestPage checks that the page loads nothing from anywhere: a request to
// somebody else would tell them who opened a link.
func TestPage(t *testing.T) {
	t.Parallel()
	body := do(handler(nil), "GET", "/v1/", "").Body.String()
	for _, bad := range []string{"http:", "https:", "//", "src=", "<script", "<link", "style=", "onload", "<form", "<iframe"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// TestQuiet checks that nothing is logged of requests, and that the page is the
// same for everybody.
func TestQuiet(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := handler(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	first := do(h, "GET", "/v1/", "").Body.String()
	for _, path := range []string{"/v1/?t=secret", "/v1/x/secret", "/v1/" + known.String() + "/manifest?secret"} {
		w := do(h, "GET", path, "secret")
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s is repeated in the answer", path)
		}
	}
	if got := do(h, "GET", "/v1/?t=secret", "").Body.String(); got != first {
		t.Error("the page differs")
	}
	if w := do(h, "POST", "/v1/", strings.Repeat("x", 1<<20)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: got %d", w.Code)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
}
