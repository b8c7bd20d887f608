//go:build !unix

package witness

import "os"

// lockFile keeps the file open, which on Windows keeps others from replacing
// it. It is no lock; the operator starts one witness.
func lockFile(name string) (unlock func() error, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}

// syncDir does nothing where directories cannot be synced.
func syncDir(string) error { return nil }
