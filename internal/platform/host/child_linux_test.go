package host_test

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"strikevote/internal/platform/host"
)

// onThread runs f on a thread that ends after it, and returns when f has run.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if syscall.Gettid() == syscall.Getpid() {
			// The first thread of a program never ends. While it is held here,
			// another one is taken.
			defer runtime.UnlockOSThread()
			onThread(f)
			return
		}
		f() // never unlocked: the thread ends with the goroutine
	}()
	<-done
}

func endedBy(t *testing.T, err error) syscall.Signal {
	t.Helper()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		t.Fatalf("the child ended with %v", err)
	}
	return exit.Sys().(syscall.WaitStatus).Signal()
}

// TestStartChild starts children from a thread that ends. One that the thread itself
// started dies with it, without a word: the control. The other lives on.
func TestStartChild(t *testing.T) {
	t.Parallel()
	child, control := exec.Command("sleep", "60"), exec.Command("sleep", "60")
	control.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var wait func() error
	var errs [2]error
	onThread(func() {
		wait, errs[0] = host.StartChild(child, syscall.SIGKILL)
		errs[1] = control.Start()
	})
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	if s := endedBy(t, control.Wait()); s != syscall.SIGKILL {
		t.Errorf("the control ended by %v", s)
	}
	if err := child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s := endedBy(t, wait()); s != syscall.SIGTERM {
		t.Errorf("the child ended by %v", s)
	}
}
