package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/teller"
)

func tellerCommand() command {
	c := command{
		name: "teller", args: "NAME -key FILE [flags]",
		short: "a teller's program: keep one share of the opening key, open the total",
		long: `
On the teller's own computer. In this order: init and copy, drill before voting opens,
check once the election is sealed, open after the lock, destroy after certification.

The key is kept in FILE, sealed with a passphrase. It is asked for, or read from
the file that -passphrase names. Nobody can restore a forgotten passphrase; a wrong
one does no harm. While one program has FILE open, a second one is refused.

Without a network on that computer, files go to and from the operator, on a stick:
-in, -record and -out, as the steps explain.

If a teller's computer is lost before sealing, the committee starts the ceremony
again, and each teller takes part in it with a new key file if the old one had been
through to the end. After sealing the others open, as long as there are enough.

While the program runs the key is in this computer's memory, and may be in its swap
space: use a disk that is encrypted, and switch the computer off afterwards.`,
	}
	for _, step := range tellerSteps() {
		c.subs = append(c.subs, step.command())
	}
	return c
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
	name, args, short, long string
	run                     func(context.Context, *env, tellerFlags, []string) error
	// What the step reads and writes without a network, as usage says it. The
	// flags in it are needed; out of open and destroy only with -yes.
	files string
	more  string // its other flags
}

func tellerSteps() []tellerStep {
	return []tellerStep{
		{name: "init", args: "-key FILE INVITATION", short: "make a key, and go through the ceremony with the others", long: `
Makes a key and goes through the ceremony with the other tellers. It may be stopped and
run again. Compare the six words at its end with every other teller, by phone.

Without a network: -in STATE -out MESSAGE. It reads the state that the operator
exported and writes your next message; run it again with every new state, until it
says that the ceremony is done.`, run: tellerInit, files: "-in STATE -out MESSAGE"},
		{name: "copy", args: "-key FILE COPY", short: "make a second copy of the key, for another medium", long: `
Writes a second copy of the key to the new file COPY, sealed with the same passphrase.
Keep it on another medium. It needs no network.`, run: tellerCopy},
		{name: "drill", args: "-key FILE -copy COPY", short: "prove that both copies work, before voting opens", long: `
Proves that both copies of the key work, before the election is sealed. It opens nothing.

Without a network: -in STATE -out MESSAGE.`, run: tellerDrill, files: "-in STATE -out MESSAGE", more: "copy"},
		{name: "check", args: "-key FILE [-mid HEX]", short: "once it is sealed: does the election name your key?", long: `
Looks, once the election is sealed and before voting opens, whether it names your key
and the witnesses have seen it. If it does not, nobody may vote in it: call the
committee and the other tellers.

Without a network: -in STATE.`, run: tellerCheck, files: "-in STATE", more: "mid"},
		{name: "open", args: "-key FILE [-mid HEX] [-root HEX] [-yes]", short: "after the lock: verify the record, open the total", long: `
Verifies the whole public record of the locked election and shows what would be opened:
sums, never a single ballot. With -yes it opens them.

The second copy of the key needs -root too: the 64 digits that the first copy, or the
program of any other teller, prints as "Check digits of the closed box". So the two
copies cannot be made to open two different boxes.

Without a network: -record DIR|ZIP, and with -yes -out MESSAGE.`, run: tellerOpen, files: "-record DIR|ZIP -out MESSAGE", more: "mid root yes"},
		{name: "destroy", args: "-key FILE [-yes]", short: "after certification: destroy the key", long: `
Destroys the key for ever, after it has verified that the result is certified. It shows
what it would do; with -yes it asks once more and does it. Each copy is destroyed by a
run of its own.

Without a network: -record DIR|ZIP, and with -yes -out MESSAGE.`, run: tellerDestroy, files: "-record DIR|ZIP -out MESSAGE", more: "yes"},
	}
}

func (step tellerStep) command() command {
	return command{name: step.name, args: step.args, short: step.short, long: step.long,
		run: func(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
			var f tellerFlags
			f.add(fs, step)
			if err := parse(fs, args); err != nil {
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
		}}
}

// add defines the flags of a step, and no others.
func (f *tellerFlags) add(fs *flag.FlagSet, step tellerStep) {
	fs.StringVar(&f.key, "key", "", "the key file")
	fs.StringVar(&f.passphrase, "passphrase", "", "file that holds the passphrase, instead of asking")
	for _, one := range []struct {
		name  string
		value *string
		usage string
	}{
		{"copy", &f.copy, "the second copy of the key file"},
		{"mid", &f.mid, "the election you mean, as 64 hexadecimal digits"},
		{"root", &f.root, "for the second copy: the check digits of the closed box (64) that the first copy printed"},
		{"in", &f.in, "without a network: the state file that the operator exported"},
		{"record", &f.record, "without a network: folder or ZIP file with a copy of the public record"},
		{"out", &f.out, "without a network: a new file for the message to the operator"},
	} {
		if slices.Contains(strings.Fields(step.more), one.name) || step.reads(one.name) {
			fs.StringVar(one.value, one.name, "", one.usage)
		}
	}
	if slices.Contains(strings.Fields(step.more), "yes") {
		fs.BoolVar(&f.yes, "yes", false, "do it; without it, it is only shown what would be done")
	}
}

// reads reports whether a flag is one for files, and the step's.
func (step tellerStep) reads(name string) bool { return strings.Contains(step.files, "-"+name+" ") }

// fits returns an error unless the flags for files are all there.
func (f tellerFlags) fits(step tellerStep) error {
	for _, flag := range []struct{ name, value string }{{"in", f.in}, {"record", f.record}, {"out", f.out}} {
		if flag.value != "" || !step.reads(flag.name) {
			continue
		}
		if flag.name == "out" && f.record != "" && !f.yes {
			continue // it only shows what it would do
		}
		return usageError("without a network, this step takes %s", step.files)
	}
	return nil
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
