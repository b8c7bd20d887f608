package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/election"
	"strikevote/internal/teller"
)

func tellerInit(ctx context.Context, e *env, f tellerFlags, args []string) error {
	if len(args) != 1 {
		return usageError("give the invitation from the committee, in quotes, or the file that holds it")
	}
	inv, err := invitationOf(args[0])
	if err != nil {
		return err
	}
	_, statErr := os.Stat(f.key)
	pass, err := passphrase(ctx, e, f.passphrase, errors.Is(statErr, fs.ErrNotExist))
	if err != nil {
		return err
	}
	defer clear(pass)
	if f.byFiles() {
		t, err := teller.EnrollByFiles(ctx, inv, f.key, pass, f.files())
		if err != nil {
			return err
		}
		defer t.Close()
		return ceremonyStep(ctx, e, f, t)
	}
	t, err := teller.Enroll(ctx, inv, f.key, pass)
	if err != nil {
		return err
	}
	defer t.Close()
	return ceremonyLoop(ctx, e, t)
}

// invitationOf reads the invitation that an argument is, or that the file of that
// name holds.
func invitationOf(arg string) (ceremony.Invitation, error) {
	if !strings.Contains(arg, "://") {
		b, err := os.ReadFile(arg)
		if err != nil {
			return ceremony.Invitation{}, usageError("%q is neither an invitation nor a file that can be read; put the invitation in quotes", arg)
		}
		arg = string(b)
	}
	return ceremony.ParseInvitation(arg)
}

// ceremonyStep does what one state file allows.
func ceremonyStep(ctx context.Context, e *env, f tellerFlags, t *teller.Teller) error {
	waiting, err := t.Advance(ctx)
	switch {
	case err != nil:
		return err
	case t.Wrote():
		sayCarry(e, f)
		fmt.Fprintln(e.out, "When all tellers have sent theirs, run this again with a new state file and a new -out.")
	case waiting != "":
		fmt.Fprintf(e.out, "There is nothing to send yet: %s are not in this state file. Run this again with a newer one.\n", waiting)
	default:
		ceremonyDone(e, t)
	}
	return nil
}

// ceremonyPoll is how often a teller's program looks whether the others are ready.
const ceremonyPoll = 2 * time.Second

func ceremonyLoop(ctx context.Context, e *env, t *teller.Teller) error {
	last, session := "", t.Session()
	for {
		waiting, err := t.Advance(ctx)
		if err != nil {
			return err
		}
		if waiting == "" {
			ceremonyDone(e, t)
			return nil
		}
		if session != 0 && session != t.Session() {
			fmt.Fprintln(e.out, "The committee has started the ceremony again. Going on with the new one.")
		}
		session = t.Session()
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

func ceremonyDone(e *env, t *teller.Teller) {
	fmt.Fprintln(e.out, "The ceremony is done, and all tellers agree. Your share is in the key file.")
	sayWords(e, t)
	fmt.Fprintln(e.out, "Now make a second copy: strikevote teller copy, and keep it on another medium.")
}

// sayWords shows the words of the ceremony.
func sayWords(e *env, t *teller.Teller) {
	fmt.Fprintf(e.out, "Six words of the ceremony: %s\nCompare them with every other teller, by phone or in person. If anybody has others,\nthe election must not be sealed: call the committee.\n", t.Words())
}

func tellerCopy(ctx context.Context, e *env, f tellerFlags, args []string) error {
	if len(args) != 1 {
		return usageError("name the file of the second copy")
	}
	pass, err := passphrase(ctx, e, f.passphrase, false)
	if err != nil {
		return err
	}
	defer clear(pass)
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
	if one, err := os.Stat(f.key); err == nil {
		if two, err := os.Stat(f.copy); err == nil && os.SameFile(one, two) {
			return usageError("-key and -copy are one file; a drill needs the second copy too")
		}
	}
	pass, err := passphrase(ctx, e, f.passphrase, false)
	if err != nil {
		return err
	}
	defer clear(pass)
	first, err := f.open(pass)
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
	if f.byFiles() {
		fmt.Fprintln(e.out, "Both copies of your key work.")
		sayCarry(e, f)
	} else {
		fmt.Fprintln(e.out, "Both copies of your key work, and the proof of it is with the committee.")
	}
	sayWords(e, first)
	return nil
}

func tellerCheck(ctx context.Context, e *env, f tellerFlags, _ []string) error {
	mid, err := f.expected()
	if err != nil {
		return err
	}
	t, err := openKey(ctx, e, f)
	if err != nil {
		return err
	}
	defer t.Close()
	s, err := t.Check(ctx, mid)
	if err != nil {
		return err
	}
	watermark(e, s.Manifest)
	fmt.Fprintf(e.out, "The sealed election names your key, and the witnesses have seen it.\nElection: %s\nSix check words: %s\nCompare the words with the other tellers.\n",
		s.Manifest.Title[0], election.SixWords(s.MID))
	return nil
}
