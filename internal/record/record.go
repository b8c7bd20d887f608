// Package record opens a published record: a directory, a zip file, or an
// address on the web.
//
// It brings bytes and judges none of them; what they mean is for
// internal/audit to say. A record may come from anybody, so nothing of it is
// followed (a link, a redirect to another host), unpacked or read beyond a
// limit, and nothing but its files is ever asked for. Where the files lie is
// in internal/record/layout; section 17 of internal/protocol/SPEC.md.
package record

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"strikevote/internal/record/layout"
	"strikevote/internal/record/mirror"
)

// Open opens the record at source: an http or https address, a zip file, or a
// directory. The context governs every later read of a record on the web. The
// closer must be closed when the record is no longer read.
func Open(ctx context.Context, source string) (fs.FS, io.Closer, error) {
	if isURL(source) {
		w, err := openWeb(ctx, source)
		if err != nil {
			return nil, nil, fmt.Errorf("opening record: %w", err)
		}
		return w, w, nil
	}
	info, err := os.Stat(source)
	if err != nil {
		return nil, nil, fmt.Errorf("opening record: %w", err)
	}
	open := openZip
	if info.IsDir() {
		open = openDir
	} else if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("opening record: %w", &fs.PathError{Op: "open", Path: source, Err: layout.ErrNotPlain})
	}
	fsys, closer, err := open(source)
	if err != nil {
		return nil, nil, fmt.Errorf("opening record: %w", err)
	}
	return fsys, closer, nil
}

func isURL(source string) bool {
	return strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://")
}

func openZip(name string) (fs.FS, io.Closer, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	r, err := zip.OpenReader(name)
	if errors.Is(err, zip.ErrFormat) {
		return nil, nil, fmt.Errorf("%w: it is neither a folder nor a ZIP file", layout.ErrNoRecord)
	}
	if err != nil {
		return nil, nil, err
	}
	fsys, err := mirror.Zip(&r.Reader, info.Size())
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return fsys, r, nil
}
