package deployment

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
)

const (
	sharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
	deleteOnClose    = 0x04000000        // FILE_FLAG_DELETE_ON_CLOSE
	shareDelete      = 0x00000004        // FILE_SHARE_DELETE
)

// A hold is what a process has on a data folder while it serves it, or needs it alone: a
// file in it that is open. The system closes and removes it with the process, however that ends.
type hold struct{ h syscall.Handle }

// holdShared holds a folder beside the other processes of its service. It returns
// [ErrAlone] while one has it alone.
func holdShared(data string) (*hold, error) {
	return openHeld(data, syscall.FILE_SHARE_READ|syscall.FILE_SHARE_WRITE|shareDelete, ErrAlone)
}

// holdAlone returns [ErrServed] while somebody else holds the folder.
func holdAlone(data string) (*hold, error) { return openHeld(data, 0, ErrServed) }

func openHeld(data string, share uint32, refused error) (*hold, error) {
	p, err := syscall.UTF16PtrFromString(filepath.Join(data, "held"))
	if err != nil {
		return nil, fmt.Errorf("holding the data folder: %w", err)
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, share, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|deleteOnClose, 0)
	if errors.Is(err, sharingViolation) {
		return nil, refused
	}
	if err != nil {
		return nil, fmt.Errorf("holding the data folder: %w", err)
	}
	return &hold{h}, nil
}

// release ends it; ending none is fine.
func (h *hold) release() error {
	if h == nil {
		return nil
	}
	return syscall.CloseHandle(h.h)
}
