// Package host asks the machine about itself: its disks, its limits, its swap.
//
// It knows nothing of voting, changes nothing but the limits of this process,
// and reads nothing that belongs to a person.
package host

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnknown is returned for what this system does not tell.
var ErrUnknown = fmt.Errorf("not known on this system: %w", errors.ErrUnsupported)

// A Disk is the file system that a folder is on.
type Disk struct {
	Size, Free       uint64 // bytes; Free is what an account without rights may use
	Files, FreeFiles uint64 // inodes; both 0 where there is no fixed number of them
}

// swaps returns the devices and files in the text of /proc/swaps.
func swaps(text string) []string {
	var list []string
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines[1:] { // the first is a header
		if fields := strings.Fields(line); len(fields) > 0 {
			list = append(list, fields[0])
		}
	}
	return list
}
