package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// disputeCommands are for reports "it was not me".
func disputeCommands() []command {
	return []command{
		{name: "disputes", args: "-data DIR", short: "list the reports \"it was not me\"", run: looks(showDisputes), long: `
Lists what people reported who say that somebody else used their link, with what two of
the committee made of it. It is for those who look at the reports: it holds names and
phone numbers. Whether a ballot was issued is said only of a report that came with the
link itself.` + operatorHelp},
		{name: "dispute", args: "-data DIR -by YOU -uphold N|-reject N [-yes]", short: "say what you make of a report", run: runElectionDispute, long: `
Records that one of the committee would uphold or reject a report "it was not me". A
second one who says the same decides it; each has one word. It is a name that you write
and no signature: nothing shows to others that it was you, so do it together, and keep
minutes. What is signed is the certificate. It says of how many members reports are upheld,
and whether those could change the outcome. Once it is signed nothing is decided here any
more, and it cannot be amended. A ballot that was issued cannot be taken back: nobody can
tell which it is.` + operatorHelp},
	}
}

func showDisputes(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	list, err := d.Disputes(ctx, id)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(e.out, "There are no reports.")
		return nil
	}
	v, err := d.Overview(ctx, id)
	if err != nil {
		return err
	}
	for _, x := range list {
		describeDispute(e, x, momentAt(x.At.Unix(), v.Zone))
	}
	return nil
}

// showReports says how many reports there are, if there are any.
func showReports(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	list, err := d.Disputes(ctx, id)
	if err != nil || len(list) == 0 {
		return err
	}
	waiting := 0
	for _, x := range list {
		if x.State == registrar.DisputeOpen {
			waiting++
		}
	}
	fmt.Fprintf(e.out, "reports    %d say \"it was not me\", %d wait for two of the committee: strikevote election disputes\n", len(list), waiting)
	return nil
}

func describeDispute(e *env, x registrar.Dispute, at string) {
	fmt.Fprintf(e.out, "Report %d, %s, %s\n", x.Number, at, x.State)
	switch {
	case x.Member == "":
		fmt.Fprintln(e.out, "  it came without a link")
	case x.Issued:
		fmt.Fprintf(e.out, "  it came with the link of %s; a ballot was issued with it\n", x.Member)
	default:
		fmt.Fprintf(e.out, "  it came with the link of %s; no ballot was issued with it\n", x.Member)
	}
	for _, line := range []struct {
		what string
		text string
	}{
		{"says to be", x.Who}, {"phone", x.Phone},
		{"would uphold it", strings.Join(x.Upheld, ", ")}, {"would reject it", strings.Join(x.Rejected, ", ")},
	} {
		if line.text != "" {
			fmt.Fprintf(e.out, "  %s: %s\n", line.what, line.text)
		}
	}
	for line := range strings.Lines(x.Happened) {
		fmt.Fprintf(e.out, "    %s\n", strings.TrimRight(line, "\n"))
	}
	fmt.Fprintln(e.out)
}

func runElectionDispute(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	uphold := fs.Int("uphold", 0, "the number of a report that is true")
	reject := fs.Int("reject", 0, "the number of a report that is not")
	const what = "name one report with -uphold or -reject"
	by, err := o.begin(e, fs, args, 0, what)
	if err != nil {
		return err
	}
	if (*uphold > 0) == (*reject > 0) {
		return usageError(what)
	}
	number := max(*uphold, *reject)
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		if err := d.CheckDispute(ctx, id, number, by, *uphold > 0); err != nil {
			return err
		}
		x, err := disputeOf(ctx, d, id, number)
		if err != nil {
			return err
		}
		describeDispute(e, *x, momentAt(x.At.Unix(), d.Zone(id)))
		word := "reject"
		if *uphold > 0 {
			word = "uphold"
		}
		if !o.yes {
			fmt.Fprintf(e.out, "It would be recorded that %s would %s it.\n", by, word)
		}
		if o.dry(e) {
			return nil
		}
		if err := d.DecideDispute(ctx, id, number, by, *uphold > 0); err != nil {
			return err
		}
		if x, err = disputeOf(ctx, d, id, number); err != nil {
			return err
		}
		tellDecided(e, x, by, word)
		return nil
	})
}

func disputeOf(ctx context.Context, d *deployment.Deployment, id suite.ElectionID, number int) (*registrar.Dispute, error) {
	list, err := d.Disputes(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Number == number {
			return &list[i], nil
		}
	}
	return nil, registrar.ErrNoDispute
}

// tellDecided says what was recorded, and what it decides.
func tellDecided(e *env, x *registrar.Dispute, by, word string) {
	fmt.Fprintf(e.out, "Recorded: %s would %s report %d.\n", by, word, x.Number)
	if x.State == registrar.DisputeOpen {
		fmt.Fprintln(e.out, "It is not decided: it is once two of the committee say the same.")
		return
	}
	fmt.Fprintf(e.out, "Two of the committee say so: report %d is %s.\n", x.Number, x.State)
}
