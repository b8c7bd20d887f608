package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"strikevote/internal/booth"
	"strikevote/internal/deployment"
	"strikevote/internal/pages"
	"strikevote/internal/platform/host"
)

func serveCommand() command {
	return command{
		name: "serve", args: "-data DIR [flags]",
		short: "run the service with all its elections",
		long: `
Runs the service: registrar, ballot box, board, console and voter's pages, each on
an address of its own, and does what is due: opening, mail, batches, closing, lock.

Without a configured database it starts two private ones in the data folder, from
the PostgreSQL that is installed on this system, which needs Linux. It can be stopped or killed at any
time: what it answered for is in the databases, and it goes on from there.

-only runs some of the parts, registrar, box, board, booth and console, separated by
commas: on two machines for two administrators, or several processes on one. Each part
then needs the addresses of the others (-origin-*), and a board the two halves of the
record (-upstream-*). Processes with the same data folder share its databases; the first
runs them.

All settings can stand in a file (-config) or in the environment; strikevote config
sample lists and explains them. Plain HTTP is for this machine only: for others give it
certificates, or name the proxy that ends TLS in front of it.`,
		run: runServe,
	}
}

// serveSettings are the settings that have a flag.
var serveSettings = []string{
	"DATA", "ONLY", "PACE", "MAIL_SPREAD",
	"LISTEN_BOOTH", "LISTEN_REGISTRAR", "LISTEN_BOX", "LISTEN_BOARD", "LISTEN_CONSOLE", "LISTEN_LEDGER", "LISTEN_BALLOTS", "LISTEN_ADMIN",
	"ORIGIN_BOOTH", "ORIGIN_REGISTRAR", "ORIGIN_BOX", "ORIGIN_BOARD", "ORIGIN_CONSOLE",
	"UPSTREAM_LEDGER", "UPSTREAM_BALLOTS", "UPSTREAM_BOX",
}

func runServe(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, serveSettings...)
	logging := fs.Bool("v", true, "print the log")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("it takes flags only")
	}
	s, err := l.loadWhole()
	if err != nil {
		return err
	}
	c, err := s.service(newLogger(e.err, *logging, s.LogLevel))
	if err != nil {
		return err
	}
	if needed := s.needsPrivate(); needed {
		if err := needsLinux("serve"); err != nil {
			return err
		}
	}
	if err := host.NoCoreDumps(); err != nil {
		c.Log.WarnContext(ctx, "a crash would write keys to a disk", "err", err)
	}
	for _, w := range s.warnings() {
		c.Log.WarnContext(ctx, w)
	}
	defer closeSenders(c.Senders)
	d, err := deployment.Open(ctx, c)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(e.out, "stopped") // while it started: it goes on from there
		return nil
	}
	if err != nil {
		return err
	}
	if d.Address("board") != "" && !pages.CheckBuilt() {
		c.Log.WarnContext(ctx, "this program was built without the check in the browser, and the public pages say so; make audit before the build puts it in")
	}
	printAddresses(e, d)
	watching, stop := context.WithCancel(ctx)
	if d.Address("booth") != "" {
		go packBooth(watching)
	}
	wait := s.watchBounces(watching, d, c.Log)
	err = d.Serve(ctx)
	stop()
	wait()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, "stopped")
	return nil
}

// calm is how long a service runs before it does what can wait.
const calm = time.Minute

// packBooth makes the smallest forms of the ballot page, so that nobody has the larger one
// who comes before others of the same language. That takes a processor for seconds: a
// service that comes back after a crash has those who waited for it to serve first.
func packBooth(ctx context.Context) {
	select {
	case <-time.After(calm):
		booth.Pack()
	case <-ctx.Done():
	}
}

// printAddresses says where everything is that this process serves.
func printAddresses(e *env, d *deployment.Deployment) {
	o := d.Origins()
	origins := map[string]string{"booth": o.Booth, "registrar": o.Registrar, "box": o.Box, "board": o.Board, "console": o.Console}
	for _, name := range deployment.ListenerNames() {
		addr := d.Address(name)
		switch {
		case addr == "":
		case name == "admin":
			fmt.Fprintf(e.out, "%-10s http://%s/readyz\n", "health", addr)
		case origins[name] != "":
			fmt.Fprintf(e.out, "%-10s %s\n", name, origins[name])
		default:
			fmt.Fprintf(e.out, "%-10s http://%s\n", name, addr)
		}
	}
	fmt.Fprintln(e.out, "ready")
}

// newLogger returns a logger of JSON lines, or one that drops everything.
func newLogger(w io.Writer, on bool, from ...level) *slog.Logger {
	if !on {
		return slog.New(slog.DiscardHandler)
	}
	var o slog.HandlerOptions
	if len(from) > 0 {
		o.Level = slog.Level(from[0])
	}
	return slog.New(slog.NewJSONHandler(w, &o))
}

// listenTCP listens on an address of this computer.
func listenTCP(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return l, nil
}
