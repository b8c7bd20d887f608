package mirror

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"sync"
	"time"

	"strikevote/internal/record/layout"
)

// A Memory is a record whose files were fetched, and are held in memory. What
// was not fetched is not there, and nothing can be listed. It may be read from
// several goroutines.
type Memory struct{ files map[string][]byte }

var _ layout.Remote = (*Memory)(nil)

// A Getter fetches one file of at most limit bytes. It returns [fs.ErrNotExist]
// for one that is not there and [layout.ErrTooLarge] for one beyond the limit.
// It is called from several goroutines at a time.
type Getter func(ctx context.Context, path string, limit int64) ([]byte, error)

// ErrTooMuch is returned for a record that is larger than the memory allowed.
var ErrTooMuch = errors.New("the record is larger than this place can hold")

// Fetch brings every file that [List] calls for, slots at a time, and at most
// limit bytes of them. Each is asked for once: what the list was made from is
// what will be checked. The progress function may be nil; calls do not overlap.
func Fetch(ctx context.Context, get Getter, slots int, limit int64, progress func(done, total int, size int64)) (*Memory, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &fetch{ctx: ctx, get: get, limit: limit, files: make(map[string][]byte)}
	paths, err := List(f.once)
	if err != nil {
		return nil, err
	}
	var (
		group sync.WaitGroup
		mu    sync.Mutex // guards done, and orders the calls of progress
		done  int
		next  = make(chan string)
	)
	for range slots {
		group.Go(func() {
			for p := range next {
				_, err := f.once(p)
				if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, layout.ErrTooLarge) {
					cancel(err) // the others need not go on
				}
				mu.Lock()
				if done++; progress != nil {
					progress(done, len(paths), f.total())
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
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return &Memory{f.files}, nil
}

// A fetch is one under way.
type fetch struct {
	ctx   context.Context
	get   Getter
	limit int64

	mu    sync.Mutex // guards what follows
	files map[string][]byte
	size  int64
}

// once fetches a file unless it was fetched.
func (f *fetch) once(name string) ([]byte, error) {
	f.mu.Lock()
	b, ok := f.files[name]
	f.mu.Unlock()
	if ok {
		return b, nil
	}
	limit := layout.Limit(name)
	b, err := f.get(f.ctx, name, limit)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, layout.ErrTooLarge
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.size += int64(len(b)); f.size > f.limit {
		return nil, ErrTooMuch
	}
	f.files[name] = b
	return b, nil
}

func (f *fetch) total() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Remote says that the files cannot be listed.
func (m *Memory) Remote() {}

// Open opens a file that was fetched.
func (m *Memory) Open(name string) (fs.File, error) {
	b, ok := m.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{Reader: bytes.NewReader(b), info: info{path.Base(name), int64(len(b))}}, nil
}

type file struct {
	*bytes.Reader
	info info
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }

type info struct {
	name string
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o444 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
