// Package main_test runs the browser's audit under Node and compares what it
// says with what internal/audit says on this computer.
package main_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit"
	"strikevote/internal/protocol/election"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

const example = "../../../internal/audit/testdata/record.zip"

// program is the compiled audit, made once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "strikevote-wasm-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "audit.wasm")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the audit for a browser: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A request is what the page sends its worker.
type request struct {
	Base  string `json:"base,omitempty"`
	Zip   string `json:"zip,omitempty"` // a file, here
	MID   string `json:"mid,omitempty"`
	Words string `json:"words,omitempty"`
}

// A reply is the last message of the worker, and the ones before it.
type reply struct {
	State, Rule, Why, Report string
	Failed                   string
	Steps                    []string
}

// run sends requests to one worker.
func run(t *testing.T, sha string, requests ...request) []reply {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("there is no Node.js; deploy/dependencies.sh installs it")
	}
	if sha == "" {
		b, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		sha = hex.EncodeToString(sum[:])
	}
	var in bytes.Buffer
	for _, r := range requests {
		if err := json.NewEncoder(&in).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	support := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
	served := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(program))))
	defer served.Close()
	c := exec.CommandContext(t.Context(), node, "testdata/drive.mjs", support, "../../../templates/assets/check-worker.js", served.URL+"/audit.wasm", sha)
	var out, faults bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = &in, &out, &faults
	if err := c.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, faults.String())
	}
	return replies(t, &out, len(requests))
}

func replies(t *testing.T, out io.Reader, want int) []reply {
	t.Helper()
	list := []reply{{}}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m struct{ Step, Answer, Failed string }
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		r := &list[len(list)-1]
		if m.Step != "" {
			r.Steps = append(r.Steps, m.Step)
			continue
		}
		r.Failed = m.Failed
		if m.Answer != "" {
			if err := json.Unmarshal([]byte(m.Answer), r); err != nil {
				t.Fatal(err)
			}
		}
		list = append(list, reply{})
	}
	if len(list) != want+1 {
		t.Fatalf("%d answers, want %d", len(list)-1, want)
	}
	return list[:want]
}

// native verifies a record on this computer.
func native(t *testing.T, source string) *audit.Report {
	t.Helper()
	fsys, closer, err := record.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	r, err := audit.Verify(t.Context(), fsys, audit.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text(t *testing.T, r *audit.Report) string {
	t.Helper()
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSameReport: what the browser says of a record is what strikevote verify
// says, byte for byte, and a reader who means another vote is told so.
func TestSameReport(t *testing.T) {
	t.Parallel()
	r := native(t, example)
	words := election.SixWords(r.MID)
	other := strings.Repeat("0", 64)
	got := run(t, "",
		request{Zip: example},
		request{Zip: example, MID: r.MID.String(), Words: " " + strings.ToUpper(strings.ReplaceAll(words, " ", ", ")) + "\n"},
		request{Zip: example, Words: "one two three four five six"},
		request{Zip: example, MID: other},
		request{Zip: example, MID: "it"},
		request{Zip: "testdata/drive.mjs"},
	)
	for i, want := range []string{"holds", "holds", "other", "other", "unread", "unread"} {
		if got[i].State != want {
			t.Errorf("request %d: got %q (%s), want %q", i, got[i].State, got[i].Rule, want)
		}
	}
	if got[0].Report != text(t, r) {
		t.Errorf("got %s\nwant %s", got[0].Report, text(t, r))
	}
	if got[5].Why != "archive" {
		t.Errorf("a file that is no archive: got %q", got[5].Why)
	}
	if !slices.Contains(got[0].Steps, "ballots") {
		t.Errorf("the steps were %q", got[0].Steps)
	}
}

// TestFalseRecords changes one bit in each kind of file, takes files away and
// adds some: each is refused with the rule that the audit here names.
func TestFalseRecords(t *testing.T) {
	t.Parallel()
	files := read(t, example)
	dir := t.TempDir()
	var requests []request
	var names []string
	add := func(name string, changed fstest.MapFS) {
		file := filepath.Join(dir, fmt.Sprintf("%d.zip", len(requests)))
		write(t, file, changed)
		requests, names = append(requests, request{Zip: file}), append(names, name)
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if path == layout.Manifest {
			continue // without it there is nothing to speak of
		}
		changed := maps.Clone(files)
		b := bytes.Clone(files[path].Data)
		b[len(b)/2] ^= 4
		changed[path] = &fstest.MapFile{Data: b}
		add(path+" changed", changed)
	}
	for _, path := range []string{layout.Sealing, layout.Certificate, layout.Checkpoint(layout.Ballots)} {
		changed := maps.Clone(files)
		delete(changed, path)
		add(path+" removed", changed)
	}
	more := maps.Clone(files)
	more["readme"] = &fstest.MapFile{Data: []byte("more")}
	add("a file more", more)
	for i, got := range run(t, "", requests...) {
		r := native(t, requests[i].Zip)
		switch {
		case got.State != "false" || r.Verified:
			t.Errorf("%s: the browser says %q, the audit here %t", names[i], got.State, r.Verified)
		case got.Rule == "" || !strings.Contains(got.Rule, "SPEC") && !strings.Contains(got.Rule, "Not checked"):
			t.Errorf("%s: no rule is named in %q", names[i], got.Rule)
		case got.Report != text(t, r):
			t.Errorf("%s: got %s\nwant %s", names[i], got.Report, text(t, r))
		}
	}
}

// TestServedRecord: a record on a web server, also on a bad one, gets the report
// that strikevote verify gives of the same address.
func TestServedRecord(t *testing.T) {
	t.Parallel()
	files := read(t, example)
	good := httptest.NewServer(http.StripPrefix("/r/", http.FileServerFS(files)))
	defer good.Close()
	var asked atomic.Int64
	flaky := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%5 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.FileServerFS(files).ServeHTTP(w, r)
	})
	early := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/tile/") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":"withheld","message":"later"}`)
			return
		}
		http.FileServerFS(files).ServeHTTP(w, r)
	})
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/certification" {
			http.FileServerFS(files).ServeHTTP(w, r)
			return
		}
		for block := make([]byte, 64<<10); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	nothing := serve(t, http.NotFound)
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, good.URL+"/r"+r.URL.Path, http.StatusFound)
	})
	got := run(t, "",
		request{Base: good.URL + "/r/"}, request{Base: flaky}, request{Base: early},
		request{Base: endless}, request{Base: nothing}, request{Base: elsewhere})
	want := text(t, native(t, good.URL+"/r"))
	for i, state := range []string{"holds", "holds", "unread", "false", "unread", "unread"} {
		if got[i].State != state {
			t.Errorf("server %d: got %q (%s%s), want %q", i, got[i].State, got[i].Rule, got[i].Why, state)
		}
	}
	if got[0].Report != want || got[1].Report != want {
		t.Errorf("got %s\nand %s\nwant %s", got[0].Report, got[1].Report, want)
	}
	if got[2].Why != "locked" || got[4].Why != "manifest" || got[5].Why != "source" {
		t.Errorf("got %q, %q and %q", got[2].Why, got[4].Why, got[5].Why)
	}
	if !slices.Contains(got[0].Steps, "record") {
		t.Errorf("the steps were %q", got[0].Steps)
	}
}

// TestOtherProgram: a program that is not the named one is not started.
func TestOtherProgram(t *testing.T) {
	t.Parallel()
	if got := run(t, strings.Repeat("0", 64), request{Zip: example})[0]; got.Failed != "start" || got.State != "" {
		t.Errorf("got %+v", got)
	}
}

// TestNoNetwork: the program cannot reach what the worker does not bring.
func TestNoNetwork(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		if pkg == "net" || strings.HasPrefix(pkg, "net/") || strings.Contains(pkg, "pgx") || strings.Contains(pkg, "platform/") {
			t.Errorf("the program holds %s", pkg)
		}
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// read reads a record into memory.
func read(t *testing.T, source string) fstest.MapFS {
	t.Helper()
	fsys, closer, err := record.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	files := make(fstest.MapFS)
	err = fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, path)
		files[path] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func write(t *testing.T, name string, files fstest.MapFS) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := w.AddFS(files); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
