package signer_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"strikevote/internal/keyfile"
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
	if _, err := signer.Create(path, pass); !errors.Is(err, fs.ErrExist) || !strings.HasSuffix(err.Error(), "is there already; name a new file") {
		t.Errorf("a key was replaced: %v", err)
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

// TestOldKeyFile opens a key file that an earlier version of this program made,
// and writes the same key in the same form.
func TestOldKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "member.key")
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{0x5a}, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	k, err := signer.Open(path, pass)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if shown, err := signer.Public(path); err != nil || !public.Equal(shown) || !public.Equal(k.Public()) {
		t.Errorf("it is opened as another key: %x, %v", shown, err)
	}
	again := filepath.Join(t.TempDir(), "member.key")
	if err := signer.Keep(again, pass, private); err != nil {
		t.Fatal(err)
	}
	digits := regexp.MustCompile(`"(salt|sealed)":"[0-9a-f]+"`)
	var form [2]string
	for i, p := range []string{path, again} {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		form[i] = digits.ReplaceAllStringFunc(string(b), func(s string) string { return fmt.Sprint(s[:6], len(s)) })
	}
	if form[0] != form[1] {
		t.Errorf("it is written as %s, not as %s", form[1], form[0])
	}
}

// TestDamagedKeyFile opens what is no key file of a member, or shows another
// public half.
func TestDamagedKeyFile(t *testing.T) {
	t.Parallel()
	path, public := newKey(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(old, new string) error {
		t.Helper()
		b := bytes.Replace(good, []byte(old), []byte(new), 1)
		if bytes.Equal(b, good) {
			t.Fatalf("%s: nothing changed", old)
		}
		bad := filepath.Join(t.TempDir(), "bad.key")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := signer.Open(bad, pass)
		return err
	}
	half := hex.EncodeToString(public)
	for name, change := range map[string][2]string{
		"no public half":      {`"public":"` + half + `",`, ""},
		"a short public half": {half, half[2:]},
		"another's kind":      {"committee member's key", "teller's key"},
		"too many passes":     {`"argon2id_time":1`, `"argon2id_time":11`},
		"a long file":         {"\n", strings.Repeat(" ", 5000)},
	} {
		if err := try(change[0], change[1]); err == nil || !strings.Contains(err.Error(), "this is not a committee member's key file, or it is damaged") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Another public half beside the same sealed one: nobody is shown a key that
	// is not the one that signs.
	for i := range public {
		other := bytes.Clone(public)
		other[i] ^= 1
		if err := try(half, hex.EncodeToString(other)); !errors.Is(err, signer.ErrPassphrase) {
			t.Errorf("another public half: got %v", err)
		}
	}
	if realCost != keyfile.Usual {
		t.Errorf("outside of tests a new file costs %+v", realCost)
	}
}
