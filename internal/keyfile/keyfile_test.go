package keyfile_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"strikevote/internal/keyfile"
)

// bare has no public half, shown has one of four bytes. A guess costs nothing, so
// that many files can be opened.
var (
	bare = keyfile.Kind{
		What: "test key, sealed with a passphrase", Name: "a test's key file", Max: 1 << 20, Cost: keyfile.Cost{Time: 1, Memory: 8},
	}
	shown = keyfile.Kind{
		What: "shown key, sealed with a passphrase", Name: "a shown key file", Max: 1 << 12, Public: 4, Cost: bare.Cost,
	}
	public     = []byte{0xca, 0xfe, 0xba, 0xbe}
	secret     = []byte("what nobody may read")
	passphrase = []byte("correct horse battery staple")
)

// kept writes a file of a kind and returns its path.
func kept(t *testing.T, k keyfile.Kind, public []byte) string {
	t.Helper()
	b, err := k.New(passphrase).Seal(public, secret)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := keyfile.Write(path, b); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSeal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   keyfile.Kind
		public []byte
	}{{bare, nil}, {shown, public}} {
		path := kept(t, tt.kind, tt.public)
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v", info, err)
		}
		b := read(t, path)
		if !bytes.Contains(b, []byte(tt.kind.What)) {
			t.Errorf("who finds it does not see what it is: %s", b)
		}
		sealer, gotPublic, plain, err := tt.kind.Open(path, passphrase)
		if err != nil || !bytes.Equal(gotPublic, tt.public) || !bytes.Equal(plain, secret) {
			t.Fatalf("got %x, %q, %v", gotPublic, plain, err)
		}
		if got, err := tt.kind.ReadPublic(path); err != nil || !bytes.Equal(got, tt.public) {
			t.Errorf("without a passphrase: got %x, %v", got, err)
		}
		again, err := sealer.Seal(tt.public, secret)
		if err != nil || len(again) != len(b) || bytes.Equal(again, b) {
			t.Errorf("sealed again: %s, %v", again, err)
		}
		for _, wrong := range [][]byte{nil, []byte("x"), passphrase[1:], append(bytes.Clone(passphrase), 0)} {
			if _, _, _, err := tt.kind.Open(path, wrong); err != keyfile.ErrPassphrase {
				t.Errorf("passphrase %q: got %v", wrong, err)
			}
		}
		if _, _, _, err := tt.kind.Open(path+"x", passphrase); err != keyfile.ErrNone {
			t.Errorf("no file: got %v", err)
		}
		if _, err := tt.kind.ReadPublic(path + "x"); err != keyfile.ErrNone {
			t.Errorf("no file: got %v", err)
		}
		if err := keyfile.Write(path, again); !errors.Is(err, fs.ErrExist) || !bytes.Equal(read(t, path), b) {
			t.Errorf("a key file was replaced: %v", err)
		}
		if err := keyfile.Write(filepath.Join(path, "x"), again); err == nil {
			t.Error("it was written into a file")
		}
	}
}

// TestSealRefuses seals what could not be read again.
func TestSealRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind          keyfile.Kind
		public, plain []byte
	}{
		"no public half":     {shown, nil, secret},
		"a long public half": {shown, make([]byte, 5), secret},
		"a public half":      {bare, public, secret},
		"too large":          {shown, public, make([]byte, shown.Max/2)},
	} {
		if b, err := tt.kind.New(passphrase).Seal(tt.public, tt.plain); err == nil || b != nil {
			t.Errorf("%s: got %s, %v", name, b, err)
		}
	}
}

// TestDamaged changes and cuts a file at every byte.
func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, k := range []keyfile.Kind{bare, shown} {
		path := kept(t, k, public[:k.Public])
		good := read(t, path)
		try := func(what string, b []byte) {
			t.Helper()
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			sealer, got, plain, err := k.Open(path, passphrase)
			if errors.Is(err, keyfile.ErrNone) || err != nil && (sealer != nil || plain != nil) {
				t.Errorf("%s: got %v, %v", what, sealer, err)
			}
			// Whoever opens the file compares the public half with the secret.
			if err == nil && bytes.Equal(got, public[:k.Public]) {
				t.Errorf("%s: it opens", what)
			}
		}
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= []byte{1, 2, 0x20, 0x80}[i%4]
			try(fmt.Sprintf("byte %d changed", i), bad)
			if i%16 == 0 || len(good)-i < 4 {
				try(fmt.Sprintf("cut to %d bytes", i), good[:i])
			}
		}
		for _, add := range []string{"\n", " ", "{}", "\x00"} {
			try(fmt.Sprintf("with %q behind", add), append(bytes.Clone(good), add...))
			try(fmt.Sprintf("with %q before", add), append([]byte(add), good...))
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := k.Open(path, passphrase); err != nil {
			t.Errorf("the good one: %v", err)
		}
	}
}

// TestRealParameters checks the cost of real files: a passphrase is not to be
// searched, and a file cannot ask for minutes or gigabytes.
func TestRealParameters(t *testing.T) {
	t.Parallel()
	if u := keyfile.Usual; u.Time < 2 || u.Memory < 19<<10 || u.Time > keyfile.MaxTime || u.Memory > keyfile.MaxMemory {
		t.Errorf("a new file costs %d passes of %d KiB", u.Time, u.Memory)
	}
	if keyfile.MaxTime*keyfile.MaxMemory > 4<<20 {
		t.Errorf("a file may cost %d passes of %d KiB", keyfile.MaxTime, keyfile.MaxMemory)
	}
	k := bare
	k.Cost = keyfile.Usual
	b, err := k.New(passphrase).Seal(nil, secret)
	if want := fmt.Sprintf(`"argon2id_time":%d,"argon2id_memory_kib":%d`, keyfile.Usual.Time, keyfile.Usual.Memory); err != nil || !bytes.Contains(b, []byte(want)) {
		t.Errorf("got %s, %v", b, err)
	}
}

// TestHostileFile opens files that would cost minutes or gigabytes. Their
// parameters are refused before anything is derived, with another error than
// that of a wrong passphrase.
func TestHostileFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hostile")
	file := func(what, public, salt, time, memory, sealed string) []byte {
		return fmt.Appendf(nil, `{"strikevote":%q,%s"salt":%q,"argon2id_time":%s,"argon2id_memory_kib":%s,"sealed":%q}`+"\n", what, public, salt, time, memory, sealed)
	}
	salt, half := strings.Repeat("00", 16), `"public":"cafebabe",`
	over := func(n int) string { return fmt.Sprint(n + 1) }
	try := func(k keyfile.Kind, name string, b []byte, wrongPassphrase bool) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _, err := k.Open(path, passphrase)
		if err == nil || errors.Is(err, keyfile.ErrPassphrase) != wrongPassphrase {
			t.Errorf("%s: got %v", name, err)
		}
		if !wrongPassphrase && !strings.Contains(err.Error(), "this is not "+k.Name+", or it is damaged") {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := k.ReadPublic(path); (err == nil) != wrongPassphrase {
			t.Errorf("%s: the public half: %v", name, err)
		}
	}
	try(bare, "the control", file(bare.What, "", salt, "1", "8", strings.Repeat("00", 100)), true)
	try(shown, "the control with a public half", file(shown.What, half, salt, "1", "8", strings.Repeat("00", 100)), true)
	try(bare, "shorter than a nonce", file(bare.What, "", salt, "1", "8", strings.Repeat("00", 23)), true)
	try(bare, "only a nonce", file(bare.What, "", salt, "1", "8", strings.Repeat("00", 24)), true)
	try(bare, "nothing sealed", file(bare.What, "", salt, "1", "8", ""), true)
	try(bare, "too many passes", file(bare.What, "", salt, over(keyfile.MaxTime), "8", ""), false)
	try(bare, "too much memory", file(bare.What, "", salt, "1", over(keyfile.MaxMemory), ""), false)
	try(bare, "the most of both", file(bare.What, "", salt, "4294967295", "4294967295", ""), false)
	try(bare, "more than that", file(bare.What, "", salt, "4294967296", "8", ""), false)
	try(bare, "no pass", file(bare.What, "", salt, "0", "8", ""), false)
	try(bare, "a negative pass", file(bare.What, "", salt, "-1", "8", ""), false)
	try(bare, "a short salt", file(bare.What, "", salt[2:], "1", "8", ""), false)
	try(bare, "a long salt", file(bare.What, "", salt+"00", "1", "8", ""), false)
	try(bare, "another kind of file", file(shown.What, "", salt, "1", "8", ""), false)
	try(bare, "a public half", file(bare.What, half, salt, "1", "8", ""), false)
	try(bare, "an empty public half", file(bare.What, `"public":"",`, salt, "1", "8", ""), false)
	try(shown, "no public half", file(shown.What, "", salt, "1", "8", ""), false)
	try(shown, "a short public half", file(shown.What, `"public":"cafeba",`, salt, "1", "8", ""), false)
	try(shown, "a public half elsewhere", bytes.Replace(file(shown.What, "", salt, "1", "8", ""), []byte(`,"sealed"`), []byte(`,"public":"cafebabe","sealed"`), 1), false)
	try(bare, "a large file", file(bare.What, "", salt, "1", "8", strings.Repeat("00", int(bare.Max/2))), false)
	try(shown, "a large file for its kind", file(shown.What, half, salt, "1", "8", strings.Repeat("00", int(shown.Max/2))), false)

	huge, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	// A file of holes, which takes no room on the disk, and would in memory.
	if err := errors.Join(huge.Truncate(1<<36), huge.Close()); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := bare.Open(path, passphrase); err == nil {
		t.Error("64 GiB were read as a key file")
	}
	if _, _, _, err := bare.Open(filepath.Dir(path), passphrase); err == nil {
		t.Error("a folder was read as a key file")
	}
}

// TestBound puts what was sealed as one kind into a file of another.
func TestBound(t *testing.T) {
	t.Parallel()
	path := kept(t, bare, nil)
	other := bare
	other.What = "TEST key, sealed with a passphrase"
	if err := os.WriteFile(path, bytes.Replace(read(t, path), []byte(bare.What), []byte(other.What), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := other.Open(path, passphrase); err != keyfile.ErrPassphrase {
		t.Errorf("got %v", err)
	}
}

// TestRedacted prints a sealer in every way there is.
func TestRedacted(t *testing.T) {
	t.Parallel()
	path := kept(t, bare, nil)
	var head struct{ Salt string }
	if err := json.Unmarshal(read(t, path), &head); err != nil {
		t.Fatal(err)
	}
	salt, err := hex.DecodeString(head.Salt)
	if err != nil {
		t.Fatal(err)
	}
	key := argon2.IDKey(passphrase, salt, bare.Cost.Time, bare.Cost.Memory, 1, 32)
	s, _, _, err := bare.Open(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{s, *s, []keyfile.Sealer{*s}, struct{ S *keyfile.Sealer }{s}, struct{ s *keyfile.Sealer }{s}, struct{ s keyfile.Sealer }{*s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			text := strings.ToLower(fmt.Sprintf(verb, v))
			for _, leak := range []string{
				hex.EncodeToString(key), strings.Trim(fmt.Sprint(key), "[]"), strings.ToLower(string(key)),
				strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", key), "[]byte{"), "}"),
			} {
				if strings.Contains(text, leak) {
					t.Errorf("%s shows the key: %s", verb, text)
				}
			}
		}
	}
	if text := fmt.Sprintf("%v %+v", s, *s); text != "[key of a key file] [key of a key file]" {
		t.Errorf("got %s", text)
	}
	for _, v := range []any{s, *s} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("got %s", b)
		}
	}
}

// FuzzOpen reads made-up files. What opens is what was sealed.
func FuzzOpen(f *testing.F) {
	good, err := bare.New(passphrase).Seal(nil, secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"strikevote":"` + bare.What + `","public":"","salt":"","argon2id_time":1,"argon2id_memory_kib":8,"sealed":""}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		// Real files may ask for seconds.
		if bytes.Contains(b, []byte(`"argon2id_time":1,"argon2id_memory_kib":8,`)) {
			if _, _, plain, err := bare.Open(path, passphrase); err == nil && !bytes.Equal(plain, secret) {
				t.Errorf("forged: %s opens as %q", b, plain)
			}
		} else if _, err := bare.ReadPublic(path); err == nil && !bytes.HasPrefix(b, []byte(`{"strikevote":"`+bare.What)) {
			t.Errorf("read as a key file: %s", b)
		}
	})
}
