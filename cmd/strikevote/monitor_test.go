package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/booth"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// runs runs the program in this process and returns its exit code and output.
func runs(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), &env{in: strings.NewReader(""), out: &o, err: &e, getenv: func(string) string { return "" }}, args)
	return code, o.String(), e.String()
}

// TestVersionAssets prints what a booth of this program answers, and the SHA-256 that
// a manifest would name.
func TestVersionAssets(t *testing.T) {
	t.Parallel()
	code, out, err := runs(t, "version", "-assets")
	if code != exitOK || out != string(booth.Listing()) || !strings.Contains(err, booth.Client("").SHA256.String()) {
		t.Errorf("exit %d, %q, %q", code, out, err)
	}
	if code, out, _ := runs(t, "version"); code != exitOK || !strings.HasPrefix(out, "strikevote ") {
		t.Errorf("exit %d, %q", code, out)
	}
}

// TestMonitor looks over the network at a booth, an honest one and one that adds a
// script for those who prefer Spanish, and at one that is away.
func TestMonitor(t *testing.T) {
	t.Parallel()
	var evil atomic.Bool
	var honest atomic.Pointer[http.Handler]
	vote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !evil.Load() || !strings.HasPrefix(r.Header.Get("Accept-Language"), "es") || r.URL.Path != "/v1/" || r.URL.RawQuery != "" {
			(*honest.Load()).ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		r.Header.Del("Accept-Encoding")
		(*honest.Load()).ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.Header().Del("Content-Length")
		_, _ = fmt.Fprintf(w, "%s<script>steal()</script>", rec.Body)
	}))
	defer vote.Close()
	e := audittest.New(t, audittest.Options{Nobody: true, Stage: layout.Locked, Booth: vote.URL, Client: booth.Client(vote.URL)})
	o := e.Manifest.Origins
	h := booth.Handler(booth.Config{Connect: func() []string { return []string{o.Registrar, o.Box, o.Board} }, Manifest: func(context.Context, suite.ElectionID) ([]byte, error) {
		return e.Raw, nil
	}})
	honest.Store(&h)
	id := e.Manifest.ElectionID.String()
	board := httptest.NewServer(http.StripPrefix("/"+id, http.FileServerFS(e.Publish(t))))
	defer board.Close()
	record := board.URL + "/" + id

	code, out, err := runs(t, "monitor", "-once", "-mid", e.MID.String(), record)
	if code != exitOK || !strings.Contains(out, "the same: ") || !strings.Contains(out, election.SixWords(e.MID)) ||
		!strings.Contains(out, "in the manifest") || !strings.Contains(out, e.Manifest.Client.SHA256.String()) || err != "" {
		t.Errorf("the same: exit %d, %s%s", code, out, err)
	}

	evil.Store(true)
	kept := filepath.Join(t.TempDir(), "kept")
	// Without -once as well: it ends at the first look at which something differs.
	code, out, err = runs(t, "monitor", "-every", "1h", "-keep", kept, record+"/")
	if code != exitFalse || !strings.Contains(out, "DIFFERENT") || !strings.Contains(out, vote.URL+"/v1/") || !strings.Contains(out, `prefers "es-`) {
		t.Errorf("another page: exit %d, %s%s", code, out, err)
	}
	files, _ := filepath.Glob(filepath.Join(kept, "different-*.txt"))
	if len(files) == 0 {
		t.Error("nothing is kept")
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(b, []byte("<script>steal()</script>")) || !bytes.Contains(b, []byte("Content-Security-Policy: ")) {
			t.Errorf("%s is kept: %v, %.300s", name, err, b)
		}
	}

	vote.Close()
	if code, out, err := runs(t, "monitor", record); code != exitFailed || strings.Contains(out, "the same") {
		t.Errorf("away: exit %d, %s%s", code, out, err)
	}
	for _, args := range [][]string{{}, {"-mid", "12", record}, {"-every", "1ms", record}, {record, record}} {
		if code, _, _ := runs(t, append([]string{"monitor"}, args...)...); code != exitUsage {
			t.Errorf("%q: exit %d", args, code)
		}
	}
}
