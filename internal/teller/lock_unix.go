//go:build !windows

package teller

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

var errReadOnly error = syscall.EROFS

// lockFile takes a lock that ends with the process.
func lockFile(name string) (unlock func(), err error) {
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("locking key file: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			if errors.Is(err, syscall.EWOULDBLOCK) {
				err = ErrInUse
			}
			return nil, errors.Join(err, f.Close())
		}
		// Whoever had the lock before removed the file with it: then this one
		// is no longer the one that others find.
		if there, err := os.Stat(name); err == nil {
			if own, err := f.Stat(); err == nil && os.SameFile(own, there) {
				return func() { _, _ = os.Remove(name), f.Close() }, nil
			}
		}
		_ = f.Close() // it was only locked
	}
}
