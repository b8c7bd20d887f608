package deployment

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"strikevote/internal/board"
	"strikevote/internal/booth"
	"strikevote/internal/platform/host"
	"strikevote/internal/platform/metrics"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// Names of the listeners. Five are for people and their programs, each an
// origin of its own, so that what one page may do ends at its origin; ledger and
// ballots are the two halves of the record, for a board in another process; admin
// is for operators on this machine.
const (
	listenBooth     = string(PartBooth)
	listenRegistrar = string(PartRegistrar)
	listenBox       = string(PartBox)
	listenBoard     = string(PartBoard)
	listenConsole   = string(PartConsole)
	listenLedger    = "ledger"
	listenBallots   = "ballots"
	listenAdmin     = "admin"
)

// ListenerNames returns the names of all listeners.
func ListenerNames() []string {
	return []string{listenBooth, listenRegistrar, listenBox, listenBoard, listenConsole, listenLedger, listenBallots, listenAdmin}
}

// listen opens the listeners of this process. Their addresses are noted, so that
// a restart gets the same ones: links and manifests hold them.
func (d *Deployment) listen() error {
	noted, err := d.readNoted()
	if err != nil {
		return err
	}
	d.listeners = make(map[string]net.Listener)
	fresh := false
	for _, name := range d.listenerNames() {
		addr := d.c.Listen[name]
		given := addr != ""
		if !given {
			addr = noted[name]
		}
		if addr == "" {
			addr = unused("127.0.0.1")
		}
		l, err := d.open1(name, addr)
		if err != nil {
			return fmt.Errorf("listening for the %s: %w", name, err)
		}
		d.listeners[name] = l
		// One that was given is noted too, for operators' commands, but not in
		// place of another: a second process may serve the same folder elsewhere.
		if noted[name] == "" || !given && noted[name] != l.Addr().String() {
			noted[name], fresh = l.Addr().String(), true
		}
	}
	if fresh {
		if err := d.note(noted); err != nil {
			return err
		}
	}
	for name, l := range d.listeners {
		noted[name] = l.Addr().String()
	}
	d.origins = d.c.Origins
	for _, o := range byName(&d.origins) {
		if *o.origin == "" && noted[o.name] != "" {
			*o.origin = d.scheme() + noted[o.name]
		}
	}
	return d.noteServing()
}

// Ports of listeners to which nobody has given an address. They lie below those that
// systems give to outgoing connections: such a connection, of any program, would be in the
// way of a restart, which has to get the same address.
const firstPort, endPort = 10240, 32768

// unused returns an address of a host of this machine on which nobody listens.
func unused(host string) string {
	for range 100 {
		var b [2]byte
		rand.Read(b[:])
		addr := net.JoinHostPort(host, strconv.Itoa(firstPort+int(binary.BigEndian.Uint16(b[:]))%(endPort-firstPort)))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	return net.JoinHostPort(host, "0") // hardly one is free; the system finds it
}

// connect returns the origins to which the voter's page has to send: browsers let it
// send nowhere else. A service that was not there yet when this process started may
// have noted its address in the same folder since.
func (d *Deployment) connect() []string {
	var noted map[string]string
	var list []string
	for _, o := range byName(&d.origins) {
		origin := *o.origin
		if o.name == listenConsole || o.name == listenBooth {
			continue
		}
		if origin == "" && noted == nil {
			var err error
			if noted, err = d.readNoted(); err != nil {
				noted = make(map[string]string)
			}
		}
		if origin == "" && noted[o.name] != "" {
			origin = d.scheme() + noted[o.name]
		}
		if origin != "" {
			list = append(list, origin)
		}
	}
	return list
}

type named struct {
	name   string
	origin *string
}

func byName(o *election.Origins) []named {
	return []named{
		{listenBooth, &o.Booth}, {listenRegistrar, &o.Registrar}, {listenBox, &o.Box}, {listenBoard, &o.Board}, {listenConsole, &o.Console},
	}
}

func (d *Deployment) notedPath() string { return filepath.Join(d.c.Data, "listen.json") }

// readNoted returns the addresses of an earlier start.
func (d *Deployment) readNoted() (map[string]string, error) {
	noted := make(map[string]string)
	b, err := os.ReadFile(d.notedPath())
	if err == nil {
		err = json.Unmarshal(b, &noted)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s: %w", d.notedPath(), err)
	}
	return noted, nil
}

func (d *Deployment) note(addresses map[string]string) error {
	b, err := json.MarshalIndent(addresses, "", "  ")
	if err == nil {
		err = place(d.notedPath(), append(b, '\n'), os.Rename)
	}
	if err != nil {
		return fmt.Errorf("noting addresses: %w", err)
	}
	return nil
}

// AdminAddress returns where operators find health, readiness and metrics.
func (d *Deployment) AdminAddress() string { return d.Address(listenAdmin) }

// Address returns the host and port of a listener, "" if this process has none
// of that name.
func (d *Deployment) Address(name string) string {
	if l := d.listeners[name]; l != nil {
		return l.Addr().String()
	}
	return ""
}

// Serve answers requests and does what is due until ctx ends, and then lets
// what is under way finish. It also ends, with an error, when a private database
// has stopped.
func (d *Deployment) Serve(ctx context.Context) error {
	d.watchable()
	g, ctx := errgroup.WithContext(ctx)
	conns := connections(len(d.listeners))
	for name, l := range d.listeners {
		h, limits := d.handler(name)
		limits.Conns = conns
		g.Go(func() error { return web.Serve(ctx, web.Server("", d.c.Front.before(name, h), limits), l) })
	}
	for _, n := range d.shared {
		g.Go(func() error { return n.Serve(ctx) })
	}
	if d.plain != nil {
		g.Go(func() error {
			return web.Serve(ctx, web.Server("", d.c.Front.Certificates.Plain(), web.Limits{}), d.plain)
		})
	}
	g.Go(func() error { return d.conduct(ctx) })
	g.Go(func() error { return d.servers.watch(ctx) })
	return g.Wait()
}

// connections returns how many each of some listeners may have open. A quarter of
// what the process may open, and not less than 64, is left to the databases, to
// files and to what it asks of others.
func connections(listeners int) int {
	files, err := host.OpenFiles()
	if err != nil {
		return 0 // nothing says what there is to divide
	}
	n := int(min(files, 1<<20))
	return min(max(8, (n-max(64, n/4))/max(1, listeners)), 4096)
}

// handler returns what answers on a listener.
func (d *Deployment) handler(name string) (http.Handler, web.Limits) {
	// A board serves downloads over slow networks.
	slow := web.Limits{Write: 2 * time.Minute}
	switch name {
	case listenBooth:
		return d.boothHandler(), web.Limits{}
	case listenRegistrar:
		return d.registrarHandler(), web.Limits{}
	case listenBox:
		return d.boxes.Handler(), web.Limits{}
	case listenBoard:
		return d.publicHandler(), slow
	case listenLedger:
		return d.ledgerHandler(), slow
	case listenBallots:
		return d.boardHandler(layout.Ballots), slow
	case listenConsole:
		return d.committee.Handler(metrics.HTTP(d.registry, listenConsole)), web.Limits{Write: 3 * time.Minute}
	}
	return d.adminHandler(), web.Limits{}
}

// adminHandler serves what operators and their monitors ask.
func (d *Deployment) adminHandler() http.Handler {
	r := web.NewRouter(append(web.Chain(web.Config{Log: d.c.Log}), web.ThisMachine)...)
	h := metrics.Admin{Registry: d.registry, Ready: d.checks(), Log: d.c.Log}.Handler()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		r.Get(path, h.ServeHTTP)
		r.Head(path, h.ServeHTTP)
	}
	return r
}

// boothHandler serves manifests: those of this process's elections, or what the
// board publishes. A voter's program compares what it gets with the link.
func (d *Deployment) boothHandler() http.Handler {
	if d.c.Log != nil && len(d.connect()) < 3 {
		d.c.Log.Warn("nobody can vote with the voter's page before the origins of registrar, box and board are set", "known", d.connect())
	}
	return booth.Handler(booth.Config{Log: d.c.Log, Now: d.c.Now, Connect: d.connect, Stands: d.stands, Votes: d.list, Manifest: func(ctx context.Context, id suite.ElectionID) ([]byte, error) {
		if e := d.running(id); e != nil {
			return e.bytes, nil
		}
		if d.names() {
			return nil, booth.ErrUnknown
		}
		b, err := d.resource(ctx, id, layout.Ledger, layout.Manifest)
		if errors.Is(err, board.ErrNotFound) {
			return nil, booth.ErrUnknown
		}
		return b, err
	}})
}

// stands returns where an election stands, if this process is its registrar too: a
// booth on a host of its own leaves that question to the voter's page.
func (d *Deployment) stands(ctx context.Context, id suite.ElectionID) (booth.Standing, bool) {
	e := d.running(id)
	if e == nil || e.registrar == nil {
		return booth.Standing{}, false
	}
	s, err := e.registrar.Shown(ctx)
	return booth.Standing(s), err == nil
}

// boardHandler serves the named halves of the record.
func (d *Deployment) boardHandler(names ...string) http.Handler {
	return (&board.Site{
		Lookup: func(id suite.ElectionID) (ledger, ballots board.Half, ok bool) {
			if d.names() && d.running(id) == nil {
				return nil, nil, false // not sealed: there is no other half either
			}
			if slices.Contains(names, layout.Ledger) {
				ledger = d.half(id, layout.Ledger)
			}
			if slices.Contains(names, layout.Ballots) {
				ballots = d.half(id, layout.Ballots)
			}
			return ledger, ballots, ledger != nil || ballots != nil
		},
		List: d.list,
		Log:  d.c.Log,
		Now:  d.c.Now,
	}).Handler()
}

// list returns the elections that are published: this process's own, or those
// that the ledger's half lists.
func (d *Deployment) list(ctx context.Context) ([]suite.ElectionID, error) {
	if d.names() || d.votes() || d.c.Upstream.Ledger == "" {
		return d.ids(), nil
	}
	return board.List(ctx, d.client, d.c.Upstream.Ledger)
}

// checks say whether the service can do its work: its databases answer, and the
// disk has room.
func (d *Deployment) checks() map[string]metrics.Check {
	checks := map[string]metrics.Check{"disk": DiskCheck(d.c.Data), "elections": d.checkHalted}
	if d.names() {
		checks["registrar's database"] = func(ctx context.Context) error { return d.papers.Ping(ctx) }
	}
	if d.votes() {
		checks["box's database"] = func(ctx context.Context) error {
			for _, id := range d.ids() {
				if e := d.running(id); e != nil {
					if err := e.boxPool.Ping(ctx); err != nil {
						return err
					}
				}
			}
			return nil
		}
	}
	return checks
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
	return d.phase(ctx, e)
}
