package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"strikevote/internal/roll"
)

func rollCommand() command {
	return command{
		name: "roll", args: "NAME [flags]",
		short: "check, import and correct the list of members",
		long: `
The list of members: checked and imported before the election is sealed, corrected by
acts of the committee afterwards. Everything that changes it is only shown until you
add -yes.`,
		subs: slices.Concat(draftRollCommands(), openRollCommands()),
	}
}

// draftRollCommands lead a roll to its declaration.
func draftRollCommands() []command {
	return []command{
		{name: "check", args: "[-units HX,RX,TX] [-employer DOMAIN] FILE", short: "check a file before it is imported", run: runRollCheck, long: `
Reads a roll file, CSV or XLSX, as an import would and names every problem by row,
column and value, with what to do about it. Nothing is stored or sent.

Columns, in any order, by any of the usual names: member number, name, e-mail,
bargaining unit, campus, worksite, title, language, factor.

An address may have letters of any language after the @; it is kept as mail services
write it (xn--...), and the report says how many are. Before the @ it may not.

Exit code 0: it can be imported. 3: it cannot yet. 1: it could not be read.`},
		{name: "import", args: "-data DIR [-yes] FILE", short: "import the roll of an election that is not sealed", run: runRollImport, long: `
Checks a file as roll check does, against the groups of the election, and makes it the
roll, in place of any imported before. Nothing of a file with a fault is imported.` + operatorHelp},
		{name: "reconcile", args: "-data DIR [-csv FILE] [-name WHAT -explain WHY -by YOU -yes] SECOND", short: "compare the roll with a second list, and declare it", run: runRollReconcile, long: `
Compares the imported roll with a second list, from another source: dues, payroll, the
last ballot. By member number, group, campus and worksite, as far as SECOND (CSV or
XLSX) has them; every difference is shown. Correct the roll and import it again until
only what can be explained is left.

With -yes it puts a declaration before the committee: this roll was compared with that
list, and differs in so much, for this reason. Two of the committee sign it with
strikevote committee sign. No election is proposed with a roll that is not declared.` + operatorHelp},
		{name: "stats", args: "-data DIR", short: "count the roll by unit and campus", run: looks(showStats), long: `
Counts the members by unit and campus, and how many have no address.` + operatorHelp},
	}
}

// openRollCommands are for the roll of an election that is sealed.
func openRollCommands() []command {
	return []command{
		{name: "add", args: "-data DIR -by YOU -name NAME -unit UNIT [-email ADDRESS] [-yes] NUMBER", short: "propose to add a member after sealing", run: runRollAdd, long: `
Proposes the act that adds a member who belongs on the roll; they get an ordinary link
when two of the committee have signed.` + operatorHelp},
		{name: "strike", args: "-data DIR -by YOU [-yes] NUMBER", short: "propose to strike a member before a ballot was issued", run: runRollStrike, long: `
Proposes the act that strikes a member. It is refused once a ballot was issued: what is
cast cannot be told apart.` + operatorHelp},
		{name: "address", args: "-data DIR -by YOU -reason WHY [-email ADDRESS] [-yes] NUMBER", short: "correct an address, or replace a stolen link", run: runRollAddress, long: `
Sends a member a new link and ends the old one, after an address was corrected or a
theft reported. It is refused once a ballot was issued. Before the opening the link leaves
with the invitations, and a corrected address gets the announcement, if it was sent.` + operatorHelp},
		{name: "undelivered", args: "-data DIR", short: "whose mail did not arrive", run: looks(showUndelivered), long: `
Lists the members whose link was refused, came back, is delayed, was reported as spam or
is tried in vain for some hours, with the kind of mail and why; before the opening those
whose announcement was. Correct the address with roll address, call them, or give them a
sealed slip. Reminders do not count: they would tell who has not voted.` + operatorHelp},
		{name: "slips", args: "-data DIR -by YOU [-numbers A,B] [-reason WHY | -print NUMBER -o FILE] [-yes]", short: "print sealed slips with codes, by two", run: runRollSlips, long: `
Prints slips with a typed code for members without an address, or for those whose
numbers are given, one page each, to be folded and sealed. First it asks the committee:

  strikevote roll slips -data DIR -by YOU -reason 'no address' -yes

and when two have signed (strikevote committee sign), it prints exactly those slips, once,
by the command that it says then:

  strikevote roll slips -data DIR -by YOU -numbers A,B -print 1 -o slips.html -yes

FILE holds a live code of each of them: print it, and delete it.` + operatorHelp},
		{name: "resend", args: "-data DIR [-by YOU] [-yes] NUMBER|ADDRESS", short: "send a member's link again", run: runRollResend, long: `
Sends the same link again to the address on the roll. It never ends a link. It is refused
where none would leave: nobody has the number, the link was just sent, or voting is over.
Between the close and the end of the grace the link only finishes a ballot that was issued
before, and the mail says so; for an envelope none leaves. It stands in the committee's log,
without the member.` + operatorHelp},
		{name: "admit", args: "-data DIR -by YOU -name NAME -unit UNIT -email ADDRESS -reason WHY [-shared] [-yes]", short: "let a disputed person vote in an envelope", run: runRollAdmit, long: `
Gives somebody who is not on the roll, and says that they should be, a link for an
envelope. It is counted only if two of the committee accept it, while voting is open or
afterwards, until decide_until. An address that somebody on the roll has, or somebody
admitted before, is refused, because most often it is the same person; -shared lets two
people share one.` + operatorHelp},
	}
}

func runRollCheck(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
	o := rollOptions(fs)
	faults := fs.String("faults", "", "write every problem to this CSV file")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError("name one file")
	}
	data, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("reading the roll: %w", err)
	}
	file, err := roll.Read(data, o())
	if err != nil {
		return fmt.Errorf("reading the roll: %w", err)
	}
	if err := file.WriteReport(e.out); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	if *faults != "" {
		if err := writePrivate(*faults, file.WriteFaultsCSV); err != nil {
			return fmt.Errorf("writing the list of problems: %w", err)
		}
	}
	if !file.OK() {
		return errFalse
	}
	return nil
}

// writePrivate writes a file that only this user reads: it names members.
func writePrivate(path string, write func(io.Writer) error) error {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	// One that was there before keeps its mode.
	if err := w.Chmod(0o600); err != nil {
		return errors.Join(err, w.Close())
	}
	return errors.Join(write(w), w.Close())
}

// rollOptions adds the flags that say what an election expects of its roll.
func rollOptions(fs *flag.FlagSet) func() roll.Options {
	units := fs.String("units", "", "the bargaining units that exist, separated by commas (default: any)")
	options := addressOptions(fs)
	return func() roll.Options {
		o := options()
		o.Groups = items(*units)
		return o
	}
}

// addressOptions adds the flags that say which addresses are expected.
func addressOptions(fs *flag.FlagSet) func() roll.Options {
	employer := fs.String("employer", "", "mail domains of the employer, separated by commas: addresses there are warned about")
	shared := fs.Bool("shared-mail", false, "let two members share an address (couples); otherwise it is a fault")
	return func() roll.Options { return roll.Options{EmployerDomains: items(*employer), SharedEmails: *shared} }
}
