package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/suite"
)

func pagesCommand() command {
	return command{name: "pages", args: "-data DIR [-yes] FOLDER|-by YOU -withdraw NAME,…", short: "show what the union wrote on the public pages", run: runElectionPages, long: `
Reads a folder of texts, contacts and documents, lists everything that is wrong with it by
file and line, and says what would change. With -yes it is shown from then on; what was
shown before is kept. It works before an election is sealed and at any time after. -sample
writes a folder to fill in, which explains itself.

-withdraw takes back what was shown, now or before, by the names that this command lists
it with, such as documents/offer.pdf or en/stories/2. Nobody is given it any more, and
earlier editions are given without it; the page of the documents says that something was
taken back, and when, with the title of a document. The database keeps it, and so may
whoever has read it. Take it out of the folder too, or it is shown again the next time.
A story that only an earlier edition has, or has in other words or with a name, is taken
back as en/stories/2@1, the second of edition 1.` + operatorHelp}
}

func runElectionPages(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	o.named(fs)
	sample := fs.Bool("sample", false, "write a commented sample to FOLDER and do nothing else")
	names := fs.String("withdraw", "", "take back what was shown under these `NAMES`, with commas between")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *names != "" && fs.NArg() == 0 && !*sample {
		return withdrawPages(ctx, e, &o, strings.Split(*names, ","))
	}
	if fs.NArg() != 1 || *names != "" {
		return usageError("name the folder with the texts, or with -withdraw what is to be taken back")
	}
	dir := fs.Arg(0)
	if *sample {
		if err := pages.WriteSample(dir); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "A sample is in %s. Fill it in, and delete what you do not use; README.txt says what is what.\n", dir)
		return nil
	}
	return showPages(ctx, e, &o, dir)
}

// showPages shows what a folder holds.
func showPages(ctx context.Context, e *env, o *operation, dir string) error {
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
		if err := folder.Content.CheckDates(v.Manifest.Schedule, v.Close, v.Zone); err != nil {
			return err
		}
		// Also where nothing else differs: the folder may be shown so already.
		here, elsewhere := folder.Content.Moments(cmp.Or(v.Close, v.Manifest.Schedule.Close), v.Zone)
		if here != elsewhere {
			fmt.Fprintf(e.out, "CAREFUL: voting closes on %s, as the pages would say, and on %s, as mails and the ballot do. Write the zone of the election file into settings.json too, or none.\n", here, elsewhere)
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
		for _, w := range pages.Again(now, folder.Content) {
			fmt.Fprintf(e.out, "CAREFUL: %s was withdrawn on %s, and would be shown again.\n", w.Name, momentAt(w.At.Unix(), v.Zone))
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

// withdrawPages takes back what was shown.
func withdrawPages(ctx context.Context, e *env, o *operation, names []string) error {
	by, err := o.who()
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		watermark(e, v.Manifest)
		fmt.Fprintln(e.out, v.Manifest.Title[0])
		now, err := d.Content(ctx, id)
		if err != nil {
			return err
		}
		next, err := d.WithdrawContent(ctx, id, names, by, false)
		if err != nil {
			return err
		}
		for _, c := range pages.Changes(now.Content, next.Content) {
			fmt.Fprintln(e.out, c)
		}
		for _, w := range next.Withdrawn[len(now.Withdrawn):] {
			fmt.Fprintf(e.out, "%s is given to nobody any more, and taken out of every edition up to %d.\n", w.Name, w.Last)
			if strings.Contains(w.Name, "/stories/") {
				fmt.Fprintf(e.out, "CAREFUL: where an earlier edition had this story in other words and with another name, title or campus, it stays. Look at each: %scontent/1 and so on.\n", d.Pages(id))
			}
		}
		if o.dry(e) {
			return nil
		}
		if next, err = d.WithdrawContent(ctx, id, names, by, true); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "\nIt is withdrawn; edition %d is shown: %s\nTake it out of your folder too. Caches may keep it for a minute, and readers as long as they like.\n", next.Number, d.Pages(id))
		return nil
	})
}
