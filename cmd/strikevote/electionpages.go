package main

import (
	"context"
	"flag"
	"fmt"

	"strikevote/internal/deployment"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/suite"
)

func pagesCommand() command {
	return command{name: "pages", args: "-data DIR [-yes] FOLDER", short: "show what the union wrote on the public pages", run: runElectionPages, long: `
Reads a folder of texts, contacts and documents, lists everything that is wrong with it by
file and line, and says what would change. With -yes it is shown from then on; what was
shown before is kept. It works before an election is sealed and at any time after. -sample
writes a folder to fill in, which explains itself.` + operatorHelp}
}

func runElectionPages(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	sample := fs.Bool("sample", false, "write a commented sample to FOLDER and do nothing else")
	if err := o.parse(fs, args, 1, "name the folder with the texts"); err != nil {
		return err
	}
	dir := fs.Arg(0)
	if *sample {
		if err := pages.WriteSample(dir); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "A sample is in %s. Fill it in, and delete what you do not use; README.txt says what is what.\n", dir)
		return nil
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		watermark(e, v.Manifest)
		fmt.Fprintln(e.out, v.Manifest.Title[0])
		folder, err := pages.ReadFolder(dir, !v.Manifest.Demo && !v.Manifest.Rehearsal)
		if err != nil {
			return err
		}
		if err := d.CompleteContent(ctx, id, &folder.Content); err != nil {
			return err
		}
		now, err := d.Content(ctx, id)
		if err != nil {
			return err
		}
		changes := pages.Changes(now.Content, folder.Content)
		if len(changes) == 0 {
			fmt.Fprintln(e.out, "Nothing differs from what is shown now.")
			return nil
		}
		for _, c := range changes {
			fmt.Fprintln(e.out, c)
		}
		if o.dry(e) {
			return nil
		}
		stored, err := d.StoreContent(ctx, id, folder)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\nIt is shown as edition %d: %s\n", stored.Number, d.Pages(id))
		if lot := stored.Content.Lot; lot != nil && now.Content.Lot == nil {
			first := "for"
			if lot.AgainstFirst {
				first = "against"
			}
			fmt.Fprintf(e.out, "The order of the opinions was drawn by lot, once and for good: %s stands first.\n", first)
		}
		return nil
	})
}
