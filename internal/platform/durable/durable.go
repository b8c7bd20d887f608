// Package durable writes files that survive a power cut, and removes files so
// that they do not come back with one.
//
// It knows nothing of what is in a file, and must never put any of it in an
// error. A file counts as written, or removed, only once its folder says so on
// the disk as well: until then a power cut can undo it. What a disk or a backup
// keeps of overwritten blocks is beyond a program's reach.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// WriteNew writes a file that only its owner may read, and never replaces one:
// where there is a file its error is [fs.ErrExist] and says what to do. After
// any other error no file is left, which would only be in the way.
func WriteNew(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return existsError{path}
	}
	if err != nil {
		return err
	}
	if err = finish(file, b); err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// Replace puts a file that only its owner may read in the place of another, or
// where none is. After a crash there is one or the other, never half of one; a file
// named new-… may be left beside it.
func Replace(path string, b []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	if err = finish(file, b); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return SyncDir(filepath.Dir(path))
}

// An existsError says that a file would take the place of another.
type existsError struct{ path string }

func (e existsError) Error() string { return e.path + " is there already; name a new file" }
func (existsError) Unwrap() error   { return fs.ErrExist }

// Destroy overwrites a file with zeros and removes it, if it is there. Another
// process may be at the same file, or folder, at once: what is gone is as it
// should be.
func Destroy(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return gone(err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if err := finish(file, make([]byte, info.Size())); err != nil {
		return err
	}
	if err := gone(os.Remove(path)); err != nil {
		return err
	}
	return gone(SyncDir(filepath.Dir(path)))
}

// SyncDir makes the names in a folder durable. Windows cannot do it, and neither
// can some media, which say so: the files themselves are written by then.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// finish writes a file to the disk and closes it.
func finish(file *os.File, b []byte) error {
	_, err := file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
