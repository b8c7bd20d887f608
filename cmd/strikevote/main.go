// Command strikevote runs a strike-authorization vote: the service, and the
// programs of everybody who takes part in one.
//
// It owns flags, configuration, wiring and exit codes, and holds no rule of the
// vote.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exit codes. A check that was made and failed is told apart from one that
// could not be made: a script must not take the one for the other.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitFalse  = 3
	exitLater  = 75 // EX_TEMPFAIL: who gave a mail keeps it and comes again
)

// An env is what a command may touch of the outside, so that tests run
// commands in process.
type env struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	environ  func() []string  // nil: what getenv knows of the settings
	program  string           // how this program was called
	terminal bool             // whether err is one: progress bars, or plain lines
	watched  bool             // whether out is one: a person reads, and no file keeps it
	now      func() time.Time // nil: the computer's clock
}

// clock is what time it is.
func (e *env) clock() time.Time {
	if e.now == nil {
		return time.Now()
	}
	return e.now()
}

// A command is one word after the program's name.
type command struct {
	name  string
	args  string // after the name, in usage lines
	short string // one line in the list
	long  string // what -h teaches
	run   func(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error
	subs  []command // its first argument names one of them; where there is a run too, it may
}

func commands() []command {
	return []command{
		demoCommand(), serveCommand(), electionCommand(), rollCommand(), mailCommand(),
		voteCommand(), verifyCommand(), tellerCommand(), committeeCommand(), witnessCommand(), monitorCommand(),
		migrateCommand(), backupCommand(), restoreCommand(), configCommand(), keysCommand(), doctorCommand(), benchCommand(), versionCommand(),
	}
}

var (
	// errUsage ends with exit code 2; the message was printed.
	errUsage = errors.New("usage")
	// errFalse ends with exit code 3: it was checked and it is false.
	errFalse = errors.New("checked and false")
	// errLater ends with exit code 75, whatever else it is.
	errLater = errors.New("try again later")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, environ: os.Environ, program: os.Args[0], terminal: isTerminal(os.Stderr), watched: isTerminal(os.Stdout)}
	code := run(ctx, e, os.Args[1:])
	stop()
	os.Exit(code)
}

// isTerminal reports whether a file is a character device, which is enough to
// choose between bars and lines.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// run runs one command and returns the exit code.
func run(ctx context.Context, e *env, args []string) int {
	if len(args) == 0 {
		usage(e.err)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		if len(args) > 1 {
			return run(ctx, e, []string{args[1], "-h"})
		}
		usage(e.out)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.invoke(ctx, e, args[1:])
		}
	}
	fmt.Fprintf(e.err, "strikevote: there is no command %q\nhint: strikevote -h lists the commands\n", args[0])
	return exitUsage
}

func (c command) invoke(ctx context.Context, e *env, args []string) int {
	if len(c.subs) > 0 && (c.run == nil || len(args) > 0 && slices.ContainsFunc(c.subs, func(sub command) bool { return sub.name == args[0] })) {
		return c.invokeSub(ctx, e, args)
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // its own messages come below, in one form
	fs.Usage = func() {}
	err := c.run(ctx, e, fs, args)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		c.help(e.out, fs)
		return exitOK
	case errors.Is(err, errLater):
		fmt.Fprintf(e.err, "strikevote %s: %v\n", c.name, err)
		return exitLater
	case errors.Is(err, errUsage):
		fmt.Fprintf(e.err, "strikevote %s: %s\nhint: strikevote %s -h\n", c.name, strings.TrimPrefix(err.Error(), errUsage.Error()+": "), c.name)
		return exitUsage
	case errors.Is(err, errFalse):
		return exitFalse
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintf(e.err, "strikevote %s: interrupted\n", c.name)
		return exitFailed
	}
	fmt.Fprintf(e.err, "strikevote %s: %v\n", c.name, err)
	return exitFailed
}

// invokeSub runs the sub-command that the first argument names.
func (c command) invokeSub(ctx context.Context, e *env, args []string) int {
	if len(args) == 0 {
		c.helpSubs(e.err)
		return exitUsage
	}
	if slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
		c.helpSubs(e.out)
		return exitOK
	}
	for _, sub := range c.subs {
		if sub.name == args[0] {
			sub.name = c.name + " " + sub.name
			return sub.invoke(ctx, e, args[1:])
		}
	}
	fmt.Fprintf(e.err, "strikevote %s: there is no %q\nhint: strikevote %s -h\n", c.name, args[0], c.name)
	return exitUsage
}

// parse parses a command's flags; what is wrong becomes a usage error.
func parse(fs *flag.FlagSet, args []string) error {
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	if err != nil {
		return usageError("%s", readable(fs, err.Error()))
	}
	for _, arg := range fs.Args() {
		if strings.HasPrefix(arg, "-") {
			return usageError("put %s before %s: flags come first", arg, fs.Arg(0))
		}
	}
	return nil
}

// unread finds what the package flag says of a value that it cannot read.
var unread = regexp.MustCompile(`for (?:flag )?-(\S+): (parse error)$`)

// readable says of a flag's value that was not read how one is written.
func readable(fs *flag.FlagSet, wrong string) string {
	m := unread.FindStringSubmatchIndex(wrong)
	if m == nil {
		return wrong
	}
	how := "write a number"
	if value, ok := fs.Lookup(wrong[m[2]:m[3]]).Value.(flag.Getter); ok {
		switch value.Get().(type) {
		case time.Duration:
			how = "write it like 30s, 5m or 1h30m"
		case bool:
			how = "write it alone, or with =true or =false"
		case int, int64:
			how = "write a whole number"
		case uint, uint64:
			how = "write a whole number, not below 0"
		}
	}
	return wrong[:m[4]] + how
}

func usageError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

func usage(w io.Writer) {
	fmt.Fprint(w, "strikevote runs a strike-authorization vote that anybody can verify.\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, "\nstrikevote COMMAND -h explains a command. Begin with: strikevote demo\n")
}

// helpSubs explains a command by its parts.
func (c command) helpSubs(w io.Writer) {
	fmt.Fprintf(w, "usage: strikevote %s %s\n\n%s\n\n", c.name, c.args, strings.TrimSpace(c.long))
	c.list(w)
}

func (c command) list(w io.Writer) {
	for _, sub := range c.subs {
		fmt.Fprintf(w, "  %-12s %s\n", sub.name, sub.short)
	}
	fmt.Fprintf(w, "\nstrikevote %s NAME -h explains one.\n", c.name)
}

func (c command) help(w io.Writer, fs *flag.FlagSet) {
	fmt.Fprintf(w, "usage: strikevote %s %s\n\n%s\n", c.name, c.args, strings.TrimSpace(c.long))
	any := false
	fs.VisitAll(func(*flag.Flag) { any = true })
	if any {
		fmt.Fprint(w, "\nFlags:\n")
		fs.SetOutput(w)
		fs.PrintDefaults()
	}
	if len(c.subs) > 0 {
		fmt.Fprintln(w)
		c.list(w)
	}
}
