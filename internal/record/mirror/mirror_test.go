package mirror_test

import (
	"archive/zip"
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"

	"strikevote/internal/record/layout"
	"strikevote/internal/record/mirror"
)

const example = "../../audit/testdata/record.zip"

// A source is a record that counts how often each of its files is asked for, and
// can fail for one.
type source struct {
	fs.FS
	fail string
	err  error

	mu    sync.Mutex
	asked map[string]int
}

func open(t *testing.T) *source {
	t.Helper()
	r, err := zip.OpenReader(example)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &source{FS: r, asked: map[string]int{}}
}

func (s *source) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	s.mu.Lock()
	s.asked[path]++
	s.mu.Unlock()
	if path == s.fail {
		return nil, s.err
	}
	if limit != layout.Limit(path) {
		return nil, errors.New("asked with another limit")
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return fs.ReadFile(s.FS, path)
}

// TestFetchWhole: everything that is in a record is brought, and everything is
// asked for once only, so that no two checks see two files.
func TestFetchWhole(t *testing.T) {
	t.Parallel()
	s := open(t)
	last := 0
	m, err := mirror.Fetch(t.Context(), s.get, 4, 1<<20, func(done, total int, size int64) {
		if done != last+1 || done > total || size <= 0 {
			t.Errorf("progress %d of %d, %d bytes, after %d", done, total, size, last)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(s.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := fs.ReadFile(s.FS, path)
		if got, gotErr := fs.ReadFile(m, path); gotErr != nil || string(got) != string(want) {
			t.Errorf("%s was not brought: %v", path, gotErr)
		}
		if s.asked[path] != 1 {
			t.Errorf("%s was asked for %d times", path, s.asked[path])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadFile(m, "drill/99"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: got %v", err)
	}
}

// TestFetchFaults: a file that is missing or too large is a hole for the audit to
// find; anything else ends the fetching, for nothing is known then.
func TestFetchFaults(t *testing.T) {
	t.Parallel()
	down := errors.New("the network is down")
	for _, tt := range []struct {
		name, fail string
		err, want  error
	}{
		{"one is too large", layout.Certificate, layout.ErrTooLarge, nil},
		{"one is missing", layout.Checkpoint(layout.Ballots), fs.ErrNotExist, nil},
		{"one comes later", layout.Roll(1), layout.ErrNotLocked, layout.ErrNotLocked},
		{"the network fails", layout.Act(1), down, down},
		{"the network fails at the end", layout.Certification, down, down},
		{"no manifest", layout.Manifest, fs.ErrNotExist, layout.ErrNoRecord},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.fail, s.err = tt.fail, tt.err
			m, err := mirror.Fetch(t.Context(), s.get, 3, 1<<20, nil)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			if _, err := m.Open(tt.fail); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestFetchBounds: a record that is larger than the memory allowed is not kept.
func TestFetchBounds(t *testing.T) {
	t.Parallel()
	if _, err := mirror.Fetch(t.Context(), open(t).get, 2, 1<<14, nil); !errors.Is(err, mirror.ErrTooMuch) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mirror.Fetch(ctx, open(t).get, 2, 1<<20, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: got %v", err)
	}
}
