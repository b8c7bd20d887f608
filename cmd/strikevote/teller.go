package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

func tellerCommand() command {
	return command{
		name: "teller", args: "init|copy|drill|check|open|destroy [flags]",
		short: "a teller's program: keep one share of the opening key, open the total",
		long: `
On the teller's own computer, in this order:

  teller init -key FILE INVITATION   make a key, and go through the ceremony with
                                     the other tellers; may be stopped and run again
  teller copy -key FILE COPY         a second copy, for another medium
  teller drill -key FILE -copy COPY  prove that both copies work, before voting opens
  teller check -key FILE             once the election is sealed: does it name your
                                     key? If not, nobody may vote in it
  teller open -key FILE              after the lock: download the record, verify all
                                     of it, show what would be opened; -yes opens it
  teller destroy -key FILE           after certification; -yes destroys the key

The key is kept in FILE, sealed with a passphrase. It is asked for, or read from
the file that -passphrase names. Nobody can restore a forgotten passphrase.`,
		run: runTeller,
	}
}

type tellerFlags struct {
	key, copy, passphrase, mid, root string
	yes                              bool
}

func runTeller(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var f tellerFlags
	fs.StringVar(&f.key, "key", "", "the key file")
	fs.StringVar(&f.copy, "copy", "", "the second copy of the key file")
	fs.StringVar(&f.passphrase, "passphrase", "", "file that holds the passphrase, instead of asking")
	fs.StringVar(&f.mid, "mid", "", "the election you mean, as 64 hexadecimal digits")
	fs.StringVar(&f.root, "root", "", "for the second copy: the close root that the first copy opened")
	fs.BoolVar(&f.yes, "yes", false, "do it; without it, open and destroy only show what they would do")
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		return flag.ErrHelp
	}
	step, ok := map[string]func(context.Context, *env, tellerFlags, []string) error{
		"init": tellerInit, "copy": tellerCopy, "drill": tellerDrill, "check": tellerCheck, "open": tellerOpen, "destroy": tellerDestroy,
	}[args[0]]
	if !ok {
		return usageError("there is no step %q", args[0])
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if f.key == "" {
		return usageError("name your key file with -key")
	}
	return step(ctx, e, f, fs.Args())
}

// passphrase reads the passphrase from a file, or asks for it without showing it.
func passphrase(e *env, path string, fresh bool) ([]byte, error) {
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading passphrase: %w", err)
		}
		return checkPassphrase(bytes.TrimRight(b, "\r\n"), fresh)
	}
	stdin, ok := e.in.(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return nil, usageError("name a file with -passphrase; there is no terminal to ask at")
	}
	ask := func(prompt string) ([]byte, error) {
		fmt.Fprint(e.err, prompt)
		defer fmt.Fprintln(e.err)
		return term.ReadPassword(int(stdin.Fd()))
	}
	first, err := ask("Passphrase: ")
	if err != nil || !fresh {
		return first, err
	}
	again, err := ask("The same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, errors.New("the two passphrases differ; nothing was made")
	}
	return checkPassphrase(first, fresh)
}

func checkPassphrase(p []byte, fresh bool) ([]byte, error) {
	if fresh && len(p) < 12 {
		return nil, errors.New("a passphrase needs at least 12 characters; four or more random words are good")
	}
	return p, nil
}

func openKey(e *env, f tellerFlags) (*teller.Teller, error) {
	pass, err := passphrase(e, f.passphrase, false)
	if err != nil {
		return nil, err
	}
	return teller.Open(f.key, pass)
}

func tellerInit(ctx context.Context, e *env, f tellerFlags, args []string) error {
	if len(args) != 1 {
		return usageError("give the invitation from the committee, in quotes")
	}
	inv, err := ceremony.ParseInvitation(args[0])
	if err != nil {
		return err
	}
	_, statErr := os.Stat(f.key)
	pass, err := passphrase(e, f.passphrase, os.IsNotExist(statErr))
	if err != nil {
		return err
	}
	t, err := teller.Enroll(ctx, inv, f.key, pass)
	if err != nil {
		return err
	}
	defer t.Close()
	return ceremonyLoop(ctx, e, t)
}

// ceremonyPoll is how often a teller's program looks whether the others are ready.
const ceremonyPoll = 2 * time.Second

func ceremonyLoop(ctx context.Context, e *env, t *teller.Teller) error {
	last := ""
	for {
		waiting, err := t.Advance(ctx)
		if err != nil {
			return err
		}
		if waiting == "" {
			fmt.Fprintln(e.out, "The ceremony is done, and all tellers agree. Your share is in the key file.\nNow make a second copy: strikevote teller copy, and keep it on another medium.")
			return nil
		}
		if waiting != last {
			fmt.Fprintf(e.out, "Waiting for %s. You may stop and run this again later.\n", waiting)
			last = waiting
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(ceremonyPoll):
		}
	}
}

func tellerCopy(_ context.Context, e *env, f tellerFlags, args []string) error {
	if len(args) != 1 {
		return usageError("name the file of the second copy")
	}
	pass, err := passphrase(e, f.passphrase, false)
	if err != nil {
		return err
	}
	t, err := teller.Open(f.key, pass)
	if err != nil {
		return err
	}
	defer t.Close()
	second, err := t.Copy(args[0], pass)
	if err != nil {
		return err
	}
	second.Close()
	fmt.Fprintf(e.out, "The second copy is in %s, sealed with the same passphrase. Keep it away from the first.\n", args[0])
	return nil
}

func tellerDrill(ctx context.Context, e *env, f tellerFlags, _ []string) error {
	if f.copy == "" {
		return usageError("name the second copy with -copy: a drill proves both")
	}
	pass, err := passphrase(e, f.passphrase, false)
	if err != nil {
		return err
	}
	first, err := teller.Open(f.key, pass)
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.key, err)
	}
	defer first.Close()
	second, err := teller.Open(f.copy, pass)
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.copy, err)
	}
	defer second.Close()
	if err := teller.Drill(ctx, first, second); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "Both copies of your key work, and the proof of it is with the committee.")
	return nil
}

func tellerCheck(ctx context.Context, e *env, f tellerFlags, _ []string) error {
	mid, err := f.expected()
	if err != nil {
		return err
	}
	t, err := openKey(e, f)
	if err != nil {
		return err
	}
	defer t.Close()
	s, err := t.Check(ctx, mid)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "The sealed election names your key, and the witnesses have seen it.\nElection: %s\nSix check words: %s\nCompare the words with the other tellers.\n",
		s.Manifest.Title[0], election.SixWords(s.MID))
	return nil
}

// expected returns the election that -mid names, or nil.
func (f tellerFlags) expected() (*suite.MID, error) {
	if f.mid == "" {
		return nil, nil
	}
	mid, err := suite.ParseMID(f.mid)
	if err != nil {
		return nil, usageError("-mid takes 64 hexadecimal digits")
	}
	return &mid, nil
}

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
	t, err := openKey(e, f)
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
	r := opening.Report
	fmt.Fprintf(e.out, "The whole record was downloaded and holds.\nElection: %s\nSix check words: %s\nClose root: %s\n\nThis would be opened, and nothing else:\n",
		r.Manifest.Title[0], election.SixWords(r.MID), r.CloseRoot)
	for _, set := range r.Partition {
		var names []string
		for _, g := range set.Groups {
			names = append(names, r.Manifest.Group(g).Name)
		}
		fmt.Fprintf(e.out, "  the sum of %d ballots of %s\n", set.Count, strings.Join(names, ", "))
	}
	if !f.yes {
		fmt.Fprint(e.out, "\nCompare the six words with your mail or the notice board. To open it, run this again with -yes.\n")
		return nil
	}
	if err := t.Send(ctx, opening); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "\nYour part of the opening is sent.")
	return nil
}

func tellerDestroy(ctx context.Context, e *env, f tellerFlags, _ []string) error {
	t, err := openKey(e, f)
	if err != nil {
		return err
	}
	defer t.Close()
	if !f.yes {
		fmt.Fprintf(e.out, "This would destroy the key in %s for ever. Run it again with -yes; then destroy the second copy too.\n", f.key)
		return nil
	}
	fmt.Fprintf(e.err, "Type destroy to destroy the key in %s: ", f.key)
	line, err := bufio.NewReader(e.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "destroy" {
		return errors.New("nothing was destroyed")
	}
	if err := t.Destroy(ctx); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "The key is destroyed and your statement of it is sent. Destroy the second copy too.")
	return nil
}
