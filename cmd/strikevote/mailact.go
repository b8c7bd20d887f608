package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/suite"
)

func mailSendCommand() command {
	return command{name: "send", args: "-data DIR -by YOU [-spread 1h] [-wait] [-yes] KIND", short: "queue a mail to everybody it is for", run: runMailSend, long: `
KIND is announcement, reminder, closing or moved. The last three reach only those to whom
no ballot was issued when the mail leaves; nobody sees who that is. An announcement leaves
between sealing and opening, a reminder and the closing mail while voting is open and not in
its last hour, and to nobody whose invitation has not left, or has left less than four hours
ago: they wait for that (not in a rehearsal; less in a vote of less than two days). 20 hours
lie between two reminders to a member, and between a reminder and the closing mail: on the
last day 4. It stands in the committee's log.

moved says that the close was moved, and to when: send it once an act has moved it, earlier
or later. It leaves until the close in force, to everybody whose link has left.

They leave in random order over the time of STRIKEVOTE_MAIL_SPREAD, or over less: the last
leaves by the middle of the time that is left until the opening, until the last hour, or, of
moved, until the close. -spread gives another time; 0s is at once. -wait stays until all
have had their turn, with a bar.` + operatorHelp}
}

// A sending is mails to everybody as they are asked for.
type sending struct {
	kind, by string
	spread   time.Duration // negative: as the settings say
	wait     bool
}

func runMailSend(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	x := sending{spread: -1}
	spreadFlag(fs, &x.spread, "send over this time, a `DURATION` like 30m, in random order; 0s is at once (default: STRIKEVOTE_MAIL_SPREAD, or less, so that all leave in time)")
	fs.BoolVar(&x.wait, "wait", false, "wait until all have had their turn")
	kinds := []string{mailer.Announcement, mailer.Reminder, mailer.Closing, mailer.Moved}
	var err error
	if x.by, err = o.begin(e, fs, args, 1, "name one kind of mail: "+strings.Join(kinds, ", ")); err != nil {
		return err
	}
	if x.kind = fs.Arg(0); !slices.Contains(kinds, x.kind) {
		return usageError("the kinds of mail are %s", strings.Join(kinds, ", "))
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error { return x.queue(ctx, e, d, id, &o) })
}

// spreadFlag adds the flag of a time over which mails leave. Before now none can: they would
// count as sent long ago, and their members be reminded again.
func spreadFlag(fs *flag.FlagSet, to *time.Duration, usage string) {
	fs.Func("spread", usage, func(s string) error {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil:
			return errors.New("it is " + lengthForm)
		case d < 0:
			return errors.New("it is below 0")
		case d > mostSpread:
			return fmt.Errorf("mails leave over a week at most, %s", short(mostSpread))
		}
		*to = d
		return nil
	})
}

// mostSpread is the longest time over which mails leave. A slip of the keys would have them
// leave when nobody remembers the vote: not all kinds have an end by which they must.
const mostSpread = 7 * 24 * time.Hour

// queue queues the mails, or says what would be.
func (x *sending) queue(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, o *operation) (err error) {
	if x.spread < 0 {
		if x.spread, err = d.MailSpread(ctx, id, x.kind); err != nil {
			return err
		}
	}
	n, err := d.CheckMail(ctx, id, x.kind, x.spread)
	if err != nil {
		return err
	}
	if n > 0 && o.yes {
		// Fewer than a moment ago, if somebody else does it at the same time.
		if n, err = d.QueueMail(ctx, id, x.kind, x.spread, x.by); err != nil {
			return err
		}
	}
	if n == 0 {
		fmt.Fprintln(e.out, x.none(o.yes))
		return nil
	}
	st, err := d.MailStatus(ctx, id)
	if err != nil {
		return err
	}
	x.say(e, n, o.yes, st)
	if x.kind == mailer.Moved {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "It says that voting closes %s.\n", momentAt(v.Close, d.Zone(id)))
	}
	if o.dry(e) || !x.wait {
		return nil
	}
	if err := watchMail(ctx, e, d, id, x.kind, true); err != nil {
		return err
	}
	fmt.Fprintln(e.out, waited(x.kind))
	return nil
}

// none says that nobody is to get the mail.
func (x *sending) none(done bool) string {
	said := "No mail would be queued"
	if done {
		said = "No mail was queued"
	}
	if mailer.Neutral(x.kind) {
		return said + ": everybody who has an address got it, or will."
	}
	if x.kind == mailer.Moved {
		return said + ": everybody whose link has left got one in the last ten minutes, since the close was moved last, or will. A link that waits names the close in force."
	}
	return said + ": everybody who was invited got one, or will. Between two mails that remind lie 20 hours; on the last day 4 between a reminder and the closing mail."
}

// say says for how many the mails are, and when they leave.
func (x *sending) say(e *env, n int, done bool, st *mailer.Status) {
	said := "would be"
	if done {
		said = "is"
	}
	name := x.kind
	if name == mailer.Moved {
		name = "word that the close was moved"
	}
	fmt.Fprintf(e.out, "The %s %s queued for %s%s.\n", name, said, count(n, "member"), whichOf(x.kind))
	if st.Paused {
		fmt.Fprintln(e.out, "Mails are held back: it waits until strikevote mail resume, which says over which time it leaves then.")
	} else {
		fmt.Fprintln(e.out, over(x.spread))
	}
	if x.kind == mailer.Reminder || x.kind == mailer.Closing {
		if first := firstLinks(st); first > 0 {
			fmt.Fprintf(e.out, "%s with the link %s not left yet. Whoever waits for one is reminded only after it has.\n", count(first, "mail"), haveHas(first))
		}
		if st.LinkAge > 0 {
			fmt.Fprintf(e.out, "Nobody is reminded within %s of their link: such mails wait.\n", short(st.LinkAge.Round(time.Minute)))
		}
	}
	if done {
		fmt.Fprintln(e.out, "How they fare: strikevote mail status")
	}
}

// over says over which time mails leave.
func over(spread time.Duration) string {
	if spread = spread.Round(time.Second); spread <= 0 {
		return "All leave at once, as fast as they are taken."
	}
	return "They leave over " + short(spread) + ", in random order."
}

// firstLinks counts the mails that wait and bring a member the link, without which no
// reminder leaves. Their number says nothing about who has voted.
func firstLinks(st *mailer.Status) int {
	n := 0
	for _, t := range st.Tallies {
		if t.Kind == mailer.Invitation || t.Kind == mailer.Corrected {
			n += t.Waiting
		}
	}
	return n
}

func haveHas(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// whichOf says who of those for whom a mail is queued gets none after all.
func whichOf(kind string) string {
	if mailer.Neutral(kind) {
		return ""
	}
	return "; to those who need none it does not leave, and nobody sees who they are"
}

func runMailPause(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	return holdMail(ctx, e, fs, args, "All mails of the election would be held back, also links that members ask for again.",
		func(d *deployment.Deployment, id suite.ElectionID, by string) (string, error) {
			changed, err := d.PauseMail(ctx, id, by)
			if err != nil || !changed {
				return "They are held back already.", err
			}
			return "Mails are held back. What a provider has already got still arrives.", nil
		})
}

func runMailResume(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	spread := 30 * time.Minute
	spreadFlag(fs, &spread, "send what is late over this time, a `DURATION` like 30m, in random order; 0s is at once (default: 30m)")
	return holdMail(ctx, e, fs, args, "Mails would leave again.",
		func(d *deployment.Deployment, id suite.ElectionID, by string) (string, error) {
			changed, err := d.ResumeMail(ctx, id, spread, by)
			if err != nil || !changed {
				return "They are not held back.", err
			}
			if spread < time.Second {
				return "Mails leave again, and what is late at once.", nil
			}
			return "Mails leave again. What is late leaves within " + short(spread.Round(time.Second)) +
				", in random order; announcements, invitations and reminders sooner, where they would else be late: by the middle of the time that is left for them.", nil
		})
}

// holdMail is what pause and resume have in common.
func holdMail(ctx context.Context, e *env, fs *flag.FlagSet, args []string, would string,
	do func(d *deployment.Deployment, id suite.ElectionID, by string) (string, error),
) error {
	var o operation
	by, err := o.begin(e, fs, args, 0, "it takes no arguments")
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		if !o.yes {
			st, err := d.MailStatus(ctx, id)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s %d that are counted wait now.\n", would, st.Waiting())
			o.dry(e)
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
