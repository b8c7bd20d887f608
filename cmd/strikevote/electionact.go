package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"strikevote/internal/booth"
	"strikevote/internal/deployment"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
)

func runElectionExtend(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	return moveClose(ctx, e, fs, args, act.KindExtend, func(at int64) []byte { return act.Extend{Close: at}.Bytes() })
}

func runElectionClose(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	return moveClose(ctx, e, fs, args, act.KindCloseEarly, func(at int64) []byte { return act.CloseEarly{Close: at}.Bytes() })
}

// moveClose proposes another close. The moment is read in the election's time zone.
func moveClose(ctx context.Context, e *env, fs *flag.FlagSet, args []string, kind act.Kind, payload func(int64) []byte) error {
	var o operation
	o.add(e, fs, true)
	o.named(fs)
	zone := fs.String("zone", "", "time zone of the moment (default: the election's)")
	if err := o.parse(fs, args, 1, "give one moment in quotes, like '2027-02-06 20:00'"); err != nil {
		return err
	}
	return o.actCommand(ctx, e, kind, func(v *deployment.Overview) ([]byte, string, error) {
		loc := v.Zone
		if *zone != "" {
			var err error
			if loc, err = time.LoadLocation(*zone); err != nil {
				return nil, "", usageError("-zone takes a time zone like America/Los_Angeles")
			}
		}
		at, err := parseMoment(fs.Arg(0), loc)
		if err != nil {
			return nil, "", usageError("the new close: %v", err)
		}
		words := fmt.Sprintf("Voting closes %s.\nIt would close %s.", momentAt(v.Close, loc), momentAt(at, loc))
		if kind == act.KindCloseEarly {
			words += "\n" + untold(v)
		}
		return payload(at), words, nil
	})
}

func runElectionCancel(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	o.named(fs)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.actCommand(ctx, e, act.KindCancel, func(*deployment.Overview) ([]byte, string, error) {
		return act.Cancel{}.Bytes(), "It would be cancelled: no ballot is issued or taken any more, nothing is opened, there is no result.", nil
	})
}

// runElectionClient proposes the act that names the ballot page of this program.
func runElectionClient(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, true)
	o.named(fs)
	if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
		return err
	}
	return o.actCommand(ctx, e, act.KindClientBundle, func(v *deployment.Overview) ([]byte, string, error) {
		now, before := booth.Client(v.Manifest.Origins.Booth), v.Client()
		if before != nil && *before == *now {
			return nil, "", errors.New("the committee has named the ballot page of this program already; nothing has to be done")
		}
		text := "No ballot page was named so far.\n"
		if before != nil {
			text = fmt.Sprintf("The ballot page named so far: %s\n  SHA-256 %s\n", before.URL, before.SHA256)
		}
		text += fmt.Sprintf("That of this program: %s\n  SHA-256 %s\nstrikevote version -assets prints it file by file. Once it takes effect, whoever runs\nstrikevote monitor is told of every other page.", now.URL, now.SHA256)
		return act.ClientBundle{URL: now.URL, SHA256: now.SHA256}.Bytes(), text, nil
	})
}

func runElectionWithdraw(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	const what = "name the act by its number, as strikevote election acts lists it"
	by, err := o.begin(e, fs, args, 1, what)
	if err != nil {
		return err
	}
	sequence, err := strconv.ParseUint(fs.Arg(0), 10, 32)
	if err != nil {
		return usageError(what)
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		list, err := d.CheckWithdraw(ctx, id, uint32(sequence))
		if err != nil {
			return err
		}
		if !o.yes {
			fmt.Fprintf(e.out, "This would be taken back: %s.\n", actNumbers(list))
		}
		if o.dry(e) {
			return nil
		}
		gone, err := d.WithdrawAct(ctx, id, uint32(sequence), by)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "Taken back: %s. The next act that is proposed has the number %d again.\n", actNumbers(gone), sequence)
		return nil
	})
}

// actNumbers names an act, and those that were proposed after it.
func actNumbers(list []uint32) string {
	text := fmt.Sprintf("act %d", list[0])
	for i, n := range list[1:] {
		if i == 0 {
			text += ", and what was proposed after it: act "
		} else {
			text += ", act "
		}
		text += strconv.FormatUint(uint64(n), 10)
	}
	return text
}

func showEnvelopes(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error {
	list, err := d.Deposits(ctx, id)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(e.out, "There are no envelopes.")
	}
	v, err := d.Overview(ctx, id)
	if err != nil {
		return err
	}
	for _, x := range list {
		on := "not on the roll: " + x.Reason
		if x.OnRoll {
			on = "on the roll, number " + x.Number
		}
		if x.Campus != "" {
			on = x.Campus + "; " + on
		}
		fmt.Fprintf(e.out, "%s  %-8s  %s  %s (%s)\n", receipt.Tracker(x.BallotID), x.Decision, v.Manifest.Group(x.Group).Name, x.Name, on)
	}
	return nil
}

func runElectionDecide(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	accept := fs.String("accept", "", "trackers of the envelopes that are to be counted")
	reject := fs.String("reject", "", "trackers of the envelopes that are never to be opened")
	by, err := o.begin(e, fs, args, 0, "name envelopes with -accept and -reject")
	if err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		all, err := d.Deposits(ctx, id)
		if err != nil {
			return err
		}
		var lists [2][]suite.BallotID
		for i, text := range []string{*accept, *reject} {
			for _, tracker := range items(text) {
				at := -1
				for j, x := range all {
					if sameTracker(receipt.Tracker(x.BallotID), tracker) {
						at = j
					}
				}
				if at < 0 {
					return fmt.Errorf("there is no envelope with the tracker %s", tracker)
				}
				lists[i] = append(lists[i], all[at].BallotID)
				fmt.Fprintf(e.out, "%s would be %s: %s\n", receipt.Tracker(all[at].BallotID), []string{"counted", "never opened"}[i], all[at].Name)
			}
		}
		p, err := d.Decision(ctx, id, lists[0], lists[1])
		if err != nil {
			return err
		}
		if err := d.CheckAct(ctx, id, act.KindDecide, p.Bytes()); err != nil {
			return err
		}
		if o.dry(e) {
			return nil
		}
		sequence, err := d.Decide(ctx, id, lists[0], lists[1], by)
		if err != nil {
			return err
		}
		propose(e, d, id, sequence)
		return nil
	})
}

// sameTracker compares trackers as people type them.
func sameTracker(a, b string) bool {
	return suite.CleanBase32(a) == suite.CleanBase32(b)
}

func runElectionExport(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	if err := o.parse(fs, args, 1, "name the folder to write"); err != nil {
		return err
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		if err := d.Export(ctx, id, fs.Arg(0)); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "The record is in %s. Check it: strikevote verify %s\n", fs.Arg(0), fs.Arg(0))
		return nil
	})
}
