package durable_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strikevote/internal/platform/durable"
)

// full names the file that the process of TestFull tries to write.
const full = "STRIKEVOTE_TEST_DURABLE_FULL"

func TestMain(m *testing.M) {
	if path := os.Getenv(full); path != "" {
		os.Exit(fill(path))
	}
	os.Exit(m.Run())
}

// fill writes a file that is larger than this process may make any.
func fill(path string) int {
	signal.Ignore(syscall.SIGXFSZ) // the write fails then, as on a full disk
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10, Max: 10}); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := durable.WriteNew(path, []byte("more than ten bytes")); !errors.Is(err, syscall.EFBIG) {
		fmt.Println("got", err)
		return 1
	}
	return 0
}

// TestFull lets a write end in the middle: half a file is not left, and the name
// can be used again.
func TestFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new")
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), full+"="+path)
	if out, err := program.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v", left, err)
	}
	if err := durable.WriteNew(path, []byte("more than ten bytes")); err != nil {
		t.Error(err)
	}
}

// TestCannotSync syncs a folder of a file system that cannot, and says so.
func TestCannotSync(t *testing.T) {
	t.Parallel()
	d, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err == nil || !strings.Contains(err.Error(), "invalid argument") {
		t.Fatalf("the control: got %v", err)
	}
	if err := durable.SyncDir("/proc"); err != nil {
		t.Error(err)
	}
}
