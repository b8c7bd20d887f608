package host

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// StartChild starts a command in a process group of its own, so that Ctrl-C in a
// terminal reaches this program only; when this program dies, however that comes, the
// kernel sends the child a signal. wait is [exec.Cmd.Wait]; it may be called
// again, and says the same.
func StartChild(cmd *exec.Cmd, death syscall.Signal) (wait func() error, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	started, asked, ended := make(chan error), make(chan struct{}), make(chan error, 1)
	go func() {
		// The kernel sends that signal when the thread ends that started the child,
		// not the program, and threads do end. So this one stays with it to the end.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			<-asked
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return sync.OnceValue(func() error { close(asked); return <-ended }), nil
}
