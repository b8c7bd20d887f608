package deployment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"strikevote/internal/platform/secret"
)

func masterKey(first byte) *secret.Sealer { return secret.New([32]byte{first, 7}) }

// TestSealedKeys makes keys under a master key. None of them is on the disk in
// the clear, no file can take another's place, and nothing is read without the
// master key or with another one.
func TestSealedKeys(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	k := keyring{dir: filepath.Join(root, "0011"), master: masterKey(1)}
	promise, err := k.create(sideBox, keyPromise)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.create(sideBox, keyBallots); err != nil {
		t.Fatal(err)
	}
	issuer, err := k.issuer(1)
	if err != nil {
		t.Fatal(err)
	}
	der, err := issuer.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{k.path(sideBox, keyPromise), k.path(sideRegistrar, issuerName(1))} {
		b, err := os.ReadFile(path)
		if err != nil || !secret.Sealed(b) || bytes.Contains(b, promise[:]) || bytes.Contains(b, []byte(hex.EncodeToString(promise[:]))) || bytes.Contains(b, der[:64]) {
			t.Errorf("%s is not sealed: %v", path, err)
		}
	}
	names(t, k, "box/ballots.key box/promise.key registrar/issuer-00001.key")
	if again, err := k.create(sideBox, keyPromise); err != nil || again != promise {
		t.Errorf("read again it is another key: %v", err)
	}
	if again, err := k.issuer(1); err != nil || !again.Public().Equal(issuer.Public()) {
		t.Errorf("read again it is another issuer key: %v", err)
	}

	for name, tt := range map[string]struct {
		k    keyring
		want error
	}{
		"no master key":      {keyring{dir: k.dir}, ErrNoMaster},
		"another master key": {keyring{dir: k.dir, master: masterKey(2)}, secret.ErrOtherKey},
	} {
		for _, read := range []func() error{
			func() error { _, err := tt.k.seed(sideBox, keyPromise); return err },
			func() error { _, err := tt.k.create(sideBox, keyPromise); return err },
			func() error { _, err := tt.k.existingIssuer(1); return err },
			func() error { _, err := tt.k.issuer(1); return err },
		} {
			if err := read(); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}

	// Of the same side, of another side, of another election.
	b, err := os.ReadFile(k.path(sideBox, keyPromise))
	if err != nil {
		t.Fatal(err)
	}
	other := keyring{dir: filepath.Join(root, "0012"), master: k.master}
	for _, at := range []struct {
		k          keyring
		side, name string
	}{{k, sideBox, keyBallots}, {k, sideRegistrar, keyPromise}, {other, sideBox, keyPromise}} {
		path := at.k.path(at.side, at.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := at.k.seed(at.side, at.name); !errors.Is(err, secret.ErrDamaged) {
			t.Errorf("%s was taken: %v", path, err)
		}
	}
	if err := k.destroy(sideBox, keyPromise); err != nil {
		t.Error(err)
	}
	if _, err := k.seed(sideBox, keyPromise); !errors.Is(err, ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

// unsealed makes a data folder with plain keys, and returns what they hold.
func unsealed(t *testing.T) (data string, k keyring, want map[string]string) {
	t.Helper()
	data = t.TempDir()
	k = keyring{dir: filepath.Join(data, "keys", "0011")}
	for _, key := range [][2]string{{sideRegistrar, keyRoll}, {sideMailer, keyToken}, {sideBox, keyPending}} {
		if _, err := k.create(key[0], key[1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.issuer(7); err != nil {
		t.Fatal(err)
	}
	return data, k, holding(t, k)
}

// holding returns what the key files hold, opened.
func holding(t *testing.T, k keyring) map[string]string {
	t.Helper()
	m := make(map[string]string)
	for _, key := range [][2]string{{sideRegistrar, keyRoll}, {sideMailer, keyToken}, {sideBox, keyPending}, {sideRegistrar, issuerName(7)}} {
		b, err := k.read(key[0], key[1])
		if err != nil {
			t.Errorf("reading %s: %v", key[1], err)
		}
		m[key[1]] = string(b)
	}
	return m
}

func quietly(string, ...any) {}

// TestSealKeys seals plain keys, tells before what it would do, does nothing the
// second time, and changes the master key.
func TestSealKeys(t *testing.T) {
	t.Parallel()
	if err := SealKeys(t.TempDir(), masterKey(1), nil, true, quietly); err != nil {
		t.Errorf("without keys: %v", err)
	}
	data, plain, want := unsealed(t)
	files := "box/pending.key mailer/token.key registrar/issuer-00007.key registrar/roll.key"
	sealed := keyring{dir: plain.dir, master: masterKey(1)}
	if _, err := sealed.seed(sideBox, keyPending); !errors.Is(err, ErrPlainKey) {
		t.Errorf("a plain key was read with a master key: %v", err)
	}
	if _, err := sealed.issuer(7); !errors.Is(err, ErrPlainKey) {
		t.Errorf("a plain key was read with a master key: %v", err)
	}
	links := t.TempDir()
	for i, path := range []string{plain.path(sideBox, keyPending), plain.path(sideRegistrar, issuerName(7))} {
		if err := os.Link(path, filepath.Join(links, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	said := 0
	count := func(string, ...any) { said++ }
	if err := SealKeys(data, sealed.master, nil, false, count); err != nil || said != 4 || !maps.Equal(holding(t, plain), want) {
		t.Errorf("it said %d things and did some: %v", said, err)
	}
	for range 2 {
		said = 0
		if err := SealKeys(data, sealed.master, nil, true, count); err != nil {
			t.Error(err)
		}
		if got := holding(t, sealed); !maps.Equal(got, want) {
			t.Error("keys changed")
		}
		names(t, plain, files)
	}
	if said != 0 {
		t.Errorf("it did %d things the second time", said)
	}
	for i := range 2 {
		// What was plain is overwritten, and not only gone from the folder.
		b, err := os.ReadFile(filepath.Join(links, strconv.Itoa(i)))
		if err != nil || len(b) == 0 || len(bytes.Trim(b, "\x00")) > 0 {
			t.Errorf("the plain file was left: %v", err)
		}
	}

	if err := SealKeys(data, masterKey(2), nil, true, quietly); !errors.Is(err, secret.ErrOtherKey) {
		t.Errorf("got %v", err)
	}
	if !maps.Equal(holding(t, sealed), want) {
		t.Error("a wrong master key did something")
	}
	if err := SealKeys(data, masterKey(2), sealed.master, true, quietly); err != nil {
		t.Error(err)
	}
	if got := holding(t, keyring{dir: plain.dir, master: masterKey(2)}); !maps.Equal(got, want) {
		t.Error("keys changed with the master key")
	}
	names(t, plain, files)
}

// TestSealKeysInterrupted begins at every state that a crash can leave. Always
// the key can be read, sealing again ends it, and destroying leaves nothing.
func TestSealKeysInterrupted(t *testing.T) {
	t.Parallel()
	master := masterKey(1)
	for _, state := range []string{"linked", "written", "renamed", "overwritten"} {
		for _, then := range []string{"seal", "destroy"} {
			data, plain, want := unsealed(t)
			path := plain.path(sideBox, keyPending)
			second := path + replaced
			sealed := keyring{dir: plain.dir, master: master}
			step := func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			}
			step(os.Link(path, second))
			if state != "linked" {
				step(os.WriteFile(filepath.Join(filepath.Dir(path), unfinished+"1"), sealed.seal(path, []byte(want[keyPending])), 0o600))
			}
			if state == "renamed" || state == "overwritten" {
				step(os.Rename(filepath.Join(filepath.Dir(path), unfinished+"1"), path))
			}
			if state == "overwritten" {
				step(os.WriteFile(second, make([]byte, len(want[keyPending])), 0o600))
			}
			reader := plain
			if state == "renamed" || state == "overwritten" {
				reader = sealed
			}
			if b, err := reader.read(sideBox, keyPending); err != nil || string(b) != want[keyPending] {
				t.Errorf("%s: the key is lost: %v", state, err)
			}
			if then == "destroy" {
				step(reader.destroy(sideBox, keyPending))
				for _, p := range []string{path, second} {
					if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: %s is still there", state, p)
					}
				}
				continue
			}
			if err := SealKeys(data, master, nil, false, quietly); err != nil {
				t.Errorf("%s: %v", state, err)
			}
			if err := SealKeys(data, master, nil, true, quietly); err != nil {
				t.Errorf("%s: %v", state, err)
			}
			if got := holding(t, sealed); !maps.Equal(got, want) {
				t.Errorf("%s: keys changed", state)
			}
			names(t, plain, "box/pending.key mailer/token.key registrar/issuer-00007.key registrar/roll.key")
		}
	}
}

// TestSealKeysRefuses leaves alone what it does not know.
func TestSealKeysRefuses(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"a stranger": "keys/0011/box/notes.txt", "a file too high": "keys/0011/pending.key", "alone": "keys/0011/box/roll.key" + replaced} {
		data, plain, want := unsealed(t)
		path := filepath.Join(data, path)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := SealKeys(data, masterKey(1), nil, true, quietly); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s: got %v", name, err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "x" {
			t.Errorf("%s: it was touched", name)
		}
		for _, k := range []keyring{plain, {dir: plain.dir, master: masterKey(1)}} {
			if b, err := k.read(sideBox, keyPending); err == nil && string(b) != want[keyPending] {
				t.Errorf("%s: a key changed", name)
			}
		}
	}
	// A second name that holds another key is not thrown away.
	data, plain, _ := unsealed(t)
	path := plain.path(sideBox, keyPending)
	if err := SealKeys(data, masterKey(1), nil, true, quietly); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+replaced, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := SealKeys(data, masterKey(1), nil, true, quietly); !errors.Is(err, secret.ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(path + replaced); err != nil || !strings.HasPrefix(string(b), "abab") {
		t.Error("another key was thrown away")
	}
}
