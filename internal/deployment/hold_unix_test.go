//go:build !windows

package deployment

import (
	"syscall"
	"testing"
	"time"
)

// TestUnservedTogether looks for a service of a folder while somebody else looks, and
// while a child that just begins has what its parent had open.
func TestUnservedTogether(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	other, err := holdAlone(data)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(other.f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	done := make(chan error)
	time.AfterFunc(500*time.Microsecond, func() { done <- other.release() })
	if err := Unserved(data); err != nil {
		t.Errorf("beside another one who looks: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Unserved(data); err != nil {
		t.Errorf("beside a child: %v", err)
	}
}
