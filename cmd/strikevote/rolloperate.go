package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"strikevote/internal/agenda"
	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

func runRollImport(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	options := addressOptions(fs)
	if err := o.parse(fs, args, 1, "name one file"); err != nil {
		return err
	}
	data, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("reading the roll: %w", err)
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		file, err := roll.Read(data, optionsOf(v.Manifest, options()))
		if err != nil {
			return fmt.Errorf("reading the roll: %w", err)
		}
		if err := file.WriteReport(e.out); err != nil {
			return fmt.Errorf("printing the report: %w", err)
		}
		if !file.OK() {
			return errFalse
		}
		if v.Phase != "draft" {
			return registrar.ErrSealed
		}
		if err := warnSmall(ctx, e, d, id, file.Members); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\n%s would be the roll of %s, in place of any imported before.\n", count(len(file.Members), "member"), v.Manifest.Title[0])
		if o.dry(e) {
			return nil
		}
		if err := d.ImportRoll(ctx, id, file.Members); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "\nThe roll is imported. Next: compare it with a second list, strikevote roll reconcile.")
		return nil
	})
}

// optionsOf adds what an election expects of its roll.
func optionsOf(m *election.Manifest, o roll.Options) roll.Options {
	o.Languages, o.NeedFactor = m.Languages, m.Factor != nil
	for _, g := range m.Groups {
		o.Groups = append(o.Groups, g.Units...)
	}
	return o
}

// warnSmall says which groups are too small to be counted by themselves.
func warnSmall(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, members []roll.Member) error {
	pooled, fewer, err := d.Pooled(ctx, id, members)
	if err != nil || !fewer {
		return err
	}
	var names []string
	for _, g := range pooled {
		names = append(names, g.Name)
	}
	fmt.Fprintf(e.out, "warning: a group has fewer than %d members, in which even a correct total says how somebody voted.\nThe groups would be pooled: %s\n",
		election.PoolBelow, strings.Join(names, ", "))
	return nil
}

func runRollReconcile(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	o.named(fs)
	table := fs.String("csv", "", "write every difference to this CSV file")
	name := fs.String("name", "", "what the second list is, like \"dues list of March\"")
	explain := fs.String("explain", "", "why the lists still differ")
	if err := o.parse(fs, args, 1, "name the second list"); err != nil {
		return err
	}
	data, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("reading the second list: %w", err)
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		compared, differences, second, err := reconcile(ctx, d, id, data)
		if err != nil {
			return err
		}
		if err := differences.WriteReport(e.out); err != nil {
			return fmt.Errorf("printing the differences: %w", err)
		}
		if *table != "" {
			if err := writePrivate(*table, differences.WriteCSV); err != nil {
				return fmt.Errorf("writing the differences: %w", err)
			}
		}
		if o.dry(e) {
			return nil
		}
		by, err := o.who()
		if err != nil {
			return err
		}
		if *name == "" {
			return usageError("say with -name what the second list is")
		}
		second.Name = *name
		c := differences.Counts()
		said := agenda.Declaration{Second: second, Explanation: *explain}
		said.Compared = agenda.Compared{Group: c.Groups, Campus: c.Campuses, Worksite: c.Worksites}
		said.Differences = agenda.Differences{
			OnlyRoll: uint32(c.OnlyRoll), OnlySecond: uint32(c.OnlySecond),
			Group: uint32(c.Group), Campus: uint32(c.Campus), Worksite: uint32(c.Worksite),
		}
		if said.Differences != (agenda.Differences{}) && *explain == "" {
			return usageError("the lists differ; say why with -explain")
		}
		if err := d.Declare(ctx, id, compared, said, by); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\nThe declaration waits for the committee: strikevote committee sign -key FILE %s\n", d.Console(id))
		return nil
	})
}

// reconcile compares the roll of an election with a second list.
func reconcile(ctx context.Context, d *deployment.Deployment, id suite.ElectionID, data []byte) (*deployment.Compared, *roll.Differences, agenda.SecondList, error) {
	v, err := d.Overview(ctx, id)
	if err != nil {
		return nil, nil, agenda.SecondList{}, err
	}
	if v.Phase != "draft" {
		return nil, nil, agenda.SecondList{}, registrar.ErrSealed
	}
	second, err := roll.ReadList(data, optionsOf(v.Manifest, roll.Options{SharedEmails: true}))
	if err != nil {
		return nil, nil, agenda.SecondList{}, fmt.Errorf("reading the second list: %w", err)
	}
	first, err := d.Roll(ctx, id)
	if err != nil {
		return nil, nil, agenda.SecondList{}, err
	}
	differences, err := roll.Compare(first.Members, second)
	return first, differences, agenda.SecondList{SHA256: second.Digest, Rows: uint32(second.Rows)}, err
}

func runRollResend(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	o.named(fs)
	if err := o.parse(fs, args, 1, "name the member number or the address"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		list, finish, err := d.CheckResend(ctx, id, fs.Arg(0))
		if err != nil {
			return err
		}
		for _, m := range list {
			showPerson(e, m)
		}
		fmt.Fprintln(e.out, "The same link, sent again to the address on the roll. It ends no other.")
		if finish > 0 {
			fmt.Fprintf(e.out, "Voting has closed. The link and its mail are only for whoever was issued a ballot before and has not finished it: on the device where it was begun, until %s.\n",
				momentAt(finish, d.Zone(id)))
		}
		if o.dry(e) {
			return nil
		}
		if err := d.ResendLink(ctx, id, fs.Arg(0), o.operator()); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "The mail leaves in a moment.")
		return nil
	})
}

func showUndelivered(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	members, err := d.Undelivered(ctx, id)
	if err != nil {
		return err
	}
	if len(members) == 0 {
		fmt.Fprintln(e.out, "No mail was refused, is late or was called spam, as far as is known.")
	}
	reasons := make(map[mailer.Reason]int)
	for _, m := range members {
		fmt.Fprintln(e.out, undeliveredWords(m))
		if m.Reason != mailer.ReasonNone {
			reasons[m.Reason]++
		}
	}
	printAdvice(e, "What to do:", reasons)
	return nil
}

// undeliveredWords says whose mail did not arrive, and why. A campus is not on every roll.
func undeliveredWords(m registrar.Undelivered) string {
	who := slices.DeleteFunc([]string{m.Name, m.Unit, m.Campus}, func(s string) bool { return s == "" })
	return fmt.Sprintf("%s  %s: %s %s%s", m.Number, strings.Join(who, ", "), m.Kind, deliveryWords(m.State), because(m.Reason))
}

// deliveryWords says what became of a mail.
func deliveryWords(state string) string {
	switch state {
	case "failed":
		return "could not be sent"
	case "bounced":
		return "came back"
	case "blocked":
		return "was refused"
	case "delayed":
		return "is delayed"
	case "complained":
		return "was reported as spam"
	case "late":
		return "is not taken yet, and is tried again"
	}
	return state
}

func showStats(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	v, err := d.Overview(ctx, id)
	if err != nil {
		return err
	}
	if len(v.Roll) == 0 && v.Phase == "draft" {
		return errors.New("no roll is imported yet")
	}
	for _, c := range v.Roll {
		fmt.Fprintf(e.out, "%-12s %-20s %6d members, %d with an address\n", c.Unit, c.Campus, c.Members, c.Addresses)
	}
	for _, g := range v.Counts {
		group := v.Manifest.Group(g.Group)
		fmt.Fprintf(e.out, "%-12s %6d on the roll, %d added, %d struck\n", group.Name, group.RollSize, g.Added, g.Struck)
	}
	return nil
}
