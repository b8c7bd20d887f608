package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"strikevote/internal/deployment"
)

func backupCommand() command {
	return command{
		name: "backup", args: "-data DIR -side registrar|box -out FOLDER",
		short: "copy the databases of one side into a new folder, also while serve runs",
		long: `
Copies every database of one side, each as it is at one moment, and computes its log
anew from the copy. manifest.json in the folder names every file with its SHA-256, and
the size, root and newest signed checkpoint of every log; note the SHA-256 of the
manifest that is printed. The folder gets its name only when all is on the disk.

The two sides never go into one folder, nor to one person: say which with -side. The
registrar's holds the roll, and who was issued a ballot: it is as confidential as the
list of members. The box's holds sealed ballots, those that wait encrypted once more.
No key is in either, and no mail. Copies of the keys are made once, before voting
opens, and kept apart from every backup: see deploy/README.md.

Rows are in the order of their keys, so that nobody sees in which order they came.

A backup of an open election that the service runs on is out of date with the next
ballot. For one to go on from, on another machine, stop serve first and do not start it
again here.`,
		run: runBackup,
	}
}

func restoreCommand() command {
	return command{
		name: "restore", args: "-data NEWFOLDER -from FOLDER [-last] [-newest FILE]... [-yes]",
		short: "check a backup, and put it back into new databases",
		long: `
Checks a backup: every file against its SHA-256, and every log, computed anew from its
entries, against its root and every signed checkpoint. With -yes it fills new private
databases in NEWFOLDER, or empty ones on the configured servers, compares every table
with the backup, and only then lets serve find them. It says which keys have to be put
beside it from their copies.

An election that is not over comes back for reading only: serve shows its record, and
signs, issues and takes nothing. For what was acknowledged after the backup is not in
it: members could be issued a second ballot, and ballots that were promised to be in
the log are not. Their voters hold the promise, and can prove it.

-last is your word that nothing came after: serve was stopped before the backup was
made, and never started again. Then the election goes on without loss. It is refused
for a backup that was made while the service ran, and where -newest names a
checkpoint of a log that moved on: the newest that anybody has, from a mirror of the
record (ballots/checkpoint, ledger/checkpoint), from a witness, or from the folder
signed/ of the old data folder.

It shows what it would do; with -yes it does it. Exit code 1: the backup does not hold,
or cannot be put there.`,
		run: runRestore,
	}
}

func runBackup(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, "DATA", "ONLY")
	side := fs.String("side", "", "the `SIDE`, registrar or box; may be left out where this host has one of them only")
	out := fs.String("out", "", "a new `FOLDER`")
	c, err := backupSettings(e, l, fs, args)
	if err != nil {
		return err
	}
	if *out == "" {
		return usageError("name a new folder with -out")
	}
	sides := deployment.Sides(c.Parts)
	if *side == "" && len(sides) == 1 {
		*side = sides[0]
	}
	if !slices.Contains(sides, *side) {
		return usageError("say which side with -side, %s; the two go to two places", strings.Join(sides, " or "))
	}
	bar := newProgress(e)
	m, sum, err := deployment.MakeBackup(ctx, c, deployment.Backup{Side: *side, Out: *out, Program: programVersion(), Step: bar.step})
	bar.done()
	if err != nil {
		return err
	}
	for _, d := range m.Databases {
		if d.Log != nil {
			fmt.Fprintf(e.out, "election %s: log entries: %d, root %s\n", d.Election, d.Log.Size, d.Log.Root)
		}
	}
	fmt.Fprintf(e.out, "backup of the %s's side in %s\nSHA-256 of its manifest: %s\n", m.Side, *out, sum)
	if m.Running {
		fmt.Fprintln(e.out, "The service ran: what is acknowledged from now on is not in it. An open election can be restored from it for reading only.")
	}
	fmt.Fprintln(e.out, "No key is in it. Keep it apart from every copy of keys, and from the other side's backups.")
	return nil
}

// backupSettings parses flags and returns the deployment's configuration.
func backupSettings(e *env, l *loader, fs *flag.FlagSet, args []string) (c deployment.Config, err error) {
	if err := parse(fs, args); err != nil {
		return c, err
	}
	if fs.NArg() > 0 {
		return c, usageError("it takes flags only")
	}
	s, err := l.load()
	if err != nil {
		return c, err
	}
	if s.Data == "" {
		return c, errNoData
	}
	return s.deployment(newLogger(e.err, false))
}

func runRestore(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, "DATA")
	r := deployment.Restore{}
	fs.StringVar(&r.From, "from", "", "the backup's `FOLDER`")
	fs.BoolVar(&r.Last, "last", false, "nothing was acknowledged after the backup")
	fs.Func("newest", "a `FILE` with a checkpoint that the backup has to hold; can be repeated", func(name string) error {
		r.Newest = append(r.Newest, name)
		return nil
	})
	fs.BoolVar(&r.Do, "yes", false, "do it; without it the command only says what it would do")
	c, err := backupSettings(e, l, fs, args)
	if err != nil {
		return err
	}
	if r.From == "" {
		return usageError("name the backup's folder with -from")
	}
	bar := newProgress(e)
	r.Step = bar.step
	r.Say = func(format string, args ...any) {
		bar.done() // a line in the middle of a bar cannot be read
		fmt.Fprintf(e.out, format+"\n", args...)
	}
	err = deployment.RestoreBackup(ctx, c, r)
	bar.done()
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w; run it as the account of the service, or as root", err)
	}
	if err == nil && !r.Do {
		fmt.Fprintln(e.out, "\nNothing was changed. To do it, run the same command with -yes.")
	}
	return err
}
