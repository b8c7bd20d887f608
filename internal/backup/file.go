package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"strikevote/internal/platform/durable"
)

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// A Writer makes an archive. It writes in a folder of another name, which gets its
// own by [Writer.Finish] only: an interruption or a full disk leaves no half of a
// backup that looks like one.
type Writer struct {
	out, partial string
}

// Create begins an archive in a folder that must not exist.
func Create(out string) (*Writer, error) {
	out, err := filepath.Abs(out)
	if err != nil {
		return nil, fmt.Errorf("making the backup: %w", err)
	}
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s is there already; name a new folder", out)
		}
		return nil, err
	}
	// Beside it, so that it can be renamed. Nobody else may look into it.
	partial, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+".partial-")
	if err != nil {
		return nil, fmt.Errorf("making the backup: %w", err)
	}
	return &Writer{out, partial}, nil
}

// Abort removes what was written. After [Writer.Finish] it does nothing.
func (w *Writer) Abort() error { return os.RemoveAll(w.partial) }

// Archive reads what was written so far, so that it can be checked before it gets
// its name.
func (w *Writer) Archive(m *Manifest) *Archive { return &Archive{Manifest: *m, dir: w.partial} }

// Part writes one file.
func (w *Writer) Part(name string, write func(io.Writer) error) (Part, error) {
	path := filepath.Join(w.partial, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Part{}, fmt.Errorf("writing %s: %w", name, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Part{}, fmt.Errorf("writing %s: %w", name, err)
	}
	h := sha256.New()
	buffered := bufio.NewWriterSize(f, 1<<20)
	counted := &counter{w: io.MultiWriter(buffered, h)}
	err = write(counted)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Part{}, fmt.Errorf("writing %s: %w", name, err)
	}
	return Part{File: name, Bytes: counted.n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// Finish writes the manifest and gives the archive its name. It returns the
// manifest's SHA-256.
func (w *Writer) Finish(m *Manifest) (string, error) {
	m.Format = version
	if err := m.check(); err != nil {
		return "", fmt.Errorf("finishing the backup: %w", err)
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", fmt.Errorf("finishing the backup: %w", err)
	}
	p, err := w.Part(manifestName, func(out io.Writer) error { _, err := out.Write(append(b, '\n')); return err })
	if err != nil {
		return "", err
	}
	if err := w.sync(); err != nil {
		return "", fmt.Errorf("finishing the backup: %w", err)
	}
	// An empty folder that was made meanwhile would be replaced, and is no loss.
	if err := os.Rename(w.partial, w.out); err != nil {
		return "", fmt.Errorf("finishing the backup: %w", err)
	}
	return p.SHA256, durable.SyncDir(filepath.Dir(w.out))
}

// sync makes the names in every folder durable.
func (w *Writer) sync() error {
	return filepath.WalkDir(w.partial, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return durable.SyncDir(path)
	})
}

// A counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// A counting reader says how much was read.
type counting struct {
	r    io.Reader
	step func(n int64)
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.step(int64(n))
	return n, err
}

// read opens a file of the archive. At its end the reader returns [ErrDamaged]
// in place of [io.EOF] unless it was what the manifest says.
func (a *Archive) read(p Part) (io.ReadCloser, error) {
	// A name that a link leads out of the folder by is refused.
	f, err := os.OpenInRoot(a.dir, filepath.FromSlash(p.File))
	if err != nil {
		return nil, fmt.Errorf("reading the backup: %w", err)
	}
	return &checked{f: f, h: sha256.New(), part: p}, nil
}

// Rows opens the rows of a table, as [Archive.Note] does.
func (a *Archive) Rows(t *Table) (io.ReadCloser, error) { return a.read(t.Part) }

// Note returns one of the archive's notes.
func (a *Archive) Note(p Part) ([]byte, error) {
	r, err := a.read(p)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

// A checked file is compared with its length and hash while it is read.
type checked struct {
	f    *os.File
	h    hash.Hash
	part Part
	n    int64
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	c.n += int64(n)
	c.h.Write(b[:n])
	if c.n > c.part.Bytes {
		return n, ErrDamaged
	}
	if errors.Is(err, io.EOF) && (c.n != c.part.Bytes || hex.EncodeToString(c.h.Sum(nil)) != c.part.SHA256) {
		return n, ErrDamaged
	}
	return n, err
}

func (c *checked) Close() error { return c.f.Close() }
