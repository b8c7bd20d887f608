package web_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"strikevote/internal/platform/web"
)

// A caller is a client with one connection.
type caller struct {
	net.Conn
	r *bufio.Reader
}

func call(t *testing.T, l net.Listener) *caller {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &caller{c, bufio.NewReader(c)}
}

var errCut = errors.New("the connection was ended")

// ask sends a request and reads the answer.
func (c *caller) ask(path string) error {
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return errCut
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return errCut
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// crowded serves with a bound on connections. Requests to /work do not end before
// done is closed.
func crowded(t *testing.T, most int) (l net.Listener, working chan struct{}, done chan struct{}) {
	t.Helper()
	l = listen(t)
	working, done = make(chan struct{}, 16), make(chan struct{})
	s := web.Server("", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/work" {
			working <- struct{}{}
			<-done
		}
	}), web.Limits{Conns: most})
	t.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(l) }()
	return l, working, done
}

// TestCrowd opens a connection too many: the one goes that was silent longest. The
// negative control has no bound.
func TestCrowd(t *testing.T) {
	t.Parallel()
	for _, most := range []int{3, 0} {
		l, _, _ := crowded(t, most)
		idle := call(t, l)
		if err := idle.ask("/"); err != nil {
			t.Fatal(err)
		}
		silent := call(t, l)
		late := call(t, l)
		if err := late.ask("/"); err != nil { // now all before it were accepted
			t.Fatal(err)
		}
		if err := idle.ask("/"); err != nil { // it spoke again: the silent one waits longest
			t.Fatal(err)
		}
		if err := call(t, l).ask("/"); err != nil {
			t.Errorf("at most %d: one who speaks at once: %v", most, err)
		}
		if most == 0 {
			if err := silent.ask("/"); err != nil {
				t.Errorf("negative control: without a bound: %v", err)
			}
			continue
		}
		if b, err := silent.r.ReadByte(); err == nil {
			t.Errorf("the silent one reads %d", b)
		}
		for _, c := range []*caller{idle, late} {
			if err := c.ask("/"); err != nil {
				t.Errorf("one who was not silent longest: %v", err)
			}
		}
	}
}

// TestCrowdAtWork lets nobody be cut off in the middle of a request: the new one
// goes. Afterwards there is room again.
func TestCrowdAtWork(t *testing.T) {
	t.Parallel()
	l, working, done := crowded(t, 2)
	answers := make(chan error)
	for range 2 {
		c := call(t, l)
		go func() { answers <- c.ask("/work") }()
	}
	<-working
	<-working
	if err := call(t, l).ask("/"); !errors.Is(err, errCut) {
		t.Errorf("one too many: %v", err)
	}
	close(done)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("one at work: %v", err)
		}
	}
	if err := call(t, l).ask("/"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
