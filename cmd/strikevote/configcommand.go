package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/secret"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/migrations"
)

func configCommand() command {
	return command{
		name: "config", args: "NAME [flags]",
		short: "show, explain and check the settings of the service",
		long: `
A setting is an environment variable, or a line KEY=VALUE of the file that -config or
STRIKEVOTE_CONFIG names. systemd's EnvironmentFile takes the same file. A flag of a
command goes before the environment, the environment before the file, the file before
the default. Names that begin with STRIKEVOTE_ and are no setting are an error.

Secrets are files, never settings, and not readable for everybody. Where a setting
that names one is empty, a systemd credential is used: master-key,
registrar-database-passwords, box-database-passwords, tls-cert, tls-key, sendgrid-key,
smtp-password.`,
		subs: []command{
			{name: "sample", args: "", short: "print every setting with what it is for", run: runConfigSample, long: `
Prints a file to begin with. Every setting in it is a comment, so that as it is it
changes nothing.`},
			{name: "print", args: "[flags]", short: "print the settings in effect", run: runConfigPrint, long: `
Prints the settings as they are in effect, and where each came from. No secret is among
them.`},
			{name: "check", args: "[flags]", short: "say whether serve would take the settings", run: runConfigCheck, long: `
Says every problem of the settings at once, and with the files of secrets and
certificates that they name.`},
		},
	}
}

func runConfigSample(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("it takes no arguments; write its output to a file")
	}
	return writeSample(e.out)
}

// loadAll loads settings with a flag for each.
func loadAll(e *env, fs *flag.FlagSet, args []string, whole bool) (*Config, *loader, error) {
	var names []string
	for _, s := range allSettings() {
		names = append(names, s.name)
	}
	l := settings(e, fs, names...)
	if err := parse(fs, args); err != nil {
		return nil, nil, err
	}
	if fs.NArg() > 0 {
		return nil, nil, usageError("it takes flags only")
	}
	load := l.load
	if whole {
		load = l.loadWhole
	}
	c, err := load()
	return c, l, err
}

func runConfigPrint(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
	c, l, err := loadAll(e, fs, args, false)
	if err != nil {
		return err
	}
	return writeEffective(e.out, c, l.sources)
}

func runConfigCheck(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
	c, _, err := loadAll(e, fs, args, true)
	if err != nil {
		return err
	}
	for _, w := range c.warnings() {
		fmt.Fprintln(e.err, "warning: "+w)
	}
	if err := c.checkFiles(); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "the settings hold")
	return nil
}

// writeSample prints a file in which every setting is a comment.
func writeSample(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Settings of strikevote, one KEY=VALUE a line. Remove the # of those you set.\n" +
		"# Put a value that holds quotes, $ or \" #\" in single quotes.\n")
	for _, s := range allSettings() {
		if s.group != "" {
			b.WriteString("\n## " + s.group + "\n")
		}
		if s.doc != "" {
			b.WriteString("\n")
			for doc := range strings.SplitSeq(s.doc, "\n") {
				b.WriteString("# " + doc + "\n")
			}
		}
		text := s.example
		if text == "" {
			text = s.fallback
		}
		b.WriteString("#" + s.variable() + "=" + quoted(text) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// quoted returns a value as a file takes it.
func quoted(text string) string {
	if plain, err := unquote(text); err == nil && plain == text && strings.TrimSpace(text) == text {
		return text
	}
	if strings.Contains(text, "'") {
		return `"` + text + `"`
	}
	return "'" + text + "'"
}

// writeEffective prints every setting. A setting holds no secret: it names the
// file that does.
func writeEffective(w io.Writer, c *Config, sources map[string]string) error {
	var b strings.Builder
	for _, s := range allSettings() {
		text := showValue(reflect.ValueOf(c).Elem().Field(s.index))
		if text == "" && sources[s.name] == "default" {
			fmt.Fprintf(&b, "#%s=\n", s.variable())
			continue
		}
		fmt.Fprintf(&b, "%-60s # %s\n", s.variable()+"="+quoted(text), sources[s.name])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// checkFiles opens what the settings name, and returns every problem.
func (c *Config) checkFiles() error {
	var errs []error
	if _, err := c.master(); err != nil {
		errs = append(errs, err)
	}
	if _, _, err := c.servers(); err != nil {
		errs = append(errs, err)
	}
	if c.TLSCertFile != "" {
		if _, err := secret.Read(c.TLSKeyFile); err != nil {
			errs = append(errs, fmt.Errorf("%sTLS_KEY_FILE: %w", prefix, err))
		}
	}
	if _, err := c.certificates(nil); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.senders(nil); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// master returns what seals the key files, or nil.
func (c *Config) master() (*secret.Sealer, error) {
	if c.MasterKeyFile == "" {
		return nil, nil
	}
	s, err := secret.Load(c.MasterKeyFile)
	if err != nil {
		return nil, fmt.Errorf("%sMASTER_KEY_FILE: %w", prefix, err)
	}
	return s, nil
}

// certificates returns what this program proves with which host it is, or nil if
// it speaks plain HTTP.
func (c *Config) certificates(log *slog.Logger) (*web.Certificates, error) {
	switch {
	case c.TLSCertFile != "":
		certs, err := web.Files(c.TLSCertFile, c.TLSKeyFile, time.Now, log)
		if err != nil {
			return nil, fmt.Errorf("%sTLS_CERT_FILE: %w", prefix, err)
		}
		return certs, nil
	case len(c.TLSAutocert) > 0:
		return web.Autocert(c.certificateDir(), web.Authority{Email: c.TLSAutocertEmail}, c.TLSAutocert...), nil
	}
	return nil, nil
}

// servers returns the database servers that somebody else runs; nil is a private
// one.
func (c *Config) servers() (registrar, box postgres.Server, err error) {
	var errs []error
	for _, s := range []struct {
		url   databaseURL
		name  string
		file  string
		roles []string
		into  *postgres.Server
	}{
		{c.RegistrarDatabase, "REGISTRAR", c.RegistrarPasswordsFile, migrations.RegistrarRoles, &registrar},
		{c.BoxDatabase, "BOX", c.BoxPasswordsFile, migrations.BallotboxRoles, &box},
	} {
		if s.url.URL == nil {
			continue
		}
		passwords, err := readPasswords(s.file, s.roles)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s%s_DATABASE_PASSWORDS_FILE: %w", prefix, s.name, err))
		}
		*s.into = postgres.Configured{Base: s.url.URL, Passwords: passwords}
	}
	return registrar, box, errors.Join(errs...)
}

// readPasswords reads lines of role=password. Its errors hold no password.
func readPasswords(path string, roles []string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	b, err := secret.Read(path)
	if err != nil {
		return nil, err
	}
	passwords := make(map[string]string)
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		if line = strings.TrimRight(line, "\r\n"); line == "" || line[0] == '#' {
			continue
		}
		role, password, ok := strings.Cut(line, "=")
		if !ok || password == "" || !slices.Contains(roles, role) {
			return nil, fmt.Errorf("line %d is not role=password with one of the roles %s", n, strings.Join(roles, ", "))
		}
		if _, twice := passwords[role]; twice {
			return nil, fmt.Errorf("line %d is the second password of %s; remove one of them", n, role)
		}
		passwords[role] = password
	}
	return passwords, nil
}

// deployment returns what the service needs of the settings.
func (c *Config) deployment(log *slog.Logger) (deployment.Config, error) {
	if c.Data == "" {
		return deployment.Config{}, errNoData
	}
	d := deployment.Config{
		Data: c.Data, Parts: c.Only, Mail: c.mailDir(), Log: log, Pace: c.Pace, Spread: c.MailSpread, Listen: make(map[string]string),
		Upstream: deployment.Upstream{Ledger: string(c.UpstreamLedger), Ballots: string(c.UpstreamBallots), Box: string(c.UpstreamBox)},
		Origins: election.Origins{Booth: string(c.OriginBooth), Registrar: string(c.OriginRegistrar), Box: string(c.OriginBox),
			Board: string(c.OriginBoard), Console: string(c.OriginConsole)},
	}
	for name, addr := range c.listeners() {
		d.Listen[name] = string(addr)
	}
	if c.MailFromAddress != "" {
		d.From = mailer.Address{Name: c.MailFromName, Address: string(c.MailFromAddress)}
	}
	d.Zone = c.TimeZone.Location
	var err, serr error
	d.Master, err = c.master()
	d.Registrar, d.Box, serr = c.servers()
	return d, errors.Join(err, serr)
}

// service returns what serve needs of the settings: the deployment, and what stands
// before it.
func (c *Config) service(log *slog.Logger) (deployment.Config, error) {
	d, err := c.deployment(log)
	if err != nil {
		return d, err
	}
	d.Front = deployment.Front{Proxies: web.Proxies(c.TLSTerminator), Plain: string(c.ListenHTTP), Rates: map[string]web.Rate{
		"booth": web.Rate(c.RateBooth), "registrar": web.Rate(c.RateRegistrar), "board": web.Rate(c.RateBoard), "console": web.Rate(c.RateConsole),
	}}
	var cerr, serr error
	d.Front.Certificates, cerr = c.certificates(log)
	d.Senders, serr = c.senders(log)
	d.Webhook, err = c.webhook()
	return d, errors.Join(cerr, serr, err)
}

// needsPrivate reports whether a database has to be started by this program.
func (c *Config) needsPrivate() bool {
	names := c.runs(deployment.PartRegistrar) || c.runs(deployment.PartConsole)
	return names && c.RegistrarDatabase.URL == nil || c.runs(deployment.PartBox) && c.BoxDatabase.URL == nil
}
