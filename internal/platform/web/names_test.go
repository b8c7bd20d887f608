package web_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"strikevote/internal/platform/web"
)

// TestNames serves two hosts on one address, over both versions of HTTP. No
// request reaches the other host's handler, whatever it says.
func TestNames(t *testing.T) {
	t.Parallel()
	a, l := newAuthority(t), listen(t)
	// One certificate for both is the worst case: browsers then use one
	// connection for both.
	n := web.ByName(l, a.certificates(t, "registrar.example", "box.example", "other.example"), "registrar.example", "Box.example")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx) }()
	for _, host := range []string{"registrar.example", "box.example"} {
		h := web.Front{}.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, host+" "+r.Proto) }))
		serveHTTP(t, n.Listener(host), h)
	}
	if n.Listener("other.example") != nil {
		t.Error("there is a listener for a host that was not named")
	}
	for _, tt := range []struct{ server, host, want string }{
		{"registrar.example", "registrar.example", "registrar.example "},
		{"box.example", "box.example", "box.example "},
		{"BOX.example", "box.example", "box.example "},
		{"box.example", "registrar.example", "421"},
		{"registrar.example", "box.example", "421"},
		{"other.example", "box.example", "refused"},
		{"", "box.example", "refused"},
	} {
		for _, h2 := range []bool{false, true} {
			want, version := tt.want, "HTTP/1.1"
			if h2 {
				version = "HTTP/2.0"
			}
			if want[len(want)-1] == ' ' {
				want += version
			}
			if got := askAt(t, a, l.Addr().String(), tt.server, tt.host, h2); got != want {
				t.Errorf("%s on a connection for %q, %s: got %s, want %s", tt.host, tt.server, version, got, want)
			}
		}
	}
	// Somebody who says nothing does not delay the end.
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	// One that was never served is closed, too.
	unserved := listen(t)
	if err := web.ByName(unserved, a.certificates(t, "a.example"), "a.example").Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", unserved.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	for range 2 {
		_ = n.Listener("box.example").Close()
	}
	if _, err := n.Listener("box.example").Accept(); err == nil {
		t.Error("a closed listener accepted")
	}
}

// A crowd is a listener at which something else happens first: it cannot accept,
// and then many come who say nothing.
type crowd struct {
	net.Listener
	fails, silent int
	mu            sync.Mutex
	clients       []net.Conn
}

func (c *crowd) Accept() (net.Conn, error) {
	if conn, err := c.before(); conn != nil || err != nil {
		return conn, err
	}
	return c.Listener.Accept()
}

func (c *crowd) before() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fails > 0:
		c.fails--
		return nil, syscall.EMFILE
	case len(c.clients) < c.silent:
		client, server := net.Pipe()
		c.clients = append(c.clients, client)
		return server, nil
	}
	return nil, nil
}

// waiting counts those who have said nothing and are still there.
func (c *crowd) waiting() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.clients {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			n++
		}
	}
	return n
}

// TestNamesCrowded asks after the listener had no files left, and while thousands
// have said nothing yet.
func TestNamesCrowded(t *testing.T) {
	t.Parallel()
	a, l := newAuthority(t), listen(t)
	c := &crowd{Listener: l, fails: 2, silent: 2000}
	n := web.ByName(c, a.certificates(t, "box.example"), "box.example")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx) }()
	serveHTTP(t, n.Listener("box.example"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	if got := askAt(t, a, l.Addr().String(), "box.example", "box.example", false); got != "here" {
		t.Errorf("got %s", got)
	}
	if n := c.waiting(); n != c.silent {
		t.Errorf("of %d who said nothing only %d are still there: the others had to go first", c.silent, n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// askAt returns the answer to a request for host on a connection for server.
func askAt(t *testing.T, a *authority, addr, server, host string, h2 bool) string {
	t.Helper()
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: a.pool, ServerName: server, InsecureSkipVerify: server == ""},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
		ForceAttemptHTTP2: h2,
	}
	defer tr.CloseIdleConnections()
	if server == "" {
		// By number no name is sent.
		tr.TLSClientConfig.ServerName = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "refused"
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status[:3]
	}
	return string(b)
}
