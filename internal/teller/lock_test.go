package teller_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"strikevote/internal/teller"
)

// holder is set in the process of TestTwoPrograms that holds a key file open.
const holder = "STRIKEVOTE_TEST_TELLER_KEY"

// hold opens a key file, says so, and keeps it until its input ends.
func hold(path string) int {
	if _, err := teller.Open(path, passphrase); err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return 1
	}
	os.Stdout.WriteString("open\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// TestTwoPrograms opens a key file that another process has open, until that one
// is killed.
func TestTwoPrograms(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	tt.Close()
	before := read(t, path)
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), holder+"="+path)
	stdin, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := teller.Open(path, passphrase); !errors.Is(err, teller.ErrInUse) {
		t.Errorf("got %v", err)
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // it was killed
	again, err := teller.Open(path, passphrase)
	if err != nil {
		t.Fatalf("after the other was killed: %v", err)
	}
	again.Close()
	if !bytes.Equal(read(t, path), before) {
		t.Error("the key file was changed")
	}
}

// TestOneAtATime lets many open one key file at once, again and again. The lock
// file comes and goes with each of them; never are there two.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	tt.Close()
	var inside sync.Mutex
	var opened atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 40 {
				tt, err := teller.Open(path, passphrase)
				if errors.Is(err, teller.ErrInUse) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				opened.Add(1)
				// Held over a save, which takes long enough for others to come.
				if !inside.TryLock() {
					t.Error("two programs have the key file")
				} else {
					if err := tt.Save(); err != nil {
						t.Error(err)
					}
					inside.Unlock()
				}
				tt.Close()
			}
		})
	}
	group.Wait()
	if opened.Load() == 0 {
		t.Error("nobody had the key file")
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("got %v, %v", left, err)
	}
}

// TestLockedCopies opens both copies of a key at once, and refuses to overwrite
// or destroy what another program has.
func TestLockedCopies(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	second, err := tt.Copy(path+".2", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".2"} {
		if _, err := teller.Open(p, passphrase); !errors.Is(err, teller.ErrInUse) {
			t.Errorf("%s: got %v", filepath.Base(p), err)
		}
	}
	if _, err := tt.Copy(path+".2", passphrase); !errors.Is(err, teller.ErrInUse) {
		t.Errorf("copying over it: got %v", err)
	}
	second.Close()
	if err := tt.Discard(); err != nil {
		t.Fatal(err)
	}
	tt.Close()
	if _, err := teller.Open(path, passphrase); !errors.Is(err, teller.ErrNoKeyFile) {
		t.Errorf("after it was destroyed: got %v", err)
	}
}

// TestNotDestroyed fails to destroy a key: it is kept from other programs as
// before, until it is destroyed.
func TestNotDestroyed(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	defer tt.Close()
	unblock := block(t, tt)
	if err := tt.Discard(); err == nil {
		t.Fatal("it was destroyed")
	}
	if _, err := teller.Open(path, passphrase); !errors.Is(err, teller.ErrInUse) {
		t.Errorf("got %v", err)
	}
	unblock()
	if err := tt.Discard(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v", left, err)
	}
}

// TestNoFolder makes key files in a folder that is not there, as on a medium
// that is not put in.
func TestNoFolder(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	defer tt.Close()
	folder := filepath.Join(filepath.Dir(path), "medium")
	inside := filepath.Join(folder, "teller.key")
	want := "there is no folder " + folder + "; make it first, or put the medium in"
	e := newEvil(t, 1, 1)
	for name, try := range map[string]func() (*teller.Teller, error){
		"a copy":    func() (*teller.Teller, error) { return tt.Copy(inside, passphrase) },
		"a new key": func() (*teller.Teller, error) { return teller.Enroll(t.Context(), e.invitation(1), inside, passphrase) },
	} {
		if made, err := try(); made != nil || err == nil || err.Error() != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Who opens one is told that there is none.
	if _, err := teller.Open(inside, passphrase); !errors.Is(err, teller.ErrNoKeyFile) {
		t.Errorf("got %v", err)
	}
}

// TestWriteProtected opens a key on a medium on which nothing can be written:
// it can be looked at, and answers for nothing.
func TestWriteProtected(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	tt.Close()
	dir := filepath.Dir(path)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	again, err := teller.Open(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	// Root writes wherever it likes; for others nothing is kept, and so nothing
	// is answered for.
	if err := again.Save(); (err == nil) != (os.Geteuid() == 0) {
		t.Errorf("saving: %v", err)
	}
}

// TestWrongPassphrase tries many wrong ones: there is no lockout, the sentence
// says what to do, and the file stays as it is.
func TestWrongPassphrase(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	tt.Close()
	before := read(t, path)
	for i := range 50 {
		wrong := append(bytes.Clone(passphrase), byte('a'+i%26))
		if _, err := teller.Open(path, wrong); !errors.Is(err, teller.ErrPassphrase) || !strings.Contains(err.Error(), "try again") {
			t.Fatalf("got %v", err)
		}
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the key file was changed")
	}
	again, err := teller.Open(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
