package teller

import (
	"errors"
	"fmt"
	"syscall"
)

// errReadOnly is Windows's ERROR_WRITE_PROTECT.
var errReadOnly error = syscall.Errno(19)

const (
	sharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
	deleteOnClose    = 0x04000000        // FILE_FLAG_DELETE_ON_CLOSE
)

// lockFile opens a file that nobody else can open meanwhile, and that the
// system removes when this program ends.
func lockFile(name string) (unlock func(), err error) {
	p, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, fmt.Errorf("locking key file: %w", err)
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|deleteOnClose, 0)
	if errors.Is(err, sharingViolation) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("locking key file: %w", err)
	}
	return func() { _ = syscall.CloseHandle(h) }, nil
}
