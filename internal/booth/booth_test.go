package booth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/booth"
	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

var known, broken = suite.ElectionID{0xab, 1}, suite.ElectionID{0xab, 2}

const manifest = `{"suite":"SV1"}` + "\n"

func connect() []string { return []string{"https://registrar.example", "https://box.example"} }

func handler(log *slog.Logger) http.Handler {
	return booth.Handler(booth.Config{Log: log, Connect: connect, Manifest: func(_ context.Context, id suite.ElectionID) ([]byte, error) {
		switch id {
		case known:
			return []byte(manifest), nil
		case broken:
			return nil, errors.New("dial tcp 10.1.2.3:443: connection refused")
		}
		return nil, booth.ErrUnknown
	}})
}

func do(h http.Handler, method, path string, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://booth.example"+path, strings.NewReader(body))
	r.Header.Set("Cookie", "a=b")
	r.Header.Set("Origin", "https://verifier.example")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestBooth asks for what there is and for what there is not, and looks at what
// every answer carries.
func TestBooth(t *testing.T) {
	t.Parallel()
	const html, data, text = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
	id := known.String()
	for _, tt := range []struct {
		method, path string
		status       int
		kind, holds  string
	}{
		{"GET", "/v1/", 200, html, "Union ballot"},
		{"HEAD", "/v1/", 200, html, ""},
		{"GET", "/v1/%23t=AQID&m=BAUG", 200, html, "Union ballot"},
		{"HEAD", "/v1/%23t=AQID&m=BAUG", 200, html, ""},
		{"GET", "/v1/%23t%3DAQID%26m%3DBAUG", 200, html, "Union ballot"},
		{"POST", "/v1/%23t=AQID&m=BAUG", 405, data, "cannot be done"},
		{"GET", "/v1/words/vi.json", 200, data, `{"`},
		{"GET", "/v1/words/sw.json", 404, data, "nothing here"},
		{"GET", "/v1/words/en", 404, data, "nothing here"},
		{"GET", "/v1/words.txt", 200, text, "\nzone\n"},
		{"GET", "/v1/licences.txt", 200, text, "Permission is hereby granted"},
		{"GET", "/v1/client", 200, text, "  /v1/?lang=zh-Hant\n"},
		{"POST", "/v1/client", 405, data, "cannot be done"},
		{"GET", "/v1/" + id, 200, html, "Union ballot"},
		{"GET", "/v1/" + id + "/manifest", 200, data, manifest},
		{"HEAD", "/v1/" + id + "/manifest", 200, data, ""},
		{"GET", "/v1/" + strings.ToUpper(id) + "/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + suite.ElectionID{9}.String() + "/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + suite.ElectionID{9}.String(), 404, data, "no such election"},
		{"GET", "/v1/" + id[:31] + "/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + broken.String() + "/manifest", 503, data, "try again"},
		{"GET", "/v1/x", 404, data, "no such election"},
		{"GET", "/v1/%2e%2e/manifest", 404, data, "no such election"},
		{"GET", "/v1/" + id + "/other", 404, data, "nothing here"},
		{"GET", "/", 404, data, "nothing here"},
		{"GET", "/v2/", 404, data, "nothing here"},
		{"POST", "/v1/", 405, data, "cannot be done"},
		{"POST", "/v1/" + id + "/manifest", 405, data, "cannot be done"},
		{"DELETE", "/v1/" + id, 405, data, "cannot be done"},
	} {
		w := do(handler(nil), tt.method, tt.path, "")
		h := w.Result().Header
		if w.Code != tt.status || h.Get("Content-Type") != tt.kind {
			t.Errorf("%s %s: got %d, %s", tt.method, tt.path, w.Code, h.Get("Content-Type"))
		}
		if tt.method != "HEAD" && !strings.Contains(w.Body.String(), tt.holds) {
			t.Errorf("%s %s: got %q", tt.method, tt.path, w.Body)
		}
		if tt.status != 200 {
			said := struct{ Error, Message string }{}
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Error == "" || said.Message == "" {
				t.Errorf("%s %s: got %q", tt.method, tt.path, w.Body)
			}
		}
		if tt.status == 405 && h.Get("Allow") != "GET" {
			t.Errorf("%s %s: %q is allowed", tt.method, tt.path, h.Get("Allow"))
		}
		if len(h.Values("Set-Cookie")) > 0 {
			t.Errorf("%s %s sets a cookie", tt.method, tt.path)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy":     "default-src 'none'; ",
			"X-Content-Type-Options":      "nosniff",
			"Referrer-Policy":             "same-origin",
			"Cache-Control":               "no-store",
			"Strict-Transport-Security":   "max-age=",
			"Access-Control-Allow-Origin": "*",
		} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s %s: %s is %q", tt.method, tt.path, name, h.Get(name))
			}
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s lets pages send cookies", tt.method, tt.path)
		}
	}
}

// TestPage checks that the page loads nothing from anywhere: a request to
// somebody else would tell them who opened a link. Nor does it hold what its policy
// would refuse.
func TestPage(t *testing.T) {
	t.Parallel()
	for _, tag := range language.Tags() {
		body := do(handler(nil), "GET", "/v1/?lang="+tag.Code, "").Body.String()
		outside := regexp.MustCompile(`(?s)(<(?:script|style)[^>]*>).*?(</)`).ReplaceAllString(body, "$1$2")
		if outside == body {
			t.Fatal("the page has no scripts")
		}
		for _, bad := range []string{"http:", "https:", "//", "src=", "href=\"h", "<link", "style=", "action=", "<iframe", "<base"} {
			if strings.Contains(outside, bad) {
				t.Errorf("%s: the page has %q", tag.Code, bad)
			}
		}
		if on := regexp.MustCompile(`<[a-z][^>]*\son[a-z]+=`).FindString(outside); on != "" {
			t.Errorf("%s: the page has %q", tag.Code, on)
		}
	}
}

// TestPolicy checks the policy of the page in each language: the hashes of what it
// runs, and the services that it asks.
func TestPolicy(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/?lang=", "/v1/" + known.String() + "?lang="} {
		for _, tag := range language.Tags() {
			w := do(handler(nil), "GET", path+tag.Code, "")
			var hashes []string
			for _, m := range regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(w.Body.String(), -1) {
				sum := sha256.Sum256([]byte(m[1]))
				hashes = append(hashes, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
			}
			policy := w.Result().Header.Get("Content-Security-Policy")
			for _, want := range []string{
				"; script-src " + strings.Join(hashes, " ") + "; style-src 'sha256-", "; img-src 'none'; ", "; form-action 'none'; ",
				"; connect-src 'self' https://registrar.example https://box.example; ", "; frame-ancestors 'none'; ",
				"; require-trusted-types-for 'script'; trusted-types 'none'",
			} {
				if !strings.Contains(policy, want) {
					t.Errorf("%s: %q is not in %s", tag.Code, want, policy)
				}
			}
			if len(hashes) != 2 || strings.Contains(policy, "unsafe") || strings.Count(policy, "'self'") != 1 {
				t.Errorf("%s: %d scripts, policy %s", tag.Code, len(hashes), policy)
			}
		}
	}
}

// TestLanguage asks in each way for a language. Whatever is asked, the answer is one
// of the documents that have an address of their own.
func TestLanguage(t *testing.T) {
	t.Parallel()
	h := handler(nil)
	pages := make(map[string]string)
	for _, tag := range language.Tags() {
		pages[tag.Code] = do(h, "GET", "/v1/?lang="+tag.Code, "").Body.String()
	}
	if len(pages) != 7 || pages["en"] == pages["es"] {
		t.Fatal("the languages have the same page")
	}
	for _, tt := range []struct{ query, accept, want string }{
		{"", "", "en"}, {"", "es-MX,es;q=0.9", "es"}, {"?lang=ko", "es", "ko"}, {"?lang=xx", "zh-TW", "zh-Hant"}, {"?lang=ko&lang=es", "", "ko"},
		{"?lang=%22%3E", "", "en"}, {"?t=told", "vi", "vi"}, {"?lang=%zz", "tl", "tl"},
	} {
		for _, path := range []string{"/v1/", "/v1/" + known.String()} {
			r := httptest.NewRequest("GET", "https://booth.example"+path+tt.query, nil)
			r.Header.Set("Accept-Language", tt.accept)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			header := w.Result().Header
			if w.Body.String() != pages[tt.want] || header.Get("Content-Language") != tt.want {
				t.Errorf("%s, %s: got another page than %s", tt.query, tt.accept, tt.want)
			}
			if vary := strings.Join(header.Values("Vary"), ","); !strings.Contains(vary, "Accept-Language") || !strings.Contains(vary, "Accept-Encoding") {
				t.Errorf("Vary is %s", vary)
			}
		}
	}
}

// TestMissing opens addresses of no vote as a person does. The page says so in the
// person's language, and runs nothing.
func TestMissing(t *testing.T) {
	t.Parallel()
	h := handler(nil)
	ask := func(method, path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://booth.example"+path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	none := suite.ElectionID{9}.String()
	for _, tag := range language.Tags() {
		w := ask("GET", "/v1/"+none+"?lang="+tag.Code, browser)
		body, header := w.Body.String(), w.Result().Header
		if w.Code != 404 || header.Get("Content-Type") != "text/html; charset=utf-8" || header.Get("Content-Language") != tag.Code {
			t.Errorf("%s: got %d, %v", tag.Code, w.Code, header)
		}
		for _, key := range []string{"booth.link.unknown", "booth.link.unknown.text"} {
			if !strings.Contains(body, ">"+language.Of(tag.Code).Text(key)+"<") {
				t.Errorf("%s: the page has no %s", tag.Code, key)
			}
		}
		for _, other := range language.Tags() {
			if !strings.Contains(body, fmt.Sprintf(`<a href="?lang=%s" lang="%[1]s" hreflang="%[1]s"`, other.Code)) || !strings.Contains(body, ">"+other.Name+"</a>") {
				t.Errorf("%s: the page cannot be had in %s", tag.Code, other.Code)
			}
		}
		policy := header.Get("Content-Security-Policy")
		if strings.Contains(body, "<script") || !strings.Contains(policy, "; script-src 'none'; style-src 'sha256-") {
			t.Errorf("%s: the page may run something: %s", tag.Code, policy)
		}
	}
	for _, path := range []string{"/v1/x", "/v1/" + strings.ToUpper(none), "/v1/told"} {
		if w := ask("GET", path, browser); w.Code != 404 || strings.Contains(w.Body.String(), "told") || !strings.HasPrefix(w.Body.String(), "<!doctype html>") {
			t.Errorf("%s: got %d, %s", path, w.Code, w.Body)
		}
	}
	if w := ask("HEAD", "/v1/x", browser); w.Code != 404 || w.Body.Len() > 0 {
		t.Errorf("HEAD: got %d, %d bytes", w.Code, w.Body.Len())
	}
	for _, tag := range language.Tags() {
		for path, want := range map[string]struct {
			status int
			keys   []string
		}{
			"/":                      {404, []string{"pages.missing", "pages.booth.nothing"}},
			"/v1":                    {404, []string{"pages.missing"}},
			"/v1/" + none + "/told":  {404, []string{"pages.missing"}},
			"/v1/" + broken.String(): {503, []string{"pages.down", "pages.down.then"}},
		} {
			r := httptest.NewRequest("GET", "https://booth.example"+path, nil)
			r.Header.Set("Accept", browser)
			r.Header.Set("Accept-Language", tag.Code)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body, header := w.Body.String(), w.Result().Header
			if w.Code != want.status || header.Get("Content-Language") != tag.Code || header.Get("Cache-Control") != "no-store" ||
				(header.Get("Retry-After") != "") != (want.status == 503) || strings.Contains(body, "<script") || strings.Contains(body, "told") {
				t.Errorf("%s in %s: got %d, %v", path, tag.Code, w.Code, header)
			}
			for _, key := range want.keys {
				if !strings.Contains(body, ">"+language.Of(tag.Code).Text(key)+"<") {
					t.Errorf("%s in %s: the page has no %s", path, tag.Code, key)
				}
			}
		}
	}
	for _, tt := range []struct{ method, path, accept string }{
		{"GET", "/", "*/*"}, {"POST", "/", browser}, {"GET", "/v1/" + broken.String(), "application/json"}, {"GET", "/v1/" + broken.String() + "/manifest", browser},
	} {
		if w := ask(tt.method, tt.path, tt.accept); w.Code < 400 || w.Result().Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: a program got %d, %s", tt.method, tt.path, w.Code, w.Body)
		}
	}
	for path, accept := range map[string]string{"/v1/" + none: "*/*", "/v1/" + none + "/manifest": browser} {
		if w := ask("GET", path, accept); w.Code != 404 || !strings.Contains(w.Body.String(), "unknown_election") {
			t.Errorf("%s: a program got %d, %s", path, w.Code, w.Body)
		}
	}
	if w := ask("GET", "/v1/"+known.String(), browser); w.Code != 200 {
		t.Errorf("negative control: got %d", w.Code)
	}
}

// TestStanding asks for manifests of a booth that knows where the vote stands, of one
// that does not, and of one that is never told: no word of it is in any other answer.
func TestStanding(t *testing.T) {
	t.Parallel()
	standing, knows := booth.Standing{election.PhaseOpen, 1_800_000_000}, true
	c := booth.Config{
		Manifest: func(context.Context, suite.ElectionID) ([]byte, error) { return []byte(manifest), nil },
		Stands:   func(context.Context, suite.ElectionID) (booth.Standing, bool) { return standing, knows },
	}
	says := func(c booth.Config, path string) string {
		return do(booth.Handler(c), "GET", path, "").Result().Header.Get("Strikevote-Phase")
	}
	path := "/v1/" + known.String()
	if got := says(c, path+"/manifest"); got != `{"phase":"open","close":1800000000}` {
		t.Errorf("with a manifest comes %q", got)
	}
	if got := says(c, path); got != "" {
		t.Errorf("with the page comes %q", got)
	}
	if knows = false; says(c, path+"/manifest") != "" {
		t.Error("what is not known is told")
	}
	if c.Stands = nil; says(c, path+"/manifest") != "" {
		t.Error("what nobody told is told")
	}
}

// TestListing compares the list of the client's files with what is served.
func TestListing(t *testing.T) {
	t.Parallel()
	h := handler(nil)
	list := do(h, "GET", "/v1/client", "").Body.Bytes()
	if !bytes.Equal(list, booth.Listing()) {
		t.Error("the booth serves another list")
	}
	client := booth.Client("https://booth.example")
	if client.URL != "https://booth.example/v1/client" || client.SHA256 != sha256.Sum256(list) {
		t.Errorf("a manifest would say %v", client)
	}
	var paths []string
	for line := range strings.Lines(string(list)) {
		hash, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		paths = append(paths, path)
		if sum := sha256.Sum256(do(h, "GET", path, "").Body.Bytes()); hex.EncodeToString(sum[:]) != hash {
			t.Errorf("%s has another SHA-256", path)
		}
	}
	if !slices.IsSorted(paths) || len(paths) != 16 {
		t.Errorf("got %q", paths)
	}
}

// TestQuiet checks that nothing is logged of requests, and that the page is the
// same for everybody.
func TestQuiet(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := handler(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	first := do(h, "GET", "/v1/", "").Body.String()
	for _, path := range []string{"/v1/?t=told-it", "/v1/x/told-in-a-path", "/v1/%23t=told-in-a-path&m=x", "/v1/%23t%3Dtold-in-a-path", "/v1/" + known.String() + "/manifest?told-in-a-query"} {
		w := do(h, "GET", path, "told-in-a-body")
		if strings.Contains(w.Body.String(), "told-i") {
			t.Errorf("%s is repeated in the answer", path)
		}
	}
	for _, path := range []string{"/v1/?t=told", "/v1/%23t=told&m=x"} {
		if got := do(h, "GET", path, "").Body.String(); got != first {
			t.Errorf("%s: the page differs", path)
		}
	}
	if w := do(h, "POST", "/v1/", strings.Repeat("x", 1<<20)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: got %d", w.Code)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
}
