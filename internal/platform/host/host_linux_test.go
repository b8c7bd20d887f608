package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const child = "STRIKEVOTE_TEST_HOST"

// TestMain turns off core dumps in a process of its own and says what the limit
// is then.
func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	err := NoCoreDumps()
	if n, lerr := CoreLimit(); err != nil || lerr != nil || n != noCore {
		os.Exit(1)
	}
	// It holds for children, such as a database.
	out, err := exec.Command("/bin/sh", "-c", "ulimit -c 9; ulimit -c").Output()
	if err == nil || strings.TrimSpace(string(out)) == "9" {
		os.Exit(2)
	}
	os.Exit(0)
}

func TestNoCoreDumps(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), child+"=1")
	// Root may raise a limit again.
	if err := cmd.Run(); err != nil && !(os.Geteuid() == 0 && cmd.ProcessState.ExitCode() == 2) {
		t.Error(err)
	}
}

func TestDisk(t *testing.T) {
	t.Parallel()
	d, err := DiskOf(t.TempDir())
	if err != nil || d.Size == 0 || d.Free > d.Size || d.FreeFiles > d.Files {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := DiskOf(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there is on a disk")
	}
	if n, err := OpenFiles(); err != nil || n == 0 {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := Swaps(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if uid, err := Owner(info); err != nil || uid != os.Geteuid() {
		t.Errorf("got %d, %v", uid, err)
	}
}

func TestSwaps(t *testing.T) {
	t.Parallel()
	const header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for text, want := range map[string]string{
		header: "", "": "",
		header + "/dev/dm-1    partition\t8388604\t0\t-2\n/swap file 1 0 -3\n": "/dev/dm-1 /swap",
	} {
		if got := strings.Join(swaps(text), " "); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}
