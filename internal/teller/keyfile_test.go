package teller_test

import (
	"bytes"
	"context"
	"encoding/base64"
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

	"strikevote/internal/ceremony"
	"strikevote/internal/keyfile"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

// made makes the key file of a teller who has been through a ceremony.
func made(t *testing.T) (*teller.Teller, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "teller.key")
	x := group.RandomScalar()
	tt, err := teller.Make(path, passphrase, "http://127.0.0.1:1", suite.ElectionID{7}, 3, "WORD-WORD", group.RandomScalar(), x, group.BaseMul(x))
	if err != nil {
		t.Fatal(err)
	}
	return tt, path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// private fails the test unless only its owner may read a file.
func private(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%s: got mode %v", path, info.Mode())
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	private(t, path)
	first := read(t, path)
	again, err := teller.Peek(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	a, b := tt.Secrets()
	c, d := again.Secrets()
	if !bytes.Equal(a, c) || !bytes.Equal(b, d) || again.Number() != 3 || again.Election() != (suite.ElectionID{7}) {
		t.Error("the file holds another key")
	}
	if err := tt.Save(); err != nil {
		t.Fatal(err)
	}
	private(t, path)
	second := read(t, path)
	if bytes.Equal(first, second) {
		t.Error("two seals under one nonce")
	}
	for _, file := range [][]byte{first, second} {
		for _, secret := range [][]byte{a, b, []byte("WORD-WORD"), passphrase} {
			if bytes.Contains(file, secret) || bytes.Contains(file, []byte(hex.EncodeToString(secret))) {
				t.Error("the file shows a secret")
			}
		}
	}
	for _, wrong := range [][]byte{nil, []byte("x"), passphrase[1:], append(bytes.Clone(passphrase), 0)} {
		if _, err := teller.Peek(path, wrong); !errors.Is(err, teller.ErrPassphrase) {
			t.Errorf("passphrase %q: got %v", wrong, err)
		}
	}
	if _, err := teller.Peek(path+"x", passphrase); !errors.Is(err, teller.ErrNoKeyFile) {
		t.Errorf("no file: got %v", err)
	}
	tt.Close()
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v beside the key file", entries, err)
	}
}

// TestOldFile opens a key file that an earlier version of this program made, and
// writes it in the same form: a key that cannot be opened opens no count.
func TestOldFile(t *testing.T) {
	t.Parallel()
	old := read(t, filepath.Join("testdata", "teller.key"))
	path := filepath.Join(t.TempDir(), "teller.key")
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	tt, err := teller.Open(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	defer tt.Close()
	static, share := tt.Secrets()
	if got := fmt.Sprintf("%x %x", static, share); got != "5cb73f21a1bd11b6e0f51a9a92e4c149c704a68bc1960fc6b19ebfa19d21fd08 "+
		"604177a33450cf7ba0af354fdc529d657a50b6b14438161eba3909fb72e01b09" || tt.Number() != 3 || tt.Election() != (suite.ElectionID{7}) {
		t.Errorf("it is opened as another key: %s", got)
	}
	if err := tt.Save(); err != nil {
		t.Fatal(err)
	}
	again := read(t, path)
	at := bytes.Index(old, []byte(`"sealed":"`)) + len(`"sealed":"`)
	if len(again) != len(old) || !bytes.Equal(again[:at], old[:at]) || bytes.Equal(again, old) {
		t.Errorf("it is written as\n%s, not as\n%s", again, old)
	}
}

// TestOtherFile opens what is no key file of a teller.
func TestOtherFile(t *testing.T) {
	t.Parallel()
	_, path := made(t)
	good := read(t, path)
	for name, change := range map[string][2]string{
		"a public half":    {`"salt"`, `"public":"` + strings.Repeat("00", 32) + `","salt"`},
		"another's kind":   {"teller's key", "committee member's key"},
		"too many passes":  {`"argon2id_time":1`, `"argon2id_time":11`},
		"a damaged format": {`"salt"`, ` "salt"`},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("%s: nothing changed", name)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if tt, err := teller.Peek(path, passphrase); tt != nil || err == nil || !strings.Contains(err.Error(), "this is not a teller's key file, or it is damaged") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	bad := bytes.Clone(good)
	// Another hexadecimal digit: what is none is a damaged format.
	if at := len(bad) - 10; bad[at] == '0' {
		bad[at] = '1'
	} else {
		bad[at] = '0'
	}
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := teller.Peek(path, passphrase); !errors.Is(err, teller.ErrPassphrase) {
		t.Errorf("damaged: got %v", err)
	}
	if realCost != keyfile.Usual {
		t.Errorf("outside of tests a new file costs %+v", realCost)
	}
}

// TestCost shows that only a demo's key files, and copies of them, are cheap to open.
func TestCost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		enroll func(context.Context, ceremony.Invitation, string, []byte) (*teller.Teller, error)
		want   string
	}{
		"real": {teller.Enroll, `"argon2id_memory_kib":8,`}, // what TestMain sets; usually it is more
		"demo": {teller.EnrollDemo, `"argon2id_memory_kib":1024,`},
	} {
		e := newEvil(t, 1, 1)
		path := filepath.Join(t.TempDir(), "teller.key")
		tt, err := c.enroll(t.Context(), e.invitation(1), path, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		for waiting := "first"; waiting != ""; {
			if waiting, err = tt.Advance(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		second, err := tt.Copy(path+".copy", passphrase)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{path, second.Path()} {
			if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), c.want) {
				t.Errorf("%s: %s, %v", name, b, err)
			}
		}
	}
}

// TestInterruptedSave puts what a crash can leave beside the key file. The old
// key is there, and what was left goes with the next save or with the key.
func TestInterruptedSave(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]func(good []byte) []byte{
		"nothing written": func([]byte) []byte { return nil },
		"half written":    func(good []byte) []byte { return good[:len(good)/2] },
		"all written":     func(good []byte) []byte { return good },
		"zeros":           func(good []byte) []byte { return make([]byte, len(good)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, path := made(t)
			first.Close()
			good := read(t, path)
			tt, err := teller.Open(path, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			leave := func() {
				t.Helper()
				if err := os.WriteFile(tt.Beside(), left(good), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			leave()
			if _, err := teller.Peek(path, passphrase); err != nil {
				t.Fatal(err)
			}
			if err := tt.Save(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(tt.Beside()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
			if _, err := teller.Peek(path, passphrase); err != nil {
				t.Fatal(err)
			}
			leave()
			if err := tt.Discard(); err != nil {
				t.Fatal(err)
			}
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
				t.Errorf("got %v, %v after the key was destroyed", entries, err)
			}
			if err := tt.Discard(); err != nil {
				t.Errorf("twice: %v", err)
			}
		})
	}
}

// block makes every save of a key file fail, until unblock.
func block(t *testing.T, tt *teller.Teller) (unblock func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(tt.Beside(), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(tt.Beside()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailedSave lets every save fail: nothing is sent that is not in the file,
// and nothing counts as done.
func TestFailedSave(t *testing.T) {
	t.Parallel()
	e := newEvil(t, 1, 1)
	tt := e.enroll(t)[0]
	steps := []struct{ waiting, without string }{
		{"the other tellers' messages", "/message"},     // notes session and message
		{"the other tellers' signatures", "/signature"}, // notes that it signs
		{"", ""}, // notes the share
	}
	for i, s := range steps {
		before := len(e.sent)
		unblock := block(t, tt)
		for range 2 {
			if waiting, err := tt.Advance(t.Context()); err == nil {
				t.Fatalf("step %d: got %q without a file", i, waiting)
			}
		}
		unblock()
		for _, sent := range e.sent[before:] {
			if s.without != "" && strings.Contains(sent, s.without) {
				t.Errorf("step %d: %s was sent before it was in the file", i, s.without)
			}
		}
		if waiting, err := tt.Advance(t.Context()); err != nil || waiting != s.waiting {
			t.Fatalf("step %d: got %q, %v", i, waiting, err)
		}
	}
	path := filepath.Join(t.TempDir(), "copy")
	second, err := tt.Copy(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	a, b := tt.Secrets()
	c, d := second.Secrets()
	if !bytes.Equal(a, c) || !bytes.Equal(b, d) || len(b) != 32 {
		t.Error("the copy is of another key")
	}
}

// TestNotReplaced names files that are there already.
func TestNotReplaced(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	good := read(t, path)
	other := filepath.Join(filepath.Dir(path), "thesis")
	if err := os.WriteFile(other, []byte("my thesis"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, taken := range []string{path, other, filepath.Dir(path), filepath.Join(path, "x")} {
		if second, err := tt.Copy(taken, passphrase); err == nil || second != nil {
			t.Errorf("a copy was written to %s", taken)
		}
	}
	if !bytes.Equal(read(t, path), good) || string(read(t, other)) != "my thesis" {
		t.Error("a file was changed")
	}
	copied := other + ".copy"
	second, err := tt.Copy(copied, []byte("another passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	private(t, copied)
	tt.Close()
	if a, b := second.Secrets(); len(a) != 32 || len(b) != 32 || bytes.Equal(a, make([]byte, 32)) || bytes.Equal(b, make([]byte, 32)) {
		t.Error("closing one copy wiped the other")
	}
	if _, err := teller.Peek(copied, passphrase); !errors.Is(err, teller.ErrPassphrase) {
		t.Errorf("got %v", err)
	}
	if _, err := teller.Peek(copied, []byte("another passphrase")); err != nil {
		t.Error(err)
	}
}

// TestClosed uses a program after its key was wiped: it does nothing, and the
// file stays.
func TestClosed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := newEvil(t, 2, 2)
	all := e.enroll(t)
	advance(t, all)
	for _, step := range []func(){func() {}, func() { e.st.Session++; e.clear() }} {
		step()
		tt := all[0]
		a, _ := tt.Secrets()
		tt.Close()
		if !bytes.Equal(a, make([]byte, len(a))) {
			t.Error("a secret is still in memory")
		}
		before := len(e.sent)
		if waiting, err := tt.Advance(ctx); err == nil {
			t.Errorf("got %q", waiting)
		}
		for _, sent := range e.sent[before:] {
			if strings.Contains(sent, "/tellers/") {
				t.Errorf("%s was sent", sent)
			}
		}
		tt.Close()
	}
	tt, path := made(t)
	good := read(t, path)
	tt.Close()
	if err := tt.Save(); err == nil {
		t.Error("a wiped key was saved")
	}
	if _, err := tt.Copy(path+".copy", passphrase); err == nil {
		t.Error("a wiped key was copied")
	}
	if _, err := tt.Examine(ctx, teller.Options{}); err == nil {
		t.Error("a record was examined without a key")
	}
	if err := end(ctx, tt); err == nil {
		t.Error("a closed key was destroyed")
	}
	if !bytes.Equal(read(t, path), good) {
		t.Error("the key file was changed")
	}
}

// TestRedaction prints everything that holds a secret, in every way.
func TestRedaction(t *testing.T) {
	t.Parallel()
	tt, path := made(t)
	var secrets []string
	a, b := tt.Secrets()
	for _, s := range [][]byte{a, b, passphrase} {
		secrets = append(secrets, string(s), hex.EncodeToString(s), base64.StdEncoding.EncodeToString(s), strings.Trim(fmt.Sprint(s), "[]"),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", s), "[]byte{"), "}"), strings.Trim(fmt.Sprintf("%q", s), `"`))
	}
	check := func(what, text string) {
		t.Helper()
		for _, s := range secrets {
			if strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
				t.Errorf("%s shows a secret: %s", what, text)
			}
		}
	}
	values := append([]any{tt, *tt, tt.Key(), []any{tt.Key()}, struct{ T *teller.Teller }{tt}, struct{ T teller.Teller }{*tt}}, tt.Parts()...)
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			check(verb, fmt.Sprintf(verb, v))
		}
		if b, err := json.Marshal(v); err == nil {
			check("JSON", string(b))
		}
	}
	if text := fmt.Sprintf("%v %+v %s", tt, *tt, tt.Key()); strings.Contains(text, "WORD") {
		t.Errorf("the enrollment word is in %s", text)
	}
	for name, err := range map[string]error{
		"a wrong passphrase": func() error { _, err := teller.Peek(path, []byte("wrong")); return err }(),
		"no service":         func() error { _, err := tt.Examine(t.Context(), teller.Options{}); return err }(),
		"no file":            func() error { _, err := tt.Copy(path, passphrase); return err }(),
		"no drill":           teller.Drill(t.Context(), tt, tt),
		"no destruction":     end(t.Context(), tt),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		check(name, err.Error())
		if strings.Contains(err.Error(), "WORD") {
			t.Errorf("%s: the enrollment word is in %v", name, err)
		}
	}
}
