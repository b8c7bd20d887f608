package signer_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"strikevote/internal/signer"
)

var pass = []byte("four or more random words")

func newKey(t *testing.T) (string, ed25519.PublicKey) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "member.key")
	public, err := signer.Create(path, pass)
	if err != nil {
		t.Fatal(err)
	}
	return path, public
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path, public := newKey(t)
	k, err := signer.Open(path, pass)
	if err != nil {
		t.Fatal(err)
	}
	clear, err := signer.Public(path)
	if err != nil || !public.Equal(clear) || !public.Equal(k.Public()) {
		t.Errorf("got %x, %v, want %x", clear, err, public)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if _, err := signer.Create(path, pass); err == nil {
		t.Error("a key was replaced")
	}
	if again, err := signer.Public(path); err != nil || !public.Equal(again) {
		t.Error("a key was damaged by a second one")
	}
	if _, err := signer.Open(path, []byte("another")); !errors.Is(err, signer.ErrPassphrase) {
		t.Errorf("got %v", err)
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := signer.Open(missing, pass); !errors.Is(err, signer.ErrNoKeyFile) {
		t.Errorf("got %v", err)
	}
	if _, err := signer.Public(missing); !errors.Is(err, signer.ErrNoKeyFile) {
		t.Errorf("got %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(b, []byte("committee member's key")) {
		t.Errorf("who finds it does not see what it is: %s", b)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(verb, *k); s != "[committee member's key]" {
			t.Errorf("%s: got %s", verb, s)
		}
	}
	if b, err := json.Marshal(*k); err == nil {
		t.Errorf("got %s", b)
	}
	k.Close()
}

// TestDamagedKeyFile flips every byte of a key file.
func TestDamagedKeyFile(t *testing.T) {
	t.Parallel()
	path, _ := newKey(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) error {
		t.Helper()
		bad := filepath.Join(t.TempDir(), "bad.key")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := signer.Open(bad, pass)
		return err
	}
	// The parameters of the derivation are the slow part, and have cases below.
	head := bytes.Index(good, []byte(`"argon2id_time"`))
	tail := bytes.Index(good, []byte(`"sealed"`))
	for i := range good {
		if i > head && i < tail {
			continue
		}
		b := bytes.Clone(good)
		b[i] ^= 1
		if try(b) == nil {
			t.Fatalf("byte %d changed, and it opens", i)
		}
	}
	for name, change := range map[string][2]string{
		"no passes":       {`"argon2id_time":1`, `"argon2id_time":0`},
		"too many passes": {`"argon2id_time":1`, fmt.Sprintf(`"argon2id_time":%d`, signer.MaxTime+1)},
		"too much memory": {`"argon2id_memory_kib":8`, fmt.Sprintf(`"argon2id_memory_kib":%d`, signer.MaxMemory+1)},
	} {
		b := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(b, good) {
			t.Fatalf("%s: nothing changed", name)
		}
		if err := try(b); err == nil || errors.Is(err, signer.ErrPassphrase) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Another public half beside the same sealed one: nobody is shown a key that
	// is not the one that signs.
	i := bytes.Index(good, []byte(`"public":"`)) + len(`"public":"`)
	b := bytes.Clone(good)
	copy(b[i:], hex.EncodeToString(make([]byte, 32)))
	if err := try(b); !errors.Is(err, signer.ErrPassphrase) {
		t.Errorf("another public half: got %v", err)
	}
	if err := try([]byte(strings.Repeat("x", 5000))); err == nil {
		t.Error("a long file opens")
	}
}

// TestRealParameters shows what tests lower: a passphrase is not to be searched.
func TestRealParameters(t *testing.T) {
	t.Parallel()
	if realTime < 2 || realMemory < 19<<10 {
		t.Errorf("argon2id with %d passes over %d KiB", realTime, realMemory)
	}
}
