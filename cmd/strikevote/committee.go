package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/signer"
)

func committeeCommand() command {
	return command{
		name: "committee", args: "NAME [flags] [URL]",
		short: "a committee member's program: keep a key, look at what waits, sign it",
		long: `
On the member's own computer. URL is the address of the election at the console:
https://…/v1/ and 32 digits.

The key is kept in FILE, sealed with a passphrase. It is asked for, or read from
the file that -passphrase names. Nobody can restore a forgotten passphrase; the
others of the committee can then replace your key.`,
		subs: []command{
			committeeStep("key", "-key FILE", "make a key, once, and show its public half", `
Makes a key, once, and shows its public half: give those 64 digits to whoever writes the
election file. Run again, it only shows them.`, "key passphrase", committeeKey),
			committeeStep("list", "URL", "what waits for signatures, and who has signed", `
Lists everything that was put before the committee, how it stands, and who has signed.`, "mid", committeeList),
			committeeStep("sign", "-key FILE [-only NAME] [-yes] URL", "show what each of it would do; with -yes, sign it", `
Shows in plain words what each thing that waits would do; with -yes, signs it.

What is signed is made on this computer from what it shows. A certificate is signed only
after the public record was downloaded and verified here, unless -trust is given. -only
names what to sign: declaration, manifest, act:3, slips:1, certificate, or all acts with
act; with the digits after @ that were shown before, it signs exactly what you looked
at, and nothing that took its place.

Exit code 3: the certificate was checked and does not follow from the record.`,
				"key passphrase mid as only yes trust", committeeSign),
		},
	}
}

// committeeStep is a sub-command with these flags of the committee's.
func committeeStep(name, args, short, long, flags string, run func(context.Context, *env, committeeFlags, []string) error) command {
	return command{name: name, args: args, short: short, long: long,
		run: func(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
			var f committeeFlags
			f.add(fs, strings.Fields(flags))
			if err := parse(fs, args); err != nil {
				return err
			}
			return run(ctx, e, f, fs.Args())
		}}
}

type committeeFlags struct {
	key, passphrase, as, mid, only string
	yes, trust                     bool
}

// add defines the flags of these names.
func (f *committeeFlags) add(fs *flag.FlagSet, names []string) {
	for _, name := range names {
		switch name {
		case "key":
			fs.StringVar(&f.key, name, "", "the key file")
		case "passphrase":
			fs.StringVar(&f.passphrase, name, "", "file that holds the passphrase, instead of asking")
		case "as":
			fs.StringVar(&f.as, name, "", "who you are in the committee, by name or by number; found by the key where it is not given")
		case "mid":
			fs.StringVar(&f.mid, name, "", "the election you mean, as 64 hexadecimal digits; nothing of another one is shown or signed")
		case "only":
			fs.StringVar(&f.only, name, "", "only this: declaration, manifest, act:3, slips:1, certificate, act, slips")
		case "yes":
			fs.BoolVar(&f.yes, name, false, "sign; without it, it is only shown what would be signed")
		case "trust":
			fs.BoolVar(&f.trust, name, false, "sign a certificate without verifying the public record")
		}
	}
}

func committeeKey(ctx context.Context, e *env, f committeeFlags, args []string) error {
	if f.key == "" || len(args) != 0 {
		return usageError("name the key file with -key, and nothing else")
	}
	public, err := signer.Public(f.key)
	if errors.Is(err, signer.ErrNoKeyFile) {
		var pass []byte
		if pass, err = passphrase(ctx, e, f.passphrase, true); err != nil {
			return err
		}
		defer clear(pass)
		if public, err = signer.Create(f.key, pass); err == nil {
			fmt.Fprintf(e.out, "A new key is in %s, sealed with your passphrase. Keep a copy on another medium.\n", f.key)
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Its public half, for the election file (kind ed25519):\n%x\n", []byte(public))
	return nil
}

// dial reads the address of an election and what was proposed in it.
func (f committeeFlags) dial(ctx context.Context, args []string) (*signer.Console, *signer.Agenda, error) {
	if len(args) != 1 {
		return nil, nil, usageError("give the address of the election at the console")
	}
	console, err := signer.Dial(args[0])
	if err != nil {
		return nil, nil, usageError("%v", err)
	}
	var mid *suite.MID
	if f.mid != "" {
		parsed, err := suite.ParseMID(f.mid)
		if err != nil {
			return nil, nil, usageError("-mid takes 64 hexadecimal digits")
		}
		mid = &parsed
	}
	a, err := console.Read(ctx, mid, time.Local)
	return console, a, err
}

func committeeList(ctx context.Context, e *env, f committeeFlags, args []string) error {
	_, a, err := f.dial(ctx, args)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s (%s)\n", a.Title, a.Phase)
	for _, i := range a.Items {
		fmt.Fprintf(e.out, "  %-12s %-10s %s\n", i.Name, i.State, standing(i))
	}
	if !slices.ContainsFunc(a.Items, (*signer.Item).Waits) {
		fmt.Fprintln(e.out, "Nothing waits for a signature.")
		return nil
	}
	fmt.Fprintln(e.out, "To look at what is open, and to sign it: strikevote committee sign")
	return nil
}

// standing says who has signed, or why nobody can any more.
func standing(i *signer.Item) string {
	text := fmt.Sprintf("%d of %d signatures", len(i.Signed), i.Committee.Quorum)
	if names := i.Signers(); len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	if i.Reason != "" {
		text += "; " + i.Reason
	}
	return text
}

func committeeSign(ctx context.Context, e *env, f committeeFlags, args []string) error {
	if f.key == "" {
		return usageError("name your key file with -key")
	}
	public, err := signer.Public(f.key)
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.key, err)
	}
	console, a, err := f.dial(ctx, args)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s (%s)\n", a.Title, a.Phase)
	items, err := f.choose(e, a)
	if err != nil || len(items) == 0 {
		return err
	}
	mine, err := f.show(e, items, public)
	if err != nil {
		return err
	}
	return f.signAll(ctx, e, console, a, mine)
}

// show shows the items and returns those that the key's member can sign and has
// not signed. Where the key is no member's for any of them, that is an error.
func (f committeeFlags) show(e *env, items []*signer.Item, public ed25519.PublicKey) (mine []*signer.Item, err error) {
	strangers := 0
	for _, i := range items {
		fmt.Fprintf(e.out, "\n=== %s@%s: %s\n\n%s", i.Name, i.Fingerprint(), standing(i), i.Words)
		member, _, perr := signer.Place(&i.Committee, public, f.as)
		switch {
		case perr != nil:
			fmt.Fprintf(e.out, "\nYou cannot sign it: %v.\n", perr)
			strangers++
			err = fmt.Errorf("%s: %w", i.Name, perr)
		case int(member) == i.Barred:
			fmt.Fprintln(e.out, "\nYou are to be replaced by it, so that you cannot sign it.")
		case slices.Contains(i.Signed, int(member)):
			fmt.Fprintln(e.out, "\nYou have signed this already.")
		default:
			mine = append(mine, i)
		}
	}
	if strangers < len(items) {
		err = nil
	}
	return mine, err
}

// choose returns what is to be looked at: what waits, or what -only names.
func (f committeeFlags) choose(e *env, a *signer.Agenda) ([]*signer.Item, error) {
	var items []*signer.Item
	for _, i := range a.Items {
		// What a quorum has signed needs nobody any more, but a member may want to.
		if i.Waits() && f.only == "" || f.only != "" && i.Matches(f.only) && (i.Waits() || i.State == agenda.Signed) {
			items = append(items, i)
		}
	}
	switch {
	case len(items) > 0:
		return items, nil
	case f.only == "":
		fmt.Fprintln(e.out, "Nothing waits for a signature.")
		return nil, nil
	case strings.Contains(f.only, "@"):
		name, _, _ := strings.Cut(f.only, "@")
		return nil, fmt.Errorf("the %s that you looked at does not wait any more; look again at what waits", name)
	}
	return nil, fmt.Errorf("no %s waits for a signature; committee list shows what does", f.only)
}

func (f committeeFlags) signAll(ctx context.Context, e *env, console *signer.Console, a *signer.Agenda, items []*signer.Item) error {
	if len(items) == 0 {
		fmt.Fprintln(e.out, "\nThere is nothing left for you to sign.")
		return nil
	}
	if !f.yes {
		fmt.Fprint(e.out, "\nNothing was signed. If you agree, run this again with -yes; to sign exactly what is shown here, with\n")
		for _, i := range items {
			fmt.Fprintf(e.out, "  -yes -only %s@%s\n", i.Name, i.Fingerprint())
		}
		return nil
	}
	// Before the first signature: where a certificate is false, nothing else is
	// signed either, and somebody is called.
	for _, i := range items {
		if err := f.verify(ctx, e, a, i); err != nil {
			return err
		}
	}
	pass, err := passphrase(ctx, e, f.passphrase, false)
	defer clear(pass)
	if err != nil {
		return err
	}
	key, err := signer.Open(f.key, pass)
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.key, err)
	}
	defer key.Close()
	fmt.Fprintln(e.out)
	for _, i := range items {
		if err := console.Sign(ctx, i, key, f.as); err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
		fmt.Fprintf(e.out, "Your signature over %s is sent.\n", i.Name)
	}
	return nil
}

// verify checks what can be checked from the public record. For the others, what
// is shown is all there is to judge by.
func (f committeeFlags) verify(ctx context.Context, e *env, a *signer.Agenda, i *signer.Item) error {
	if i.Name != agenda.PaperCertificate {
		return nil
	}
	if f.trust {
		fmt.Fprintln(e.err, "warning: the public record was not verified; you sign on the service's word")
		return nil
	}
	bars := newProgress(e)
	err := a.Verify(ctx, i, bars.step)
	bars.done()
	var wrong *signer.FalseError
	if errors.As(err, &wrong) {
		fmt.Fprintf(e.err, "strikevote committee: %v\nNothing was signed. Call the others of the committee.\n", wrong)
		return errFalse
	}
	if err != nil {
		return fmt.Errorf("verifying the public record: %w", err)
	}
	fmt.Fprintln(e.out, "\nThe public record was downloaded and holds, and the certificate is what follows from it.")
	return nil
}
