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
	if errors.Is(err, teller.ErrSecondCopy) {
		return secondCopy(err, f.root != "")
	}
	if err != nil {
		return err
	}
	showOpening(e, opening.Report)
	if !f.yes {
		fmt.Fprint(e.out, "\nCompare the six words with your mail or the notice board. To open it, run this again with -yes.\n")
		return nil
	}
	if f.byFiles() {
		if err := t.Send(ctx, opening); err != nil {
			return err
		}
		fmt.Fprintln(e.out)
		sayCarry(e, f)
		return nil
	}
	return sendOpening(ctx, e, t, opening)
}

// sendOpening sends a part over the network, and says what comes next.
func sendOpening(ctx context.Context, e *env, t *teller.Teller, opening *teller.Opening) error {
	before, err := t.Standing(ctx)
	if err != nil {
		return err
	}
	if err := t.Send(ctx, opening); err != nil {
		return err
	}
	if before.Mine {
		fmt.Fprintln(e.out, "\nYour part of the opening was there already. It is sent again, and says the same.")
	} else {
		fmt.Fprintln(e.out, "\nYour part of the opening is sent.")
	}
	after, err := t.Standing(ctx)
	if err != nil {
		fmt.Fprintf(e.err, "How many parts are there now could not be asked: %v\n", err)
		return nil
	}
	fmt.Fprintln(e.out, afterOpening(after))
	return nil
}

// afterOpening says what comes after this teller's part.
func afterOpening(p teller.Standing) string {
	switch {
	case p.Phase == election.PhaseCertified:
		return "The totals are open, and the result is certified. Next: strikevote teller destroy."
	case p.Phase == election.PhaseTallied:
		return "The totals are open. Next the committee signs the certificate: strikevote committee sign."
	case p.There >= p.Needed:
		return fmt.Sprintf("%d parts are there, and %d are needed: the service opens the totals now. Next the committee signs the certificate: strikevote committee sign.",
			p.There, p.Needed)
	}
	return fmt.Sprintf("%d of %d parts are there so far. Next: strikevote teller open by %s.", p.There, p.Needed, count(p.Needed-p.There, "more teller"))
}

// secondCopy says what the second copy of a key needs, and where to have it from.
func secondCopy(err error, given bool) error {
	if given {
		return fmt.Errorf(`%w.
The digits given with -root are not those of this record. Open nothing: compare the digits
that the programs of the other tellers print, and call the committee if they differ`, err)
	}
	return fmt.Errorf(`%w.
Add -root and the 64 digits that the first copy printed as "Check digits of the closed box".
If the first copy was lost before it opened anything, ask two other tellers for the digits:
strikevote teller open prints them for each of them, and strikevote verify for anybody, as
the root of the ballot log`, err)
}

func showOpening(e *env, r *audit.Report) {
	watermark(e, r.Manifest)
	fmt.Fprintf(e.out, "The whole record was verified and holds.\nElection: %s\nSix check words: %s\nCheck digits of the closed box (-root): %s\n\nThis would be opened, and nothing else:\n",
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
	bars := newProgress(e)
	defer bars.done()
	// Before anything is asked, or shown: what would be refused then is refused now.
	end, err := t.End(ctx, bars.step)
	bars.done()
	if err != nil {
		return err
	}
	if !f.yes {
		fmt.Fprintf(e.out, "The result is certified. This would destroy the key in %s for ever. Run it again with -yes. %s\n", f.key, otherCopy(t))
		return nil
	}
	line, err := newQuestions(ctx, e).line(fmt.Sprintf("Type destroy to destroy the key in %s: ", f.key))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || line != "destroy" {
		return errors.New("nothing was destroyed")
	}
	if err := t.Destroy(ctx, end); err != nil {
		return err
	}
	if f.byFiles() {
		fmt.Fprintf(e.out, "The key in %s is destroyed. %s\n", f.key, otherCopy(t))
		sayCarry(e, f)
		return nil
	}
	fmt.Fprintf(e.out, "The key in %s is destroyed and your statement of it is sent. %s\n", f.key, otherCopy(t))
	return nil
}

// otherCopy says what is to be done with the other copy.
func otherCopy(t *teller.Teller) string {
	if t.Second() {
		return "It is the second copy; the first is destroyed by a run of its own."
	}
	return "Destroy the second copy too."
}
