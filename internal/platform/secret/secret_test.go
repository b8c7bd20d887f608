package secret_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/platform/secret"
)

var (
	master = [32]byte{1, 2, 3, 0xfe}
	plain  = []byte("what nobody may read")
)

func TestSeal(t *testing.T) {
	t.Parallel()
	s := secret.New(master)
	for _, text := range [][]byte{nil, {0}, plain, bytes.Repeat([]byte{7}, 5000)} {
		file := s.Seal("box/pending", "0011", text)
		if !secret.Sealed(file) || bytes.Count(file, []byte("\n")) != 2 {
			t.Errorf("%d bytes: %q does not look sealed", len(text), file)
		}
		if len(text) > 1 && bytes.Contains(file, text) {
			t.Error("the secret is in the file")
		}
		got, err := secret.New(master).Open("box/pending", "0011", file)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: got %q, %v", len(text), got, err)
		}
		if again := s.Seal("box/pending", "0011", text); bytes.Equal(again, file) {
			t.Error("sealed twice it is the same: nonces repeat")
		}
	}
}

// TestOpenRefuses changes everything that can be changed.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	s := secret.New(master)
	file := s.Seal("box/pending", "0011", plain)
	for name, err := range map[string]error{
		"another name":  open(s, "box/promise", "0011", file),
		"another place": open(s, "box/pending", "0012", file),
		// Lengths are bound: what is cut elsewhere is another place.
		"cut elsewhere": open(s, "box/pendin", "g0011", file),
		"cut short":     open(s, "box/pending", "0011", file[:len(file)-5]),
		"no end":        open(s, "box/pending", "0011", file[:len(file)-1]),
		"more":          open(s, "box/pending", "0011", append(bytes.Clone(file), '\n')),
		"first line":    open(s, "box/pending", "0011", file[:bytes.IndexByte(file, '\n')+1]),
		"wrapped":       open(s, "box/pending", "0011", append(append(bytes.Clone(file[:60]), '\n'), file[60:]...)),
	} {
		if !errors.Is(err, secret.ErrDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for i := range file {
		for bit := range 8 {
			other := bytes.Clone(file)
			other[i] ^= 1 << bit
			if err := open(s, "box/pending", "0011", other); err == nil {
				t.Errorf("byte %d, bit %d: opened", i, bit)
			}
		}
	}
	if err := open(secret.New([32]byte{9}), "box/pending", "0011", file); !errors.Is(err, secret.ErrOtherKey) {
		t.Errorf("another master key: got %v", err)
	}
	for _, text := range []string{"", "5a5a", "strikevote sealed v2 "} {
		if err := open(s, "box/pending", "0011", []byte(text)); !errors.Is(err, secret.ErrPlain) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func open(s *secret.Sealer, name, place string, file []byte) error {
	_, err := s.Open(name, place, file)
	return err
}

// TestVector fixes the format: files that were sealed must open for ever.
func TestVector(t *testing.T) {
	t.Parallel()
	const file = "strikevote sealed v1 5952647bcda94340\nkuHRFYkXcPK/rAHKT0wPMQo1n7W2XQgimGkmcCP/vQc3EXgI4zSaiOPWA9BZ3wjakKXqW7lvD9B9RluS\n"
	got, err := secret.New(master).Open("box/pending", "0011", []byte(file))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestRedacted prints a sealer in every way there is.
func TestRedacted(t *testing.T) {
	t.Parallel()
	s := secret.New(master)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "a", s, "b", *s, "c", struct{ S *secret.Sealer }{s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", s, "b", *s, "c", struct{ S *secret.Sealer }{s})
	j, err := json.Marshal(map[string]any{"a": s, "b": *s})
	if err != nil {
		t.Fatal(err)
	}
	text := log.String() + string(j)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		for _, v := range []any{s, *s, struct{ S *secret.Sealer }{s}, struct{ s *secret.Sealer }{s}, []secret.Sealer{*s}} {
			text += fmt.Sprintf(verb, v)
		}
	}
	for _, leak := range []string{hex.EncodeToString(master[:4]), "010203FE", "[1 2 3 254", "1, 2, 3", "0x1, 0x2", "\x01\x02\x03"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q is in %s", leak, text)
		}
	}
	if !strings.Contains(text, "[master key]") {
		t.Errorf("got %s", text)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	made, err := secret.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if read, err := secret.Load(path); err != nil || read.ID() != made.ID() || open(read, "a", "b", made.Seal("a", "b", plain)) != nil {
		t.Errorf("it is read as another key: %v", err)
	}
	if _, err := secret.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a master key was replaced: %v", err)
	}
	if read, err := secret.Load(path); err != nil || read.ID() != made.ID() {
		t.Errorf("a master key was replaced: %v", err)
	}
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"bytes", string(bytes.Repeat([]byte{0xa5}, 32)), 0o600, ""},
		{"digits, for a group", strings.Repeat("5a", 32) + "\n", 0o440, ""},
		{"nothing", "", 0o600, "neither"},
		{"short", strings.Repeat("5a", 31), 0o600, "neither"},
		{"long", strings.Repeat("5a", 33), 0o600, "neither"},
		{"no digits", strings.Repeat("5z", 32), 0o600, "neither"},
		{"zeros", strings.Repeat("00", 32), 0o600, "zeros"},
		{"for everybody", strings.Repeat("5a", 32), 0o644, "chmod 0600"},
		{"large", strings.Repeat("5a", 70000), 0o600, "larger"},
	} {
		path := filepath.Join(dir, tt.name)
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		_, err := secret.Load(path)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "5a") {
			t.Errorf("%s: the error holds some of the key: %v", tt.name, err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := secret.Load(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := secret.New(master)
	f.Add(s.Seal("a", "b", plain))
	f.Add([]byte("strikevote sealed v1 0011223344556677\nAAAA\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if got, err := s.Open("a", "b", file); err == nil && !bytes.Equal(got, plain) {
			t.Errorf("forged: %q opens as %q", file, got)
		}
	})
}

// FuzzLoad reads a file that is named as a master key: it holds 32 bytes in one of two
// forms, or the error says what it should hold and nothing of what it does.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(strings.Repeat("0a", secret.KeySize) + "\n"))
	f.Add(bytes.Repeat([]byte{7}, secret.KeySize))
	f.Add(make([]byte, secret.KeySize))
	f.Add([]byte(strings.Repeat("0A", secret.KeySize) + "\r\n "))
	f.Add([]byte(strings.Repeat("a", 63)))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "master")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := secret.Load(path)
		if err != nil {
			if text := strings.TrimSpace(string(b)); len(text) > 20 && strings.Contains(err.Error(), text) {
				t.Errorf("the error repeats the file: %v", err)
			}
			return
		}
		if _, err := s.Open("x", "y", s.Seal("x", "y", []byte("z"))); err != nil {
			t.Error(err)
		}
	})
}
