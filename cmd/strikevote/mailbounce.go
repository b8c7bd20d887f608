package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
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
	to := fs.String("to", "", "`address` that the message came to (default: STRIKEVOTE_SMTP_BOUNCE_ADDRESS)")
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
	events, err := smtp.ParseBounce(e.in, *to)
	if errors.Is(err, smtp.ErrBounce) || err == nil && len(events) == 0 {
		return nil // it says nothing of a mail, and never will
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
	return deployment.CountAlone(ctx, d, events)
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
		err := smtp.Watch(ctx, c.MailBounces, string(c.SMTPBounceAddress), log, func(events []mailer.Event) error {
			_, err := d.CountMail(ctx, events)
			return err
		})
		if err != nil {
			// Votes go on without it.
			log.ErrorContext(ctx, "bounces are not counted", "err", err)
		}
	}()
	return func() { <-done }
}
