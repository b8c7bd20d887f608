package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"strikevote/internal/deployment"
	"strikevote/internal/platform/secret"
)

func keysCommand() command {
	return command{
		name: "keys", args: "NAME [flags]",
		short: "make a master key, and seal the service's key files under it",
		long: `
Without a master key the service's key files are plain, and a copy of the disk holds
every key. Once STRIKEVOTE_MASTER_KEY_FILE is set, the service makes new keys sealed and
refuses plain ones.`,
		subs: []command{
			{name: "new", args: "FILE", short: "make a master key", run: runKeysNew, long: `
Makes a master key: 32 random bytes, as 64 hexadecimal digits, in a new file that only
you can read. Keep a copy, apart from every copy of the sealed files. Without it they
cannot be opened again.`},
			{name: "seal", args: "-data DIR -master-key-file FILE [-from FILE] [-yes]", short: "seal the key files of a data folder", run: runKeysSeal, long: `
Seals every key file under the master key. While strikevote serve runs on the folder it
is refused. With -from FILE,
files that are sealed under the master key in FILE are sealed under the new one.

It may be interrupted and run again: a plain key is overwritten only after its sealed
file was read back and opened. Plain copies elsewhere stay what they are; destroy them.
It shows what it would do; with -yes it does it.`},
		},
	}
}

func runKeysNew(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError("name one file")
	}
	master, err := secret.Create(fs.Arg(0))
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "made master key %s in %s\nKeep a copy, apart from every copy of the sealed files.\n", master.ID(), fs.Arg(0))
	return nil
}

func runKeysSeal(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	l := settings(e, fs, "DATA", "MASTER_KEY_FILE")
	from := fs.String("from", "", "`FILE` with the master key that the files are sealed under now")
	yes := fs.Bool("yes", false, "do it")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("it takes flags only")
	}
	c, err := l.load()
	if err != nil {
		return err
	}
	if c.Data == "" || c.MasterKeyFile == "" {
		return usageError("name the data folder with -data, and the master key with -master-key-file or %sMASTER_KEY_FILE", prefix)
	}
	if _, err := os.Stat(c.Data); err != nil {
		return fmt.Errorf("looking for the data folder: %w", err)
	}
	master, err := secret.Load(c.MasterKeyFile)
	if err != nil {
		return err
	}
	var old *secret.Sealer
	if *from != "" {
		if old, err = secret.Load(*from); err != nil {
			return err
		}
	}
	n := 0
	err = deployment.SealKeys(c.Data, master, old, *yes, func(format string, args ...any) {
		n++
		fmt.Fprintf(e.out, format+"\n", args...)
	})
	switch {
	case err != nil:
		return err
	case n == 0:
		fmt.Fprintf(e.out, "every key file is sealed under master key %s\n", master.ID())
	case !*yes:
		fmt.Fprintln(e.out, "nothing was done yet; with -yes it is")
	}
	return nil
}
