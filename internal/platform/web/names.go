package web

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

// Names serves several origins on one address, each with its own server and its
// own handlers. A connection belongs to the host that the client asked for in its
// TLS handshake, and to no other: see [Front], which refuses a request for
// another host on it.
type Names struct {
	listener net.Listener
	config   *tls.Config
	hosts    map[string]*named
}

// ByName divides a listener by host names, with one certificate for all of them
// or one for each.
func ByName(l net.Listener, c *Certificates, hosts ...string) *Names {
	n := &Names{listener: l, config: c.Config(), hosts: make(map[string]*named)}
	get := n.config.GetCertificate
	n.config.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if n.hosts[strings.ToLower(h.ServerName)] == nil {
			return nil, errNoName
		}
		return get(h)
	}
	for _, host := range hosts {
		n.hosts[strings.ToLower(host)] = &named{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}
	}
	return n
}

// Listener returns the part of the listener that is a host's, or nil.
func (n *Names) Listener(host string) net.Listener {
	if l, ok := n.hosts[strings.ToLower(host)]; ok {
		return l
	}
	return nil
}

// Close closes a listener that is not served. [Names.Serve] closes it at its end.
func (n *Names) Close() error { return n.listener.Close() }

// handshakeTime is how long somebody who opens a connection may say nothing.
const handshakeTime = 10 * time.Second

// Serve hands out connections until the context ends, and then closes the
// listener. It returns nil after such an end. As in net/http nobody waits for
// another's handshake: if only so many went on at once, a few who open
// connections and say nothing would keep everybody out.
func (n *Names) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = n.listener.Close() })
	defer stop()
	defer func() { _ = n.listener.Close() }()
	var under sync.WaitGroup
	defer under.Wait()
	for wait := time.Duration(0); ; {
		conn, err := n.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, most likely. Another listener would end
			// here; net/http waits as well.
			if wait = max(5*time.Millisecond, min(2*wait, time.Second)); !pause(ctx, wait) {
				return nil
			}
			continue
		}
		wait = 0
		under.Go(func() { n.hand(ctx, conn) })
	}
}

// hand shakes hands and gives the connection to the host that was asked for.
func (n *Names) hand(ctx context.Context, conn net.Conn) {
	c := tls.Server(conn, n.config)
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return
	}
	host := n.hosts[strings.ToLower(c.ConnectionState().ServerName)]
	if host == nil {
		_ = conn.Close()
		return
	}
	select {
	case host.conns <- c:
	case <-host.done:
		_ = conn.Close()
	case <-ctx.Done():
		_ = conn.Close()
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A named is one host's part of a listener.
type named struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *named) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *named) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *named) Addr() net.Addr { return l.addr }
