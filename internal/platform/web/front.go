package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Proxies are the addresses of servers that end TLS in front of this program.
// Only they are believed when they say where a request came from: everybody else
// could say anything.
type Proxies []netip.Prefix

// Contains reports whether an address is a proxy's.
func (p Proxies) Contains(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// Client returns the address of the client of a request: the connection's, or,
// if that is a proxy's, the last one in X-Forwarded-For that is not. What stands
// before it was written by the client.
func (p Proxies) Client(r *http.Request) netip.Addr {
	at := Remote(r)
	hops := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for p.Contains(at) && hops != "" {
		var last string
		if i := strings.LastIndexByte(hops, ','); i >= 0 {
			hops, last = hops[:i], hops[i+1:]
		} else {
			hops, last = "", hops
		}
		a, err := netip.ParseAddr(strings.TrimSpace(last))
		if err != nil {
			return at
		}
		at = a.Unmap()
	}
	return at
}

// PlainAllowed returns an error unless a listener may speak plain HTTP: on
// loopback, or where a named proxy ends TLS in front of it. Over plain HTTP
// anybody on the way reads tokens and changes pages.
func PlainAllowed(addr string, p Proxies) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port", addr)
	}
	if onLoopback(host) || len(p) > 0 {
		return nil
	}
	return fmt.Errorf("%s is reached by other computers, and this would be plain HTTP; give a certificate, name the proxy that ends TLS in front, or listen on 127.0.0.1", addr)
}

func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Listener returns a listener for plain HTTP that takes connections from this
// machine and from the proxies, and closes others before they have said
// anything: what they would say, a token maybe, would cross the network in the
// clear.
func (p Proxies) Listener(l net.Listener) net.Listener { return gate{l, p} }

type gate struct {
	net.Listener
	proxies Proxies
}

func (g gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		at, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && (at.Addr().Unmap().IsLoopback() || g.proxies.Contains(at.Addr())) {
			return c, nil
		}
		_ = c.Close()
	}
}

// A Rate is how often something may be done: Burst times at once, and Burst times
// in every Per.
type Rate struct {
	Burst int
	Per   time.Duration
}

// A Front stands before all handlers of a listener.
type Front struct {
	Proxies Proxies
	// Rate limits each network of clients. Zero is no limit: the box has none,
	// since its handlers do not know where a request came from.
	Rate Rate
	Now  func() time.Time // of the limit; nil is the clock
}

// Handler returns h with the front before it.
func (f Front) Handler(h http.Handler) http.Handler {
	if f.Now == nil {
		f.Now = time.Now
	}
	if f.Rate.Burst > 0 {
		limiter := NewLimiter(f.Rate.Per/time.Duration(f.Rate.Burst), f.Rate.Burst, f.Now)
		h = limiter.ByAddress(f.Proxies.Client)(h)
	}
	h = f.own(h)
	// The front refuses what the service's own middleware never sees.
	h = headers(apiPolicy)(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.Proxies.Contains(Remote(r)) {
			r = r.WithContext(context.WithValue(r.Context(), behindTLS{}, true))
		}
		h.ServeHTTP(w, r)
	})
}

// own refuses a request for another host than the connection's. A browser uses one
// connection for two hosts if one certificate names both. It would bring what it
// says to the registrar and to the box on one connection.
func (Front) own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && r.TLS.ServerName != "" && !strings.EqualFold(hostOf(r.Host), r.TLS.ServerName) {
			errMisdirected.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ThisMachine refuses a request for a host that is not this machine's own name for
// itself. A page of any site can have its name resolved to 127.0.0.1 and then read
// here, with the browser of whoever works on this machine.
func ThisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !onLoopback(hostOf(r.Host)) {
			errMisdirected.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errMisdirected = &RequestError{http.StatusMisdirectedRequest, "misdirected", "This connection is for another address. Please try again."}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// behindTLS is the key of what a request's context holds if a proxy ended TLS.
type behindTLS struct{}

// secure reports whether a request came over TLS, here or at a proxy.
func secure(r *http.Request) bool { return r.TLS != nil || r.Context().Value(behindTLS{}) != nil }
