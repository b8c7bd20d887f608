package host

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// DiskOf returns the file system that a path is on.
func DiskOf(path string) (Disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return Disk{}, fmt.Errorf("asking for the disk of %s: %w", path, err)
	}
	unit := uint64(s.Bsize)
	return Disk{Size: s.Blocks * unit, Free: s.Bavail * unit, Files: s.Files, FreeFiles: s.Ffree}, nil
}

// CoreLimit returns how large a core dump of this process may become.
func CoreLimit() (uint64, error) { return limit(syscall.RLIMIT_CORE, "core dumps") }

// OpenFiles returns how many files and connections this process may have open.
// Go raises it to what is allowed when a program starts.
func OpenFiles() (uint64, error) { return limit(syscall.RLIMIT_NOFILE, "open files") }

func limit(resource int, name string) (uint64, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(resource, &r); err != nil {
		return 0, fmt.Errorf("asking for the limit of %s: %w", name, err)
	}
	return r.Cur, nil
}

// noCore is a limit of one byte. No file is written, as none is with 0. But where core
// dumps are piped to a program, as most distributions have it, the kernel does not look
// at the limit, with one exception: it dumps nothing at 1.
const noCore = 1

// NoCoreDumps keeps this process and its children from writing their memory, with
// every key in it, to a disk or into a pipe when they crash. It cannot be undone.
func NoCoreDumps() error {
	err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: noCore, Max: noCore})
	if errors.Is(err, syscall.EPERM) { // whoever started this process has set 0
		err = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	}
	if err != nil {
		return fmt.Errorf("turning off core dumps: %w", err)
	}
	return nil
}

// Swaps lists where the machine writes memory that it needs for something else.
func Swaps() ([]string, error) {
	b, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return nil, fmt.Errorf("asking for swap: %w", err)
	}
	return swaps(string(b)), nil
}

// Owner returns the number of the user whom a file belongs to.
func Owner(info os.FileInfo) (int, error) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, ErrUnknown
	}
	return int(s.Uid), nil
}

// ClockSynchronized reports whether something, such as NTP, keeps this machine's
// clock right, as the kernel was told by it.
func ClockSynchronized() (bool, error) {
	var t syscall.Timex
	if _, err := syscall.Adjtimex(&t); err != nil {
		return false, fmt.Errorf("asking for the state of the clock: %w", err)
	}
	const unsynchronized = 0x40 // STA_UNSYNC
	return t.Status&unsynchronized == 0, nil
}
