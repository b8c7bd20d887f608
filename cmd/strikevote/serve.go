package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/election"
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

Only addresses on this computer are served; put a web server with certificates in
front for others.`,
		run: runServe,
	}
}

func runServe(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	data := fs.String("data", "", "folder for databases, keys and mails")
	listen := make(map[string]*string)
	for _, name := range deployment.ListenerNames() {
		listen[name] = fs.String(name, "", "host:port of the "+name+"'s listener (default: a free port, kept)")
	}
	only := fs.String("only", "", "parts to run, separated by commas (default: all)")
	var origins election.Origins
	for name, into := range originsByName(&origins) {
		fs.StringVar(into, "origin-"+name, "", "address under which people reach the "+name+", like https://"+name+".union.example")
	}
	var upstream deployment.Upstream
	fs.StringVar(&upstream.Ledger, "upstream-ledger", "", "where the registrar's half of the record is (default: the board's address)")
	fs.StringVar(&upstream.Ballots, "upstream-ballots", "", "where the box's half of the record is (default: the board's address)")
	fs.StringVar(&upstream.Box, "upstream-box", "", "where the registrar reaches the box (default: the box's address)")
	logging := fs.Bool("v", true, "print the log")
	pace := fs.Duration("pace", time.Second, "how often due work is looked for")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *data == "" || fs.NArg() > 0 {
		return usageError("name the data folder with -data, and nothing else")
	}
	parts, err := deployment.ParseParts(*only)
	if err != nil {
		return usageError("-only: %v", err)
	}
	c, err := deploymentConfig(e, *data)
	if err != nil {
		return err
	}
	c.Log, c.Pace, c.Listen = newLogger(e.err, *logging), *pace, make(map[string]string)
	c.Parts, c.Origins, c.Upstream = parts, origins, upstream
	for name, addr := range listen {
		c.Listen[name] = *addr
	}
	if c.Registrar == nil || c.Box == nil {
		if err := needsLinux("serve"); err != nil {
			return err
		}
	}
	d, err := deployment.Open(ctx, c)
	if err != nil {
		return err
	}
	printAddresses(e, d)
	err = d.Serve(ctx)
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, "stopped")
	return nil
}

// originsByName are the addresses of the five origins by their parts.
func originsByName(o *election.Origins) map[string]*string {
	return map[string]*string{
		"booth": &o.Booth, "registrar": &o.Registrar, "box": &o.Box, "board": &o.Board, "console": &o.Console,
	}
}

// printAddresses says where everything is that this process serves.
func printAddresses(e *env, d *deployment.Deployment) {
	o := d.Origins()
	origins := originsByName(&o)
	for _, name := range deployment.ListenerNames() {
		addr := d.Address(name)
		switch {
		case addr == "":
		case name == "admin":
			fmt.Fprintf(e.out, "%-10s http://%s/readyz\n", "health", addr)
		case origins[name] != nil:
			fmt.Fprintf(e.out, "%-10s %s\n", name, *origins[name])
		default:
			fmt.Fprintf(e.out, "%-10s http://%s\n", name, addr)
		}
	}
	fmt.Fprintln(e.out, "ready")
}

// newLogger returns a logger of JSON lines, or one that drops everything.
func newLogger(w io.Writer, on bool) *slog.Logger {
	if !on {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// listenTCP listens on an address of this computer.
func listenTCP(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return l, nil
}
