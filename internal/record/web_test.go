package record_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/record"
	"strikevote/internal/record/layout"
)

// serve opens the record that a handler serves, without pauses between tries.
func serve(t *testing.T, h http.HandlerFunc) fs.FS {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	fsys, closer, err := record.Open(t.Context(), server.URL+"/base/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closer.Close() })
	record.SetWait(fsys, func(context.Context, time.Duration) error { return nil })
	return fsys
}

func TestWeb(t *testing.T) {
	t.Parallel()
	fsys := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/base/ballots/checkpoint" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte("c"))
	})
	if _, ok := fsys.(layout.Remote); !ok {
		t.Error("it does not say that it cannot list its files")
	}
	got, err := fs.ReadFile(fsys, "ballots/checkpoint")
	if err != nil || string(got) != "c" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := fs.ReadFile(fsys, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: got %v, want fs.ErrNotExist", err)
	}
	f, err := fsys.Open("ballots/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != 1 || info.Name() != "checkpoint" || !info.Mode().IsRegular() {
		t.Errorf("got %v, %v", info, err)
	}
}

func TestWebRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		fails  int // answers with status, before one with the file
		asked  int
		ok     bool
	}{
		{"busy once", http.StatusServiceUnavailable, 1, 2, true},
		{"too many requests", http.StatusTooManyRequests, record.WebTries - 1, record.WebTries, true},
		{"busy for ever", http.StatusBadGateway, 100, record.WebTries, false},
		{"forbidden", http.StatusForbidden, 100, 1, false},
		{"not there", http.StatusNotFound, 100, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			fsys := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) <= int64(tt.fails) {
					w.WriteHeader(tt.status)
					return
				}
				w.Write([]byte("m"))
			})
			_, err := fs.ReadFile(fsys, "manifest")
			if (err == nil) != tt.ok || asked.Load() != int64(tt.asked) {
				t.Errorf("asked %d times, error %v; want %d", asked.Load(), err, tt.asked)
			}
		})
	}
}

// TestWebBroken: an answer that breaks off is not a short file.
func TestWebBroken(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	fsys := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		if asked.Add(1) == 1 {
			w.Write([]byte("01234"))
			panic(http.ErrAbortHandler)
		}
		w.Write([]byte("0123456789"))
	})
	got, err := fs.ReadFile(fsys, "manifest")
	if err != nil || len(got) != 10 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWebRedirects(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Error("another host was asked")
	}))
	t.Cleanup(other.Close)
	fsys := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/base/manifest":
			http.Redirect(w, r, "/moved", http.StatusFound)
		case "/moved":
			w.Write([]byte("m"))
		case "/base/ring":
			http.Redirect(w, r, "/base/ring", http.StatusFound)
		default:
			http.Redirect(w, r, other.URL, http.StatusFound)
		}
	})
	if got, err := fs.ReadFile(fsys, "manifest"); err != nil || string(got) != "m" {
		t.Errorf("on its own host: got %q, %v", got, err)
	}
	if _, err := fs.ReadFile(fsys, "sealing"); err == nil {
		t.Error("a redirect to another host was followed")
	}
	if _, err := fs.ReadFile(fsys, "ring"); err == nil {
		t.Error("a redirect without end was followed")
	}
}

func TestWebLimits(t *testing.T) {
	t.Parallel()
	fsys := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(bytes.Repeat([]byte("x"), 33))
	})
	if _, err := fs.ReadFile(fsys, layout.CeremonyFresh); !errors.Is(err, layout.ErrTooLarge) {
		t.Errorf("got %v, want layout.ErrTooLarge", err)
	}
}

// TestWebSlots opens many files at once.
func TestWebSlots(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	full := make(chan struct{})
	var once sync.Once
	fsys := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == record.WebSlots {
			once.Do(func() { close(full) })
		}
		<-full // hold every request until all slots are in use
	})
	var group sync.WaitGroup
	for range 4 * record.WebSlots {
		group.Go(func() {
			if _, err := fs.ReadFile(fsys, "manifest"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if most.Load() != record.WebSlots {
		t.Errorf("%d requests at a time, want %d", most.Load(), record.WebSlots)
	}
}

func TestWebCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	fsys, closer, err := record.Open(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if _, err := fs.ReadFile(fsys, "manifest"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestWebPages opens a record by the address of its election's pages, which members
// have. Another path that only looks like one is left as it is.
func TestWebPages(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) }))
	t.Cleanup(server.Close)
	for address, want := range map[string]string{
		"/e/" + id + "/":    "/" + id + "/manifest",
		"/e/" + id:          "/" + id + "/manifest",
		"/a/e/" + id:        "/a/" + id + "/manifest",
		"/" + id:            "/" + id + "/manifest",
		"/e/record":         "/e/record/manifest",
		"/e/" + id + "/box": "/e/" + id + "/box/manifest",
	} {
		fsys, closer, err := record.Open(t.Context(), server.URL+address)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(fsys, "manifest"); err != nil || string(got) != want {
			t.Errorf("%s: asked for %s, want %s, %v", address, got, want, err)
		}
		closer.Close()
	}
}
