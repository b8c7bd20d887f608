package browser_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHarness is the negative control of all tests beside it: what a page does
// wrong in secret is noticed, and what a test does to the network is felt.
func TestHarness(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'self'; require-trusted-types-for 'script'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>A page</title><body data-screen="start"><h1>A page</h1>
			<button>Go on</button><button hidden>Never</button><p>Words to read</p></body></html>`))
	})
	mux.HandleFunc("/answer", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("true")) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	for name, fault := range map[string]string{
		"inline style":  `document.body.setAttribute("style", "color: red")`,
		"inline script": `document.body.append(Object.assign(document.createElement("script"), {src: "data:text/javascript,1"}))`,
		"markup":        `setTimeout(() => { document.body.innerHTML = "<p>words</p>" })`,
		"exception":     `setTimeout(() => { throw new Error("planted") })`,
		"rejection":     `Promise.reject(new Error("planted"))`,
		"third party":   `fetch("http://127.0.0.2:9/").catch(() => 0)`,
		"console":       `console.error("planted")`,
	} {
		p := open(t, sharedChromium(t))
		p.visit(server.URL)
		// What the developer's tools evaluate is free of the page's policy, so
		// that the script is run by the page itself.
		_ = evaluate[any](p, "(() => { try {"+fault+"} catch {} return new Promise(done => setTimeout(() => done(1), 50))})()")
		if len(p.faults.take()) == 0 {
			t.Errorf("%s: not noticed", name)
		}
		p.close()
	}

	p := open(t, sharedChromium(t))
	p.visit(server.URL)
	p.await("start")
	p.says("words to read")
	p.press("Go on")
	if s := evaluate[spot](p, strings.Replace(target, "%s", `"Never"`, 1)); s.Fault == "" {
		t.Error("a hidden button can be pressed")
	}
	ask := `fetch("/answer").then(r => r.text(), e => "nothing")`
	answer := func(what, want string) {
		t.Helper()
		if got := evaluate[string](p, ask); got != want {
			t.Errorf("%s: got %q", what, got)
		}
	}
	answer("online", "true")
	p.offline(true)
	answer("offline", "nothing")
	p.offline(false)
	met := p.atAnswer("/answer", 1, func(x *exchange) { x.lose() })
	answer("a lost answer", "nothing")
	<-met
	p.leave()
	p.atAnswer("/answer", 1, func(x *exchange) { x.change(func(b []byte) []byte { return append([]byte("not "), b...) }) })
	answer("a changed answer", "not true")
	answer("an unchanged answer", "true")
	p.leave()
	if n := len(p.traffic.requests()); n < 4 {
		t.Errorf("only %d requests were seen", n)
	}
	p.look("dark")
	if !evaluate[bool](p, `matchMedia("(prefers-color-scheme: dark)").matches`) {
		t.Error("not dark")
	}
	p.look("forced")
	if !evaluate[bool](p, `matchMedia("(forced-colors: active)").matches`) {
		t.Error("not forced")
	}
	p.language("ko")
	p.reload()
	if got := evaluate[string](p, "navigator.language"); got != "ko" {
		t.Errorf("the language is %q", got)
	}
	if len(p.picture()) < 1000 {
		t.Error("the picture is empty")
	}
}

// serveText serves one page of HTML and returns its address.
func serveText(t testing.TB, policy, html string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(html))
	}))
	t.Cleanup(server.Close)
	return server.URL
}
