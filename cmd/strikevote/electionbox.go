package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func boxCommand() command {
	return command{
		name: "box", args: "NAME [flags]", short: "where the box is on a host of its own",
		long: `
Where the ballot box runs on a host of its own, its keys are made there and never leave
it. In this order:

  on the box's host      strikevote election box prepare -data DIR ID > box.json
  on the registrar's     strikevote election box keys -data DIR -yes box.json
  ...propose, sign, seal on the registrar's host...
  on the box's host      strikevote election box accept -data DIR -yes MANIFEST SEALING`,
		subs: []command{
			{name: "prepare", args: "-data DIR ID", short: "make the box's keys, on its host", run: boxPrepare, long: `
Makes the keys of the box, and writes their public halves to the standard output. ID is
the whole number of the election, 32 digits. Run again it writes the same.` + wholeHelp},
			{name: "keys", args: "-data DIR [-yes] FILE", short: "take their public halves, on the registrar's host", run: boxKeys, long: `
Takes what election box prepare wrote; the manifest names these keys then.` + operatorHelp},
			{name: "accept", args: "-data DIR [-yes] MANIFEST SEALING", short: "make the box, on its host", run: boxAccept, long: `
Makes the box of a sealed election. MANIFEST and SEALING are files of its public record:
<board>/<election>/manifest and <board>/<election>/sealing.` + wholeHelp},
		},
	}
}

func boxPrepare(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.addWhole(e, fs, false)
	if err := o.parse(fs, args, 1, "name the election by its whole number, 32 digits"); err != nil {
		return err
	}
	id, err := suite.ParseElectionID(fs.Arg(0))
	if err != nil {
		return usageError("name the election by its whole number, 32 digits")
	}
	d, err := o.open(ctx, e, deployment.PartBox)
	if err != nil {
		return err
	}
	defer d.Close()
	file, err := d.PrepareBox(id)
	if err != nil {
		return err
	}
	_, err = e.out.Write(file)
	return err
}

func boxKeys(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	if err := o.parse(fs, args, 1, "name the file that election box prepare wrote"); err != nil {
		return err
	}
	file, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("reading the box's keys: %w", err)
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		fmt.Fprintf(e.out, "The box of election %s would have these keys, for good.\n", id)
		if o.dry(e) {
			return nil
		}
		if err := d.GiveBoxKeys(id, file); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "\nThe keys of the box are kept.")
		return nil
	})
}

func boxAccept(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.addWhole(e, fs, true)
	if err := o.parse(fs, args, 2, "name the files manifest and sealing"); err != nil {
		return err
	}
	var files [2][]byte
	for i := range files {
		var err error
		if files[i], err = os.ReadFile(fs.Arg(i)); err != nil {
			return fmt.Errorf("reading the sealed election: %w", err)
		}
	}
	m, err := election.Parse(files[0])
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	describeDraft(e, m, time.Local)
	fmt.Fprintf(e.out, "Six words: %s\n", election.SixWords(election.MID(files[0])))
	if o.dry(e) {
		return nil
	}
	d, err := o.open(ctx, e, deployment.PartBox)
	if err != nil {
		return err
	}
	err = d.AcceptBox(ctx, files[0], files[1])
	if err == nil {
		fmt.Fprintln(e.out, "\nThe box is made. The service on this host serves it from now on.")
	}
	return errors.Join(err, d.Close())
}
