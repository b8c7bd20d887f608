//go:build !linux

package host

import (
	"os/exec"
	"sync"
	"syscall"
)

// StartChild starts a command; nothing ends it with this program. wait is
// [exec.Cmd.Wait]; it may be called again, and says the same.
func StartChild(cmd *exec.Cmd, _ syscall.Signal) (wait func() error, err error) {
	return sync.OnceValue(cmd.Wait), cmd.Start()
}
