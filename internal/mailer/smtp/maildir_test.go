package smtp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
)

// A maildir is a folder that a mail system delivers to.
type maildir struct {
	t   *testing.T
	dir string
}

func newMaildir(t *testing.T) *maildir {
	t.Helper()
	d := &maildir{t, t.TempDir()}
	for _, name := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(d.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *maildir) deliver(name string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, "tmp", name), b, 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(d.dir, "tmp", name), filepath.Join(d.dir, "new", name)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *maildir) names(sub string) string {
	d.t.Helper()
	entries, err := os.ReadDir(filepath.Join(d.dir, sub))
	if err != nil {
		d.t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// about is a bounce about a mail.
func about(t *testing.T, id string) []byte {
	return bytes.ReplaceAll(sample(t, "postfix-unknown"), []byte("00112233445566778899aabbccddeeff"), []byte(id))
}

// A counter counts events by their names, as the database does.
type counter struct {
	mu    sync.Mutex
	seen  map[string]int
	fails error
}

func (c *counter) count(events []mailer.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails != nil {
		return c.fails
	}
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	for _, e := range events {
		c.seen[e.ID]++
	}
	return nil
}

// TestMaildir counts what can be counted once, and leaves the rest where it is.
func TestMaildir(t *testing.T) {
	t.Parallel()
	d, c := newMaildir(t), new(counter)
	d.deliver("1.a.host", about(t, strings.Repeat("a1", 16)))
	d.deliver("2.b.host:2,", about(t, strings.Repeat("b2", 16)))
	d.deliver("3.vacation", sample(t, "vacation"))
	d.deliver("4.junk", []byte("canary\n\njunk"))
	d.deliver("5.huge", bytes.Repeat([]byte("A: b\n"), smtp.MaxBounce/5+2))
	outside := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(outside, about(t, strings.Repeat("c3", 16)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"6.link": outside, "7.link": "1.a.host"} {
		if err := os.Symlink(to, filepath.Join(d.dir, "new", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.dir, "new", "8.dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := smtp.NewWatcher(d.dir, bounceAddress, c.count)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 3 {
		if odd, err := w.Sweep(t.Context()); err != nil || odd != 5 {
			t.Fatalf("%d are left, %v", odd, err)
		}
	}
	if len(c.seen) != 2 {
		t.Errorf("%d events", len(c.seen))
	}
	if now, cur := d.names("new"), d.names("cur"); now != "4.junk 5.huge 6.link 7.link 8.dir" || cur != "1.a.host:2,S 2.b.host:2,S 3.vacation:2,S" {
		t.Errorf("new: %s; cur: %s", now, cur)
	}
}

// TestMaildirFails: while nothing can be counted, nothing moves.
func TestMaildirFails(t *testing.T) {
	t.Parallel()
	d, c := newMaildir(t), &counter{fails: errors.New("canary: no database")}
	d.deliver("1", about(t, strings.Repeat("a1", 16)))
	w, err := smtp.NewWatcher(d.dir, bounceAddress, c.count)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Sweep(t.Context()); err == nil || strings.Contains(err.Error(), "canary") || d.names("new") != "1" {
		t.Errorf("%v, new: %s", err, d.names("new"))
	}
	c.fails = nil
	if _, err := w.Sweep(t.Context()); err != nil || d.names("new") != "" || len(c.seen) != 1 {
		t.Errorf("%v, new: %s, %d events", err, d.names("new"), len(c.seen))
	}
	// It died before it moved the file.
	if err := os.Rename(filepath.Join(d.dir, "cur", "1:2,S"), filepath.Join(d.dir, "new", "1")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Sweep(t.Context()); err != nil || len(c.seen) != 1 {
		t.Errorf("%v: counted under %d names", err, len(c.seen))
	}
}

// TestMaildirRace: several watchers of one folder.
func TestMaildirRace(t *testing.T) {
	t.Parallel()
	d, c := newMaildir(t), new(counter)
	const n = 100
	for i := range n {
		d.deliver(fmt.Sprint(i), about(t, fmt.Sprintf("%032x", i+1)))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			w, err := smtp.NewWatcher(d.dir, bounceAddress, c.count)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			if odd, err := w.Sweep(t.Context()); err != nil || odd != 0 {
				t.Errorf("%d are left, %v", odd, err)
			}
		})
	}
	wg.Wait()
	if len(c.seen) != n || d.names("new") != "" || len(strings.Fields(d.names("cur"))) != n {
		t.Errorf("%d events, new: %s", len(c.seen), d.names("new"))
	}
}

// TestWatch runs until it is told to stop, and its log names nothing.
func TestWatch(t *testing.T) {
	t.Parallel()
	if err := smtp.Watch(t.Context(), t.TempDir(), bounceAddress, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("a folder that is no Maildir is watched")
	}
	d := newMaildir(t)
	d.deliver("1.canary", about(t, strings.Repeat("a1", 16)))
	d.deliver("2.canary", []byte("canary"))
	var logged bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan []mailer.Event, 1)
	done := make(chan error, 1)
	go func() {
		done <- smtp.Watch(ctx, d.dir, bounceAddress, slog.New(slog.NewTextHandler(&logged, nil)), func(e []mailer.Event) error {
			told <- e
			return nil
		})
	}()
	if e := <-told; len(e) != 1 || e[0].State != mailer.Bounced {
		t.Errorf("%+v", e)
	}
	wait(t, "the bounce is moved", func() bool { return d.names("new") == "2.canary" })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s := logged.String(); strings.Contains(s, "canary") || strings.Contains(s, "a1a1") {
		t.Errorf("logged: %s", s)
	}
}
