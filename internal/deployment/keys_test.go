package deployment

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/protocol/suite"
)

// TestKeyring makes keys, alone and at once, and never a second one in the place
// of the first.
func TestKeyring(t *testing.T) {
	t.Parallel()
	k := keyring{dir: filepath.Join(t.TempDir(), "keys", "x")}
	if _, err := k.seed(sideBox, keyPromise); !errors.Is(err, ErrNoKey) {
		t.Errorf("got %v", err)
	}
	if key, err := k.existingIssuer(1); err != nil || key != nil {
		t.Errorf("got %v", err)
	}
	first, err := k.create(sideBox, keyPromise)
	if err != nil || first == [32]byte{} {
		t.Fatalf("got %v", err)
	}
	for _, read := range []func(string, string) ([32]byte, error){k.create, k.seed} {
		if again, err := read(sideBox, keyPromise); err != nil || again != first {
			t.Errorf("read again it is another key: %v", err)
		}
	}
	if other, err := k.create(sideBox, keyBallots); err != nil || other == first {
		t.Errorf("two keys are one: %v", err)
	}
	path := k.path(sideBox, keyPromise)
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.write(path, []byte("another")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, kept) {
		t.Errorf("the key was replaced: %v", err)
	}

	var mu sync.Mutex
	made := make(map[[32]byte]int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			key, err := k.create(sideRegistrar, keyRoll)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made[key]++
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Errorf("%d keys were made at once", len(made))
	}
	names(t, k, "box/ballots.key box/promise.key registrar/roll.key")
}

// names checks which files there are, and that only their owner reads them.
func names(t *testing.T, k keyring, want string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(k.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o700)
		if !entry.IsDir() {
			mode = 0o600
			got = append(got, strings.TrimPrefix(path, k.dir+"/"))
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestDestroy overwrites a key before it is removed, so that another name of the
// file does not keep it.
func TestDestroy(t *testing.T) {
	t.Parallel()
	k := keyring{dir: filepath.Join(t.TempDir(), "keys")}
	if _, err := k.create(sideBox, keyPending); err != nil {
		t.Fatal(err)
	}
	issuer, err := k.issuer(7)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := k.issuer(7); err != nil || !again.Public().Equal(issuer.Public()) {
		t.Errorf("the issuer key was made twice: %v", err)
	}
	for _, key := range []struct{ side, name string }{{sideBox, keyPending}, {sideRegistrar, issuerName(7)}} {
		path, other := k.path(key.side, key.name), filepath.Join(t.TempDir(), "other")
		if err := os.Link(path, other); err != nil {
			t.Fatal(err)
		}
		for range 2 { // there is nothing to destroy the second time
			if err := k.destroy(key.side, key.name); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
		if b, err := os.ReadFile(other); err != nil || len(b) == 0 || !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("%s was not overwritten: %v", path, err)
		}
	}
	if err := k.destroyLinks(); err != nil {
		t.Error(err)
	}
	names(t, k, "")
}

// TestDestroyAll destroys the keys of an election several times at once, and once
// more, with what an interruption left of one.
func TestDestroyAll(t *testing.T) {
	t.Parallel()
	for range 20 {
		k := keyring{dir: filepath.Join(t.TempDir(), "keys")}
		for i := range 20 {
			if _, err := k.create(sideRegistrar, issuerName(suite.GroupID(i))); err != nil {
				t.Fatal(err)
			}
		}
		left, other := k.path(sideBox, keyPending)+replaced, filepath.Join(t.TempDir(), "other")
		if err := k.write(left, []byte("a plain key")); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(left, other); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := k.destroyAll(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := k.destroyAll(); err != nil {
			t.Errorf("again: %v", err)
		}
		if _, err := os.Stat(k.dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder is still there: %v", err)
		}
		if b, err := os.ReadFile(other); err != nil || len(bytes.Trim(b, "\x00")) > 0 {
			t.Errorf("what was left was not overwritten: %v", err)
		}
	}
}

// TestDamagedKeys reads what no key file holds. What it holds stays out of the
// error: it may be half of a secret.
func TestDamagedKeys(t *testing.T) {
	t.Parallel()
	k := keyring{dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(k.dir, sideBox), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "\n", strings.Repeat("5a", 31), strings.Repeat("5a", 33), strings.Repeat("5z", 32), "5a 5a"} {
		if err := os.WriteFile(k.path(sideBox, keyPromise), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, read := range []func(string, string) ([32]byte, error){k.create, k.seed} {
			_, err := read(sideBox, keyPromise)
			if err == nil || !strings.Contains(err.Error(), "promise") || strings.Contains(err.Error(), "5a") {
				t.Errorf("%q: got %v", text, err)
			}
		}
		if b, err := os.ReadFile(k.path(sideBox, keyPromise)); err != nil || string(b) != text {
			t.Errorf("a damaged key was replaced: %v", err)
		}
	}
	if err := os.MkdirAll(k.path(sideBox, keyBallots), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := k.create(sideBox, keyBallots); err == nil {
		t.Error("a folder was taken for a key")
	}
}
