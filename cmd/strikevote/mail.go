package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/suite"
)

func mailCommand() command {
	return command{
		name: "mail", args: "NAME [flags]",
		short: "see that the mails arrive, send reminders, hold mails back",
		long: `
For the operator of a deployment. Before a vote: strikevote doctor mail, test, and
suppressions. While it runs: status, send, pause, resume, clear. bounce is for the mail
system.

Invitations and results leave by themselves. What cannot be taken back is only shown
until you add -yes.`,
		subs: mailCommands(),
	}
}

func mailCommands() []command {
	return []command{
		{name: "status", args: "-data DIR [-watch] [-json]", short: "what became of the mails", run: runMailStatus, long: `
Says for each kind of mail how many wait, how many left, and what became of them, as far
as whoever carries them tells: delivered, delayed (the other side says later), came back,
refused, reported as spam, given up. Of reminders it says only how many have left, and
of notices to those who voted nothing: their fates are those of people who have not voted,
or have. It names nobody; strikevote roll undelivered lists whose link did not arrive.

-watch shows a bar until none waits, or until somebody has to do something: mails are held
back, or no sender is asked because its settings are wrong. With -json there is no bar.

Exit code 1: -watch ended, and mails wait.` + operatorHelp},
		{name: "send", args: "-data DIR [-by YOU] [-spread 1h] [-yes] KIND", short: "queue a mail to everybody it is for", run: runMailSend, long: `
KIND is announcement, reminder or closing. The last two reach only those to whom
no ballot was issued when the mail leaves; nobody sees who that is. An announcement leaves
between sealing and opening, the others while voting is open and not in its last hour.
20 hours lie between two reminders to a member, and between a reminder and the closing
mail: on the last day 4. It stands in the committee's log. -wait stays until all have
left, with a bar.` + operatorHelp},
		{name: "pause", args: "-data DIR -by YOU [-yes]", short: "hold all mails back", run: runMailPause, long: `
Holds every mail of the election back, also links that members ask for again, until
strikevote mail resume. What a provider has already got leaves. It stands in the
committee's log.` + operatorHelp},
		{name: "resume", args: "-data DIR -by YOU [-spread 30m] [-yes]", short: "let mails leave again", run: runMailResume, long: `
Ends strikevote mail pause. What is late leaves over the time of -spread, in random
order. It stands in the committee's log.` + operatorHelp},
		mailPreviewCommand(),
		{name: "test", args: "-data DIR [-sender NAME] ADDRESS", short: "send one test mail by each sender", run: runMailTest, long: `
Sends one mail that is no ballot to an address, by each sender of STRIKEVOTE_MAIL_SENDERS,
and says what it answered. Then look whether it arrives, not among spam, and whether its
source says spf=pass, dkim=pass and dmarc=pass. Try addresses at Gmail, Outlook and Yahoo.

Exit code 3: a sender did not take it.`},
		{name: "suppressions", args: "-data DIR [-list]", short: "which members the provider mails no more", run: runMailSuppressions, long: `
SendGrid keeps lists of addresses, of years and of everything that its account ever sent:
whoever is on one of bounces, invalid addresses or spam reports gets no ballot, and
nobody is told. This reads the lists and compares them with the roll, here: no address
of the roll goes to SendGrid. -list prints the members' numbers, and on a terminal their
names and addresses. Run it before sealing, and again before the opening.

Exit code 3: there are members who would get nothing.` + operatorHelp},
		{name: "clear", args: "-data DIR -by YOU [-yes] NUMBER", short: "have the provider mail a member again", run: runMailClear, long: `
Takes a member's address off SendGrid's lists, once the member says that the address
works or wants the ballot, and queues the link again. It stands in the committee's log,
without the member.` + operatorHelp},
		{name: "bounce", args: "-data DIR [-to ADDRESS]", short: "count one bounce, for the mail system", run: runMailBounce, long: `
Reads one message on the standard input, as a mail system gives it to a pipe, and counts
what it says of a mail. -to is the address that it came to; without it
STRIKEVOTE_SMTP_BOUNCE_ADDRESS. See Mail in deploy/README.md for Postfix.

Says on the standard error whether it was counted. Needs no secret of those who send.

Exit code 0: done, also with a message that is no bounce: a bounce must never bounce. 75:
the mail system is to try again later.`},
	}
}

// A mailRow is a line of the status, for programs.
type mailRow struct {
	Kind    string         `json:"kind"`
	Waiting int            `json:"waiting"`
	Left    int            `json:"left"`
	Failed  int            `json:"failed"`
	Became  map[string]int `json:"became,omitempty"`  // delivered, delayed, ...
	Reasons map[string]int `json:"reasons,omitempty"` // of what failed, was delayed or came back
}

// mailStatus is the status, for programs.
type mailStatus struct {
	Paused bool              `json:"paused"`
	Next   *time.Time        `json:"next,omitempty"` // when the next of those that wait may leave
	Last   *time.Time        `json:"last,omitempty"`
	Held   map[string]string `json:"held,omitempty"` // reasons by sender
	Served bool              `json:"served"`         // whether the service runs here
	// Posts of a provider that were refused since the service started, by why.
	Refused map[string]int `json:"refused,omitempty"`
	Mails   []mailRow      `json:"mails"`
}

func runMailStatus(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	asJSON := fs.Bool("json", false, "print it as JSON")
	watch := fs.Bool("watch", false, "show a bar until no mail waits")
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		if *watch {
			if err := watchMail(ctx, e, d, id, "", !*asJSON); err != nil {
				return err
			}
		}
		st, err := d.MailStatus(ctx, id)
		if err != nil {
			return err
		}
		live, lerr := d.MailService(ctx)
		if *asJSON {
			enc := json.NewEncoder(e.out)
			enc.SetIndent("", "  ")
			return enc.Encode(statusFor(st, live))
		}
		return printMailStatus(e, d.Zone(id), st, live, lerr)
	})
}

func statusFor(st *mailer.Status, live *deployment.MailService) mailStatus {
	s := mailStatus{Paused: st.Paused, Served: live != nil, Held: make(map[string]string), Mails: []mailRow{}}
	if !st.Next.IsZero() {
		s.Next, s.Last = &st.Next, &st.Last
	}
	if live != nil {
		for name, reason := range live.Held {
			s.Held[name] = string(reason)
		}
		s.Refused = live.Refused
	}
	for _, t := range st.Tallies {
		r := mailRow{t.Kind, t.Waiting, t.Left, t.Failed, make(map[string]int), make(map[string]int)}
		for state, n := range t.Delivered {
			r.Became[string(state)] = n
		}
		for reason, n := range t.Reasons {
			r.Reasons[string(reason)] = n
		}
		s.Mails = append(s.Mails, r)
	}
	return s
}

func printMailStatus(e *env, zone *time.Location, st *mailer.Status, live *deployment.MailService, lerr error) error {
	if len(st.Tallies) == 0 {
		fmt.Fprintln(e.out, "No mail was queued yet.")
	} else {
		t := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "kind\twaiting\tleft\tdelivered\tdelayed\tcame back\trefused\tspam\tcould not be sent")
		for _, x := range st.Tallies {
			fmt.Fprintf(t, "%s\t%d\t%d", x.Kind, x.Waiting, x.Left)
			if !mailer.Neutral(x.Kind) {
				fmt.Fprintln(t, "\t-\t-\t-\t-\t-\t-")
				continue
			}
			for _, state := range []mailer.Delivery{mailer.Delivered, mailer.Delayed, mailer.Bounced, mailer.Blocked, mailer.Complained} {
				fmt.Fprintf(t, "\t%d", x.Delivered[state])
			}
			fmt.Fprintf(t, "\t%d\n", x.Failed)
		}
		if err := t.Flush(); err != nil {
			return fmt.Errorf("printing the status: %w", err)
		}
	}
	printReasons(e, st)
	printWaiting(e, zone, st, live, lerr)
	return nil
}

// printReasons says why mails did not arrive, and what to do.
func printReasons(e *env, st *mailer.Status) {
	all := make(map[mailer.Reason]int)
	for _, t := range st.Tallies {
		for reason, n := range t.Reasons {
			all[reason] += n
		}
	}
	var list []mailer.Reason
	for reason := range all {
		list = append(list, reason)
	}
	slices.SortFunc(list, func(a, b mailer.Reason) int { return cmp.Or(all[b]-all[a], strings.Compare(string(a), string(b))) })
	if len(list) > 0 {
		fmt.Fprintln(e.out, "\nWhy mails were delayed, refused or came back:")
	}
	for _, reason := range list {
		fmt.Fprintf(e.out, "%7d  %s\n", all[reason], mailReason(reason))
	}
}

// mailReason says a reason to somebody who is to do something about it.
func mailReason(r mailer.Reason) string {
	switch r {
	case mailer.ReasonAddress:
		return "no such mailbox: ask the members for another address, strikevote roll undelivered and roll address"
	case mailer.ReasonFull:
		return "the mailbox takes nothing now: it may go later, or the members have to make room"
	case mailer.ReasonPolicy:
		return "the receiving system does not want the mail: run strikevote doctor mail"
	case mailer.ReasonSuppressed:
		return "the provider mails these addresses no more: strikevote mail suppressions"
	case mailer.ReasonSpam:
		return "reported as spam, so it has arrived: call these members"
	case mailer.ReasonSettings:
		return "key, account or sender is not right: run strikevote doctor mail"
	case mailer.ReasonLimit:
		return "too much at once, or the quota is used up: it goes on by itself; ask whoever runs the mail server for more, or buy a larger plan"
	case mailer.ReasonDown:
		return "not reached, or not working: it is tried again"
	}
	return "another reason"
}

func printWaiting(e *env, zone *time.Location, st *mailer.Status, live *deployment.MailService, lerr error) {
	fmt.Fprintln(e.out)
	n := st.Waiting()
	switch {
	case st.Paused:
		fmt.Fprintf(e.out, "Mails are held back; %d wait. Let them leave: strikevote mail resume\n", n)
	case n == 0:
		fmt.Fprintln(e.out, "No mail waits.")
	case n == 1:
		fmt.Fprintf(e.out, "1 mail waits; it is due %s.\n", momentAt(st.Last.Unix(), zone))
	default:
		fmt.Fprintf(e.out, "%d mails wait; the last is due %s.\n", n, momentAt(st.Last.Unix(), zone))
	}
	if lerr != nil {
		if n > 0 {
			fmt.Fprintf(e.out, "No mail leaves: %v.\n", lerr)
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(live.Held)) {
		fmt.Fprintf(e.out, "%s is not asked at the moment: %s. %s\n", name, mailReason(live.Held[name]), askedAgain(live.Held[name]))
	}
	if n := live.Refused["unsigned"] + live.Refused["unreadable"]; n > 0 {
		fmt.Fprintf(e.out, "%s about mails refused since the service started, as not signed with the key of the settings or not to be read. If they are the provider's, nothing of its mails is known: run strikevote doctor mail\n",
			count(n, "post"))
	}
}

// askedAgain says when a sender is asked again that is held back.
func askedAgain(r mailer.Reason) string {
	switch r {
	case mailer.ReasonSettings:
		return "It is asked again every 5 minutes; once its settings are mended, a restart of the service asks at once."
	case mailer.ReasonLimit:
		return "It is asked again within 15 minutes."
	}
	return "It is asked again within 5 minutes."
}

// mostStuck is for how many seconds nothing may leave before a watch ends.
const mostStuck = 60

func waitWords(n int) string {
	if n == 1 {
		return "1 mail waits"
	}
	return fmt.Sprintf("%d mails wait", n)
}

// watchMail shows how many mails of a kind, or of all, have left, until none waits.
func watchMail(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, kind string, shown bool) error {
	const pace = time.Second
	bar := newProgress(e)
	defer bar.done()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	stuck := 0
	for {
		st, err := d.MailStatus(ctx, id)
		if err != nil {
			return err
		}
		waiting, all := 0, 0
		for _, t := range st.Tallies {
			if kind == "" || t.Kind == kind {
				waiting, all = waiting+t.Waiting, all+t.Waiting+t.Left+t.Failed
			}
		}
		if waiting > 0 && st.Paused {
			return fmt.Errorf("%s, and mails are held back: strikevote mail resume", waitWords(waiting))
		}
		if live, err := d.MailService(ctx); err == nil && waiting > 0 && live.Stuck() {
			// What is over in a moment, like a server that is busy, is waited for.
			stuck++
			for name, reason := range live.Held {
				if reason == mailer.ReasonSettings || stuck > mostStuck {
					return fmt.Errorf("%s, and %s is not asked at the moment: %s", waitWords(waiting), name, mailReason(reason))
				}
			}
		} else {
			stuck = 0
		}
		if shown {
			bar.step(strings.TrimSpace("mails "+kind), all-waiting, all)
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
