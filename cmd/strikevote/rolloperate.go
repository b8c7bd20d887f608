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
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

func runRollImport(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	employer := fs.String("employer", "", "mail domains of the employer, separated by commas: addresses there are warned about")
	shared := fs.Bool("shared-mail", false, "let two members share an address (couples); otherwise it is a fault")
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
		file, err := roll.Read(data, optionsOf(v.Manifest, list(*employer), *shared))
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
		warnSmall(e, v.Manifest, file.Members)
		fmt.Fprintf(e.out, "\n%d members would be the roll of %s, in place of any imported before.\n", len(file.Members), v.Manifest.Title[0])
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

// optionsOf says what an election expects of its roll.
func optionsOf(m *election.Manifest, employer []string, shared bool) roll.Options {
	o := roll.Options{EmployerDomains: employer, SharedEmails: shared, Languages: m.Languages, NeedFactor: m.Factor != nil}
	for _, g := range m.Groups {
		o.Groups = append(o.Groups, g.Units...)
	}
	return o
}

// warnSmall says which groups are too small to be counted by themselves.
func warnSmall(e *env, m *election.Manifest, members []roll.Member) {
	pooled := deployment.PoolGroups(m.Groups, members)
	if len(pooled) == len(m.Groups) {
		return
	}
	var names []string
	for _, g := range pooled {
		names = append(names, g.Name)
	}
	fmt.Fprintf(e.out, "warning: a group has fewer than %d members, in which even a correct total says how somebody voted.\nThe groups would be pooled: %s\n",
		election.PoolBelow, strings.Join(names, ", "))
}

func runRollReconcile(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
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
		differences, second, err := reconcile(ctx, d, id, data)
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
		still := agenda.Differences{
			OnlyRoll: uint32(c.OnlyRoll), OnlySecond: uint32(c.OnlySecond),
			Group: uint32(c.Group), Campus: uint32(c.Campus), Worksite: uint32(c.Worksite),
		}
		if still != (agenda.Differences{}) && *explain == "" {
			return usageError("the lists differ; say why with -explain")
		}
		if err := d.Declare(ctx, id, second, still, *explain, by); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\nThe declaration waits for two of the committee: strikevote committee sign -key FILE %s\n", d.Console(id))
		return nil
	})
}

// reconcile compares the roll of an election with a second list.
func reconcile(ctx context.Context, d *deployment.Deployment, id suite.ElectionID, data []byte) (*roll.Differences, agenda.SecondList, error) {
	v, err := d.Overview(ctx, id)
	if err != nil {
		return nil, agenda.SecondList{}, err
	}
	if v.Phase != "draft" {
		return nil, agenda.SecondList{}, registrar.ErrSealed
	}
	second, err := roll.ReadList(data, optionsOf(v.Manifest, nil, true))
	if err != nil {
		return nil, agenda.SecondList{}, fmt.Errorf("reading the second list: %w", err)
	}
	first, err := d.Roll(ctx, id)
	if err != nil {
		return nil, agenda.SecondList{}, err
	}
	differences, err := roll.Compare(first, second)
	return differences, agenda.SecondList{SHA256: second.Digest, Rows: uint32(second.Rows)}, err
}

// A newcomer is somebody described by flags.
type newcomer struct {
	name, email, unit, campus, worksite, title, language, factor string
}

func (p *newcomer) add(fs *flag.FlagSet) {
	fs.StringVar(&p.name, "name", "", "the person's name")
	fs.StringVar(&p.email, "email", "", "the person's address; empty: they get a sealed slip")
	fs.StringVar(&p.unit, "unit", "", "the bargaining unit, as on the roll")
	fs.StringVar(&p.campus, "campus", "", "the campus")
	fs.StringVar(&p.worksite, "worksite", "", "the worksite")
	fs.StringVar(&p.title, "title", "", "the job title")
	fs.StringVar(&p.language, "language", "", "the language of the mails (default: the election's first)")
	fs.StringVar(&p.factor, "factor", "", "the answer to the extra question, where the election asks one")
}

func runRollAdd(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	var p newcomer
	o.add(e, fs, true)
	p.add(fs)
	if err := o.parse(fs, args, 1, "name the member number"); err != nil {
		return err
	}
	by, err := o.who()
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		// The same checks as for a row of a file.
		member, err := oneMember(v.Manifest, fs.Arg(0), p)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s would be added to %s, and get an ordinary link.\n", member.Name, member.Group)
		if o.dry(e) {
			return nil
		}
		sequence, err := d.AddMember(ctx, id, member, by)
		if err != nil {
			return err
		}
		propose(e, d, id, sequence)
		return nil
	})
}

// oneMember checks one person as a row of a roll file.
func oneMember(m *election.Manifest, number string, p newcomer) (roll.Member, error) {
	fields := []string{number, p.name, p.email, p.unit, p.campus, p.worksite, p.title, p.language, p.factor}
	for i, f := range fields {
		fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
	}
	text := "member number,name,email,unit,campus,worksite,title,language,factor\n" + strings.Join(fields, ",") + "\n"
	file, err := roll.Read([]byte(text), optionsOf(m, nil, true))
	if err != nil {
		return roll.Member{}, err
	}
	for _, f := range file.Faults {
		if !f.Warning {
			return roll.Member{}, usageError("%s: %s. %s", f.Column, f.Problem, f.Remedy)
		}
	}
	return file.Members[0], nil
}

func runRollStrike(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	if err := o.parse(fs, args, 1, "name the member number"); err != nil {
		return err
	}
	by, err := o.who()
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		fmt.Fprintf(e.out, "Member %s would be struck from the roll. It is possible only before a ballot was issued.\n", fs.Arg(0))
		if o.dry(e) {
			return nil
		}
		sequence, err := d.StrikeMember(ctx, id, fs.Arg(0), by)
		if err != nil {
			return err
		}
		propose(e, d, id, sequence)
		return nil
	})
}

func runRollAddress(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	email := fs.String("email", "", "the new address; without it the member keeps theirs and only the link is replaced (theft)")
	reason := fs.String("reason", "", "why, for the registrar's record")
	if err := o.parse(fs, args, 1, "name the member number"); err != nil {
		return err
	}
	by, err := o.who()
	if err != nil {
		return err
	}
	if *reason == "" {
		return usageError("say why with -reason")
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		fmt.Fprintf(e.out, "Member %s would get a new link; the old one ends. It is possible only before a ballot was issued.\n", fs.Arg(0))
		if o.dry(e) {
			return nil
		}
		if err := d.CorrectAddress(ctx, id, fs.Arg(0), *email, by, *reason); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "\nDone. The new link leaves with the next mails.")
		return nil
	})
}

func runRollResend(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	if err := o.parse(fs, args, 1, "name the member number or the address"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		fmt.Fprintln(e.out, "The same link would be sent again to the address on the roll; it ends no other.")
		if o.dry(e) {
			return nil
		}
		if err := d.ResendLink(ctx, id, fs.Arg(0)); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "\nIf there is such a member, with an address, the mail leaves in a moment.")
		return nil
	})
}

func runRollAdmit(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	var p newcomer
	o.add(e, fs, true)
	p.add(fs)
	reason := fs.String("reason", "", "why the person is disputed, for the committee's decision")
	if err := o.parse(fs, args, 0, "describe the person with flags"); err != nil {
		return err
	}
	by, err := o.who()
	if err != nil {
		return err
	}
	if p.name == "" || *reason == "" {
		return usageError("name the person with -name, and say with -reason why they are disputed")
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(v.Manifest.Groups, func(g election.Group) bool {
			return slices.ContainsFunc(g.Units, func(u string) bool { return strings.EqualFold(u, p.unit) })
		})
		if at < 0 {
			return usageError("-unit names no bargaining unit of this election")
		}
		fmt.Fprintf(e.out, "%s, who is not on the roll, would get a link for an envelope in %s. The committee decides on it after the close.\n",
			p.name, v.Manifest.Groups[at].Name)
		if o.dry(e) {
			return nil
		}
		err = d.Admit(ctx, id, registrar.Applicant{
			Name: p.name, Email: p.email, Campus: p.campus, Worksite: p.worksite, Title: p.title, Language: p.language,
			Group: v.Manifest.Groups[at].ID, Reason: *reason,
		}, by)
		if err == nil {
			fmt.Fprintln(e.out, "\nDone. The link leaves with the next mails.")
		}
		return err
	})
}

func runRollStats(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
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
	})
}
