package browser_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"strikevote/internal/browser"
	"strikevote/internal/bundle/bundletest"
)

// TestVectors runs the tests of the voter's scripts in the browser: they compare with
// the vectors of the protocol's packages, and with what the Go code makes anew.
func TestVectors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(bundletest.Handler(t))
	t.Cleanup(server.Close)
	p := open(t, sharedChromium(t))
	p.patience = 5 * time.Minute
	p.visit(server.URL + bundletest.Page)
	p.wait("the tests to end", "window.results && window.results.done")
	results := evaluate[struct {
		Passed       int
		Failed       []struct{ Name, Error string }
		Milliseconds float64
	}](p, "window.results")
	for _, f := range results.Failed {
		t.Errorf("%s: %s", f.Name, f.Error)
	}
	if results.Passed < 30 {
		t.Errorf("only %d tests passed", results.Passed)
	}
	browser.Report(t, fmt.Sprintf("%d tests of the scripts pass in Chromium, with all vectors, in %.0f ms", results.Passed, results.Milliseconds))
}
