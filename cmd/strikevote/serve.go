package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"strikevote/internal/deployment"
)

func serveCommand() command {
	return command{
		name: "serve", args: "-data DIR [flags]",
		short: "run the service with all its elections",
		long: `
Runs the service: registrar, ballot box, board, console and voter's pages, each on
an address of its own, and does what is due: opening, mail, batches, closing, lock.

Without a configured database it starts two private ones in the data folder, from
the PostgreSQL that is installed on this system. It can be stopped or killed at any
time: what it answered for is in the databases, and it goes on from there.

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
	logging := fs.Bool("v", true, "print the log")
	pace := fs.Duration("pace", time.Second, "how often due work is looked for")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *data == "" || fs.NArg() > 0 {
		return usageError("name the data folder with -data, and nothing else")
	}
	c := deployment.Config{
		Data: *data, Mail: filepath.Join(*data, "mail"), Log: newLogger(e.err, *logging), Pace: *pace,
		Listen: make(map[string]string), Spread: time.Hour,
	}
	for name, addr := range listen {
		c.Listen[name] = *addr
	}
	if err := databases(e, &c); err != nil {
		return err
	}
	d, err := deployment.Open(ctx, c)
	if err != nil {
		return err
	}
	o := d.Origins()
	fmt.Fprintf(e.out, "voter's pages  %s/v1/\nregistrar      %s\nballot box     %s\nboard          %s\nconsole        %s\nhealth         http://%s/readyz\nready\n",
		o.Booth, o.Registrar, o.Box, o.Board, o.Console, d.AdminAddress())
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
