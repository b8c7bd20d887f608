package web

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// A crowd bounds how many connections a server has open. Without it whoever opens
// connections and says nothing takes every file descriptor of the process, and the
// database and the disk need some too. When there are too many, the one goes that
// waited longest for a request, its first or its next; if all are at work, the new
// one goes. So nobody is cut off in the middle of a request, and a client that
// speaks at once is heard however many are silent.
type crowd struct {
	most int

	mu      sync.Mutex
	open    int                        // guarded by mu
	waiting *list.List                 // of net.Conn, longest first; guarded by mu
	places  map[net.Conn]*list.Element // in waiting; guarded by mu
}

func newCrowd(most int) *crowd {
	return &crowd{most: most, waiting: list.New(), places: make(map[net.Conn]*list.Element)}
}

// state is a server's ConnState.
func (c *crowd) state(conn net.Conn, s http.ConnState) {
	if gone := c.count(conn, s); gone != nil {
		// The alert with which TLS says goodbye would wait for whoever reads
		// nothing, and everybody else for it.
		if t, ok := gone.(*tls.Conn); ok {
			gone = t.NetConn()
		}
		_ = gone.Close()
	}
}

// count takes note of a connection's state and returns the one that has to go, or
// nil.
func (c *crowd) count(conn net.Conn, s http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.places[conn]; e != nil {
		c.waiting.Remove(e)
		delete(c.places, conn)
	}
	switch s {
	case http.StateClosed, http.StateHijacked:
		c.open--
		return nil
	case http.StateActive:
		return nil
	case http.StateNew:
		c.open++
	}
	c.places[conn] = c.waiting.PushBack(conn)
	if s != http.StateNew || c.open <= c.most {
		return nil
	}
	first := c.waiting.Front()
	gone := first.Value.(net.Conn)
	c.waiting.Remove(first)
	delete(c.places, gone)
	return gone
}
