package record_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"strikevote/internal/record"
)

// pack writes a zip file with what add puts into it.
func pack(t *testing.T, add func(z *zip.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add(z)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return keep(t, b.Bytes())
}

func keep(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record.zip")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func put(t *testing.T, z *zip.Writer, name string, content []byte) {
	t.Helper()
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
}

func TestZip(t *testing.T) {
	t.Parallel()
	for _, top := range []string{"", "strike-2026/"} {
		t.Run("in "+top, func(t *testing.T) {
			t.Parallel()
			path := pack(t, func(z *zip.Writer) {
				if top != "" {
					put(t, z, top, nil) // the folder itself
				}
				put(t, z, top+"manifest", []byte("m"))
				put(t, z, top+"ballots/checkpoint", []byte("c"))
			})
			fsys, closer, err := record.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer closer.Close()
			got, err := fs.ReadFile(fsys, "ballots/checkpoint")
			if err != nil || string(got) != "c" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestZipRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		add  func(t *testing.T, z *zip.Writer)
	}{
		{"no manifest", func(t *testing.T, z *zip.Writer) { put(t, z, "sealing", nil) }},
		{"two folders", func(t *testing.T, z *zip.Writer) {
			put(t, z, "a/manifest", nil)
			put(t, z, "b/manifest", nil)
		}},
		{"a file beside the folder", func(t *testing.T, z *zip.Writer) {
			put(t, z, "a/manifest", nil)
			put(t, z, "readme", nil)
		}},
		{"one name twice", func(t *testing.T, z *zip.Writer) {
			put(t, z, "manifest", []byte("a"))
			put(t, z, "manifest", []byte("b"))
		}},
		{"a file in a file", func(t *testing.T, z *zip.Writer) {
			put(t, z, "manifest", nil)
			put(t, z, "manifest/more", nil)
		}},
		{"a path upwards", func(t *testing.T, z *zip.Writer) {
			put(t, z, "manifest", nil)
			put(t, z, "../sealing", nil)
		}},
		{"an absolute path", func(t *testing.T, z *zip.Writer) {
			put(t, z, "manifest", nil)
			put(t, z, "/sealing", nil)
		}},
		{"backslashes", func(t *testing.T, z *zip.Writer) {
			put(t, z, "manifest", nil)
			put(t, z, `roll\00001`, nil)
		}},
		{"a bomb", func(t *testing.T, z *zip.Writer) {
			put(t, z, "manifest", nil)
			put(t, z, "roll/00001", make([]byte, 30<<20))
		}},
		{"a file too large", func(t *testing.T, z *zip.Writer) {
			put(t, z, "manifest", nil)
			put(t, z, "roll/00001", make([]byte, 32<<20+1))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := pack(t, func(z *zip.Writer) { tt.add(t, z) })
			if _, _, err := record.Open(t.Context(), path); err == nil {
				t.Error("it opens")
			}
		})
	}
}

// TestZipLies shows that an entry cannot unpack to more than it declares,
// which the limits rely on.
func TestZipLies(t *testing.T) {
	t.Parallel()
	const real, claimed = 1 << 20, 10
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put(t, z, "manifest", make([]byte, real))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	// The size stands in the data descriptor and in the directory.
	lie := bytes.ReplaceAll(b.Bytes(), binary.LittleEndian.AppendUint32(nil, real), binary.LittleEndian.AppendUint32(nil, claimed))
	if bytes.Equal(lie, b.Bytes()) {
		t.Fatal("the size was not found")
	}
	fsys, closer, err := record.Open(t.Context(), keep(t, lie))
	if err != nil {
		return
	}
	defer closer.Close()
	if got, err := fs.ReadFile(fsys, "manifest"); err == nil || len(got) > 64<<10 {
		t.Errorf("read %d bytes, error %v; %d were declared", len(got), err, claimed)
	}
}
