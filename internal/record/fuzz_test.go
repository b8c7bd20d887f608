package record_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"strikevote/internal/record"
)

// FuzzZip opens an archive from anybody and reads everything in it: all names are
// plain paths, and no more comes out than an archive of its size may hold.
func FuzzZip(f *testing.F) {
	for _, names := range [][]string{{"manifest", "ballots/checkpoint"}, {"top/", "top/manifest"}, {"../manifest"}, {"manifest", "manifest"}, {"manifest", "manifest/x"}} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range names {
			w, err := z.Create(name)
			if err != nil {
				f.Fatal(err)
			}
			if _, err := w.Write(bytes.Repeat([]byte("m"), 100)); err != nil && name != "top/" {
				f.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()-10])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "record.zip")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		fsys, closer, err := record.Open(t.Context(), path)
		if err != nil {
			return
		}
		defer closer.Close()
		var total int64
		_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if !fs.ValidPath(name) {
				t.Errorf("%q is no path", name)
			}
			if err != nil || d.IsDir() {
				return err
			}
			file, err := fsys.Open(name)
			if err != nil {
				return nil // damaged
			}
			defer file.Close()
			n, _ := io.Copy(io.Discard, file) // damaged
			total += n
			return nil
		})
		if total > 16<<20+20*int64(len(b)) {
			t.Errorf("%d bytes become %d", len(b), total)
		}
	})
}
