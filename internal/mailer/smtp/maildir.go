package smtp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"strikevote/internal/mailer"
)

const (
	watchPause = 5 * time.Second
	// perSweep is how many messages are looked at before the folder is read again.
	perSweep = 1000
)

// Watch reads the bounces that a mail system puts into a Maildir, until ctx ends: every
// few seconds, and one of several watchers or all of them. It returns nil then, and at
// once an error if there is no such folder. count is given what one message tells; after
// it the message goes from new/ to cur/. One that was counted and, by a crash, not moved
// is counted again, with the same [mailer.Event.ID].
//
// What cannot be read as a message stays in new/, and so does everything while count
// fails. The log says how many, and nothing else: the names are the mail system's.
//
// The folder holds addresses of members, and where a system sends back whole mails, their
// links. It belongs to this program and the mail system alone, and its cur/ is to be
// emptied.
func Watch(ctx context.Context, dir, bounceAddress string, log *slog.Logger, count func([]mailer.Event) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the folder of bounces: %w", err)
	}
	defer root.Close()
	for _, name := range []string{"new", "cur"} {
		if info, err := root.Stat(name); err != nil || !info.IsDir() {
			return fmt.Errorf("the folder of bounces has no %s: %w", name, fs.ErrNotExist)
		}
	}
	w := &watcher{root: root, bounce: bounceAddress, count: count, odd: map[string]bool{}}
	t := time.NewTimer(0)
	defer t.Stop()
	failing, odd := false, 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		err := w.sweep(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if failed := err != nil; failed != failing {
			if failing = failed; failed {
				log.ErrorContext(ctx, "bounces wait", "err", err)
			} else {
				log.InfoContext(ctx, "bounces are counted again")
			}
		}
		if n := len(w.odd); n != odd {
			odd = n
			log.WarnContext(ctx, "messages among the bounces cannot be read", "count", n)
		}
		t.Reset(watchPause)
	}
}

// A watcher is the state of one Watch.
type watcher struct {
	root   *os.Root
	bounce string
	count  func([]mailer.Event) error
	odd    map[string]bool // names in new/ that are not counted: true if they never will be
}

// sweep counts what is in new/. Its error says only which step failed: that of a folder
// or of count may name a file or hold more.
func (w *watcher) sweep(ctx context.Context) error {
	dir, err := w.root.Open("new")
	if err != nil {
		return errors.New("the folder of bounces cannot be read")
	}
	defer dir.Close()
	odd := make(map[string]bool)
	for {
		entries, readErr := dir.ReadDir(perSweep)
		for _, e := range entries {
			name := e.Name()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if strings.HasPrefix(name, ".") {
				continue
			}
			if w.odd[name] { // delivery never changes a file, so neither will this be another
				odd[name] = true
				continue
			}
			switch err := w.one(name); {
			case errors.Is(err, errOdd):
				odd[name] = true
			case errors.Is(err, errUnread):
				odd[name] = false
			case err != nil:
				return err
			}
		}
		if readErr != nil || len(entries) == 0 {
			w.odd = odd
			return nil
		}
	}
}

var (
	errOdd    = errors.New("this is no bounce")
	errUnread = errors.New("this cannot be read now")
)

// one counts a message and moves it. It returns [errOdd] for what is none, [errUnread]
// where it cannot know, and another error if nothing can be counted or moved.
func (w *watcher) one(name string) error {
	path := "new/" + name
	info, err := w.root.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another watcher was faster
	}
	if err != nil {
		return errUnread
	}
	// A link may lead to a file that is no bounce, and a pipe to one that never ends.
	if !info.Mode().IsRegular() || info.Size() > MaxBounce {
		return errOdd
	}
	f, err := w.root.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errUnread
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		return errUnread
	}
	events, err := ParseBounce(f, w.bounce)
	if errors.Is(err, ErrBounce) {
		return errOdd
	}
	if err != nil {
		return errUnread
	}
	if len(events) > 0 {
		if err := w.count(events); err != nil {
			return errors.New("bounces cannot be counted")
		}
	}
	// Counted first: whoever crashes in between counts it again, which does nothing.
	to, _, _ := strings.Cut(name, ":")
	if err := w.root.Rename(path, "cur/"+to+":2,S"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.New("a bounce cannot be moved")
	}
	return nil
}
