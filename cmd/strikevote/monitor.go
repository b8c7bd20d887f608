package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strikevote/internal/monitor"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func monitorCommand() command {
	return command{
		name: "monitor", args: "[-mid HEX] [-once|-every 5m] [-keep DIR] RECORD-URL",
		short: "look at the ballot page as a stranger, and compare it with the one the committee named",
		long: `
Opens the ballot page of an election as members do who have no link: with the names,
languages and order of different browsers, without cookies, on new connections. It
compares every file, and the page in every language, with the list whose SHA-256 stands
in the manifest or in the committee's newest act about the page, and looks at what the
page may load and where it may send. RECORD-URL is the address of the public record.

Run it from a place that has nothing to do with the election, at home or on a rented
server: the more people do, in different places, the better. It looks again and again,
at moments that cannot be foreseen, until something differs; with -once a single time.

It cannot see that one targeted person gets another page, and it does not know the acts
that a board keeps back. Whoever wants to trust no page votes with strikevote vote.

Compare the six words that it prints with those on your ballot mail or on the notice
board; or give, with -mid, the 64 digits that the committee published. With -keep,
what differs is kept as files, for the committee.

Exit code 0: the same. 3: something differs, and it says what. 1: something could not
be fetched.`,
		run: runMonitor,
	}
}

func runMonitor(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	midText := fs.String("mid", "", "the election you mean: 64 hexadecimal digits that the committee published")
	once := fs.Bool("once", false, "look once and end")
	every := fs.Duration("every", 5*time.Minute, "how often to look, about")
	keep := fs.String("keep", "", "a folder for what differs")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError("name the address of one election's public record")
	}
	if *every < time.Second {
		return usageError("-every takes at least one second, like 5m")
	}
	c := monitor.Config{URL: fs.Arg(0)}
	if *midText != "" {
		mid, err := suite.ParseMID(*midText)
		if err != nil {
			return usageError("-mid takes 64 hexadecimal digits")
		}
		c.MID = &mid
	}
	for first := true; ; first = false {
		r, err := monitor.Look(ctx, c)
		err = whereRecord(err)
		switch {
		case err == nil || r != nil && len(r.Differences) > 0:
			if err := printLook(e, r, first, *keep); err != nil || *once {
				return err
			}
		case *once || first || errors.Is(err, context.Canceled):
			return err
		default: // a network that is away for a while is nothing to stop at
			fmt.Fprintf(e.err, "%s  could not look: %v\n", time.Now().Format("15:04:05"), err)
		}
		// Between half of the time and one and a half of it.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(*every/2 + rand.N(*every)):
		}
	}
}

// printLook prints what was found and returns errFalse if something differs.
func printLook(e *env, r *monitor.Report, first bool, keep string) error {
	if first {
		fmt.Fprintf(e.out, "%s\nSix check words: %s\n", strings.Map(printable, r.Title), election.SixWords(r.MID))
		if r.Client != nil {
			named := "in the manifest"
			if r.Act > 0 {
				named = fmt.Sprintf("by act %d", r.Act)
			}
			fmt.Fprintf(e.out, "The committee named the ballot page %s:\n  SHA-256 %s\n", named, r.Client.SHA256)
		}
	}
	now := time.Now().Format("15:04:05")
	if len(r.Differences) == 0 {
		fmt.Fprintf(e.out, "%s  the same: %d answers\n", now, r.Answers)
		return nil
	}
	fmt.Fprintf(e.out, "%s  DIFFERENT:\n", now)
	for _, d := range r.Differences {
		fmt.Fprintf(e.out, "  %s\n    %s\n", strings.Map(printable, d.Where), strings.Map(printable, d.Says))
	}
	if keep != "" {
		if err := keepDifferences(keep, r.Differences); err != nil {
			return fmt.Errorf("keeping what differs: %w", err)
		}
		fmt.Fprintf(e.out, "What came is kept in %s.\n", keep)
	}
	fmt.Fprintln(e.out, "Tell the committee, and those who run other monitors.")
	return errFalse
}

// keepDifferences writes what came: one file for each answer, with its header, under
// the SHA-256 of both.
func keepDifferences(dir string, list []monitor.Difference) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, d := range list {
		if d.Header == nil {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n", d.Where)
		if err := d.Header.Write(&b); err != nil {
			return err
		}
		b.WriteString("\n")
		b.Write(d.Body)
		sum := sha256.Sum256([]byte(b.String()))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("different-%x.txt", sum[:8])), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
