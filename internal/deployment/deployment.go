// Package deployment puts the service together: the databases of both sides, the
// keys of each election, the listeners, and what has to happen between the two
// sides.
//
// It is the one package of the service that sees both who may vote and what was
// voted, and therefore holds no rule of either: it opens, connects and closes,
// and carries only what is public from one side to the other. It must never
// log a request, and never hand one side's pool or key to the other.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"strikevote/internal/ballotbox"
	"strikevote/internal/committee"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/metrics"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/secret"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// Config holds what a [Deployment] needs.
type Config struct {
	Data string // folder for private databases, keys and what must survive a restart
	// Parts are what this process runs of the service; none means all.
	Parts []Part
	// Upstream says where the others are.
	Upstream Upstream
	// Registrar and Box are the servers of the two sides. Nil: the program
	// starts private ones in Data.
	Registrar, Box postgres.Server
	// Listen holds host:port by listener name, see [ListenerNames]. A missing
	// one is a free port on loopback, the same after a restart. With certificates,
	// parts may share an address if their origins have hosts of their own.
	Listen map[string]string
	// Origins are the addresses under which people reach the listeners. Empty:
	// those of the listeners themselves.
	Origins election.Origins
	Front   Front
	// Master seals the key files. Nil: they are plain.
	Master *secret.Sealer
	Mail   string // folder that gets the mails that no sender of Senders does
	// Senders carry the mails, the first that takes one. None: they stay in the folder
	// Mail. A demo's always do.
	Senders []mailer.Sender
	From    mailer.Address // the mails are from; empty: a sender that exists nowhere
	Zone    *time.Location // of dates in mails; nil: this machine's
	// Webhook reads what the carrier of the mails tells of them. Nil: nobody is asked.
	Webhook Webhook
	Log     *slog.Logger  // may be nil
	Pace    time.Duration // how often due work is looked for; 0 is a second
	Spread  time.Duration // over which mails to everybody leave, at random; 0 is at once
	Now     func() time.Time
}

// A Deployment is a running service with all its elections. It is safe for
// concurrent use.
type Deployment struct {
	c          Config
	servers    servers
	held       *hold // on the data folder, of a process that serves it
	listeners  map[string]net.Listener
	shared     map[string]*web.Names // listeners of several parts, by address
	plain      net.Listener          // sends readers on to TLS; may be nil
	origins    election.Origins
	committee  *committee.Service
	papers     *pgxpool.Pool // the committee's
	registrars *registrar.Service
	boxes      *ballotbox.Service
	registry   *prometheus.Registry
	mailCounts *mailCounts
	client     *http.Client // carries acts and the ledger's end to the box
	opening    sync.Mutex   // held while an election is opened
	// The conductor's own: what it complained about last, and when it looks again
	// for a box that was not made yet.
	following string
	drafts    map[suite.ElectionID]time.Time
	mu        sync.Mutex
	elections map[suite.ElectionID]*running // sealed ones; guarded by mu
}

// Open starts or reaches the databases, applies what a private one lacks, and
// opens every sealed election. The service answers once [Deployment.Serve] runs. It
// returns [ErrServed] where another one of the folder has its addresses, [ErrTaken] where
// somebody else has.
func Open(ctx context.Context, c Config) (*Deployment, error) {
	if len(c.Parts) == 0 {
		c.Parts = Parts()
	}
	return open(ctx, c, func(d *Deployment) error {
		var err error
		if d.held, err = holdShared(d.c.Data); err != nil {
			return err
		}
		if err := d.listen(); err != nil {
			return d.occupied(err)
		}
		return d.openPlain()
	})
}

// Operate opens a deployment for an operator's command: its databases and
// elections, which another process may be serving meanwhile, and no listener. It makes
// none, and returns [ErrFolder] where no service ever ran. [Deployment.Serve] is not for it.
func Operate(ctx context.Context, c Config) (*Deployment, error) {
	return open(ctx, c, func(d *Deployment) error {
		if err := d.readServing(); err != nil {
			return err
		}
		if len(d.c.Parts) == 0 {
			d.c.Parts = Parts()
		}
		return d.begun()
	})
}

// open opens a deployment. before runs before anything is made but the data folder, and
// before the databases are reached: of two services
// that start at once, the one that is not to have the addresses must not have begun to run
// databases, which the other works with by then and which would end with it.
func open(ctx context.Context, c Config, before func(*Deployment) error) (*Deployment, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Pace == 0 {
		c.Pace = time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.Local
	}
	if c.From.Address == "" {
		c.From = mailer.Address{Name: "Union ballot", Address: "ballot@" + mailDomain}
	}
	d := &Deployment{
		c: c, elections: make(map[suite.ElectionID]*running), drafts: make(map[suite.ElectionID]time.Time), registry: metrics.NewRegistry(),
		// The time is enough for the last batches of a large election.
		client: &http.Client{Timeout: 2 * time.Minute, Transport: new(http.Transport)},
	}
	d.mailCounts = newMailCounts(d.registry)
	d.mailCounts.log = c.Log
	d.registrars, d.boxes = registrar.NewService(c.Log, metrics.HTTP(d.registry, listenRegistrar)), ballotbox.NewService(c.Log)
	d.registrars.Behind(c.Front.Proxies.Client)
	if err := d.open(ctx, before); err != nil {
		// Half a deployment must not stay behind when the rest of it cannot start.
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Deployment) open(ctx context.Context, before func(*Deployment) error) error {
	// The database's account has to pass through the data folder, and nobody
	// else has to look into it.
	if err := os.MkdirAll(d.c.Data, 0o711); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if err := before(d); err != nil {
		return err
	}
	if d.c.Mail != "" {
		if err := os.MkdirAll(d.c.Mail, 0o700); err != nil {
			return fmt.Errorf("making the folder of the mails: %w", err)
		}
	}
	if err := d.servers.start(ctx, d.c, plan{registrar: d.names(), box: d.votes(), attach: true}); err != nil {
		return err
	}
	if d.names() {
		if err := d.openCommittee(ctx); err != nil {
			return err
		}
	}
	known, err := d.known(ctx)
	if err != nil {
		return err
	}
	return d.openElections(ctx, known)
}

// Close ends everything. [Deployment.Serve] must have returned.
func (d *Deployment) Close() error {
	var errs []error
	d.mu.Lock()
	for id, e := range d.elections {
		e.close()
		delete(d.elections, id)
	}
	d.mu.Unlock()
	d.client.CloseIdleConnections()
	if d.papers != nil {
		d.papers.Close()
	}
	for _, n := range d.shared {
		// Closing the parts of a shared listener leaves it open.
		if err := n.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, l := range append(slices.Collect(maps.Values(d.listeners)), d.plain) {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	// Last: while its databases run it has the folder.
	errs = append(errs, d.servers.stop(), d.held.release())
	d.held = nil
	return errors.Join(errs...)
}

// Origins returns the addresses under which people reach the service.
func (d *Deployment) Origins() election.Origins { return d.origins }

// MailDir returns the folder that gets the mails.
func (d *Deployment) MailDir() string { return d.c.Mail }

// Record returns the address of an election's public record.
func (d *Deployment) Record(id suite.ElectionID) string {
	return d.origins.Board + "/" + id.String()
}

// Console returns where tellers and members of the committee find an election.
func (d *Deployment) Console(id suite.ElectionID) string {
	return d.origins.Console + "/v1/" + id.String()
}

func (d *Deployment) keys(id suite.ElectionID) keyring {
	return keyring{dir: filepath.Join(d.c.Data, "keys", id.String()), master: d.c.Master}
}

// openCommittee opens the deployment's own database.
func (d *Deployment) openCommittee(ctx context.Context) error {
	pool, err := d.servers.openCommittee(ctx)
	if err != nil {
		return err
	}
	d.papers = pool
	d.committee = committee.New(committee.Config{Pool: pool, Log: d.c.Log, Now: d.c.Now, Status: d.status, Roll: d.checkRoll})
	return nil
}

// status is what the console is told of a sealed election.
func (d *Deployment) status(ctx context.Context, id suite.ElectionID) (committee.Status, bool) {
	e := d.running(id)
	if e == nil {
		return committee.Status{}, false
	}
	phase, err := d.phase(ctx, e)
	if err != nil {
		d.c.Log.ErrorContext(ctx, "phase not read", "err", err)
		return committee.Status{}, false
	}
	return committee.Status{Manifest: e.manifest, MID: e.mid, Phase: string(phase), Record: d.Record(id), Files: e.ledger, Acts: e.registrar.Acts}, true
}

func (d *Deployment) running(id suite.ElectionID) *running {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.elections[id]
}
