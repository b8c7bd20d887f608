package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/suite"
)

func ceremonyCommand() command {
	return command{
		name: "ceremony", args: "NAME [flags]", short: "the tellers' ceremony by files, or begun again",
		long: `
Tellers usually reach the service over the network. For tellers whose computers have
none, files go to and fro on a stick. Where a teller's computer is lost before the
election is sealed, the ceremony begins again with new keys.`,
		subs: []command{
			{name: "export", args: "-data DIR FILE", short: "write the state, for the tellers' programs", run: ceremonyExport, long: `
Writes the state of the ceremony to FILE, which a teller without a network reads with
strikevote teller -in. It holds nothing secret.` + operatorHelp},
			{name: "import", args: "-data DIR FILE...", short: "take messages that tellers wrote", run: ceremonyImport, long: `
Takes the files that tellers without a network wrote with strikevote teller -out. The
same file again changes nothing.` + operatorHelp},
			{name: "restart", args: "-data DIR -by YOU [-yes]", short: "begin again, with new keys", run: ceremonyRestart, long: `
Begins the ceremony again. All keys of the tellers so far are dead, and a manifest that
was proposed is void. Once the election is sealed it is refused.` + operatorHelp},
		},
	}
}

func ceremonyExport(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	if err := o.parse(fs, args, 1, "name the file to write"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		state, err := d.ExportCeremony(ctx, id)
		if err != nil {
			return err
		}
		if err := os.WriteFile(fs.Arg(0), state, 0o644); err != nil {
			return fmt.Errorf("writing the ceremony's state: %w", err)
		}
		fmt.Fprintf(e.out, "The state is in %s. It holds nothing secret.\n", fs.Arg(0))
		return nil
	})
}

func ceremonyImport(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	if err := o.parse(fs, args, -1, "name the files that the tellers wrote"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		return importMessages(ctx, e, d, id, fs.Args())
	})
}

// importMessages takes every file that can be taken, and says of each what became
// of it.
func importMessages(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID, paths []string) error {
	bad := 0
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading a message: %w", err)
		}
		m, err := d.ImportMessage(ctx, id, file)
		if err != nil {
			bad++
			fmt.Fprintf(e.err, "%s: %v\n", path, err)
			continue
		}
		fmt.Fprintf(e.out, "%s: %s of teller %d\n", path, m.Round, m.Number)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d files were not taken", bad, len(paths))
	}
	return nil
}

func ceremonyRestart(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	by, err := o.begin(e, fs, args, 0, "it takes no arguments")
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		fmt.Fprintln(e.out, "The ceremony would begin again. All keys of the tellers so far are dead, and so is a manifest that names them.")
		if o.dry(e) {
			return nil
		}
		if err := d.RestartCeremony(ctx, id, by); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "\nDone. Each teller runs strikevote teller init again, with a new key file and the same invitation.")
		return nil
	})
}

func showLog(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	entries, err := d.CommitteeLog(ctx, id)
	if err != nil {
		return err
	}
	for _, x := range entries {
		fmt.Fprintf(e.out, "%s  %-20s %s", x.At.Local().Format("2006-01-02 15:04:05"), x.Who, x.What)
		if x.Detail != "" {
			fmt.Fprintf(e.out, " (%s)", x.Detail)
		}
		fmt.Fprintln(e.out)
	}
	return nil
}

func runElectionWipe(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	by, err := o.begin(e, fs, args, 0, "it takes no arguments")
	if err != nil {
		return err
	}
	return o.anywhere(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		if err := d.MayWipe(id); err != nil {
			return err
		}
		title := "An election that cannot be opened"
		if v, err := d.Overview(ctx, id); err == nil {
			watermark(e, v.Manifest)
			title = v.Manifest.Title[0]
		} // else it may be half deleted, by a wipe that was interrupted
		fmt.Fprintf(e.out, "%s, %s: everything of it would be deleted for good: roll, ballots, mails in the queue, keys.\n", title, id)
		if o.dry(e) {
			return nil
		}
		line, err := newQuestions(ctx, e).line("Type wipe to delete it: ")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || line != "wipe" {
			return errors.New("nothing was deleted")
		}
		if err := d.Wipe(ctx, id, by); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\nIt is deleted. Yours to delete are copies of its keys, backups, and its mails in %s.\n", d.MailDir())
		if !d.HasBox() {
			fmt.Fprintln(e.out, "The box is on another host; the same command deletes it there.")
		}
		return nil
	})
}
