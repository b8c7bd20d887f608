//go:build unix

package record_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"strikevote/internal/record"
)

// TestDirectoryRefusesPipes: reading one would wait for ever.
func TestDirectoryRefusesPipes(t *testing.T) {
	t.Parallel()
	dir := write(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "sealing"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := record.Open(t.Context(), dir); err == nil {
		t.Error("a record with a named pipe opens")
	}
	if _, _, err := record.Open(t.Context(), filepath.Join(dir, "sealing")); err == nil {
		t.Error("a named pipe opens")
	}
}
