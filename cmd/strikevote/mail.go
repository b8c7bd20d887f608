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
refused, reported as spam, given up. Of reminders it says only of how many the turn has
come, not whether they left, are tried again, or were not needed, and of notices to those
who voted nothing: their fates are those of people who have not voted, or have. It names
nobody; strikevote roll undelivered lists whose link did not arrive.

-watch shows a bar until none of the mails that are counted waits, or until somebody has
to do something: mails are held back, or no sender is asked because its settings are
wrong. With -json there is no bar.

Exit code 1: -watch ended, and mails wait.` + operatorHelp},
		mailSendCommand(),
		{name: "pause", args: "-data DIR -by YOU [-yes]", short: "hold all mails back", run: runMailPause, long: `
Holds every mail of the election back, also links that members ask for again, until
strikevote mail resume. What a provider has already got leaves. It stands in the
committee's log.` + operatorHelp},
		{name: "resume", args: "-data DIR -by YOU [-spread 30m] [-yes]", short: "let mails leave again", run: runMailResume, long: `
Ends strikevote mail pause. What is late leaves over the time of -spread, in random
order, or sooner, where it would else be too late. It stands in the committee's log.` + operatorHelp},
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

// A mailRow is a line of the status, for programs. Of reminders and closing mails, whose
// fates are those of people who have not voted, it has only whether their turn has come.
type mailRow struct {
	Kind    string         `json:"kind"`
	Waiting *int           `json:"waiting,omitempty"`
	Left    *int           `json:"left,omitempty"`
	Failed  *int           `json:"failed,omitempty"`
	ToCome  *int           `json:"turn_to_come,omitempty"`
	Came    *int           `json:"turn_came,omitempty"`
	Became  map[string]int `json:"became,omitempty"`  // delivered, delayed, ...
	Reasons map[string]int `json:"reasons,omitempty"` // of what failed, was delayed or came back
}

// mailStatus is the status, for programs.
type mailStatus struct {
	Paused bool              `json:"paused"`
	Next   *time.Time        `json:"next,omitempty"` // when the next of those that wait may leave
	Last   *time.Time        `json:"last,omitempty"`
	Kept   int               `json:"wait_for_link"`  // reminders, of those that wait, whose link has not left, or has only just
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
	watch := fs.Bool("watch", false, "show a bar until none of the mails that are counted waits")
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
	s := mailStatus{Paused: st.Paused, Kept: st.Kept, Served: live != nil, Held: make(map[string]string), Mails: []mailRow{}}
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
		r := mailRow{Kind: t.Kind, Became: make(map[string]int), Reasons: make(map[string]int)}
		if mailer.Neutral(t.Kind) {
			r.Waiting, r.Left, r.Failed = &t.Waiting, &t.Left, &t.Failed
		} else {
			r.ToCome, r.Came = &t.Waiting, &t.Left
		}
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
	} else if err := printTallies(e, st); err != nil {
		return err
	}
	printReasons(e, st)
	printWaiting(e, zone, st, live, lerr)
	return nil
}

// printTallies prints the mails whose fate tells nothing of who has voted in a table, and
// of the others only whose turn has come: that they left would not be true of each.
func printTallies(e *env, st *mailer.Status) error {
	t := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "kind\twaiting\tleft\tdelivered\tdelayed\tcame back\trefused\tspam\tcould not be sent")
	var others []mailer.Tally
	for _, x := range st.Tallies {
		if !mailer.Neutral(x.Kind) {
			others = append(others, x)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%d", x.Kind, x.Waiting, x.Left)
		for _, state := range []mailer.Delivery{mailer.Delivered, mailer.Delayed, mailer.Bounced, mailer.Blocked, mailer.Complained} {
			fmt.Fprintf(t, "\t%d", x.Delivered[state])
		}
		fmt.Fprintf(t, "\t%d\n", x.Failed)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing the status: %w", err)
	}
	for _, x := range others {
		fmt.Fprintf(e.out, "%s: the turn of %d has come, that of %d has not\n", x.Kind, x.Left, x.Waiting)
	}
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
	printAdvice(e, "Why mails were delayed, refused or came back:", all)
}

// printAdvice lists reasons by how often there was each, and what to do.
func printAdvice(e *env, title string, all map[mailer.Reason]int) {
	var list []mailer.Reason
	for reason := range all {
		list = append(list, reason)
	}
	slices.SortFunc(list, func(a, b mailer.Reason) int { return cmp.Or(all[b]-all[a], strings.Compare(string(a), string(b))) })
	if len(list) > 0 {
		fmt.Fprintf(e.out, "\n%s\n", title)
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
		return "key, account or sender is not right: run strikevote doctor mail, and strikevote mail test with your own address, which shows what the server says"
	case mailer.ReasonLimit:
		return "too much at once, or the quota is used up: it goes on by itself; ask whoever runs the mail server for more, or buy a larger plan"
	case mailer.ReasonDown:
		return "not reached, or not working: it is tried again"
	}
	return "another reason: see what the mail server or the provider says of these mails, and call the members"
}

// uncounted is said always: where it is true must not be known.
const uncounted = "Not counted, since it would tell how many have voted: reminders and closing mails whose turn has come, and notices. Some may be tried again."

func printWaiting(e *env, zone *time.Location, st *mailer.Status, live *deployment.MailService, lerr error) {
	fmt.Fprintln(e.out)
	n := st.Waiting()
	switch {
	case st.Paused:
		fmt.Fprintf(e.out, "Mails are held back; %d wait. Let them leave: strikevote mail resume\n", n)
	case n == 0:
		fmt.Fprintln(e.out, "No mail waits of those that are counted.")
	default:
		fmt.Fprintln(e.out, waitWords(n)+dueWords(st, zone)+".")
	}
	if st.Kept > 0 {
		fmt.Fprintln(e.out, keptWords(st))
	}
	fmt.Fprintln(e.out, uncounted)
	if lerr != nil {
		if n > 0 {
			fmt.Fprintf(e.out, "They wait: %v.\n", lerr)
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

// dueWords says when the last of the mails that wait is due, or was, if that is known.
func dueWords(st *mailer.Status, zone *time.Location) string {
	if st.Last.IsZero() {
		return ""
	}
	who, is := "the last", "is"
	if st.Waiting() == 1 {
		who = "it"
	}
	if st.Last.Before(st.At) {
		is = "was"
	}
	return "; " + who + " " + is + " due " + momentAt(st.Last.Unix(), zone)
}

// keptWords says why reminders wait whose time has come.
func keptWords(st *mailer.Status) string {
	are := "are reminders, each of which"
	if st.Kept == 1 {
		are = "is a reminder, which"
	}
	s := fmt.Sprintf("%d of them %s waits until the member's link has left", st.Kept, are)
	if st.LinkAge > 0 {
		s += " and is " + short(st.LinkAge.Round(time.Minute)) + " old"
	}
	return s + "."
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
