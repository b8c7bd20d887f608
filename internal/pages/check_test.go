package pages_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"strikevote/internal/language"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// program stands for the compiled audit, support for what Go ships to run it.
var (
	program = []byte("\x00asm, more or less")
	support = []byte("// of Go\n")
)

func built(t *testing.T) fs.FS {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"assets/audit/audit.wasm.gz": {Data: b.Bytes()},
		"assets/audit/wasm_exec.js":  {Data: support},
	}
}

// ended serves the committed record of an election that is over.
func ended(t *testing.T, audit fs.FS) (http.Handler, *election.Manifest) {
	t.Helper()
	r, err := zip.OpenReader("../audit/testdata/record.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	files := make(record)
	for _, f := range r.File {
		if files[f.Name], err = fs.ReadFile(r, f.Name); err != nil {
			t.Fatal(err)
		}
	}
	m, err := election.Parse(files[layout.Manifest])
	if err != nil {
		t.Fatal(err)
	}
	s := &pages.Site{
		Lookup: func(id suite.ElectionID) (pages.Record, bool) { return files, id == m.ElectionID },
		Content: func(context.Context, suite.ElectionID) (pages.Source, error) {
			return nil, pages.ErrNotFound
		},
	}
	s.SetAudit(audit)
	return s.Handler(), m
}

func ask(t *testing.T, h http.Handler, target string, header ...string) *http.Response {
	t.Helper()
	rec, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	h.ServeHTTP(rec, req)
	return rec.Result()
}

// attribute returns the value of an attribute that has to be there.
func attribute(t *testing.T, page, name string) string {
	t.Helper()
	m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no %s in %s", name, page)
	}
	return m[1]
}

// TestOtherWords: of check words that differ nobody is told at once that the record is of
// another vote, since one wrong letter is enough for it.
func TestOtherWords(t *testing.T) {
	t.Parallel()
	w := language.Of("en")
	head, means := w.Text("audit.other"), w.Text("audit.other.means", "six_words", "a b c d e f")
	if strings.Contains(head, "another vote") || !strings.Contains(means, "Look at the words that you entered again. If they are right, this is the record of another vote.") {
		t.Errorf("it says %s: %s", head, means)
	}
}

// TestCheckPage follows the page to everything that it runs: each script is the one
// that is named by its hash, and only this page and its worker may do more than
// others.
func TestCheckPage(t *testing.T) {
	t.Parallel()
	h, m := ended(t, built(t))
	at := "/e/" + m.ElectionID.String() + "/"
	resp := ask(t, h, at+"check")
	page := read(t, resp)
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"script-src 'self' 'wasm-unsafe-eval';", "worker-src 'self';", "require-trusted-types-for 'script'", "trusted-types check"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %q: %s", want, policy)
		}
	}
	if other := ask(t, h, at).Header.Get("Content-Security-Policy"); strings.Contains(other, "wasm") || strings.Contains(other, "worker") {
		t.Errorf("another page has the policy %s", other)
	}
	for _, want := range []string{"strikevote verify " + m.Origins.Board + "/" + m.ElectionID.String(), "path sculptor pianist secret master getaway", "It loads about 1 MB"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page %s", want, page)
		}
	}
	sum := sha256.Sum256(program)
	if got := attribute(t, page, "data-sha256"); got != hex.EncodeToString(sum[:]) {
		t.Errorf("the program's hash is %s", got)
	}
	worker := ask(t, h, attribute(t, page, "data-worker"))
	if body := read(t, worker); !strings.HasPrefix(body, string(support)) || !strings.Contains(body, "strikevoteAudit") {
		t.Errorf("the worker is %s", body)
	}
	if got := worker.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'; script-src 'wasm-unsafe-eval'; connect-src 'self';") {
		t.Errorf("the worker's policy is %s", got)
	}
	packed := ask(t, h, attribute(t, page, "data-program"), "Accept-Encoding", "gzip, br")
	unpacked, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(unpacked)
	if err != nil || !bytes.Equal(got, program) || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the program is %q, %v", got, err)
	}
	plain := ask(t, h, attribute(t, page, "data-program"))
	if got := read(t, plain); got != string(program) || plain.Header.Get("Content-Type") != "application/wasm" {
		t.Errorf("the program is %q", got)
	}
	if refused := ask(t, h, attribute(t, page, "data-program"), "Accept-Encoding", "gzip;q=0"); read(t, refused) != string(program) {
		t.Error("the program is packed for a reader who cannot unpack it")
	}
	// A browser that knows Integrity-Policy runs no script that is asked for in any other
	// way.
	if n := strings.Count(page, "<script src="); n != 3 || strings.Count(page, ` crossorigin="anonymous" defer>`) != n {
		t.Errorf("%d scripts, not all of which are asked for with their hash", n)
	}
	for _, script := range regexp.MustCompile(`<script src="([^"]+)" integrity="sha256-([^"]+)"`).FindAllStringSubmatch(page, -1) {
		body, err := io.ReadAll(ask(t, h, script[1]).Body)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(body)
		if got := base64.StdEncoding.EncodeToString(sum[:]); got != strings.ReplaceAll(script[2], "&#43;", "+") {
			t.Errorf("%s: hash %s, the page says %s", script[1], got, script[2])
		}
	}
}

// TestCheckWithout: a program that was built without the audit for browsers offers the
// one command, and so does the page before there is a record.
func TestCheckWithout(t *testing.T) {
	t.Parallel()
	h, m := ended(t, fstest.MapFS{})
	resp := ask(t, h, "/e/"+m.ElectionID.String()+"/check")
	page := read(t, resp)
	if !strings.Contains(page, "no check in the browser") || strings.Contains(page, "data-worker") || !strings.Contains(page, "strikevote verify") {
		t.Errorf("got %s", page)
	}
	half := fstest.MapFS{"assets/audit/wasm_exec.js": {Data: support}}
	if pages.CheckIn(fstest.MapFS{}) || pages.CheckIn(half) || !pages.CheckIn(built(t)) {
		t.Error("it is not told whether this program has the audit")
	}
	w := newWorld(t)
	w.site.SetAudit(built(t))
	w.handler = w.site.Handler()
	if page := w.page("check"); strings.Contains(page, `type="submit"`) || !strings.Contains(page, "when voting has ended") || !strings.Contains(page, "check-file") {
		t.Errorf("while voting is open: %s", page)
	}
}

// TestRecheckForm looks at the form for the test of a device: it has a field for all that
// a device shows, is hidden from a reader without scripts, who is told of the command,
// and has no address that what is typed could be sent to. No other page loads its script.
func TestRecheckForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.manifest
	resp := ask(t, w.handler, "/e/"+m.ElectionID.String()+"/check")
	page := read(t, resp)
	form := regexp.MustCompile(`(?s)<form id="test-form"[^>]* hidden .*?</form>`).FindString(page)
	if form == "" || strings.Contains(form, "action=") {
		t.Fatalf("the form is %s", form)
	}
	want := []string{`id="test-tracker"`, `id="test-code"`, `id="test-own"`, `data-manifest="/` + m.ElectionID.String() + `/manifest"`, `data-mid="` + w.mid.String() + `"`}
	for i, q := range m.Questions {
		for j := range q.Options {
			want = append(want, fmt.Sprintf(`name="test-q%d" id="test-q%d%s" value="%d"`, i, i, map[bool]string{false: "", true: fmt.Sprintf("-%d", j)}[j > 0], j))
		}
	}
	for _, g := range m.Groups {
		want = append(want, fmt.Sprintf(`value="%d"`, g.ID))
	}
	for _, s := range want {
		if !strings.Contains(form, s) {
			t.Errorf("the form lacks %s: %s", s, form)
		}
	}
	for _, s := range []string{`<p id="test-old">This browser cannot check a test.`, "strikevote vote -check FILE LINK", m.Help.Phone} {
		if !strings.Contains(page, s) {
			t.Errorf("the page lacks %q", s)
		}
	}
	policy := resp.Header.Get("Content-Security-Policy")
	for _, s := range []string{"connect-src 'self';", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, s) {
			t.Errorf("the policy lacks %q: %s", s, policy)
		}
	}
	scripts := regexp.MustCompile(`<script src="([^"]+)" integrity`).FindAllStringSubmatch(page, -1)
	own := scripts[len(scripts)-1][1]
	if body := read(t, ask(t, w.handler, own)); !strings.Contains(body, "test-form") {
		t.Errorf("%s is another script", own)
	}
	for _, other := range []string{"", "box", "questions"} {
		if strings.Contains(w.page(other), own) {
			t.Errorf("the page %q loads it too", other)
		}
	}
}

// TestCheckOutcome: what the audit finds is shown in the reader's language where the page
// knows that very sentence in it.
func TestCheckOutcome(t *testing.T) {
	t.Parallel()
	h, m := ended(t, built(t))
	page := read(t, ask(t, h, "/e/"+m.ElectionID.String()+"/check?lang=es"))
	en, es := language.Of("en"), language.Of("es")
	if got := attribute(t, page, "data-outcome"); got != en.Text("results.outcome.all") {
		t.Errorf("the sentence that was signed is %q", got)
	}
	if got := attribute(t, page, "data-said"); got != es.Text("results.outcome.all") {
		t.Errorf("in Spanish it is %q", got)
	}
}
