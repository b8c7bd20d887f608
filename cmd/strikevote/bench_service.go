package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"strikevote/internal/platform/host"
)

// A service is serve in a process of its own, so that what it uses can be told
// from what its voters use.
type service struct {
	cmd   *exec.Cmd
	said  lastLine        // on its error output
	ready chan struct{}   // closed when it answers
	ended context.Context // done when the process is gone
	err   error           // how it ended; set before ended is done
}

// stopTime bounds an orderly end of the service: requests under way, then the
// databases.
const stopTime = time.Minute

// startService runs serve on a data folder and returns when it answers. The
// caller stops it.
func startService(ctx context.Context, data string) (*service, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.Command(program, "serve", "-v=false", "-data", data)
	cmd.Args[0] = "strikevote"
	cmd.Env = withoutSettings(os.Environ())
	cmd.WaitDelay = time.Second // for outputs that somebody else holds open
	s := &service{cmd: cmd, ready: make(chan struct{})}
	cmd.Stderr = &s.said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the service: %w", err)
	}
	wait, err := host.StartChild(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, fmt.Errorf("starting the service: %w", err)
	}
	ended, end := context.WithCancel(context.Background())
	s.ended = ended
	go func() {
		defer end()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "ready" {
				close(s.ready)
			}
		}
		s.err = wait()
	}()
	select {
	case <-s.ready:
		return s, nil
	case <-ended.Done():
		return nil, s.failure()
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.stop())
	}
}

// withoutSettings takes the deployment's settings out of an environment: they
// name databases, and this service has private ones.
func withoutSettings(environment []string) []string {
	var out []string
	for _, v := range environment {
		if !strings.HasPrefix(v, "STRIKEVOTE_") {
			out = append(out, v)
		}
	}
	return out
}

// stop ends the service in order or, if it does not come to an end, at once,
// and returns when it is gone. It returns an error if the service had ended by
// itself, or did not end in order.
func (s *service) stop() error {
	if s.ended.Err() != nil {
		return s.failure()
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	select {
	case <-s.ended.Done():
	case <-time.After(stopTime):
		_ = s.cmd.Process.Kill()
		<-s.ended.Done()
	}
	if s.err != nil {
		return s.failure()
	}
	return nil
}

// failure says how the service ended, which it must have.
func (s *service) failure() error {
	if said := s.said.String(); said != "" {
		return fmt.Errorf("the service ended: %s", said)
	}
	if s.err == nil {
		return errors.New("the service ended by itself")
	}
	return fmt.Errorf("the service ended: %w", s.err)
}

// A lastLine keeps the last line that is written to it.
type lastLine struct {
	mu   sync.Mutex
	text string // guarded by mu
}

const maxLine = 1000

func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text + string(p)
	if i := strings.LastIndexByte(strings.TrimRight(text, "\n"), '\n'); i >= 0 {
		text = text[i+1:]
	}
	l.text = text[:min(len(text), maxLine)]
	return len(p), nil
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimPrefix(strings.TrimSpace(l.text), "strikevote serve: ")
}
