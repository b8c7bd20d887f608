package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"strikevote/internal/demo"
)

func demoCommand() command {
	return command{
		name: "demo", args: "[flags]",
		short: "run a whole election on this computer, then verify it",
		long: `
Runs a complete strike-authorization vote on this computer, through the same
services and programs as a real one: it draws or reads a roll, lets five tellers
make the opening key, seals the election, mails everybody a link, lets members
vote, adds one who comes late, closes early, lets three tellers open the totals,
has two of the committee certify, and verifies the published record.

Nothing leaves this computer: the mails are files, and no address exists. It needs
Linux.`,
		run: runDemo,
	}
}

func runDemo(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o demo.Options
	fs.IntVar(&o.Members, "members", 500, "how many members to simulate")
	fs.Float64Var(&o.Turnout, "turnout", 0.7, "the share of the members who vote, from 0 to 1")
	fs.Uint64Var(&o.Seed, "seed", 1, "draws the members and their choices; the same seed gives the same result")
	fs.StringVar(&o.Out, "out", "", "folder for the record of the election (default: a new one under the temporary folder)")
	fs.StringVar(&o.Data, "data", "", "folder for databases, keys and mails, kept afterwards (default: a temporary one, removed)")
	rollFile := fs.String("roll", "", "roll file (CSV) to use instead of simulated members")
	options := rollOptions(fs)
	serve := fs.Bool("serve", false, "stay open for voting after the simulated members have voted, and again with the result, until you press Enter")
	logging := fs.Bool("v", false, "print the service's log")
	if err := parse(fs, args); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return usageError("there is nothing to say after the flags, such as %q", fs.Arg(0))
	case o.Members < 3 || o.Members > 200_000:
		return usageError("-members takes 3 to 200,000")
	case o.Turnout <= 0 || o.Turnout > 1:
		return usageError("-turnout takes a share over 0 and up to 1, such as 0.7")
	}
	if err := needsLinux("demo"); err != nil {
		return err
	}
	if *rollFile != "" {
		var err error
		if o.Roll, err = os.ReadFile(*rollFile); err != nil {
			return fmt.Errorf("reading the roll: %w", err)
		}
		o.RollOptions = options()
	}
	if *serve {
		enter := bufio.NewReader(e.in)
		o.Serve = func(ctx context.Context, w *demo.World) error { return stayOpen(ctx, e, w, enter) }
		o.Certified = func(ctx context.Context, w *demo.World) error { return stayCertified(ctx, e, w, enter) }
	}
	return runWorld(ctx, e, o, *logging)
}

func runWorld(ctx context.Context, e *env, o demo.Options, logging bool) error {
	bars := newProgress(e)
	defer bars.done()
	o.Progress, o.Version, o.Log = bars.step, versionText(), newLogger(e.err, logging)
	o.Say = func(format string, args ...any) {
		bars.done()
		fmt.Fprintf(e.out, format+"\n", args...)
	}
	// The time in which a person looks around is no time of the work before it.
	for _, stay := range []*func(context.Context, *demo.World) error{&o.Serve, &o.Certified} {
		if wait := *stay; wait != nil {
			*stay = func(ctx context.Context, w *demo.World) error {
				bars.done()
				return wait(ctx, w)
			}
		}
	}
	fmt.Fprintln(e.out, "DEMO. This is not a real vote.")
	report, err := demo.Run(ctx, o)
	bars.done()
	if faults := new(demo.RollError); errors.As(err, &faults) {
		if werr := faults.File.WriteReport(e.out); werr != nil {
			return fmt.Errorf("printing the report: %w", werr)
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out)
	return printReport(e, report, false)
}

// stayOpen tells a person where everything is while voting is open, and waits for
// Enter.
func stayOpen(ctx context.Context, e *env, w *demo.World, enter *bufio.Reader) error {
	o, id := w.Origins(), w.Election()
	fmt.Fprintf(e.out, `
Voting is open, and stays open until you press Enter here.

  public pages       %s/e/%s/
  public record      %s/%s/
  everybody's mail   %s

These members have not voted. Open a link in a browser and vote for one of them:

`, o.Board, id, o.Board, id, w.Mail())
	unused := w.Unused()[:min(3, len(w.Unused()))]
	for _, path := range unused {
		link, err := linkOf(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "  %s\n", link)
	}
	fmt.Fprintf(e.out, "\nor, in another terminal, without one:\n\n")
	for _, path := range unused {
		fmt.Fprintf(e.out, "  %s vote %s\n", e.program, path)
	}
	return pressEnter(ctx, enter)
}

// stayCertified shows the result before the service ends.
func stayCertified(ctx context.Context, e *env, w *demo.World, enter *bufio.Reader) error {
	o, id := w.Origins(), w.Election()
	fmt.Fprintf(e.out, `
The result is certified, and its record was verified. Press Enter here to end the demo.

  result             %[1]s/e/%[2]s/result
  find a tracker     %[1]s/e/%[2]s/box
  check it yourself  %[1]s/e/%[2]s/check

`, o.Board, id)
	return pressEnter(ctx, enter)
}

// pressEnter waits for Enter. The end of the input is taken for it, so that a demo
// without a terminal ends too.
func pressEnter(ctx context.Context, in *bufio.Reader) error {
	enter := make(chan struct{})
	go func() {
		defer close(enter)
		_, _ = in.ReadString('\n')
	}()
	select {
	case <-enter:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
