//go:build !windows

package deployment

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A hold is what a process has on a data folder while it serves it. It is the kernel's,
// so it ends with the process, however that ends, and it is on the folder itself, so
// there is no file that a copy of the folder would take along.
type hold struct{ f *os.File }

// holdShared holds a folder beside the other processes of its service.
func holdShared(data string) (*hold, error) {
	// Who holds it alone only looks, and has gone in a moment.
	return lockFolder(data, syscall.LOCK_SH)
}

// holdAlone returns [ErrServed] while somebody else holds the folder.
func holdAlone(data string) (*hold, error) {
	return lockFolder(data, syscall.LOCK_EX|syscall.LOCK_NB)
}

func lockFolder(data string, how int) (*hold, error) {
	f, err := os.Open(data)
	if err != nil {
		return nil, fmt.Errorf("holding the data folder: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = ErrServed
	case err != nil:
		err = fmt.Errorf("holding the data folder: %w", err)
	default:
		return &hold{f}, nil
	}
	return nil, errors.Join(err, f.Close())
}

// release ends it; ending none, or one that has ended, is fine.
func (h *hold) release() error {
	if h == nil {
		return nil
	}
	return h.f.Close()
}
