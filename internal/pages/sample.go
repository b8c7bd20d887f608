package pages

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"strikevote/templates"
)

// sample returns the folder that explains itself.
func sample() fs.FS {
	sub, err := fs.Sub(templates.Sample, "sample")
	if err != nil {
		panic("pages: " + err.Error())
	}
	return sub
}

// WriteSample writes a folder to fill in. It is never written over another one.
func WriteSample(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing the sample: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("writing the sample: there is something in %s already", dir)
	}
	if err := os.CopyFS(dir, sample()); err != nil {
		return fmt.Errorf("writing the sample: %w", err)
	}
	// The files of a program are for reading only; these are to be changed.
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(name, 0o644)
	})
}

// untouched reports whether a file is still the sample's.
func untouched(name string, b []byte) bool {
	was, err := fs.ReadFile(sample(), name)
	return err == nil && bytes.Equal(was, b)
}
