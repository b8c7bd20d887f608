package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strikevote/internal/platform/metrics"
)

func ask(a metrics.Admin, path, remote string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = remote
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	return w
}

const here = "127.0.0.1:1234"

func TestAdmin(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	broken := false
	reg := metrics.NewRegistry()
	observe := metrics.HTTP(reg, "registrar")
	observe("/v1/{election}/issue", "POST", 200, time.Millisecond)
	observe("/v1/{election}/issue", "BREW", 405, time.Millisecond)
	a := metrics.Admin{
		Registry: reg,
		Log:      slog.New(slog.NewTextHandler(&log, nil)),
		Ready: map[string]metrics.Check{
			"clock": func(context.Context) error { return nil },
			"database": func(ctx context.Context) error {
				if _, ok := ctx.Deadline(); !ok {
					t.Error("a check may last for ever")
				}
				if broken {
					return errors.New("dial 10.1.2.3: refused")
				}
				return nil
			},
		},
	}
	if w := ask(a, "/healthz", here); w.Code != 200 {
		t.Errorf("healthz: got %d", w.Code)
	}
	if w := ask(a, "/readyz", "[::1]:1"); w.Code != 200 || w.Body.String() != "ready\n" {
		t.Errorf("readyz: got %d %s", w.Code, w.Body)
	}
	broken = true
	if w := ask(a, "/readyz", here); w.Code != 503 || w.Body.String() != "not ready: database\n" {
		t.Errorf("readyz: got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "10.1.2.3") {
		t.Error("the cause was not logged")
	}
	w := ask(a, "/metrics", here)
	for _, want := range []string{"go_goroutines", "process_open_fds", "strikevote_build_info{",
		`strikevote_http_request_seconds_count{method="POST",route="/v1/{election}/issue",service="registrar",status="200"} 1`,
		`method="other"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "process_network_") {
		t.Error("the bytes on the network are counted")
	}
	if strings.Contains(w.Body.String(), "BREW") {
		t.Error("a client makes up labels")
	}
	for _, remote := range []string{"192.0.2.1:1", "10.0.0.1:1", "[2001:db8::1]:1", "", "@"} {
		for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
			if w := ask(a, path, remote); w.Code != 403 {
				t.Errorf("%s from %q: got %d, want 403", path, remote, w.Code)
			}
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	l, err := metrics.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "localhost:0", "example.com:80", "127.0.0.1"} {
		if l, err := metrics.Listen(t.Context(), addr); err == nil {
			_ = l.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}
