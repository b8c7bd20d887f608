package record_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// write makes a small directory in the shape of a record.
func write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, content := range map[string]string{"manifest": "m", "ballots/checkpoint": "c"} {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	fsys, closer, err := record.Open(t.Context(), write(t))
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	got, err := fs.ReadFile(fsys, "ballots/checkpoint")
	if err != nil || string(got) != "c" {
		t.Errorf("got %q, %v", got, err)
	}
	var walked []string
	err = fs.WalkDir(fsys, ".", func(path string, e fs.DirEntry, err error) error {
		if !e.IsDir() {
			walked = append(walked, path)
		}
		return err
	})
	if err != nil || len(walked) != 2 {
		t.Errorf("walked %q, %v; want two files", walked, err)
	}
	if _, err := fs.ReadFile(fsys, "absent"); !os.IsNotExist(err) {
		t.Errorf("absent file: got %v", err)
	}
	if _, err := fsys.Open("../manifest"); err == nil {
		t.Error("a path out of the record opens")
	}
}

func TestDirectoryRefusesLinks(t *testing.T) {
	t.Parallel()
	outside := write(t)
	tests := []struct{ name, link, target string }{
		{"file outside", "sealing", filepath.Join(outside, "manifest")},
		{"file inside", "sealing", "manifest"},
		{"folder", "ledger", outside},
		{"dangling", "sealing", "nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := write(t)
			if err := os.Symlink(tt.target, filepath.Join(dir, tt.link)); err != nil {
				t.Fatal(err)
			}
			fsys, closer, err := record.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer closer.Close()
			if _, err := fsys.Open(tt.link); !errors.Is(err, layout.ErrNotPlain) {
				t.Errorf("got %v, want layout.ErrNotPlain", err)
			}
			if _, err := fsys.Open(tt.link + "/manifest"); !errors.Is(err, layout.ErrNotPlain) {
				t.Errorf("below it: got %v, want layout.ErrNotPlain", err)
			}
		})
	}
}

// TestDirectoryExchanged puts a link in the place of a file that was plain when
// the record was opened.
func TestDirectoryExchanged(t *testing.T) {
	t.Parallel()
	dir := write(t)
	fsys, closer, err := record.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	path := filepath.Join(dir, "manifest")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("ballots/checkpoint", path); err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(fsys, "manifest"); err == nil {
		t.Errorf("a link was followed, to %q", b)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := write(t)
	for _, source := range []string{
		filepath.Join(dir, "absent"),
		filepath.Join(dir, "manifest"), // a file that is no zip
		"https://",
		"https://user:secret@example.org/x",
		"https://example.org/x?y=z",
		"https://example.org/x#y",
	} {
		if _, _, err := record.Open(t.Context(), source); err == nil {
			t.Errorf("%s opens", source)
		}
	}
}
