package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
)

// bounceTime bounds the work on one bounce: the mail system waits.
const bounceTime = time.Minute

// runMailBounce counts one bounce. Whatever goes wrong is for later: a mail system takes
// any other code for a bounce of the bounce, which nobody reads.
func runMailBounce(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	err := countBounce(ctx, e, fs, args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w: %w", errLater, err)
}

func countBounce(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, "DATA")
	to := fs.String("to", "", "`ADDRESS` that the message came to (default: STRIKEVOTE_SMTP_BOUNCE_ADDRESS)")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("it takes no arguments; the message comes on the standard input")
	}
	ctx, cancel := context.WithTimeout(ctx, bounceTime)
	defer cancel()
	c, err := l.load()
	if err != nil {
		return err
	}
	if *to == "" {
		*to = string(c.SMTPBounceAddress)
	}
	if *to == "" {
		return errors.New("nothing says to which address bounces come: give -to, or set STRIKEVOTE_SMTP_BOUNCE_ADDRESS")
	}
	events, err := smtp.ParseBounce(e.in, *to)
	if errors.Is(err, smtp.ErrBounce) || err == nil && len(events) == 0 {
		// It says nothing of a mail, and never will.
		fmt.Fprintln(e.err, "not counted: it is no bounce, or says nothing of a mail of ours")
		return nil
	}
	if err != nil {
		return err
	}
	if c.Data == "" {
		return errNoData
	}
	c.MasterKeyFile = "" // no key is read, and the mail system's account may have none
	d, err := c.deployment(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	known, err := deployment.CountAlone(ctx, d, events)
	switch {
	case err != nil:
		return err
	case known == 0:
		fmt.Fprintln(e.err, "not counted: it is of no mail that is here")
	default:
		fmt.Fprintln(e.err, "counted")
	}
	return nil
}

// watchBounces counts the bounces in the Maildir of the settings until ctx ends, and
// returns what waits for its end.
func (c *Config) watchBounces(ctx context.Context, d *deployment.Deployment, log *slog.Logger) (wait func()) {
	if c.MailBounces == "" || !d.Conducts() {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTimer(0)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			err := smtp.Watch(ctx, c.MailBounces, string(c.SMTPBounceAddress), log, func(events []mailer.Event) error {
				_, err := d.CountMail(ctx, events)
				return err
			})
			if err == nil {
				return
			}
			// Votes go on without it, and the folder may come yet.
			log.ErrorContext(ctx, "bounces are not counted", "err", err)
			t.Reset(maildirPause)
		}
	}()
	return func() { <-done }
}

// maildirPause is after what time a Maildir that was not there is looked for again.
const maildirPause = 5 * time.Minute

// maildirMissing says what keeps the bounces in the Maildir of the settings from being
// counted, or nothing.
func (c *Config) maildirMissing() string {
	if c.MailBounces == "" {
		return ""
	}
	for _, name := range []string{"new", "cur"} {
		path := filepath.Join(c.MailBounces, name)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return prefix + "MAIL_BOUNCES: there is no folder " + path + " that this account may look into: bounces are not counted; make the Maildir, with new, cur and tmp in it"
		}
	}
	return ""
}
