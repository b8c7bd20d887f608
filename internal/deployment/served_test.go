package deployment

import (
	"context"
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
	"time"

	"strikevote/internal/protocol/suite"
)

// TestUnserved looks for a service of a folder, where it was noted and where one is
// said to be.
func TestUnserved(t *testing.T) {
	t.Parallel()
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
	}))
	defer ours.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	at := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	for name, tt := range map[string]struct {
		noted, given string
		want         error
	}{
		"nothing noted":           {"", "", nil},
		"it has ended":            {gone.Addr().String(), "", nil},
		"it runs":                 {at(ours), "", ErrServed},
		"it runs elsewhere":       {gone.Addr().String(), at(ours), ErrServed},
		"given, and nothing else": {"", at(ours), ErrServed},
		"another program":         {at(other), at(other), nil},
		"no address":              {"?", "\n", nil},
		"too busy":                {busy.Addr().String(), "", ErrServed},
	} {
		data := t.TempDir()
		if tt.noted != "" {
			if err := os.WriteFile(filepath.Join(data, "listen.json"), fmt.Appendf(nil, `{"admin":%q}`, tt.noted), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		if name == "too busy" { // or it would be waited for
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		if err := Unserved(ctx, data, tt.given); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "listen.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Unserved(t.Context(), data, ""); err == nil || errors.Is(err, ErrServed) {
		t.Errorf("a note that cannot be read: %v", err)
	}
}

// TestUnservedPart finds a process that has only some of the parts, where the one whose
// address was noted first has ended.
func TestUnservedPart(t *testing.T) {
	t.Parallel()
	box := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer box.Close()
	d := &Deployment{c: Config{Data: t.TempDir(), Parts: []Part{PartBox}}}
	note, err := suite.EncodeJSON(&serving{Parts: d.c.Parts, Health: strings.TrimPrefix(box.URL, "http://")})
	if err == nil {
		err = os.WriteFile(d.servingPath(d.c.Parts), note, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(d.c.Data, "listen.json"), []byte(`{"admin":"127.0.0.1:1"}`), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := Unserved(t.Context(), d.c.Data, ""); !errors.Is(err, ErrServed) {
		t.Errorf("got %v, want ErrServed", err)
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
	if _, err := Open(t.Context(), c); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v", err)
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
