package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"strikevote/internal/record/layout"
	"strikevote/internal/record/mirror"
)

// Download copies the record at an address into dir, which must not exist. It
// fetches what the manifest and the two final checkpoints call for and checks
// nothing: a file that is missing there is missing here, for the audit to
// name. Only a record that is whole as far as it can be fetched appears at
// dir. The progress function may be nil; calls do not overlap.
func Download(ctx context.Context, source, dir string, progress func(done, total int)) error {
	if !isURL(source) {
		return fmt.Errorf("downloading record: %q is not an address", source)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := openWeb(ctx, source)
	if err != nil {
		return fmt.Errorf("downloading record: %w", err)
	}
	defer w.Close()
	if err := download(ctx, w, dir, progress, cancel); err != nil {
		return fmt.Errorf("downloading record: %w", err)
	}
	return nil
}

// Fetch downloads the record at an address to a folder of its own and opens it
// there: what is verified is then what is read later, whatever the server shows
// by then. Closing it removes it from this computer. The progress function may be
// nil.
func Fetch(ctx context.Context, source string, progress func(done, total int)) (fs.FS, io.Closer, error) {
	room, err := os.MkdirTemp("", "strikevote-record-")
	if err != nil {
		return nil, nil, fmt.Errorf("making room for the record: %w", err)
	}
	f := &fetched{room: room}
	dir := filepath.Join(room, "record")
	if err := Download(ctx, source, dir, progress); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	fsys, closer, err := Open(ctx, dir)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	f.record = closer
	return fsys, f, nil
}

// A fetched record is removed when it was read.
type fetched struct {
	record io.Closer // nil if it was not opened
	room   string
}

func (f *fetched) Close() error {
	var err error
	if f.record != nil {
		err = f.record.Close()
	}
	return errors.Join(err, os.RemoveAll(f.room))
}

func download(ctx context.Context, w *web, dir string, progress func(done, total int), cancel func()) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", dir, fs.ErrExist)
	}
	paths, err := mirror.List(func(path string) ([]byte, error) { return readAll(w, path) })
	if err != nil {
		return err
	}
	// Beside the target, so that the rename stays within one file system.
	part, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part) // after the rename there is nothing to remove
	root, err := os.OpenRoot(part)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := fetchAll(ctx, w, root, paths, progress, cancel); err != nil {
		return err
	}
	if err := os.Chmod(part, 0o755); err != nil {
		return err
	}
	return os.Rename(part, dir)
}

// fetchAll fetches with as many workers as requests may be under way.
func fetchAll(ctx context.Context, w *web, root *os.Root, paths []string, progress func(done, total int), cancel func()) error {
	var (
		mu    sync.Mutex // guards done, size and first, and orders the calls of progress
		done  int
		size  int64
		first error
		group sync.WaitGroup
		next  = make(chan string)
	)
	for range webSlots {
		group.Go(func() {
			for p := range next {
				n, err := fetchOne(w, root, p)
				mu.Lock()
				// Each file is bounded, but a hostile server may claim many.
				if size += int64(n); err == nil && size > mirror.MaxSize {
					err = errors.New("larger than any record")
				}
				if done++; err == nil && progress != nil {
					progress(done, len(paths))
				}
				if err != nil && first == nil {
					first = err
					cancel() // the others need not go on
				}
				mu.Unlock()
			}
		})
	}
	for _, p := range paths {
		if ctx.Err() != nil {
			break
		}
		next <- p
	}
	close(next)
	group.Wait()
	if first != nil {
		return first
	}
	return ctx.Err()
}

// fetchOne copies one file and returns its size. One that is not there, or too
// large, is left out.
func fetchOne(w *web, root *os.Root, name string) (int, error) {
	b, err := readAll(w, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, layout.ErrTooLarge) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return 0, err
	}
	return len(b), root.WriteFile(name, b, 0o644)
}

func readAll(w *web, name string) ([]byte, error) {
	f, err := w.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
