package browser_test

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"strikevote/internal/browser"
)

// An album keeps pictures of pages, and an index of them. It is safe for concurrent use.
type album struct {
	dir  string
	mu   sync.Mutex
	list []string // names of states; guarded by mu
}

// sizes are the screens that are pictured: a phone's and a computer's.
var sizes = map[string][2]int64{"phone": {360, 800}, "computer": {1280, 900}}

// pictures is the album of make screenshots, if pictures are wanted.
var pictures = &album{dir: browser.Pictures()}

// take pictures a state in every size.
func (a *album) take(p *Page, state string) {
	p.t.Helper()
	if a.dir == "" {
		return
	}
	for name, size := range sizes {
		p.size(size[0], size[1])
		if err := os.WriteFile(filepath.Join(a.dir, fileName(state, name)), p.picture(), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	p.size(360, 800)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, state)
}

func fileName(state, size string) string {
	return strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(state) + "-" + size + ".png"
}

// phases begin the names of states: of an album that is whole each has some.
var phases = []string{"open, ", "end, ", "factor, ", "mail, "}

// index writes a page that shows all pictures, and fails if a phase has none.
func (a *album) index() error {
	if a.dir == "" {
		return nil
	}
	slices.Sort(a.list)
	for _, phase := range phases {
		if !slices.ContainsFunc(a.list, func(state string) bool { return strings.HasPrefix(state, phase) }) {
			return fmt.Errorf("the album has no picture of %q", phase)
		}
	}
	var b strings.Builder
	b.WriteString("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Every page</title><h1>Every page</h1>\n")
	for _, state := range a.list {
		fmt.Fprintf(&b, "<h2>%s</h2>\n<p>", html.EscapeString(state))
		for _, size := range []string{"phone", "computer"} {
			fmt.Fprintf(&b, "<a href=\"%[1]s\"><img src=\"%[1]s\" alt=\"%[2]s on a %[3]s\" width=\"%[4]d\"></a> ", fileName(state, size), html.EscapeString(state), size, sizes[size][0]/2)
		}
		b.WriteString("</p>\n")
	}
	return os.WriteFile(filepath.Join(a.dir, "index.html"), []byte(b.String()), 0o644)
}
