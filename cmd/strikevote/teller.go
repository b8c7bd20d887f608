package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

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
                                     the other tellers; may be stopped and run again.
                                     Compare the six words at its end by phone
  teller copy -key FILE COPY         a second copy, for another medium
  teller drill -key FILE -copy COPY  prove that both copies work, before voting opens
  teller check -key FILE             once the election is sealed: does it name your
                                     key? If not, nobody may vote in it
  teller open -key FILE              after the lock: verify the whole record, show
                                     what would be opened; -yes opens it
  teller destroy -key FILE           after certification; -yes destroys the key

The key is kept in FILE, sealed with a passphrase. It is asked for, or read from
the file that -passphrase names. Nobody can restore a forgotten passphrase; a wrong
one does no harm. While one program has FILE open, a second one is refused.

Without a network on that computer, files go to and from the operator, on a stick:

  teller init -key FILE -in STATE -out MESSAGE INVITATION
                                     read the state that the operator exported, and
                                     write your next message; again with every new
                                     state, until it says that the ceremony is done
  teller drill -key FILE -copy COPY -in STATE -out MESSAGE
  teller check -key FILE -in STATE
  teller open -key FILE -record DIR|ZIP -out MESSAGE -yes
  teller destroy -key FILE -record DIR|ZIP -out MESSAGE -yes

If a teller's computer is lost before sealing, the committee starts the ceremony
again, and each teller takes part in it with a new key file if the old one had been
through to the end. After sealing the others open, as long as there are enough.

While the program runs the key is in this computer's memory, and may be in its swap
space: use a disk that is encrypted, and switch the computer off afterwards.`,
		run: runTeller,
	}
}

type tellerFlags struct {
	key, copy, passphrase, mid, root string
	in, out, record                  string
	yes                              bool
}

// byFiles reports whether the program is to make no connection.
func (f tellerFlags) byFiles() bool { return f.in+f.out+f.record != "" }

// A tellerStep is one word after teller.
type tellerStep struct {
	run func(context.Context, *env, tellerFlags, []string) error
	// What the step reads and writes without a network, as usage says it. The
	// flags in it are needed; out of open and destroy only with -yes.
	files string
}

func tellerSteps() map[string]tellerStep {
	return map[string]tellerStep{
		"init":    {tellerInit, "-in STATE -out MESSAGE"},
		"copy":    {tellerCopy, ""},
		"drill":   {tellerDrill, "-in STATE -out MESSAGE"},
		"check":   {tellerCheck, "-in STATE"},
		"open":    {tellerOpen, "-record DIR|ZIP -out MESSAGE"},
		"destroy": {tellerDestroy, "-record DIR|ZIP -out MESSAGE"},
	}
}

// fits returns an error unless the flags for files are those of the step.
func (f tellerFlags) fits(step tellerStep) error {
	for _, flag := range []struct{ name, value string }{{"-in", f.in}, {"-record", f.record}, {"-out", f.out}} {
		wanted := strings.Contains(step.files, flag.name+" ")
		if wanted && flag.value == "" && flag.name == "-out" && f.record != "" && !f.yes {
			continue // it only shows what it would do
		}
		if wanted != (flag.value != "") {
			if step.files == "" {
				return usageError("copy takes no %s: it makes no connection", flag.name)
			}
			return usageError("without a network, this step takes %s", step.files)
		}
	}
	return nil
}

func runTeller(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var f tellerFlags
	fs.StringVar(&f.key, "key", "", "the key file")
	fs.StringVar(&f.copy, "copy", "", "the second copy of the key file")
	fs.StringVar(&f.passphrase, "passphrase", "", "file that holds the passphrase, instead of asking")
	fs.StringVar(&f.mid, "mid", "", "the election you mean, as 64 hexadecimal digits")
	fs.StringVar(&f.root, "root", "", "for the second copy: the close root that the first copy opened")
	fs.StringVar(&f.in, "in", "", "without a network: the state file that the operator exported")
	fs.StringVar(&f.out, "out", "", "without a network: a new file for the message to the operator")
	fs.StringVar(&f.record, "record", "", "without a network: folder or ZIP file with a copy of the public record")
	fs.BoolVar(&f.yes, "yes", false, "do it; without it, open and destroy only show what they would do")
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		return flag.ErrHelp
	}
	step, ok := tellerSteps()[args[0]]
	if !ok {
		return usageError("there is no step %q", args[0])
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if f.key == "" {
		return usageError("name your key file with -key")
	}
	if f.byFiles() {
		if err := f.fits(step); err != nil {
			return err
		}
	}
	return step.run(ctx, e, f, fs.Args())
}

// passphrase reads the passphrase from a file, or asks for it without showing it.
func passphrase(ctx context.Context, e *env, path string, fresh bool) ([]byte, error) {
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
		return readPassword(ctx, int(stdin.Fd()))
	}
	first, err := ask("Passphrase: ")
	if err != nil || !fresh {
		return first, err
	}
	again, err := ask("The same again: ")
	defer clear(again)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		clear(first)
		return nil, errors.New("the two passphrases differ; nothing was made")
	}
	return checkPassphrase(first, fresh)
}

// readPassword reads a line that is not shown. Ctrl-C ends it, and shows again
// what is typed afterwards.
func readPassword(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("asking for the passphrase: %w", err)
	}
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		return nil, ctx.Err()
	}
}

func checkPassphrase(p []byte, fresh bool) ([]byte, error) {
	if fresh && len(p) < 12 {
		return nil, errors.New("a passphrase needs at least 12 characters; four or more random words are good")
	}
	return p, nil
}

// openKey opens the key file. What is done with it needs the network, or the
// files that the flags name.
func openKey(ctx context.Context, e *env, f tellerFlags) (*teller.Teller, error) {
	pass, err := passphrase(ctx, e, f.passphrase, false)
	if err != nil {
		return nil, err
	}
	defer clear(pass)
	return f.open(pass)
}

func (f tellerFlags) open(pass []byte) (*teller.Teller, error) {
	if f.byFiles() {
		return teller.OpenByFiles(f.key, pass, f.files())
	}
	return teller.Open(f.key, pass)
}

// files are what the flags name. A step that only shows what it would do makes
// no file.
func (f tellerFlags) files() teller.Files {
	files := teller.Files{In: f.in, Record: f.record, Out: f.out}
	if f.record != "" && !f.yes {
		files.Out = ""
	}
	return files
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

// sayCarry says what becomes of the message that was written.
func sayCarry(e *env, f tellerFlags) {
	fmt.Fprintf(e.out, "Your message is in %s. Bring it to the operator.\n", f.out)
}
