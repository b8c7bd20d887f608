package bundletest

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// Page is the path of the page that runs the tests in a browser. When it is
// done, window.results is {done: true, passed, failed: [{name, error}],
// milliseconds}.
const Page = "/test/page.html"

// Handler serves the scripts, their tests and the vectors to a browser.
func Handler(t testing.TB) http.Handler {
	t.Helper()
	vectors, tests := Vectors(t), Tests(t)
	files := http.FileServer(http.Dir(filepath.Clean(Assets(t))))
	mux := http.NewServeMux()
	mux.Handle("GET /", files)
	mux.HandleFunc("GET /test/tests.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(tests)
	})
	mux.HandleFunc("GET /test/", func(w http.ResponseWriter, r *http.Request) {
		// A system's list of types may not know the ending, and a browser runs no
		// module of another type.
		if strings.HasSuffix(r.URL.Path, ".mjs") {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		}
		files.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /vectors/{name...}", func(w http.ResponseWriter, r *http.Request) {
		b, ok := vectors[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b)
	})
	return mux
}
