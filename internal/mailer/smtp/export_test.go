package smtp

import (
	"context"
	"os"

	"strikevote/internal/mailer"
)

// A Watcher lets tests look into a folder without waiting.
type Watcher struct{ w watcher }

func NewWatcher(dir, bounce string, count func([]mailer.Event) error) (*Watcher, error) {
	root, err := os.OpenRoot(dir)
	return &Watcher{watcher{root: root, bounce: bounce, count: count, odd: map[string]bool{}}}, err
}

func (w *Watcher) Sweep(ctx context.Context) (odd int, err error) {
	err = w.w.sweep(ctx)
	return len(w.w.odd), err
}

func (w *Watcher) Close() { w.w.root.Close() }
