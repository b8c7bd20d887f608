package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/suite"
)

func runMailSend(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	spread := fs.Duration("spread", 0, "send over this while, in random order")
	wait := fs.Bool("wait", false, "wait until they have left")
	kinds := []string{mailer.Announcement, mailer.Reminder, mailer.Closing}
	if err := o.parse(fs, args, 1, "name one kind of mail: "+strings.Join(kinds, ", ")); err != nil {
		return err
	}
	kind := fs.Arg(0)
	if !slices.Contains(kinds, kind) {
		return usageError("the kinds of mail are %s", strings.Join(kinds, ", "))
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		if err := d.CheckMail(ctx, id, kind, *spread); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "The %s would be queued for everybody whom it is for.\n", kind)
		if o.dry(e) {
			return nil
		}
		n, err := d.QueueMail(ctx, id, kind, *spread)
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintln(e.out, "No mail is queued: everybody whom it is for got one. A reminder may be repeated after 20 hours.")
			return nil
		}
		fmt.Fprintf(e.out, "%d mails are queued; the service sends them. How they fare: strikevote mail status\n", n)
		if !*wait {
			return nil
		}
		return watchMail(ctx, e, d, id, kind)
	})
}

func runMailPause(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	return holdMail(ctx, e, fs, args, "All mails of the election would be held back, also links that members ask for again.",
		func(d *deployment.Deployment, id suite.ElectionID, by string) (string, error) {
			changed, err := d.PauseMail(ctx, id, by)
			if err != nil || !changed {
				return "They are held back already.", err
			}
			return "\nMails are held back. What a provider has already got still arrives.", nil
		})
}

func runMailResume(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	spread := fs.Duration("spread", 30*time.Minute, "send what is late over this while, in random order")
	return holdMail(ctx, e, fs, args, "Mails would leave again.",
		func(d *deployment.Deployment, id suite.ElectionID, by string) (string, error) {
			changed, err := d.ResumeMail(ctx, id, *spread, by)
			if err != nil || !changed {
				return "They are not held back.", err
			}
			return "\nMails leave again.", nil
		})
}

// holdMail is what pause and resume have in common.
func holdMail(ctx context.Context, e *env, fs *flag.FlagSet, args []string, would string,
	do func(d *deployment.Deployment, id suite.ElectionID, by string) (string, error),
) error {
	var o operation
	o.add(e, fs, true)
	o.named(fs)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	by, err := o.who()
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		st, err := d.MailStatus(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s %d wait now.\n", would, st.Waiting())
		if o.dry(e) {
			return nil
		}
		said, err := do(d, id, by)
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out, said)
		return nil
	})
}
