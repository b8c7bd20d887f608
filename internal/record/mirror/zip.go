package mirror

import (
	"archive/zip"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"strikevote/internal/record/layout"
)

// Limits on a zip file. Hashes, points and signatures do not compress, so a
// record that grows twentyfold is none: it is a bomb.
const (
	maxZipFile  = 32 << 20 // the largest of [layout.Limit]
	maxZipTotal = MaxSize
	maxZipRatio = 20
	zipAllowed  = 16 << 20 // what any archive may unpack to, small ones being mostly texts
)

// Zip opens a record in an archive of this size, at its root or in its one top
// folder. Nothing is unpacked.
func Zip(r *zip.Reader, size int64) (fs.FS, error) {
	if len(r.File) > 2*MaxFiles {
		return nil, fmt.Errorf("more than %d files", MaxFiles)
	}
	var total uint64
	seen := make(map[string]bool, len(r.File)) // whether it is a file
	for _, f := range r.File {
		if err := checkZipFile(f); err != nil {
			return nil, err
		}
		// Two files of one name are two records, and each reader would take
		// the one it likes.
		name := strings.TrimSuffix(f.Name, "/")
		if _, twice := seen[name]; twice {
			return nil, fmt.Errorf("%q stands in it twice", f.Name)
		}
		seen[name] = !f.Mode().IsDir()
		total += f.UncompressedSize64
	}
	for _, f := range r.File {
		for dir := path.Dir(strings.TrimSuffix(f.Name, "/")); dir != "."; dir = path.Dir(dir) {
			if file, ok := seen[dir]; ok && file {
				return nil, fmt.Errorf("%q lies in a file", f.Name)
			}
		}
	}
	if total > maxZipTotal || total > zipAllowed+maxZipRatio*uint64(size) {
		return nil, errors.New("it unpacks to far more than its size")
	}
	if seen[layout.Manifest] {
		return r, nil
	}
	top, err := topFolder(r)
	if err != nil {
		return nil, err
	}
	return fs.Sub(r, top)
}

// checkZipFile refuses an entry without a plain path, such as "../x", or that is
// packed in a way that only some readers understand. Links and devices are only
// bytes in an archive; the audit finds that they are not plain files.
func checkZipFile(f *zip.File) error {
	name := f.Name
	if f.Mode().IsDir() {
		name = strings.TrimSuffix(name, "/")
	}
	switch {
	case !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`):
		return fmt.Errorf("%q is not a plain path", f.Name)
	case f.Flags&1 != 0:
		return fmt.Errorf("%q is encrypted", f.Name)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return fmt.Errorf("%q is compressed in an unusual way", f.Name)
	case f.UncompressedSize64 > maxZipFile:
		return fmt.Errorf("%q is larger than any file of a record", f.Name)
	}
	return nil
}

var errNoTop = fmt.Errorf("%w: there is no file %s at its root, nor in one folder", layout.ErrNoRecord, layout.Manifest)

// topFolder is the one folder that everything lies in, as when a directory was
// packed as a whole.
func topFolder(r *zip.Reader) (string, error) {
	top := ""
	for _, f := range r.File {
		first, _, ok := strings.Cut(f.Name, "/")
		if !ok || top != "" && first != top {
			return "", errNoTop
		}
		top = first
	}
	if _, err := fs.Stat(r, top+"/"+layout.Manifest); err != nil {
		return "", errNoTop
	}
	return top, nil
}
