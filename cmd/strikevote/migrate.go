package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"strikevote/internal/deployment"
)

func migrateCommand() command {
	return command{
		name: "migrate", args: "-data DIR",
		short: "bring the databases to this version's schema, with the service stopped",
		long: `
Applies what the databases of a deployment lack, forward only, each file once and
checked against its checksum. serve does this by itself for private databases; on
configured ones it refuses to start until this was run.

STRIKEVOTE_REGISTRAR_DATABASE_URL and STRIKEVOTE_BOX_DATABASE_URL name the two servers;
without them, private ones in the data folder are started for it.`,
		run: runMigrate,
	}
}

func runMigrate(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, "DATA")
	logging := fs.Bool("v", false, "print the databases' log")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("it takes flags only")
	}
	s, err := l.load()
	if err != nil {
		return err
	}
	c, err := s.deployment(newLogger(e.err, *logging))
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.Data); err != nil {
		return fmt.Errorf("looking for the data folder: %w", err)
	}
	return deployment.Migrate(ctx, c, func(format string, args ...any) { fmt.Fprintf(e.out, format+"\n", args...) })
}
