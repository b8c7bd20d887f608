//go:build !linux

package host

import "os"

// DiskOf returns [ErrUnknown].
func DiskOf(string) (Disk, error) { return Disk{}, ErrUnknown }

// CoreLimit returns [ErrUnknown].
func CoreLimit() (uint64, error) { return 0, ErrUnknown }

// OpenFiles returns [ErrUnknown].
func OpenFiles() (uint64, error) { return 0, ErrUnknown }

// NoCoreDumps returns [ErrUnknown].
func NoCoreDumps() error { return ErrUnknown }

// Swaps returns [ErrUnknown].
func Swaps() ([]string, error) { return nil, ErrUnknown }

// Owner returns [ErrUnknown].
func Owner(os.FileInfo) (int, error) { return 0, ErrUnknown }

// ClockSynchronized returns [ErrUnknown].
func ClockSynchronized() (bool, error) { return false, ErrUnknown }
