package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"runtime/debug"

	"strikevote/internal/booth"
)

func versionCommand() command {
	return command{
		name: "version", args: "[-assets]", short: "print the program's version",
		long: `
Prints the version of this program, of Go, and the revision it was built from.

With -assets it prints what a booth of this program answers to /v1/client: each file of
the ballot page with its SHA-256. The SHA-256 of these lines, which stands in manifests,
is printed apart, to the standard error.`,
		run: func(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
			assets := fs.Bool("assets", false, "list the files of the ballot page, with their SHA-256")
			if err := parse(fs, args); err != nil {
				return err
			}
			if *assets {
				list := booth.Listing()
				fmt.Fprintf(e.err, "SHA-256 of the list: %x\n", sha256.Sum256(list))
				_, err := e.out.Write(list)
				return err
			}
			fmt.Fprintln(e.out, versionText())
			return nil
		},
	}
}

func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "strikevote (no build information)"
	}
	revision := "unknown revision"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return fmt.Sprintf("strikevote %s (%s, %s)", info.Main.Version, revision, info.GoVersion)
}

// programVersion is the version alone, for what is kept.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
