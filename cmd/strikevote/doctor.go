package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"text/tabwriter"
	"time"

	"strikevote/internal/deployment"
)

func doctorCommand() command {
	return command{
		name: "doctor", args: "-data DIR [flags]",
		short: "check this host and its settings before a vote, and while one is on",
		long: `
Looks for what would lose ballots, leak who voted how, or stop a vote: disk, clock,
swap, core dumps, permissions, key files and master key, database servers with their
settings and schemas, every origin and its certificate, who sends the mails, the
running service. It changes nothing. Run it as the account of the service, with its
settings:

  systemd-run -qP -p User=strikevote -p EnvironmentFile=/etc/strikevote/strikevote.env \
    strikevote doctor

or as root. One line for each check: ok, WARN (look at it before a vote) or FAIL, and
what to do. -ready only asks the running service whether it is ready, for health
checks of containers.

Exit code 0: nothing failed. 3: something did. 1: it could not be checked.`,
		run:  runDoctor,
		subs: []command{mailDoctorCommand()},
	}
}

func runDoctor(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, "DATA", "ONLY", "LISTEN_ADMIN", "MASTER_KEY_FILE")
	asJSON := fs.Bool("json", false, "print the findings as JSON")
	ready := fs.Bool("ready", false, "only ask whether the service is ready")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("name the data folder with -data, and nothing else")
	}
	c, err := l.load()
	if err != nil {
		return err
	}
	if *ready {
		return askReady(ctx, e.out, c)
	}
	d, err := c.deployment(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	findings, err := deployment.Examine(ctx, deployment.Checkup{Config: d, CertFile: c.TLSCertFile, Carried: c.MailSenders.carried(), Machine: deployment.ThisMachine()})
	if err != nil {
		return err
	}
	if err := writeFindings(e.out, findings, *asJSON); err != nil {
		return fmt.Errorf("printing the findings: %w", err)
	}
	for _, f := range findings {
		if f.State == deployment.StateFail {
			return errFalse
		}
	}
	return nil
}

func writeFindings(w io.Writer, findings []deployment.Finding, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(findings)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		says := f.Says
		if f.Do != "" {
			says += "; " + f.Do
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.State, f.Check, says)
	}
	return t.Flush()
}

// askReady asks the service on this machine whether it can do its work.
func askReady(ctx context.Context, w io.Writer, c *Config) error {
	admin := string(c.ListenAdmin)
	switch {
	case admin == "" && c.Data == "":
		return usageError("name the data folder with -data, or say where the service's health is with -admin or %sLISTEN_ADMIN", prefix)
	case admin == "":
		var err error
		if admin, err = deployment.HealthAddress(c.Data); err != nil {
			return fmt.Errorf("asking the service: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking the service: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, io.LimitReader(resp.Body, 1<<10)); err != nil {
		return fmt.Errorf("asking the service: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errFalse
	}
	return nil
}
