package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"strikevote/internal/deployment"
	"strikevote/internal/mailbox"
	"strikevote/internal/mailer/sendgrid"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// account returns the account with SendGrid that the settings name.
func (c *Config) account() (*sendgrid.Account, error) {
	if c.SendGridKeyFile == "" {
		if c.MailSenders.has(senderSendGrid) {
			return nil, usageError("the key of SendGrid is not here: %sSENDGRID_KEY_FILE is empty; %s", prefix, outsideUnit)
		}
		return nil, usageError("there is no account with SendGrid: %sSENDGRID_KEY_FILE is empty", prefix)
	}
	g, err := c.sendGrid(nil)
	if err != nil {
		return nil, err
	}
	return sendgrid.NewAccount(g)
}

// listWords says what a list does to whoever is on it.
func listWords(l sendgrid.List) (what, do string, stops bool) {
	switch l {
	case sendgrid.SpamReports:
		return "pressed \"spam\" once", "ask them, then strikevote mail clear NUMBER", true
	case sendgrid.Bounces:
		return "the address did not exist once", "ask for another address, strikevote roll address; or strikevote mail clear NUMBER", true
	case sendgrid.Invalid:
		return "the address is none, to the provider", "ask for another address, strikevote roll address", true
	case sendgrid.Unsubscribes:
		return "unsubscribed once; ballots go to them all the same", "nothing", false
	}
	return "was refused once; the next mail is tried", "nothing, but watch strikevote mail status", false
}

// A suppressed is what a list says of the roll.
type suppressed struct {
	list    sendgrid.List
	entries int
	members []registrar.Member
}

// compare reads the lists and finds the roll's members on them. The roll stays here.
func compare(ctx context.Context, e *env, a *sendgrid.Account, roll []registrar.Member) ([]suppressed, error) {
	of := make(map[string][]registrar.Member) // couples share a mailbox
	for _, m := range roll {
		box := mailbox.Key(m.Email)
		of[box] = append(of[box], m)
	}
	bar := newProgress(e)
	defer bar.done()
	var all []suppressed
	for _, l := range sendgrid.Lists() {
		s := suppressed{list: l}
		seen := make(map[string]bool)
		err := a.Entries(ctx, l, func(list []sendgrid.Entry) error {
			s.entries += len(list)
			bar.step("list of "+l.Words(), s.entries, s.entries)
			for _, x := range list {
				if box := mailbox.Key(strings.TrimSpace(x.Email)); !seen[box] {
					seen[box] = true
					s.members = append(s.members, of[box]...)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func runMailSuppressions(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	list := fs.Bool("list", false, "print which members, by number; on a terminal with names and addresses")
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		a, err := o.loaded.account()
		if err != nil {
			return err
		}
		roll, err := d.Addressees(ctx, id)
		if err != nil {
			return err
		}
		all, err := compare(ctx, e, a, roll)
		if err != nil {
			return err
		}
		return reportSuppressed(e, all, len(roll), *list)
	})
}

func reportSuppressed(e *env, all []suppressed, roll int, list bool) error {
	t := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "list\tentries\tof the roll\twhat it means\twhat to do")
	stopped := make(map[string]bool)
	for _, s := range all {
		what, do, stops := listWords(s.list)
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\n", s.list.Words(), s.entries, len(s.members), what, do)
		for _, m := range s.members {
			if stops {
				stopped[m.Number] = true
			}
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing the lists: %w", err)
	}
	fmt.Fprintf(e.out, "\n%d of %d members with an address would get no mail, and nobody would be told.\n", len(stopped), roll)
	if list {
		listSuppressed(e, all)
	}
	if len(stopped) > 0 {
		return errFalse
	}
	return nil
}

// listSuppressed prints who is on the lists. What is not a terminal may be kept, sent
// on or logged, so that there are only numbers there.
func listSuppressed(e *env, all []suppressed) {
	for _, s := range all {
		for _, m := range s.members {
			fmt.Fprintf(e.out, "%s  %s", m.Number, s.list.Words())
			if e.watched {
				fmt.Fprintf(e.out, "  %s, %s", m.Name, m.Email)
			}
			fmt.Fprintln(e.out)
		}
	}
}

func runMailClear(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	by, err := o.begin(e, fs, args, 1, "name the member by number")
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		a, err := o.loaded.account()
		if err != nil {
			return err
		}
		m, err := addressee(ctx, d, id, fs.Arg(0))
		if err != nil {
			return err
		}
		lists, err := listsOf(ctx, e, a, m.Email)
		if err != nil || len(lists) == 0 {
			return err
		}
		if !o.yes {
			fmt.Fprintln(e.out, "It would be taken off, and the link sent again.")
			o.dry(e)
			return nil
		}
		for _, l := range lists {
			if err := a.Clear(ctx, l, m.Email); err != nil {
				return err
			}
		}
		fmt.Fprintln(e.out, "The provider mails the member again.")
		queued, err := d.NoteCleared(ctx, id, m.Number, by)
		switch {
		case err != nil:
			return err
		case queued:
			fmt.Fprintln(e.out, "The link leaves in a moment.")
		default:
			fmt.Fprintln(e.out, "The link leaves with the invitations, once voting is open.")
		}
		return nil
	})
}

// addressee returns a member who has an address, by number.
func addressee(ctx context.Context, d *deployment.Deployment, id suite.ElectionID, number string) (registrar.Member, error) {
	roll, err := d.Addressees(ctx, id)
	if err != nil {
		return registrar.Member{}, err
	}
	i := slices.IndexFunc(roll, func(m registrar.Member) bool { return m.Number == number })
	if i < 0 {
		return registrar.Member{}, errors.New("no member of the roll has this number and an address")
	}
	return roll[i], nil
}

// listsOf says on which lists an address is, and returns them.
func listsOf(ctx context.Context, e *env, a *sendgrid.Account, address string) ([]sendgrid.List, error) {
	var lists []sendgrid.List
	for _, l := range sendgrid.Lists() {
		on, err := a.Listed(ctx, l, address)
		if err != nil {
			return nil, err
		}
		if !on {
			continue
		}
		what, _, _ := listWords(l)
		fmt.Fprintf(e.out, "The member's address is on the provider's list of %s: %s.\n", l.Words(), what)
		lists = append(lists, l)
	}
	if len(lists) == 0 {
		fmt.Fprintln(e.out, "The member's address is on none of the provider's lists. To send the link again: strikevote roll resend")
		return nil, nil
	}
	return lists, nil
}
