package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"strikevote/internal/audit"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

func tellerOpen(ctx context.Context, e *env, f tellerFlags, _ []string) error {
	var o teller.Options
	var err error
	if o.MID, err = f.expected(); err != nil {
		return err
	}
	if f.root != "" {
		root, err := suite.ParseMID(f.root)
		if err != nil {
			return usageError("-root takes 64 hexadecimal digits")
		}
		h := suite.Hash(root)
		o.First = &h
	}
	t, err := openKey(ctx, e, f)
	if err != nil {
		return err
	}
	defer t.Close()
	bars := newProgress(e)
	defer bars.done()
	o.Progress = bars.step
	opening, err := t.Examine(ctx, o)
	bars.done()
	if err != nil {
		return err
	}
	showOpening(e, opening.Report)
	if !f.yes {
		fmt.Fprint(e.out, "\nCompare the six words with your mail or the notice board. To open it, run this again with -yes.\n")
		return nil
	}
	if err := t.Send(ctx, opening); err != nil {
		return err
	}
	if f.byFiles() {
		fmt.Fprintln(e.out)
		sayCarry(e, f)
		return nil
	}
	fmt.Fprintln(e.out, "\nYour part of the opening is sent.")
	return nil
}

func showOpening(e *env, r *audit.Report) {
	fmt.Fprintf(e.out, "The whole record was verified and holds.\nElection: %s\nSix check words: %s\nClose root: %s\n\nThis would be opened, and nothing else:\n",
		r.Manifest.Title[0], election.SixWords(r.MID), r.CloseRoot)
	for _, set := range r.Partition {
		var names []string
		for _, g := range set.Groups {
			names = append(names, r.Manifest.Group(g).Name)
		}
		fmt.Fprintf(e.out, "  the sum of %d ballots of %s\n", set.Count, strings.Join(names, ", "))
	}
}

func tellerDestroy(ctx context.Context, e *env, f tellerFlags, _ []string) error {
	t, err := openKey(ctx, e, f)
	if err != nil {
		return err
	}
	defer t.Close()
	if !f.yes {
		fmt.Fprintf(e.out, "This would destroy the key in %s for ever. Run it again with -yes; then destroy the second copy too.\n", f.key)
		return nil
	}
	line, err := newQuestions(ctx, e).line(fmt.Sprintf("Type destroy to destroy the key in %s: ", f.key))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || line != "destroy" {
		return errors.New("nothing was destroyed")
	}
	if err := t.Destroy(ctx); err != nil {
		return err
	}
	if f.byFiles() {
		fmt.Fprintln(e.out, "The key is destroyed. Destroy the second copy too.")
		sayCarry(e, f)
		return nil
	}
	fmt.Fprintln(e.out, "The key is destroyed and your statement of it is sent. Destroy the second copy too.")
	return nil
}
