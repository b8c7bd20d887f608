package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/election"
	"strikevote/internal/record/layout"
)

// TestVerifyBegun verifies an election that is sealed and in which nobody has
// voted yet, and the same files in a folder.
func TestVerifyBegun(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, audittest.Options{Stage: layout.Locked, Ballots: 4})
	files[layout.Checkpoint(layout.Ledger)] = files[layout.FirstCheckpoint(layout.Ledger)]
	server := httptest.NewServer(http.FileServerFS(fstest.MapFS(files)))
	t.Cleanup(server.Close)
	p := &person{t}
	has(t, p.command(exitFailed, "", "verify", server.URL), "strikevote verify: the election is not locked yet: its record is published, and can be checked, when voting has ended")
	dir := t.TempDir()
	if err := os.CopyFS(dir, fstest.MapFS(files)); err != nil {
		t.Fatal(err)
	}
	has(t, p.command(exitFalse, "", "verify", dir), "THE RECORD DOES NOT HOLD", "1 cannot be the number of entries")
}

// TestNoRecord gives verify and monitor what is no record: the folder of a service, files,
// and addresses of other parts.
func TestNoRecord(t *testing.T) {
	t.Parallel()
	const no, where = "this is no election's record", "strikevote election show prints the address of an election's record"
	p, dir := &person{t}, t.TempDir()
	text, damaged, archive := filepath.Join(dir, "text"), filepath.Join(dir, "damaged"), filepath.Join(dir, "a.zip")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if _, err := z.Create("notice.pdf"); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(z.Close(), os.WriteFile(archive, b.Bytes(), 0o600), os.WriteFile(text, []byte("text"), 0o600), os.Mkdir(damaged, 0o700),
		os.WriteFile(filepath.Join(damaged, layout.Manifest), []byte("<html>"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	for _, source := range []string{dir, text, archive, damaged, page.URL, page.URL + "/v1/"} {
		got := p.command(exitFailed, "", "verify", source)
		has(t, got, no, where)
		if strings.Contains(got, "reading record") {
			t.Errorf("it says what is wrong with a record:\n%s", got)
		}
	}
	has(t, p.command(exitFailed, "", "monitor", "-once", page.URL), no, where)
	// The ballot page answers with the manifest, and with nothing else of a record.
	_, files := audittest.Record(t, audittest.Options{Stage: layout.Locked, Ballots: 4})
	var m election.Manifest
	if err := json.Unmarshal(files[layout.Manifest].Data, &m); err != nil {
		t.Fatal(err)
	}
	booth := httptest.NewServer(http.StripPrefix("/v1/"+m.ElectionID.String(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/"+layout.Manifest {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(bytes.Replace(files[layout.Manifest].Data, []byte(m.Origins.Booth), []byte("http://"+r.Host), 1))
	})))
	t.Cleanup(booth.Close)
	has(t, p.command(exitFalse, "", "verify", booth.URL+"/v1/"+m.ElectionID.String()),
		"This is an address of the ballot page, and not of the record. That is at "+m.Origins.Board+"/"+m.ElectionID.String())
}

// TestVerifyLocking verifies an election whose end the witnesses still sign: at the
// service that locks it just now, at the same service the day after, and in a folder.
func TestVerifyLocking(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, audittest.Options{Stage: layout.Locked, Ballots: 4})
	path := layout.Checkpoint(layout.Ballots)
	text, lines, _ := strings.Cut(string(files[path].Data), "\n\n")
	log, _, _ := strings.Cut(lines, "\n")
	files[path] = &fstest.MapFile{Data: []byte(text + "\n\n" + log + "\n")}
	server := httptest.NewServer(http.FileServerFS(fstest.MapFS(files)))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	if err := os.CopyFS(dir, fstest.MapFS(files)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		source string
		at     int64
		code   int
		want   string
	}{
		{server.URL, audittest.Locked, exitFailed, "the election is being locked, and its record is not whole yet: try again in a minute"},
		{server.URL, audittest.Certified, exitFalse, "THE RECORD DOES NOT HOLD"},
		{dir, audittest.Locked, exitFalse, "THE RECORD DOES NOT HOLD"},
	} {
		var out bytes.Buffer
		e := &env{in: strings.NewReader(""), out: &out, err: &out, getenv: func(string) string { return "" },
			now: func() time.Time { return time.Unix(tt.at, 0) }}
		code := run(context.Background(), e, []string{"verify", tt.source})
		if code != tt.code || !strings.Contains(out.String(), tt.want) || strings.Contains(out.String(), "DOES NOT HOLD") != (code == exitFalse) {
			t.Errorf("%s at %d: exit %d, want %d\n%s", tt.source, tt.at, code, tt.code, &out)
		}
	}
}

// TestVerifyChanging verifies a certified record while its last files are being
// published.
func TestVerifyChanging(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, audittest.Options{Ballots: 4})
	shown := http.FileServerFS(fstest.MapFS(files))
	var passes atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path[1:]; {
		case path == layout.Manifest:
			passes.Add(1)
		case path == layout.Certification && passes.Load() == 1:
			http.NotFound(w, r)
			return
		}
		shown.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	has(t, (&person{t}).command(exitOK, "", "verify", server.URL), "certified")
	if passes.Load() != 2 {
		t.Errorf("it was read %d times", passes.Load())
	}
}

// TestVerifyAway verifies a false record at a service that answers no second look. A
// service that could take back so what it has shown would never be caught.
func TestVerifyAway(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, audittest.Options{Ballots: 4})
	delete(files, layout.Certification)
	shown := http.FileServerFS(fstest.MapFS(files))
	var passes atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path[1:] == layout.Manifest && passes.Add(1) > 1 {
			http.NotFound(w, r)
			return
		}
		shown.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	has(t, (&person{t}).command(exitFalse, "", "verify", server.URL), "THE RECORD DOES NOT HOLD", "a second time")
	if passes.Load() < 2 {
		t.Error("it was read once")
	}
}
