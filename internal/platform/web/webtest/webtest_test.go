package webtest_test

import (
	"net/http"
	"strings"
	"testing"

	"strikevote/internal/platform/web"
	"strikevote/internal/platform/web/webtest"
)

// TestCheck lets a handler answer wrong in every way that is looked for.
func TestCheck(t *testing.T) {
	t.Parallel()
	r := web.NewRouter(web.Chain(web.Config{})...)
	for path, h := range map[string]http.HandlerFunc{
		"/panic":  func(http.ResponseWriter, *http.Request) { panic("x") },
		"/busy":   func(w http.ResponseWriter, _ *http.Request) { web.Error(w, 503, "busy", "Come back.") },
		"/long":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<17)) },
		"/cookie": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "a=b") },
		"/open": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "//elsewhere.example", http.StatusMovedPermanently)
		},
		"/bare": func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("X-Content-Type-Options") },
		"/text": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oh", 400) },
		"/mute": func(w http.ResponseWriter, _ *http.Request) { web.Error(w, 400, "x", "no sentence") },
		"/more": func(w http.ResponseWriter, _ *http.Request) {
			web.WriteJSON(w, 400, map[string]string{"error": "x", "message": "A.", "x": ""})
		},
		"/fine": func(http.ResponseWriter, *http.Request) {},
	} {
		r.Get(path, h)
	}
	s := webtest.Service{Handler: r, Words: strings.NewReplacer("GOOD", "fine")}
	for _, path := range []string{"/panic", "/busy", "/long", "/cookie", "/open", "/bare", "/text", "/mute", "/more"} {
		if err := s.Check(s.Send("GET", path, "", nil)); err == nil {
			t.Errorf("%s is not found", path)
		}
	}
	for _, path := range []string{"/fine", "/GOOD", "/nothing"} {
		if err := s.Check(s.Send("GET", path, "A: b", nil)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if w := s.Send("G ET", "/fine", "", nil); w != nil {
		t.Errorf("got %d for what is no request", w.Code)
	}
}
