package committee_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestFront opens in a browser the addresses that are given to the committee and to
// tellers, of elections that exist and that do not.
func TestFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 2)
	for _, id := range []string{w.id().String(), strings.Repeat("0", 32)} {
		for _, path := range []string{"/", "/v1/" + id, "/v1/" + id + "/", "/v1/" + id + "/tellers/1"} {
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "strikevote committee sign") {
				t.Errorf("%s answers %d: %s", path, rec.Code, rec.Body)
			}
			for name, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			} {
				if got := rec.Header().Get(name); got != want {
					t.Errorf("%s: %s is %q", path, name, got)
				}
			}
			if strings.Contains(rec.Body.String(), id) {
				t.Errorf("%s repeats what it was asked", path)
			}
		}
	}
	for _, path := range []string{"/v1", "/v1/x/y", "/v1/" + w.id().String() + "/tellers"} {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if rec.Code != http.StatusNotFound || !strings.Contains(rec.Body.String(), "not_found") {
			t.Errorf("%s answers %d: %s", path, rec.Code, rec.Body)
		}
	}
}
