package bundletest_test

import (
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"path"
	"testing"

	"strikevote/internal/bundle/bundletest"
)

// TestServed asks for what the page asks for: a module of another type, or a file
// of vectors that is not there, would leave tests out.
func TestServed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(bundletest.Handler(t))
	defer server.Close()
	want := map[string]string{
		bundletest.Page: "text/html", "/test/page.mjs": "text/javascript", "/test/harness.mjs": "text/javascript",
		"/suite.js": "text/javascript", "/test/tests.json": "application/json",
		"/vectors/ballot/seal.json": "", "/vectors/go/sealed.json": "", "/vectors/wycheproof/ed25519_test.json": "",
	}
	for _, name := range bundletest.Tests(t) {
		want[path.Join("/test", name)] = "text/javascript"
	}
	for name, kind := range want {
		status, got := get(t, server.URL+name)
		if status != http.StatusOK || kind != "" && got != kind {
			t.Errorf("%s: %d, %s", name, status, got)
		}
	}
	if status, _ := get(t, server.URL+"/vectors/none.json"); status != http.StatusNotFound {
		t.Errorf("a file that is not there: %d", status)
	}
}

func get(t *testing.T, url string) (status int, kind string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n == 0 {
		t.Errorf("%s: %d bytes, %v", url, n, err)
	}
	kind, _, err = mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return res.StatusCode, kind
}
