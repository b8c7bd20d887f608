package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/platform/postgres"
)

// Environment variables that name database servers run by somebody else. They
// say where a server is; the roles log in by its own means (a socket, a
// certificate, a password file), so that no password stands in them.
const (
	envRegistrarDatabase = "STRIKEVOTE_REGISTRAR_DATABASE_URL"
	envBoxDatabase       = "STRIKEVOTE_BOX_DATABASE_URL"
)

func migrateCommand() command {
	return command{
		name: "migrate", args: "-data DIR",
		short: "bring the databases to this version's schema, with the service stopped",
		long: `
Applies what the databases of a deployment lack, forward only, each file once and
checked against its checksum. serve does this by itself for private databases; on
configured ones it refuses to start until this was run.

` + envRegistrarDatabase + ` and ` + envBoxDatabase + ` name the two servers; without
them, private ones in the data folder are started for it.`,
		run: runMigrate,
	}
}

func runMigrate(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	data := fs.String("data", "", "the deployment's data folder")
	logging := fs.Bool("v", false, "print the databases' log")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *data == "" || fs.NArg() > 0 {
		return usageError("name the data folder with -data, and nothing else")
	}
	if _, err := os.Stat(*data); err != nil {
		return fmt.Errorf("looking for the data folder: %w", err)
	}
	c, err := deploymentConfig(e, *data)
	if err != nil {
		return err
	}
	c.Log = newLogger(e.err, *logging)
	return deployment.Migrate(ctx, c, func(format string, args ...any) { fmt.Fprintf(e.out, format+"\n", args...) })
}

// deploymentConfig is what serve and operators' commands have in common.
func deploymentConfig(e *env, data string) (deployment.Config, error) {
	c := deployment.Config{Data: data, Mail: filepath.Join(data, "mail"), Spread: time.Hour}
	return c, databases(e, &c)
}

// databases takes the configured servers from the environment.
func databases(e *env, c *deployment.Config) error {
	for _, s := range []struct {
		name string
		into *postgres.Server
	}{{envRegistrarDatabase, &c.Registrar}, {envBoxDatabase, &c.Box}} {
		text := e.getenv(s.name)
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			// The text is not repeated: somebody may have put a password in it.
			return fmt.Errorf("%s is not an address like postgres://host:5432/?sslmode=verify-full", s.name)
		}
		if u.User != nil {
			return fmt.Errorf("%s holds a user; leave it out, every role logs in under its own name", s.name)
		}
		*s.into = postgres.Configured{Base: u}
	}
	if (c.Registrar == nil) != (c.Box == nil) {
		return fmt.Errorf("set both %s and %s, or neither: the two sides need two servers", envRegistrarDatabase, envBoxDatabase)
	}
	return nil
}
