package record_test

import (
	"archive/zip"
	"context"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/record"
)

// published serves a whole record below a path, as a board does.
func published(t *testing.T) (files audittest.Files, address string) {
	t.Helper()
	_, files = audittest.Record(t, audittest.Options{Ballots: 8, Single: true})
	server := httptest.NewServer(http.StripPrefix("/e1ec", http.FileServerFS(files)))
	t.Cleanup(server.Close)
	return files, server.URL + "/e1ec"
}

func verify(t *testing.T, source string) *audit.Report {
	t.Helper()
	fsys, closer, err := record.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	r, err := audit.Verify(t.Context(), fsys, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSources verifies one record from an address, a copy of it, and a zip file.
func TestSources(t *testing.T) {
	t.Parallel()
	files, address := published(t)
	dir := filepath.Join(t.TempDir(), "copy")
	calls := 0
	if err := record.Download(t.Context(), address, dir, func(done, total int) { calls++ }); err != nil {
		t.Fatal(err)
	}
	if calls < len(files) {
		t.Errorf("%d calls of progress for %d files", calls, len(files))
	}
	packed := pack(t, func(z *zip.Writer) {
		if err := z.AddFS(os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	})
	for _, source := range []string{address, address + "/", dir, packed} {
		if r := verify(t, source); !r.Verified {
			t.Errorf("%s: %s", source, r.Fault())
		}
	}
	var copied []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			copied = append(copied, path)
		}
		return err
	})
	if want := slices.Sorted(maps.Keys(files)); err != nil || !slices.Equal(copied, want) {
		t.Errorf("copied %q, %v; want %q", copied, err, want)
	}
}

// TestLinks: a link in the place of a file is a fault of the record, wherever
// it leads.
func TestLinks(t *testing.T) {
	t.Parallel()
	_, address := published(t)
	dir := filepath.Join(t.TempDir(), "copy")
	if err := record.Download(t.Context(), address, dir, nil); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "sealing")
	if err := os.Rename(filepath.Join(dir, "sealing"), elsewhere); err != nil {
		t.Fatal(err)
	}
	packed := pack(t, func(z *zip.Writer) {
		if err := z.AddFS(os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		link := &zip.FileHeader{Name: "sealing"}
		link.SetMode(fs.ModeSymlink | 0o777)
		if _, err := z.CreateHeader(link); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.Symlink(elsewhere, filepath.Join(dir, "sealing")); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{dir, packed} {
		if r := verify(t, source); r.Verified || r.Fault() != "sealing: sealing: it is not a plain file (SPEC 3)." {
			t.Errorf("%s: got %q", source, r.Fault())
		}
	}
}

// TestDownloadHoles: what is missing there is missing here, and named.
func TestDownloadHoles(t *testing.T) {
	t.Parallel()
	files, address := published(t)
	delete(files, "drill/2")
	dir := filepath.Join(t.TempDir(), "copy")
	if err := record.Download(t.Context(), address, dir, nil); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir); r.Verified || r.Fault() != "drill: drill/2: the file is missing (SPEC 13)." {
		t.Errorf("got %q", r.Fault())
	}
}

func TestDownloadRefuses(t *testing.T) {
	t.Parallel()
	files, address := published(t)
	dir := t.TempDir()
	if err := record.Download(t.Context(), address, dir, nil); err == nil {
		t.Error("it writes into a directory that is there")
	}
	if err := record.Download(t.Context(), dir, filepath.Join(dir, "copy"), nil); err == nil {
		t.Error("it downloads a directory")
	}
	delete(files, "manifest")
	if err := record.Download(t.Context(), address, filepath.Join(dir, "copy"), nil); err == nil {
		t.Error("it downloads what is no record")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestDownloadFails: a server that breaks down leaves nothing half-done behind.
func TestDownloadFails(t *testing.T) {
	t.Parallel()
	files, _ := published(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/drill/3" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.FileServerFS(files).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	if err := record.Download(t.Context(), server.URL, filepath.Join(dir, "copy"), nil); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestFetch: a record that is fetched is read on this computer, whatever the
// server does by then, and nothing of it is left; neither of one that fails.
func TestFetch(t *testing.T) {
	files, address := published(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary) // of this process: not at once with other tests
	t.Setenv("TMP", temporary)
	empty := func(when string) {
		t.Helper()
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", when, left, err)
		}
	}
	served := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !served {
			http.NotFound(w, r)
			return
		}
		http.FileServerFS(files).ServeHTTP(w, r)
	}))
	defer server.Close()
	calls := 0
	fsys, closer, err := record.Fetch(t.Context(), server.URL, func(done, total int) { calls++ })
	if err != nil || calls == 0 {
		t.Fatalf("got %v after %d calls of progress", err, calls)
	}
	served = false
	if r, err := audit.Verify(t.Context(), fsys, audit.Options{}); err != nil || !r.Verified {
		t.Errorf("got %v, %v", r, err)
	}
	if err := closer.Close(); err != nil {
		t.Error(err)
	}
	empty("closed")
	for _, source := range []string{server.URL, temporary, "http://host.invalid:port/"} {
		_, closer, err := record.Fetch(t.Context(), source, nil)
		if err == nil || closer != nil || strings.Count(err.Error(), "downloading record") != 1 {
			t.Errorf("%s: got %v", source, err)
		}
		empty(source)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := record.Fetch(ctx, address, nil); err == nil {
		t.Error("an interrupted download is a record")
	}
	empty("interrupted")
}
