//go:build !windows

package deployment

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// A hold is what a process has on a data folder while it serves it, or needs it alone. It is the kernel's,
// so it ends with the process, however that ends, and it is on the folder itself, so
// there is no file that a copy of the folder would take along.
type hold struct{ f *os.File }

// holdShared holds a folder beside the other processes of its service. It returns
// [ErrAlone] while one has it alone.
func holdShared(data string) (*hold, error) { return holdFolder(data, syscall.LOCK_SH, ErrAlone) }

// holdAlone returns [ErrServed] while somebody else holds the folder.
func holdAlone(data string) (*hold, error) { return holdFolder(data, syscall.LOCK_EX, ErrServed) }

// holdFolder tries it a few times: whoever only looks has gone in a moment.
func holdFolder(data string, how int, refused error) (h *hold, err error) {
	for pause := time.Millisecond; pause < 20*time.Millisecond; pause *= 2 {
		if h, err = lockFolder(data, how, refused); !errors.Is(err, refused) {
			break
		}
		time.Sleep(pause)
	}
	return h, err
}

func lockFolder(data string, how int, refused error) (*hold, error) {
	f, err := os.Open(data)
	if err != nil {
		return nil, fmt.Errorf("holding the data folder: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = refused
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
