//go:build !windows

package deployment

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
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

// holdAlone returns [ErrServed] while somebody else holds the folder. Another one who
// only looks is gone when it looks again.
func holdAlone(data string) (h *hold, err error) {
	for range 4 {
		if h, err = lockFolder(data, syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, ErrServed) {
			break
		}
		time.Sleep(time.Millisecond + rand.N(4*time.Millisecond))
	}
	return h, err
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

// release ends it; ending none is fine.
func (h *hold) release() error {
	if h == nil {
		return nil
	}
	// Closing it alone would leave the lock to a child that has begun and runs no program
	// of its own yet.
	err := syscall.Flock(int(h.f.Fd()), syscall.LOCK_UN)
	return errors.Join(err, h.f.Close())
}
