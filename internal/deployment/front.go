package deployment

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
)

// A Front is what stands between the service and the network. The zero value is
// plain HTTP on this machine.
type Front struct {
	// Certificates prove which host this is. Nil: plain HTTP, for this machine
	// and the proxies.
	Certificates *web.Certificates
	// Proxies end TLS in front of this program.
	Proxies web.Proxies
	// Rates limit each network of clients, by listener. The box has none: it does
	// not look at addresses.
	Rates map[string]web.Rate
	// Plain is where plain HTTP is sent on to TLS, and the certificate authority
	// answered, such as ":80". Empty: nowhere.
	Plain string
}

// before puts the front before a listener's handlers.
func (f Front) before(name string, h http.Handler) http.Handler {
	if name == listenAdmin {
		return h
	}
	front := web.Front{Proxies: f.Proxies, Now: time.Now}
	if name != listenBox {
		front.Rate = f.Rates[name]
	}
	return front.Handler(h)
}

func (d *Deployment) scheme() string {
	if d.c.Front.Certificates != nil {
		return "https://"
	}
	return "http://"
}

// open1 opens one listener. Over plain HTTP anybody on the way could read tokens
// and change pages, so without certificates it is for this machine, or for the
// proxies that end TLS in front.
func (d *Deployment) open1(name, addr string) (net.Listener, error) {
	f := d.c.Front
	if f.Certificates != nil && name != listenAdmin {
		if hosts := d.sharing(addr); len(hosts) > 1 {
			return d.openShared(name, addr, hosts)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		return f.Certificates.Listen(l), nil
	}
	proxies := f.Proxies
	if name == listenAdmin {
		proxies = nil
	}
	if err := web.PlainAllowed(addr, proxies); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return proxies.Listener(l), nil
}

// sharing returns the hosts of the parts of this process that are configured to
// share an address, by the names of their listeners.
func (d *Deployment) sharing(addr string) map[string]string {
	hosts := make(map[string]string)
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
		return hosts
	}
	for _, name := range d.listenerNames() {
		if d.c.Listen[name] == addr {
			hosts[name] = hostOf(name, d.c.Origins)
		}
	}
	return hosts
}

// hostOf returns the host of a part's origin, "" if it has none.
func hostOf(name string, origins election.Origins) string {
	for _, o := range byName(&origins) {
		if o.name == name {
			if u, err := url.Parse(*o.origin); err == nil {
				return u.Hostname()
			}
		}
	}
	return ""
}

// openShared returns a part of a listener that several parts share, each under a
// host name of its own.
func (d *Deployment) openShared(name, addr string, hosts map[string]string) (net.Listener, error) {
	n := d.shared[addr]
	if n == nil {
		var list []string
		seen := make(map[string]bool)
		for _, host := range hosts {
			if host == "" || seen[host] {
				return nil, fmt.Errorf("%s is shared by parts whose origins have no hosts of their own", addr)
			}
			seen[host] = true
			list = append(list, host)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		n = web.ByName(l, d.c.Front.Certificates, list...)
		if d.shared == nil {
			d.shared = make(map[string]*web.Names)
		}
		d.shared[addr] = n
	}
	return n.Listener(hosts[name]), nil
}

// openPlain opens the listener that sends readers on to TLS.
func (d *Deployment) openPlain() (err error) {
	if d.c.Front.Plain == "" {
		return nil
	}
	if d.c.Front.Certificates == nil {
		return errors.New("there is no TLS to send readers on to")
	}
	if d.plain, err = net.Listen("tcp", d.c.Front.Plain); err != nil {
		return fmt.Errorf("listening for plain HTTP: %w", err)
	}
	return nil
}
