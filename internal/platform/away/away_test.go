package away_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strikevote/internal/platform/away"
)

// TestOf asks services that are away in several ways, and reads no request in what is
// said of it.
func TestOf(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(slow.Close)
	other := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	const patience = time.Minute // of whoever is not to be late on a busy computer
	for _, tt := range []struct {
		url, want string
		patience  time.Duration
	}{
		{closed.URL, "the box does not answer now (connection refused)", patience},
		{slow.URL, "the box does not answer now (it took too long)", time.Millisecond},
		{"http://box.invalid", "the box does not answer now (no host box.invalid was found)", patience},
		{other.URL, "certificate", patience},
	} {
		_, err := (&http.Client{Timeout: tt.patience}).Get(tt.url + "/path-of-somebody")
		if err == nil {
			t.Fatal("it answers")
		}
		got := away.Of("the box", err)
		if !strings.Contains(got.Error(), tt.want) || strings.Contains(got.Error(), "somebody") || !errors.Is(got, err) {
			t.Errorf("%s: got %q, want %q", tt.url, got, tt.want)
		}
	}
	if err := away.Of("the box", context.Canceled); err != context.Canceled {
		t.Errorf("broken off: got %v", err)
	}
}
