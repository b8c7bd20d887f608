package record

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A dir is a record in a directory. The root keeps every path within it, also
// where somebody exchanges a folder for a link while it is read.
type dir struct {
	root *os.Root
}

func openDir(path string) (fs.FS, io.Closer, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, nil, err
	}
	d := dir{root: root}
	if err := d.look(); err != nil {
		root.Close()
		return nil, nil, err
	}
	return d, root, nil
}

// look refuses a directory that holds anything but plain files and folders, or
// too many of them.
func (d dir) look() error {
	n := 0
	return fs.WalkDir(d, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n++; n > 2*maxFiles { // as many folders as files
			return fmt.Errorf("more than %d files", maxFiles)
		}
		return plain("open", path, e.Type())
	})
}

// Open opens a plain file or a folder. The file that is opened is compared
// with the one that was looked at: it may have been exchanged in between.
func (d dir) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := plain("open", name, before.Mode()); err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotPlain}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func plain(op, name string, mode fs.FileMode) error {
	if mode.IsDir() || mode.IsRegular() {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: errNotPlain}
}
