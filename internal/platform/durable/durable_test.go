package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"strikevote/internal/platform/durable"
)

func TestWriteNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	if err := durable.WriteNew(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	for _, taken := range []string{path, dir} {
		err := durable.WriteNew(taken, []byte("two"))
		if !errors.Is(err, fs.ErrExist) || err.Error() != taken+" is there already; name a new file" {
			t.Errorf("got %v", err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "one" {
		t.Errorf("got %q, %v", b, err)
	}
	if err := durable.WriteNew(filepath.Join(dir, "none", "new"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
}

// TestWriteNewAtOnce lets many write one file: one of them does, and the file is
// that one's.
func TestWriteNewAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new")
	var mu sync.Mutex
	var group sync.WaitGroup
	var won [][]byte
	for i := range 16 {
		group.Go(func() {
			b := bytes.Repeat([]byte{byte(i)}, 5000)
			switch err := durable.WriteNew(path, b); {
			case err == nil:
				mu.Lock()
				won = append(won, b)
				mu.Unlock()
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if b, err := os.ReadFile(path); err != nil || len(won) != 1 || !bytes.Equal(b, won[0]) {
		t.Errorf("%d wrote it: %v", len(won), err)
	}
}

// TestReplace replaces a file, and leaves the old one where it cannot.
func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"one", "two, longer", "3"} {
		if err := durable.Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("got %q, %v", b, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(filepath.Join(dir, "folder"), []byte("x")); err == nil {
		t.Error("a file took the place of a folder")
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("something was left: %v, %v", list, err)
	}
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, second := filepath.Join(dir, "secret"), filepath.Join(dir, "second")
	secret := []byte("what nobody may read")
	if err := durable.WriteNew(path, secret); err != nil {
		t.Fatal(err)
	}
	// A second name shows what the removed one was overwritten with.
	if err := os.Link(path, second); err != nil {
		t.Fatal(err)
	}
	if err := durable.Destroy(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if b, err := os.ReadFile(second); err != nil || !bytes.Equal(b, make([]byte, len(secret))) {
		t.Errorf("got %q, %v", b, err)
	}
	for _, none := range []string{path, filepath.Join(dir, "none", "secret")} {
		if err := durable.Destroy(none); err != nil {
			t.Errorf("there is nothing to destroy: %v", err)
		}
	}
	// What cannot be destroyed is told, and stays.
	if err := durable.Destroy(dir); err == nil {
		t.Error("a folder was destroyed")
	}
}

// TestDestroyAtOnce lets many destroy one file, and its folder with it.
func TestDestroyAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir := filepath.Join(t.TempDir(), "folder")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "secret")
		if err := durable.WriteNew(path, make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := durable.Destroy(path); err != nil {
					t.Error(err)
				}
				_ = os.Remove(dir) // not while the file is there
			})
		}
		group.Wait()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
}

func TestSyncDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := durable.SyncDir(dir); err != nil {
		t.Error(err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := durable.SyncDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
}
