package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"strikevote/internal/board"
	"strikevote/internal/booth"
	"strikevote/internal/platform/metrics"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// Names of the listeners. Five are for people and their programs, each an
// origin of its own, so that what one page may do ends at its origin; admin is
// for operators on this machine.
const (
	listenBooth     = "booth"
	listenRegistrar = "registrar"
	listenBox       = "box"
	listenBoard     = "board"
	listenConsole   = "console"
	listenAdmin     = "admin"
)

var listenerNames = []string{listenBooth, listenRegistrar, listenBox, listenBoard, listenConsole, listenAdmin}

// listen opens every listener. Ports that were chosen freely are noted, so that
// a restart gets the same ones: links and manifests hold them.
func (d *Deployment) listen() error {
	path := filepath.Join(d.c.Data, "listen.json")
	noted := make(map[string]string)
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &noted)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	d.listeners = make(map[string]net.Listener)
	for _, name := range listenerNames {
		addr := d.c.Listen[name]
		if addr == "" {
			addr = noted[name]
		}
		if addr == "" {
			addr = "127.0.0.1:0"
		}
		if err := onLoopback(name, addr); err != nil {
			return err
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listening for the %s: %w", name, err)
		}
		d.listeners[name] = l
		noted[name] = l.Addr().String()
	}
	if b, err = json.MarshalIndent(noted, "", "  "); err != nil {
		return fmt.Errorf("noting addresses: %w", err)
	}
	if err := place(path, append(b, '\n'), os.Rename); err != nil {
		return fmt.Errorf("noting addresses: %w", err)
	}
	d.origins = d.c.Origins
	for _, o := range []struct {
		name string
		into *string
	}{
		{listenBooth, &d.origins.Booth}, {listenRegistrar, &d.origins.Registrar}, {listenBox, &d.origins.Box},
		{listenBoard, &d.origins.Board}, {listenConsole, &d.origins.Console},
	} {
		if *o.into == "" {
			*o.into = "http://" + noted[o.name]
		}
	}
	return nil
}

// onLoopback refuses an address that other computers reach: the listeners speak
// plain HTTP, over which anybody on the way could read tokens and change pages.
func onLoopback(name, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address of the %s: %q is not host:port", name, addr)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("address of the %s: %s is reached by other computers, and this is plain HTTP; listen on 127.0.0.1 and put a web server with certificates in front", name, addr)
}

// AdminAddress returns where operators find health, readiness and metrics.
func (d *Deployment) AdminAddress() string { return d.listeners[listenAdmin].Addr().String() }

// Serve answers requests and does what is due until ctx ends, and then lets
// what is under way finish. It also ends, with an error, when a private database
// has stopped.
func (d *Deployment) Serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	serve := func(name string, h http.Handler, limits web.Limits) {
		g.Go(func() error { return web.Serve(ctx, web.Server("", h, limits), d.listeners[name]) })
	}
	reg := d.registry
	serve(listenBooth, d.boothHandler(), web.Limits{})
	serve(listenRegistrar, d.registrars.Handler(), web.Limits{})
	serve(listenBox, d.boxes.Handler(), web.Limits{})
	// A board serves downloads over slow networks.
	serve(listenBoard, d.boardHandler(), web.Limits{Write: 2 * time.Minute})
	serve(listenConsole, d.committee.Handler(metrics.HTTP(reg, listenConsole)), web.Limits{Write: 3 * time.Minute})
	serve(listenAdmin, metrics.Admin{Registry: reg, Ready: d.checks(), Log: d.c.Log}.Handler(), web.Limits{})
	g.Go(func() error { return d.conduct(ctx) })
	g.Go(func() error { return d.servers.watch(ctx) })
	return g.Wait()
}

func (d *Deployment) boothHandler() http.Handler {
	return booth.Handler(booth.Config{Log: d.c.Log, Manifest: func(id suite.ElectionID) ([]byte, bool) {
		if e := d.running(id); e != nil {
			return e.bytes, true
		}
		return nil, false
	}})
}

func (d *Deployment) boardHandler() http.Handler {
	return (&board.Site{
		Lookup: func(id suite.ElectionID) (ledger, ballots *board.Log, ok bool) {
			e := d.running(id)
			if e == nil {
				return nil, nil, false
			}
			return e.publicLedger, e.publicBallots, true
		},
		List: d.ids,
		Log:  d.c.Log,
	}).Handler()
}

// checks say whether the service can do its work: both databases answer.
func (d *Deployment) checks() map[string]metrics.Check {
	return map[string]metrics.Check{
		"registrar's database": func(ctx context.Context) error { return d.papers.Ping(ctx) },
		"box's database": func(ctx context.Context) error {
			for _, id := range d.ids() {
				if e := d.running(id); e != nil {
					if err := e.boxPool.Ping(ctx); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}

// ids returns the sealed elections.
func (d *Deployment) ids() []suite.ElectionID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []suite.ElectionID
	for id := range d.elections {
		ids = append(ids, id)
	}
	return ids
}

// Phase returns where an election stands.
func (d *Deployment) Phase(ctx context.Context, id suite.ElectionID) (election.Phase, error) {
	e := d.running(id)
	if e == nil {
		return "draft", nil
	}
	return e.phase(ctx)
}

// ListenerNames returns the names of all listeners.
func ListenerNames() []string { return listenerNames }
