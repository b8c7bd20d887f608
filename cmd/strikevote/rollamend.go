package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
)

// A newcomer is somebody described by flags.
type newcomer struct {
	name, email, unit, campus, worksite, title, language, factor string
	shared                                                       bool
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
	fs.BoolVar(&p.shared, "shared", false, sharedUsage)
}

const sharedUsage = "let them have the address of somebody else (couples); otherwise it is refused"

// refuseTaken refuses an address that somebody else has, which is how most people
// come to stand on a roll twice.
func refuseTaken(ctx context.Context, d *deployment.Deployment, id suite.ElectionID, email, number string, shared bool) error {
	if email == "" || shared {
		return nil
	}
	taken, err := d.AddressTaken(ctx, id, email, number)
	if err == nil && taken {
		err = takenHint(registrar.ErrAddressTaken)
	}
	return err
}

func takenHint(err error) error {
	return fmt.Errorf("%w; make sure that it is another person, and then repeat it with -shared", err)
}

func runRollAdd(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	var p newcomer
	p.add(fs)
	by, err := o.begin(e, fs, args, 1, "name the member number")
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
		if err := d.CheckAdd(ctx, id, member); err != nil {
			return err
		}
		if err := refuseTaken(ctx, d, id, member.Email, member.Number, p.shared); err != nil {
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
		return proposeAmendment(ctx, e, d, id, sequence)
	})
}

// oneMember checks one person as a row of a roll file.
func oneMember(m *election.Manifest, number string, p newcomer) (roll.Member, error) {
	fields := []string{number, p.name, p.email, p.unit, p.campus, p.worksite, p.title, p.language, p.factor}
	for i, f := range fields {
		fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
	}
	text := "member number,name,email,unit,campus,worksite,title,language,factor\n" + strings.Join(fields, ",") + "\n"
	file, err := roll.Read([]byte(text), optionsOf(m, roll.Options{SharedEmails: true}))
	if err != nil {
		return roll.Member{}, err
	}
	for _, f := range file.Faults {
		if !f.Warning {
			return roll.Member{}, usageError("%s: %s", f.Column, strings.TrimSuffix(f.Problem, "."))
		}
	}
	return file.Members[0], nil
}

// checkAddress checks an address as a row of a roll file, and returns it as it is kept.
func checkAddress(m *election.Manifest, email string) (string, error) {
	if email == "" {
		return "", nil
	}
	somebody, err := oneMember(m, "1", newcomer{name: "Somebody", email: email, unit: m.Groups[0].Units[0], factor: "1"})
	return somebody.Email, err
}

// proposeAmendment says how an amendment is signed, and prints what the committee
// has to compare: their program knows no names.
func proposeAmendment(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, sequence uint32) error {
	propose(e, d, id, sequence)
	acts, err := d.Acts(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, "Tell them by a separate way whom it is about, so that they can compare the digits:")
	for _, a := range slices.Backward(acts) {
		if a.Sequence == sequence {
			return showSubject(ctx, e, d, id, a)
		}
	}
	return nil
}

func runRollStrike(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	by, err := o.begin(e, fs, args, 1, "name the member number")
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		payload, err := d.Strike(ctx, id, fs.Arg(0))
		if err == nil {
			err = d.CheckAct(ctx, id, act.KindAmend, payload)
		}
		if err != nil {
			return err
		}
		m, err := d.Known(ctx, id, fs.Arg(0))
		if err != nil {
			return err
		}
		showPerson(e, m)
		fmt.Fprintln(e.out, "They would be struck from the roll. It is possible only before a ballot was issued.")
		if o.dry(e) {
			return nil
		}
		sequence, err := d.ProposeAct(ctx, id, act.KindAmend, payload, by)
		if err != nil {
			return err
		}
		return proposeAmendment(ctx, e, d, id, sequence)
	})
}

func runRollAddress(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	email := fs.String("email", "", "the new address; without it the member keeps theirs and only the link is replaced (theft)")
	reason := fs.String("reason", "", "why, for the registrar's record")
	shared := fs.Bool("shared", false, sharedUsage)
	by, err := o.begin(e, fs, args, 1, "name the member number")
	if err != nil {
		return err
	}
	if *reason == "" {
		return usageError("say why with -reason")
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		address, err := checkAddress(v.Manifest, *email)
		if err != nil {
			return err
		}
		m, err := d.CheckAddress(ctx, id, fs.Arg(0), by, *reason)
		if err != nil {
			return err // nobody of that number, or a ballot was issued
		}
		if err := refuseTaken(ctx, d, id, address, fs.Arg(0), *shared); err != nil {
			return err
		}
		showPerson(e, m)
		fmt.Fprintln(e.out, newLinkWords(e.watched, m, address))
		if o.dry(e) {
			return nil
		}
		if err := d.CorrectAddress(ctx, id, fs.Arg(0), address, by, *reason); err != nil {
			return err
		}
		if address == "" && m.Email == "" {
			fmt.Fprintln(e.out, "\nDone. The old link has ended, and no mail brings the new one: "+slipInstead)
			return nil
		}
		if v.Phase == election.PhaseSealed {
			fmt.Fprintln(e.out, "\nDone. The link leaves with the invitation, when voting has opened.")
			if address != "" {
				fmt.Fprintln(e.out, "If announcements were sent, the new address gets one with the next mails: see whether it comes back, strikevote roll undelivered.")
			}
			return nil
		}
		fmt.Fprintln(e.out, "\nDone. The new link leaves with the next mails.")
		return nil
	})
}

func runRollAdmit(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	var p newcomer
	p.add(fs)
	reason := fs.String("reason", "", "why the person is disputed, for the committee's decision")
	by, err := o.begin(e, fs, args, 0, "describe the person with flags")
	if err != nil {
		return err
	}
	if p.name == "" || p.email == "" || *reason == "" {
		return usageError("name the person with -name and their address with -email, where the link goes, and say with -reason why they are disputed")
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		a, err := applicant(v.Manifest, p)
		if err != nil {
			return err
		}
		a.Reason, a.Shared = *reason, p.shared
		if err := admissible(d.CheckAdmit(ctx, id, a)); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s, who is not on the roll, would get a link for an envelope in %s. It is counted if two of the committee accept it, at the latest %s.\n",
			a.Name, v.Manifest.Group(a.Group).Name, momentAt(v.Manifest.Schedule.DecideUntil, v.Zone))
		if o.dry(e) {
			return nil
		}
		if err := admissible(d.Admit(ctx, id, a, by)); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "\nDone. The link leaves with the next mails.")
		return nil
	})
}

// admissible says how to go on where an address is taken.
func admissible(err error) error {
	if errors.Is(err, registrar.ErrAddressTaken) {
		return takenHint(err)
	}
	return err
}

// applicant checks a disputed person as a row of a roll file: the name goes into a
// mail, and onto the screen of whoever decides.
func applicant(m *election.Manifest, p newcomer) (registrar.Applicant, error) {
	if p.factor == "" {
		p.factor = "none" // they are not asked for it
	}
	r, err := oneMember(m, "1", p)
	if err != nil {
		return registrar.Applicant{}, err
	}
	at := slices.IndexFunc(m.Groups, func(g election.Group) bool { return slices.Contains(g.Units, r.Group) })
	if at < 0 {
		return registrar.Applicant{}, usageError("-unit names no bargaining unit of this election")
	}
	return registrar.Applicant{
		Name: r.Name, Email: r.Email, Campus: r.Campus, Worksite: r.Worksite, Title: r.Title, Language: r.Language, Group: m.Groups[at].ID,
	}, nil
}
