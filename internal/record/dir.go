package record

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"strikevote/internal/record/layout"
	"strikevote/internal/record/mirror"
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

// look refuses a directory that holds far more than a record.
func (d dir) look() error {
	n := 0
	return fs.WalkDir(d, ".", func(_ string, _ fs.DirEntry, err error) error {
		if n++; n > 2*mirror.MaxFiles { // as many folders as files
			return fmt.Errorf("more than %d files", mirror.MaxFiles)
		}
		return err
	})
}

// Open opens a plain file or a folder; anything else is [layout.ErrNotPlain].
// The file that is opened is compared with the one that was looked at: it may
// have been exchanged in between.
func (d dir) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	// Folders first: the root would follow a link to another of its folders.
	for i, c := range name {
		if c != '/' {
			continue
		}
		if above, err := d.root.Lstat(name[:i]); err != nil {
			return nil, err
		} else if !above.IsDir() {
			return nil, &fs.PathError{Op: "open", Path: name, Err: layout.ErrNotPlain}
		}
	}
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if mode := before.Mode(); !mode.IsDir() && !mode.IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: layout.ErrNotPlain}
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = &fs.PathError{Op: "open", Path: name, Err: layout.ErrNotPlain}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
