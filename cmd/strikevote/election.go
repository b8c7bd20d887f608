package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func electionCommand() command {
	return command{
		name: "election", args: "NAME [flags]",
		short: "make an election, seal it, and see where it stands",
		long: `
For the operator of a deployment. In this order: sample, new, ceremony, pages, propose, seal;
then, while it runs: show, extend, close, cancel, envelopes, decide, disputes, dispute;
and export.

What matters is decided by two of the committee: these commands put it before them,
and they sign with strikevote committee sign. Everything that cannot be taken back is
only shown until you add -yes.`,
		subs: slices.Concat(draftCommands(), openCommands(), disputeCommands()),
	}
}

// draftCommands lead an election to its sealing.
func draftCommands() []command {
	return []command{
		{name: "sample", args: "", short: "write a commented election file to fill in", run: runElectionSample, long: `
Writes an election file with notes to the standard output. Fill it in, and give it to
strikevote election new.`},
		{name: "new", args: "-data DIR [-yes] FILE", short: "make an election from its file", run: runElectionNew, long: `
Checks an election file and, with -yes, makes the election and prints one invitation
for each teller. Hand each invitation to its teller in person or by phone: whoever has
it can take the teller's place until the election is sealed.` + wholeHelp},
		{name: "list", args: "-data DIR", short: "list the elections", run: runElectionList, long: `
Lists the elections of a deployment with number, phase and title.` + wholeHelp},
		{name: "show", args: "-data DIR [-id ID]", short: "say where an election stands, and what comes next", run: looks(showElection), long: `
Says where an election stands: its ceremony, roll, mails, acts and counts, and what is
to be done next. It names no member.` + operatorHelp},
		{name: "propose", args: "-data DIR [-yes]", short: "make the manifest that the committee signs", run: runElectionPropose, long: `
Makes the manifest from the draft, the roll and the tellers' key, and puts it before the
committee. After another import of the roll it is another one, to be signed anew.` + operatorHelp},
		{name: "seal", args: "-data DIR [-yes]", short: "seal the election once it is signed and drilled", run: runElectionSeal, long: `
Writes the signed manifest as the first entry of both logs. From then on wording, roll
and dates change only by acts of two. Voting opens at its time, once the witnesses have
signed; the invitations leave then.` + operatorHelp},
		pagesCommand(),
		ceremonyCommand(),
		boxCommand(),
	}
}

// openCommands are for an election that is sealed.
func openCommands() []command {
	return []command{
		{name: "extend", args: "-data DIR -by YOU [-yes] 'YYYY-MM-DD HH:MM'", short: "propose a later close", run: runElectionExtend, long: `
Proposes an act that moves the close to a later moment, not beyond the latest close of
the manifest. The moment is read in the election's time zone, or that of -zone. It takes
effect when two of the committee have signed, at least ten minutes before the close in force:
the witnesses have to sign in time. It tells no member by itself: strikevote mail send moved.` + operatorHelp},
		{name: "close", args: "-data DIR -by YOU [-yes] 'YYYY-MM-DD HH:MM'", short: "propose an earlier close", run: runElectionClose, long: `
Proposes an act that moves the close to an earlier moment, which has not passed. It takes
effect when two of the committee have signed, at least ten minutes before the close in force:
the witnesses have to sign in time. It tells no member by itself: it says how many mails
with the time before have left, and how to tell them.` + operatorHelp},
		{name: "cancel", args: "-data DIR -by YOU [-yes]", short: "propose to cancel the election", run: runElectionCancel, long: `
Proposes an act that cancels the election. A cancelled election is locked at once; it has
no result, and nobody can take the cancellation back.` + operatorHelp},
		{name: "client", args: "-data DIR -by YOU [-yes]", short: "propose to name this program's ballot page", run: runElectionClient, long: `
Proposes an act that names the ballot page of this program, after an update while an
election runs. The manifest names the page of the program that proposed it; whoever runs
strikevote monitor learns of any other. Sign first, then start serve with the new program.` + operatorHelp},
		{name: "acts", args: "-data DIR", short: "list the acts of the committee, and whom they are about", run: looks(showActs), long: `
Lists every act that was proposed, what became of it, and whom it is about, and the
permissions to print slips, for those who are asked to sign them.` + operatorHelp},
		{name: "withdraw", args: "-data DIR -by YOU [-yes] SEQUENCE", short: "take back a proposed act", run: runElectionWithdraw, long: `
Takes back an act that waits for signatures, and those proposed after it. SEQUENCE is its
number, as strikevote election acts lists it.` + operatorHelp},
		{name: "envelopes", args: "-data DIR", short: "list the envelopes of disputed people", run: looks(showEnvelopes), long: `
Lists the envelopes with the people who sealed them, for the committee's decision. What
an envelope holds, nobody sees.` + operatorHelp},
		{name: "decide", args: "-data DIR -by YOU [-accept TRACKER,…] [-reject TRACKER,…] [-yes]", short: "propose a decision on envelopes", run: runElectionDecide, long: `
Proposes an act that accepts or rejects envelopes of one group, named by tracker as
strikevote election envelopes lists them. Accepted ones are counted, rejected ones never
opened. It can be decided as soon as there is one, and until decide_until; the election is
locked once none is undecided. Who is decided on early cannot be decided on again.` + operatorHelp},
		{name: "log", args: "-data DIR", short: "what the committee and the operators did", run: looks(showLog), long: `
Prints the committee's log: who proposed, signed, corrected or recorded what, and when. It
names no member of the roll.` + operatorHelp},
		{name: "wipe", args: "-data DIR -by YOU [-yes]", short: "delete a draft, a demo or a rehearsal", run: runElectionWipe, long: `
Deletes everything of an election that decided nothing: its databases are dropped and
its keys destroyed. A real election that was sealed is refused.` + operatorHelp},
		{name: "export", args: "-data DIR FOLDER", short: "write the public record to a folder", run: runElectionExport, long: `
Writes the record of a locked election as a folder, for a web server, an archive or
strikevote verify.` + operatorHelp},
	}
}

func runElectionSample(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("it takes no arguments; write its output to a file")
	}
	_, err := e.out.Write(sample)
	return err
}

func describeDraft(e *env, m *election.Manifest, zone *time.Location) {
	watermark(e, m)
	for i := range m.Title {
		tag := ""
		if len(m.Title) > 1 {
			tag = "(" + m.Languages[i] + ") "
		}
		describeTexts(e, m, i, tag)
	}
	var groups []string
	for _, g := range m.Groups {
		groups = append(groups, g.Name)
	}
	fmt.Fprintf(e.out, "Groups: %s\nOpens %s, closes %s, latest close %s.\n", strings.Join(groups, ", "),
		momentAt(m.Schedule.Open, zone), momentAt(m.Schedule.Close, zone), momentAt(m.Schedule.LatestClose, zone))
	fmt.Fprintf(e.out, "Tellers: %s; %d of them open a sum.\n", strings.Join(m.Tellers.Names, ", "), m.Tellers.T)
	var members []string
	for _, member := range m.Committee.Members {
		members = append(members, member.Name)
	}
	fmt.Fprintf(e.out, "Committee: %s; %d of them decide.\n", strings.Join(members, ", "), m.Committee.Quorum)
	fmt.Fprintf(e.out, "Witnesses: %d, of whom %d have to sign.\n", len(m.Witnesses.Keys), m.Witnesses.Threshold)
}

// describeTexts says what members read in one language: whoever writes a translation into
// the file is to see it before the committee does.
func describeTexts(e *env, m *election.Manifest, language int, tag string) {
	fmt.Fprintf(e.out, "%s%s\n", tag, m.Title[language])
	if text := m.Statement[language]; text != "" {
		fmt.Fprintf(e.out, "  %s\n", text)
	}
	for _, q := range m.Questions {
		fmt.Fprintf(e.out, "  %s\n", q.Text[language])
		for _, option := range q.Options {
			fmt.Fprintf(e.out, "    %s (counts as %s)\n", option.Text[language], option.Role)
		}
	}
	if m.Factor != nil {
		fmt.Fprintf(e.out, "  Second question that members are asked: %s\n", m.Factor.Label[language])
	}
}

// watermark says what is not a real election.
func watermark(e *env, m *election.Manifest) {
	if m.Demo {
		fmt.Fprintln(e.out, "DEMO. This is not a real vote.")
	}
	if m.Rehearsal {
		fmt.Fprintln(e.out, "REHEARSAL. This is not a real vote.")
	}
}

func moment(unix int64) string { return momentAt(unix, time.Local) }

// momentAt writes a moment in a time zone, and in UTC where that is another one.
func momentAt(unix int64, zone *time.Location) string {
	t := time.Unix(unix, 0).In(zone)
	text := t.Format("Monday, January 2 2006, 15:04 MST")
	if _, offset := t.Zone(); offset != 0 {
		text += t.UTC().Format(" (15:04 UTC)")
	}
	return text
}

func runElectionList(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.addWhole(e, fs, false)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	d, err := o.open(ctx, e)
	if err != nil {
		return err
	}
	defer d.Close()
	ids, err := d.Elections(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		fmt.Fprintln(e.out, "There is no election yet.")
	}
	for _, id := range ids {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		mark := ""
		if v.Manifest.Rehearsal {
			mark = "REHEARSAL: "
		}
		fmt.Fprintf(e.out, "%s  %-10s %s%s\n", id, v.Phase, mark, v.Manifest.Title[0])
	}
	return nil
}

func runElectionPropose(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		if err := sealedAlready(v); err != nil {
			return err
		}
		describeDraft(e, v.Manifest, v.Zone)
		describeRoll(e, v)
		if err := tooLate(v, e.clock()); err != nil {
			return err
		}
		openedBefore(e, v.Manifest, v.Zone)
		if err := o.cautions(e, d, v.Manifest); err != nil {
			return err
		}
		if err := waitsFor(v, false); err != nil {
			return err
		}
		if o.dry(e) {
			return nil
		}
		manifest, err := d.Propose(ctx, id)
		if err != nil {
			return err
		}
		mid := election.MID(manifest)
		fmt.Fprintf(e.out, "\nThe manifest is before the committee. Six words: %s\nIn full: %s\nEach member signs with: strikevote committee sign -key FILE %s\n",
			election.SixWords(mid), mid, d.Console(id))
		return nil
	})
}

// sealedAlready returns an error that says so, for what is done once.
func sealedAlready(v *deployment.Overview) error {
	switch v.Phase {
	case "draft":
		return nil
	case election.PhaseSealed:
		return fmt.Errorf("the election is sealed already; six words: %s", election.SixWords(v.MID))
	}
	return fmt.Errorf("the election is sealed already, and %s; six words: %s", v.Phase, election.SixWords(v.MID))
}

func runElectionSeal(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		if err := sealedAlready(v); err != nil {
			return err
		}
		describeDraft(e, v.Manifest, v.Zone)
		if err := tooLate(v, e.clock()); err != nil {
			return err
		}
		openedBefore(e, v.Manifest, v.Zone)
		if err := o.cautions(e, d, v.Manifest); err != nil {
			return err
		}
		if err := waitsFor(v, true); err != nil {
			return err
		}
		if o.dry(e) {
			return nil
		}
		if err := d.Seal(ctx, id); err != nil {
			return err
		}
		if v, err = d.Overview(ctx, id); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\nThe election is sealed. Six words: %s\nIn full: %s\nPublic record: %s\nNext: the witnesses follow the record (strikevote witness), and each teller runs strikevote teller check.\n",
			election.SixWords(v.MID), v.MID, d.Record(id))
		if !d.HasBox() {
			fmt.Fprintf(e.out, "The box is on another host: its operator runs strikevote election box accept with %s/manifest and %s/sealing.\n", d.Record(id), d.Record(id))
		}
		return nil
	})
}

// propose puts an act before the committee and says how it is signed.
func propose(e *env, d *deployment.Deployment, id suite.ElectionID, sequence uint32) {
	fmt.Fprintf(e.out, "\nIt is act %d, and waits for the committee: strikevote committee sign -key FILE %s\n", sequence, d.Console(id))
}

// actCommand runs the common part of a command that proposes an act.
func (o *operation) actCommand(ctx context.Context, e *env, kind act.Kind, payload func(v *deployment.Overview) ([]byte, string, error)) error {
	by, err := o.who()
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		b, words, err := payload(v)
		if err != nil {
			return err
		}
		// First: what would be, of what cannot be, misleads.
		if err := d.CheckAct(ctx, id, kind, b); err != nil {
			return err
		}
		watermark(e, v.Manifest)
		fmt.Fprintf(e.out, "%s\n%s\n", v.Manifest.Title[0], words)
		if o.dry(e) {
			return nil
		}
		sequence, err := d.ProposeAct(ctx, id, kind, b, by)
		if err != nil {
			return err
		}
		propose(e, d, id, sequence)
		return nil
	})
}
