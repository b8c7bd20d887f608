package main

import (
	"context"
	"flag"
	"fmt"
	"runtime/debug"
)

func versionCommand() command {
	return command{
		name: "version", args: "", short: "print the program's version",
		long: "Prints the version of this program, of Go, and the revision it was built from.",
		run: func(_ context.Context, e *env, fs *flag.FlagSet, args []string) error {
			if err := parse(fs, args); err != nil {
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
