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
	o.named(fs)
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
		n, err := d.CheckMail(ctx, id, kind, *spread)
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintln(e.out, "No mail would be queued: everybody who has an address got one. "+remindRule)
			return nil
		}
		st, err := d.MailStatus(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "The %s would be queued for %s%s.\n", kind, count(n, "member"), whichOf(kind))
		if st.Paused {
			fmt.Fprintln(e.out, "Mails are held back: it would wait until strikevote mail resume.")
		}
		if o.dry(e) {
			return nil
		}
		if n, err = d.QueueMail(ctx, id, kind, *spread, o.operator()); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\n%s. How they fare: strikevote mail status\n", queuedWords(n, st.Paused))
		if !*wait {
			return nil
		}
		return watchMail(ctx, e, d, id, kind, true)
	})
}

// remindRule is when a member gets another mail of those that remind.
const remindRule = "Between two mails that remind lie 20 hours; on the last day 4 between a reminder and the closing mail."

// whichOf says who of those for whom a mail is queued gets none after all.
func whichOf(kind string) string {
	if mailer.Neutral(kind) {
		return ""
	}
	return "; to those who need none it does not leave, and nobody sees who they are"
}

func queuedWords(n int, paused bool) string {
	if paused {
		return count(n, "mail") + " queued; mails are held back, let them leave with strikevote mail resume"
	}
	return count(n, "mail") + " queued; the service sends them"
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

// count writes how many of something.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
