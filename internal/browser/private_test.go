package browser_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/bundle/bundletest"
)

// properties is all names of properties that a page finds in a browser.
const properties = `(() => {
  const seen = new Set(), names = new Set();
  const walk = (o, depth) => {
    if ((typeof o !== "object" && typeof o !== "function") || o === null || seen.has(o) || depth > 6) return;
    seen.add(o);
    for (const name of Object.getOwnPropertyNames(o)) {
      names.add(name);
      const at = Object.getOwnPropertyDescriptor(o, name);
      walk(at.get || at.value, depth + 1);
    }
    walk(Object.getPrototypeOf(o), depth + 1);
  };
  walk(window, 0);
  walk(document, 0);
  return names;
})()`

// TestPrivateNames looks whether the browser has a property of a name that the
// bundled page gives up for a shorter one: what the page asks it for under the new
// name it would not find.
func TestPrivateNames(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(bundletest.Root(t), "internal", "bundle", "private.txt"))
	if err != nil {
		t.Fatal(err)
	}
	// Of a page that did not come safely, some of what browsers have is kept.
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	p := open(t, sharedChromium(t))
	p.visit(server.URL)
	list, _ := json.Marshal(append(strings.Fields(string(b)), "getElementById", "subtle"))
	got := evaluate[[]string](p, string(list)+".filter((name) => "+properties+".has(name))")
	if strings.Join(got, " ") != "getElementById subtle" {
		t.Errorf("a browser has %v too", got)
	}
}
