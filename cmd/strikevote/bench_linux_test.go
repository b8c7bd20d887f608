package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strikevote/internal/platform/host"
)

// A bench of its own, in a process of its own, with all it makes below one
// folder.
type benchProcess struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	end func() error // waits for the process
	err *bufio.Reader
}

// startBench starts bench and returns when its voters vote.
func startBench(t *testing.T) *benchProcess {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "strikevote-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &benchProcess{t: t, dir: dir, cmd: exec.Command(os.Args[0], "bench", "-voters", "500", "-concurrency", "2")}
	p.cmd.Args[0] = "strikevote" // what makes the test binary the program
	p.cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.err = bufio.NewReader(out)
	if p.end, err = host.StartChild(p.cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	for {
		line, err := p.err.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended early: %q, %v", line, err)
		}
		// A step's line comes when the next step begins.
		if strings.HasPrefix(line, "reading the links") {
			return p
		}
	}
}

// wait returns the exit code and the rest of what bench said.
func (p *benchProcess) wait() (int, string) {
	p.t.Helper()
	rest, err := io.ReadAll(p.err)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = p.end() // the code says it
	return p.cmd.ProcessState.ExitCode(), string(rest)
}

// left returns the command lines of all processes that name the folder.
func (p *benchProcess) left() (lines []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(p.dir)) {
			lines = append(lines, string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})))
		}
	}
	return lines
}

// service returns the process that bench serves with.
func (p *benchProcess) service() int {
	p.t.Helper()
	for pid, one := range processes() {
		if one.parent == p.cmd.Process.Pid {
			return pid
		}
	}
	p.t.Fatal("there is no service")
	return 0
}

// TestBenchInterrupted presses Ctrl-C while the voters vote: nothing that was
// started goes on, and nothing that was made is left.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	p := startBench(t)
	if len(p.left()) == 0 {
		t.Fatal("there is no process to look for") // the control: it would be seen
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	code, said := p.wait()
	if code != exitFailed || !strings.HasSuffix(said, "strikevote bench: interrupted\n") {
		t.Errorf("exit %d: %s", code, said)
	}
	if left := p.left(); len(left) > 0 {
		t.Errorf("these go on: %q", left)
	}
	if entries, err := os.ReadDir(p.dir); err != nil || len(entries) > 0 {
		t.Errorf("this is left: %v, %v", entries, err)
	}
}

// TestBenchServiceKilled kills the service under the voters: they stop too, and
// are not counted.
func TestBenchServiceKilled(t *testing.T) {
	t.Parallel()
	p := startBench(t)
	pid := p.service()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	code, said := p.wait()
	if code != exitFailed || !strings.Contains(said, "strikevote bench: the service ended: signal: killed") || strings.Contains(said, "interrupted") {
		t.Errorf("exit %d: %s", code, said)
	}
}
