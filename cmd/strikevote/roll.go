package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"strikevote/internal/roll"
)

func rollCommand() command {
	return command{
		name: "roll", args: "check [-units HX,RX,TX] [-employer DOMAIN] FILE.csv",
		short: "check a file of members before it is imported",
		long: `
Reads a roll file as an import would and names every problem by row, column and
value, with what to do about it. Nothing is stored or sent.

Columns, in any order, by any of the usual names: member number, name, e-mail,
bargaining unit, campus, worksite, title, language, factor.

Exit code 0: it can be imported. 3: it cannot yet. 1: it could not be read.`,
		run: runRoll,
	}
}

func runRoll(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
	if len(args) == 0 || args[0] != "check" {
		return flag.ErrHelp
	}
	o := rollOptions(fs)
	faults := fs.String("faults", "", "write every problem to this CSV file")
	if err := parse(fs, args[1:]); err != nil {
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
		w, err := os.OpenFile(*faults, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("writing the list of problems: %w", err)
		}
		err = file.WriteFaultsCSV(w)
		if cerr := w.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("writing the list of problems: %w", err)
		}
	}
	if !file.OK() {
		return errFalse
	}
	return nil
}

// rollOptions adds the flags that say what an election expects of its roll.
func rollOptions(fs *flag.FlagSet) func() roll.Options {
	units := fs.String("units", "", "the bargaining units that exist, separated by commas (default: any)")
	employer := fs.String("employer", "", "mail domains of the employer, separated by commas: addresses there are warned about")
	shared := fs.Bool("shared-mail", false, "let two members share an address (couples); otherwise it is a fault")
	return func() roll.Options {
		return roll.Options{Groups: list(*units), EmployerDomains: list(*employer), SharedEmails: *shared}
	}
}

// list takes a comma-separated flag apart.
func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
