package monitor_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/booth"
	"strikevote/internal/monitor"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

const origin = "https://vote.example"

// A world is an election's board and booth, without a network between.
type world struct {
	e     *audittest.Election
	files audittest.Files
	booth http.Handler
	// away is a host that does not answer.
	away string
	// lists says whether the board lists the files of the record.
	lists bool

	mu    sync.Mutex
	asked []*http.Request // of the booth; guarded by mu
}

// own is the page of this program.
var own = booth.Client(origin)

// newWorld makes an election whose manifest names a page, or none if it is nil; acts
// come after.
func newWorld(t *testing.T, named *election.Client, acts ...audittest.Payload) *world {
	t.Helper()
	e := audittest.New(t, audittest.Options{Nobody: true, Stage: layout.Locked, Client: named})
	for i, a := range acts {
		e.AddAct(t, a, audittest.Open+int64(i)*3600)
	}
	w := &world{e: e, files: e.Publish(t)}
	o := e.Manifest.Origins
	w.booth = booth.Handler(booth.Config{Connect: func() []string { return []string{o.Registrar, o.Box, o.Board} }, Manifest: func(context.Context, suite.ElectionID) ([]byte, error) {
		return e.Raw, nil
	}})
	return w
}

// RoundTrip answers for board and booth.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	switch strings.ToLower(strings.TrimSuffix(r.URL.Host, ":443")) {
	case w.away:
		return nil, errors.New("connection refused")
	case "board.example":
		path, _ := strings.CutPrefix(r.URL.Path, "/"+w.e.Manifest.ElectionID.String()+"/")
		if path == "files" && w.lists {
			_ = json.NewEncoder(rec).Encode(slices.Sorted(maps.Keys(w.files)))
			break
		}
		if b, ok := w.files[path]; ok {
			_, _ = rec.Write(b.Data)
		} else {
			rec.WriteHeader(http.StatusNotFound)
		}
	case "vote.example":
		w.mu.Lock()
		w.asked = append(w.asked, r)
		w.mu.Unlock()
		w.booth.ServeHTTP(rec, r)
	default:
		return nil, fmt.Errorf("nobody is to ask %s", r.URL.Host)
	}
	return rec.Result(), nil
}

func (w *world) config() monitor.Config {
	return monitor.Config{URL: "https://board.example/" + w.e.Manifest.ElectionID.String() + "/", Client: &http.Client{Transport: w,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// says looks once and returns everything that differs, a line each.
func (w *world) says(t *testing.T) (*monitor.Report, string) {
	t.Helper()
	r, err := monitor.Look(t.Context(), w.config())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range r.Differences {
		lines = append(lines, d.Where+": "+d.Says)
	}
	return r, strings.Join(lines, "\n")
}

// TestSame looks at a page that is what the committee named, in the manifest or later.
func TestSame(t *testing.T) {
	t.Parallel()
	now := act.ClientBundle{URL: own.URL, SHA256: own.SHA256}
	old := act.ClientBundle{URL: now.URL, SHA256: suite.Hash{1}}
	wrong := &election.Client{URL: own.URL, SHA256: suite.Hash{2}}
	for name, tt := range map[string]struct {
		w  *world
		by uint32
	}{
		"the manifest":           {newWorld(t, own), 0},
		"the manifest, and acts": {newWorld(t, own, act.Extend{Close: audittest.Close + 60}), 0},
		"an act":                 {newWorld(t, wrong, act.Extend{Close: audittest.Close + 60}, old, now, act.Extend{Close: audittest.Close + 70}), 3},
		"an act alone":           {newWorld(t, nil, now), 1},
	} {
		r, says := tt.w.says(t)
		if says != "" {
			t.Errorf("%s: %s", name, says)
		}
		if r.MID != tt.w.e.MID || r.Act != tt.by || *r.Client != *own || r.Answers < 40 {
			t.Errorf("%s: got act %d, %d answers, page %v", name, r.Act, r.Answers, r.Client)
		}
	}
}

// TestWithheld finds the page that was named after acts that a board shows at the lock
// only: somebody was added, or struck.
func TestWithheld(t *testing.T) {
	t.Parallel()
	late := act.Amend{Op: act.OpStrike, Group: 1, Hash: suite.Hash{7}}
	w := newWorld(t, &election.Client{URL: own.URL, SHA256: suite.Hash{2}}, late, act.ClientBundle{URL: own.URL, SHA256: own.SHA256}, act.Extend{Close: audittest.Close + 60})
	w.lists = true
	delete(w.files, layout.Act(1))
	if r, says := w.says(t); says != "" || r.Act != 2 {
		t.Errorf("named by act %d: %s", r.Act, says)
	}
	// What stands under another number is no act of that number.
	w.files[layout.Act(4)] = w.files[layout.Act(2)]
	if _, says := w.says(t); !strings.Contains(says, "the record does not hold: acts/0004") {
		t.Errorf("an act under another number: %s", says)
	}
}

// TestStranger checks what the booth is told: nothing by which it could know the
// monitor again, and never the same twice.
func TestStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, own)
	orders := make(map[string]bool)
	agents, languages := make(map[string]bool), make(map[string]bool)
	for range 3 {
		w.asked = nil
		w.says(t)
		var order strings.Builder
		for _, r := range w.asked {
			for name := range r.Header {
				if !strings.Contains(" User-Agent Accept Accept-Language Accept-Encoding Upgrade-Insecure-Requests ", " "+name+" ") && !strings.HasPrefix(name, "Sec-Fetch-") {
					t.Errorf("the booth is told %s", name)
				}
			}
			page := strings.Contains(r.Header.Get("Accept"), "text/html")
			if opens := r.URL.Path == "/v1/" || r.URL.Path == "/v1/"+w.e.Manifest.ElectionID.String(); opens != page {
				t.Errorf("%s is asked for with Accept: %s", r.URL, r.Header.Get("Accept"))
			}
			mode := map[bool]string{true: "navigate", false: "cors"}[page]
			if got := r.Header.Get("Sec-Fetch-Mode"); got != mode && !(got == "" && strings.Contains(r.Header.Get("User-Agent"), "Version/15.6")) {
				t.Errorf("%s is asked for with Sec-Fetch-Mode: %s", r.URL, got)
			}
			if !strings.HasPrefix(r.Header.Get("User-Agent"), "Mozilla/5.0 (") || r.Method != http.MethodGet {
				t.Errorf("%s by %q", r.Method, r.Header.Get("User-Agent"))
			}
			agents[r.Header.Get("User-Agent")] = true
			languages[r.Header.Get("Accept-Language")] = true
			order.WriteString(r.URL.String() + " ")
		}
		orders[order.String()] = true
	}
	if len(orders) != 3 || len(agents) < 4 || len(languages) < 10 {
		t.Errorf("%d orders, %d browsers, %d languages", len(orders), len(agents), len(languages))
	}
}

// TestDifferent tampers with the booth. Every way is found, and named.
func TestDifferent(t *testing.T) {
	t.Parallel()
	fair := newWorld(t, own)
	header := func(name, value string) func(*http.Request, http.Header, []byte) []byte {
		return func(_ *http.Request, h http.Header, b []byte) []byte {
			h.Add(name, value)
			return b
		}
	}
	policy := func(old, now string) func(*http.Request, http.Header, []byte) []byte {
		return func(_ *http.Request, h http.Header, b []byte) []byte {
			if p := h.Get("Content-Security-Policy"); strings.Contains(p, "script-src 'sha256") {
				h.Set("Content-Security-Policy", strings.Replace(p, old, now, 1))
			}
			return b
		}
	}
	list := func(name, value string) func(*http.Request, http.Header, []byte) []byte {
		return func(r *http.Request, h http.Header, b []byte) []byte {
			if r.URL.Path == "/v1/client" {
				h.Set(name, value)
			}
			return b
		}
	}
	evil := func(b []byte) []byte {
		return bytes.Replace(b, []byte("<body"), []byte("<script>steal()</script><body"), 1)
	}
	for name, tt := range map[string]struct {
		tamper func(r *http.Request, h http.Header, body []byte) []byte
		want   string
	}{
		"another page": {func(_ *http.Request, _ http.Header, b []byte) []byte { return evil(b) },
			"/v1/?lang=en: a browser"},
		"another page in one language": {func(r *http.Request, _ http.Header, b []byte) []byte {
			if strings.HasPrefix(r.Header.Get("Accept-Language"), "ko") && r.URL.RawQuery == "" {
				return evil(b)
			}
			return b
		}, `/v1/: a browser that prefers "ko-KR`},
		"another page for one browser": {func(r *http.Request, _ http.Header, b []byte) []byte {
			if strings.Contains(r.Header.Get("User-Agent"), "iPhone") {
				return evil(b)
			}
			return b
		}, "which is not listed for it"},
		"another page for the election": {func(r *http.Request, _ http.Header, b []byte) []byte {
			if strings.Contains(r.URL.Path, "/v1/e1ec") {
				return evil(b)
			}
			return b
		}, "/v1/e1ec"},
		"other words": {func(r *http.Request, _ http.Header, b []byte) []byte {
			return bytes.Replace(b, []byte("ability\n"), []byte("agility\n"), 1)
		}, "/v1/words.txt: "},
		"another manifest": {func(r *http.Request, _ http.Header, b []byte) []byte {
			if strings.HasSuffix(r.URL.Path, "/manifest") {
				return append(b, ' ')
			}
			return b
		}, "/manifest: "},
		"another list": {func(r *http.Request, _ http.Header, b []byte) []byte {
			if r.URL.Path == "/v1/client" {
				return append(b, strings.Repeat("0", 64)+"  /v1/x.js\n"...)
			}
			return b
		}, "not " + own.SHA256.String() + " as the committee named"},
		"no list": {func(r *http.Request, _ http.Header, b []byte) []byte {
			if r.URL.Path == "/v1/client" {
				return b[1:]
			}
			return b
		}, "it is no list of files: line 1"},
		"scripts of others":              {policy("script-src ", "script-src https://cdn.example "), "has script-src"},
		"any script":                     {policy("script-src ", "script-src 'unsafe-inline' "), "has script-src"},
		"sends elsewhere":                {policy("connect-src ", "connect-src https://log.example "), "has connect-src"},
		"sends to nobody":                {policy("https://registrar.example ", ""), "has connect-src"},
		"forms to others":                {policy("form-action 'none'", "form-action *"), "has form-action"},
		"frames":                         {policy("frame-ancestors 'none'; ", ""), "has frame-ancestors"},
		"no trusted types":               {policy("require-trusted-types-for 'script'", ""), "has require-trusted-types-for"},
		"reports":                        {policy("default-src", "report-uri https://log.example; default-src"), "has report-uri, which it must not have"},
		"two policies":                   {header("Content-Security-Policy", "default-src *"), "stands there 2 times"},
		"a policy that repeats":          {policy("script-src", "script-src *; script-src"), "has script-src twice"},
		"a cookie":                       {header("Set-Cookie", "a=b"), "it has the header Set-Cookie"},
		"leads elsewhere":                {header("Refresh", "0; url=https://other.example"), "it has the header Refresh"},
		"loads elsewhere":                {header("Link", "<https://other.example/x.js>; rel=preload"), "it has the header Link"},
		"a list that is kept":            {list("Cache-Control", "max-age=60"), "/v1/client: Cache-Control is"},
		"a list that is a page":          {list("Content-Type", "text/html"), "/v1/client: Content-Type is"},
		"a list that loads":              {list("Link", "<https://other.example/x.js>; rel=preload"), "/v1/client: it has the header Link"},
		"a list that runs":               {list("Content-Security-Policy", "default-src 'none'; script-src 'self'"), `/v1/client: Content-Security-Policy has script-src "'self'"`},
		"a list with half of a policy":   {list("Content-Security-Policy", "form-action 'none'"), "/v1/client: Content-Security-Policy has no default-src"},
		"a list without a policy of use": {list("Content-Security-Policy", "default-src 'none'; default-src *"), "/v1/client: Content-Security-Policy has default-src twice"},
		"words that run": {func(r *http.Request, h http.Header, b []byte) []byte {
			if r.URL.Path == "/v1/words.txt" {
				h.Set("Content-Security-Policy", "default-src *")
			}
			return b
		}, "/v1/words.txt: Content-Security-Policy has default-src"},
		"is kept by what is asked": {func(_ *http.Request, h http.Header, b []byte) []byte {
			h.Set("Cache-Control", "max-age=60")
			return b
		}, "Cache-Control is"},
		"is no page": {func(_ *http.Request, h http.Header, b []byte) []byte {
			h.Set("Content-Type", "text/plain")
			return b
		}, "Content-Type is"},
		"a page in place of words": {func(_ *http.Request, h http.Header, b []byte) []byte {
			h.Set("Content-Type", "text/html")
			return b
		}, "Content-Type is"},
	} {
		w := &world{e: fair.e, files: fair.files, booth: fair.booth}
		w.tamper(tt.tamper)
		r, says := w.says(t)
		if !strings.Contains(says, tt.want) {
			t.Errorf("%s: got %q, want %q", name, says, tt.want)
		}
		for _, d := range r.Differences {
			if d.Header == nil || d.Body == nil {
				t.Errorf("%s: nothing of %s is kept", name, d.Where)
			}
		}
	}
}

// tamper puts somebody between the booth and its readers.
func (w *world) tamper(change func(r *http.Request, h http.Header, body []byte) []byte) {
	honest := w.booth
	w.booth = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		honest.ServeHTTP(rec, r)
		body := change(r, rec.Header(), rec.Body.Bytes())
		for name, values := range rec.Header() {
			out.Header()[name] = values
		}
		out.Header().Del("Content-Length")
		out.WriteHeader(rec.Code)
		_, _ = out.Write(body)
	})
}

// TestStatus answers with what is no page: a refusal is a difference, a fault is not.
func TestStatus(t *testing.T) {
	t.Parallel()
	for status, differs := range map[int]bool{302: true, 404: true, 403: true, 500: false, 503: false, 429: false} {
		w := newWorld(t, own)
		honest := w.booth
		w.booth = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/words.txt" {
				honest.ServeHTTP(out, r)
				return
			}
			out.Header().Set("Location", "https://other.example/")
			out.WriteHeader(status)
		})
		r, err := monitor.Look(t.Context(), w.config())
		if (err == nil) != differs || (len(r.Differences) > 0) != differs {
			t.Errorf("%d: got %v, %d differences", status, err, len(r.Differences))
		}
	}
}

// TestAway looks at what does not answer.
func TestAway(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"board.example", "vote.example"} {
		w := newWorld(t, own)
		w.away = host
		if r, err := monitor.Look(t.Context(), w.config()); err == nil || len(r.Differences) > 0 {
			t.Errorf("%s is away: got %v", host, err)
		}
	}
	for _, address := range []string{"", "board.example", "ftp://board.example/x", "https://a@board.example/x", "https://board.example/x?y", "https:///x"} {
		if _, err := monitor.Look(t.Context(), monitor.Config{URL: address}); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
}

// TestBoothAddress: the ballot page answers with the manifest, as a record does, but knows no
// act that named another page. So its address is refused, for an old page would be the same.
func TestBoothAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, own, act.ClientBundle{URL: own.URL, SHA256: suite.Hash{1}})
	id := w.e.Manifest.ElectionID.String()
	c := w.config()
	for _, origin := range []string{"https://vote.example", "https://Vote.Example", "https://vote.example:443"} {
		c.URL = origin + "/v1/" + id
		if _, err := monitor.Look(t.Context(), c); !errors.Is(err, layout.ErrNoRecord) || !strings.Contains(err.Error(), "the record is at https://board.example/"+id) {
			t.Errorf("%s: got %v", origin, err)
		}
	}
	c.URL = "https://board.example"
	delete(w.files, layout.Manifest)
	if _, err := monitor.Look(t.Context(), c); !errors.Is(err, layout.ErrNoRecord) {
		t.Errorf("without a manifest: got %v", err)
	}
}

// TestDeclared reads records in which what the committee named is not the page, or in
// which the acts do not hold.
func TestDeclared(t *testing.T) {
	t.Parallel()
	now := act.ClientBundle{URL: own.URL, SHA256: own.SHA256}
	for name, tt := range map[string]struct {
		w    func() *world
		want string
	}{
		"another page in the manifest": {func() *world {
			return newWorld(t, &election.Client{URL: own.URL, SHA256: suite.Hash{1}})
		}, "not 0100"},
		"another page by an act": {func() *world { return newWorld(t, own, act.ClientBundle{URL: now.URL, SHA256: suite.Hash{1}}) }, "not 0100"},
		"a page elsewhere": {func() *world {
			return newWorld(t, &election.Client{URL: "https://other.example/v1/client", SHA256: own.SHA256})
		}, "the committee named another address"},
		"an act that the board keeps back": {func() *world {
			w := newWorld(t, &election.Client{URL: own.URL, SHA256: suite.Hash{1}}, now)
			delete(w.files, layout.Act(1))
			return w
		}, "not 0100"},
		"an act of nobody": {func() *world {
			w := newWorld(t, own, now)
			w.e.Committee[0] = w.e.Committee[2]
			forged := w.e.Clone()
			forged.Entries = nil
			forged.AddAct(t, act.ClientBundle{URL: now.URL, SHA256: suite.Hash{9}}, audittest.Open)
			w.files = forged.Publish(t)
			return w
		}, "the record does not hold: acts/0001"},
		"an act without witnesses": {func() *world {
			w := newWorld(t, own, now)
			lines := strings.SplitAfter(string(w.files[layout.Act(1)].Data), "\n")
			w.files[layout.Act(1)] = &fstest.MapFile{Data: []byte(strings.Join(lines[:len(lines)-3], ""))}
			return w
		}, "the record does not hold: acts/0001"},
		"no act": {func() *world {
			w := newWorld(t, own, now)
			w.files[layout.Act(1)] = &fstest.MapFile{Data: []byte("act")}
			return w
		}, "the record does not hold: acts/0001"},
	} {
		if _, says := tt.w().says(t); !strings.Contains(says, tt.want) {
			t.Errorf("%s: got %q", name, says)
		}
	}
	w := newWorld(t, nil)
	if _, err := monitor.Look(t.Context(), w.config()); !errors.Is(err, monitor.ErrUndeclared) {
		t.Errorf("no page was named: got %v", err)
	}
}

// TestMID looks at an election that is not the one that is meant.
func TestMID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, own)
	c := w.config()
	c.MID = &w.e.MID
	if r, err := monitor.Look(t.Context(), c); err != nil || len(r.Differences) > 0 {
		t.Errorf("got %v, %v", err, r.Differences)
	}
	other := suite.MID(sha256.Sum256([]byte("other")))
	c.MID = &other
	w.asked = nil
	if r, err := monitor.Look(t.Context(), c); err != nil || len(r.Differences) != 1 || !strings.Contains(r.Differences[0].Says, "not the election that you mean") {
		t.Errorf("got %v, %v", err, r.Differences)
	}
	if len(w.asked) > 0 {
		t.Error("the booth was asked")
	}
}
