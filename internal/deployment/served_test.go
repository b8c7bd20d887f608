package deployment

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strikevote/internal/backup"
	"strikevote/internal/protocol/suite"
)

// TestWrongFolder gives operators' commands folders in which no service ran, and half of
// one: they make nothing there.
func TestWrongFolder(t *testing.T) {
	t.Parallel()
	c := Config{Data: t.TempDir()}
	c.Mail = filepath.Join(c.Data, "mail")
	refused := func(want error, files int) {
		t.Helper()
		d, err := Operate(t.Context(), c)
		if d != nil || err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("operate: got %v, want %v", err, want)
		}
		if err := Migrate(t.Context(), c, func(string, ...any) {}); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("migrate: got %v, want %v", err, want)
		}
		if got, err := os.ReadDir(c.Data); err != nil || len(got) != files {
			t.Errorf("got %v, %v; want %d files", got, err, files)
		}
	}
	refused(ErrFolder, 0)
	if err := os.WriteFile(filepath.Join(c.Data, "fay.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(ErrFolder, 1)
	// One side is restored: the other's database would be made where its own is to come.
	if err := os.MkdirAll(filepath.Join(c.Data, "postgres", "registrar"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused(nil, 2)
	if got, err := os.ReadDir(filepath.Join(c.Data, "postgres")); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestUnserved looks for a service of a folder. What answers on the addresses that are
// noted there may be another folder's.
func TestUnserved(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer other.Close()
	data := t.TempDir()
	d := &Deployment{c: Config{Data: data, Parts: []Part{PartBox}}}
	at := strings.TrimPrefix(other.URL, "http://")
	note, err := suite.EncodeJSON(&serving{Parts: d.c.Parts, Health: at})
	if err == nil {
		err = os.WriteFile(d.servingPath(d.c.Parts), note, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "listen.json"), fmt.Appendf(nil, `{"admin":%q}`, at), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"another's service answers": data, "no folder": filepath.Join(data, "none")} {
		if err := Unserved(folder); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := HealthAddress(data); !errors.Is(err, ErrNotServed) {
		t.Errorf("another's health: got %v, want ErrNotServed", err)
	}
	// Of a folder that cannot be opened nothing is said.
	if _, err := HealthAddress(filepath.Join(data, "listen.json", "data")); err == nil || errors.Is(err, ErrNotServed) {
		t.Errorf("a folder that cannot be opened: got %v", err)
	}
	// Two processes of the service have it, and then one.
	var holds []*hold
	for range 2 {
		h, err := holdShared(data)
		if err != nil {
			t.Fatal(err)
		}
		holds = append(holds, h)
	}
	for _, h := range holds {
		if err := Unserved(data); !errors.Is(err, ErrServed) {
			t.Errorf("got %v, want ErrServed", err)
		}
		if got, err := HealthAddress(data); err != nil || got != at {
			t.Errorf("got %q, %v", got, err)
		}
		if err := h.release(); err != nil {
			t.Error(err)
		}
	}
	if err := Unserved(data); err != nil {
		t.Errorf("after the end: %v", err)
	}
	if after, err := os.ReadDir(data); err != nil || len(after) != len(before) {
		t.Errorf("%d files were there, and %d are: %v", len(before), len(after), err)
	}
}

// TestOccupied: a service that does not get its addresses has begun no database, which
// another that started at the same time would work with and lose.
func TestOccupied(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := Config{Data: filepath.Join(folder(t), "data"), Listen: map[string]string{listenBoard: taken.Addr().String()}}
	if _, err := Open(t.Context(), c); !errors.Is(err, syscall.EADDRINUSE) || !errors.Is(err, ErrTaken) || errors.Is(err, ErrServed) {
		t.Fatalf("got %v, want ErrTaken", err)
	}
	begun := func() int {
		entries, err := os.ReadDir(filepath.Join(c.Data, "postgres"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return len(entries)
	}
	if n := begun(); n != 0 {
		t.Errorf("%d databases were begun", n)
	}
	// The control: with its addresses it begins both.
	c.Listen = nil
	d, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if n := begun(); n != 2 {
		t.Errorf("%d databases were begun, want both", n)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestAlone: what has a folder alone is refused while a service holds it, and a service
// while that works; neither waits for the other unseen.
func TestAlone(t *testing.T) {
	t.Parallel()
	c := Config{Data: t.TempDir()}
	alone, err := holdAlone(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c); !errors.Is(err, ErrAlone) {
		t.Errorf("a service beside a restore: %v", err)
	}
	if left, err := os.ReadDir(c.Data); err != nil || len(left) > 0 {
		t.Errorf("it made %v, %v", left, err)
	}
	if err := alone.release(); err != nil {
		t.Fatal(err)
	}
	serving, err := holdShared(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"sealing keys": func() error { return SealKeys(c.Data, masterKey(1), nil, true, func(string, ...any) {}) },
		"a restore": func() error {
			return (&restoration{c: c, a: &backup.Archive{Manifest: backup.Manifest{Side: sideBox}}}).restore(t.Context())
		},
	} {
		if err := do(); !errors.Is(err, ErrServed) {
			t.Errorf("%s beside a service: %v", what, err)
		}
	}
	if err := serving.release(); err != nil {
		t.Error(err)
	}
}
