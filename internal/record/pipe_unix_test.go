//go:build unix

package record_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// TestDirectoryRefusesPipes: reading one would wait for ever.
func TestDirectoryRefusesPipes(t *testing.T) {
	t.Parallel()
	dir := write(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "sealing"), 0o644); err != nil {
		t.Fatal(err)
	}
	fsys, closer, err := record.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if _, err := fsys.Open("sealing"); !errors.Is(err, layout.ErrNotPlain) {
		t.Errorf("got %v, want layout.ErrNotPlain", err)
	}
	if _, _, err := record.Open(t.Context(), filepath.Join(dir, "sealing")); err == nil {
		t.Error("a named pipe opens")
	}
}
