package demo

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"strikevote/internal/platform/host"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/voter"
)

// A child is the service as a process of its own.
type child struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd

	wait func() error // of the process
}

func (c *child) start() {
	c.t.Helper()
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), serveEnv+"="+c.dir)
	c.cmd.Stderr = c.t.Output()
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if c.wait, err = host.StartChild(c.cmd, syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		c.t.Fatalf("the service did not start: %q, %v", line, err)
	}
}

// kill ends the service as a power cut would: nothing of it runs any more.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.wait()
}

// A killer is a transport that kills the service before or after its n-th
// request, once; the answer to that request is lost.
type killer struct {
	*child
	n     int
	after bool
	seen  int
}

var errPowerCut = errors.New("power cut")

func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	k.seen++
	if k.seen != k.n {
		return http.DefaultTransport.RoundTrip(r)
	}
	if k.after {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
	}
	k.kill()
	return nil, errPowerCut
}

// TestKill kills the service before and after every request of a vote and lets
// the voter's program go on, from its file, as after a power cut on both sides.
// It must always finish the same ballot.
func TestKill(t *testing.T) {
	t.Parallel()
	p := prepare(t, Options{Members: 30})
	letters, err := ReadLetters(p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, dir: p.Data}
	c.start()
	defer c.kill()
	done := false
	for n := 1; !done; n++ {
		for _, after := range []bool{false, true} {
			l := letters[0]
			letters = letters[1:]
			k := &killer{child: c, n: n, after: after}
			done = voteThroughCrash(t, k, l.Link)
			if k.seen >= k.n {
				c.start()
				finishAfterCrash(t, l.Link, p.Data)
			}
		}
	}
	c.kill()
}

func memoryFor(dir, link string) voter.File { return voter.FileFor(filepath.Join(dir, "voters"), link) }

// voteThroughCrash votes until the service is killed. It reports whether the
// vote ended before the request at which it was to be killed.
func voteThroughCrash(t *testing.T, k *killer, link string) (done bool) {
	t.Helper()
	// The program gives up at the first failure: it is killed too.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := &http.Client{Transport: stopper{k, cancel}}
	s, err := voter.Open(ctx, client, link, memoryFor(k.dir, link))
	if err != nil {
		return false
	}
	if _, err := s.Status(ctx, ""); err != nil {
		return false
	}
	if err := s.Seal(ballot.Choices{1}, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(ctx, ""); err != nil {
		return false
	}
	if _, err := s.Find(ctx); err != nil {
		return false
	}
	return k.seen < k.n
}

// A stopper cancels the voter's program when the power is cut.
type stopper struct {
	*killer
	cancel context.CancelFunc
}

func (s stopper) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.killer.RoundTrip(r)
	if errors.Is(err, errPowerCut) {
		s.cancel()
	}
	return resp, err
}

// finishAfterCrash starts the voter's program again. If a ballot was sealed and
// kept before, it must be that one that is cast.
func finishAfterCrash(t *testing.T, link, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := voter.Open(ctx, http.DefaultClient, link, memoryFor(dir, link))
	if err != nil {
		t.Fatal(err)
	}
	before, kept := s.Tracker()
	if !kept {
		if err := s.Seal(ballot.Choices{1}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if after, _ := s.Tracker(); kept && after != before {
		t.Errorf("another ballot was cast than the one begun: %v, %v", before, after)
	}
	if s.Stage() != voter.StageReceived {
		t.Errorf("the vote ended in stage %q", s.Stage())
	}
	found, err := s.Find(ctx)
	if err != nil || found.State == "unknown" {
		t.Errorf("the ballot is %v, %v", found, err)
	}
	status, err := s.Status(ctx, "")
	if err != nil || !status.Issued {
		t.Errorf("status %v, %v", status, err)
	}
}

// prepare takes a demo to the point where voting is open.
func prepare(t *testing.T, o Options) *Prepared {
	t.Helper()
	// A path below the test's own temporary folder may be too deep for a socket
	// or closed to the database's account.
	dir, err := os.MkdirTemp("", "strikevote-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o.Data = dir
	p, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
