package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/suite"
)

const ceremonyHelp = `
Tellers usually reach the service over the network. For tellers whose computers have
none, files go to and fro on a stick:

  election ceremony export -data DIR FILE       the state, for the tellers' programs
  election ceremony import -data DIR FILE...    messages that they wrote

Where a teller's computer is lost before the election is sealed, the ceremony begins
again with new keys; a manifest that was proposed is void:

  election ceremony restart -data DIR -by YOU -yes` + operatorHelp

func runElectionCeremony(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return flag.ErrHelp
	}
	var o operation
	o.add(e, fs, true)
	switch args[0] {
	case "export":
		if err := o.parse(fs, args[1:], 1, "name the file to write"); err != nil {
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
	case "import":
		if err := o.parse(fs, args[1:], -1, "name the files that the tellers wrote"); err != nil {
			return err
		}
		return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
			return importMessages(ctx, e, d, id, fs.Args())
		})
	case "restart":
		if err := o.parse(fs, args[1:], 0, "it takes no arguments"); err != nil {
			return err
		}
		return restartCeremony(ctx, e, &o)
	}
	return usageError("there is no step %q", args[0])
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

func restartCeremony(ctx context.Context, e *env, o *operation) error {
	by, err := o.who()
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

func runElectionLog(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
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
	})
}

func runElectionWipe(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	by, err := o.who()
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
		fmt.Fprint(e.err, "Type wipe to delete it: ")
		line, err := bufio.NewReader(e.in).ReadString('\n')
		if err != nil || strings.TrimSpace(line) != "wipe" {
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
