package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"strikevote/internal/demo"
)

func benchCommand() command {
	return command{
		name: "bench", args: "[flags] | -url URL -mail DIR [flags]",
		short: "measure how many complete voters a service takes",
		long: `
Lets many voters vote and says how fast that was. Each does all that a voter's
program does: it takes the link from a mail, fetches the election and checks it
and the witnesses' signatures, asks how the link stands, seals a ballot, has it
issued, casts it and checks the box's promise.

Without -url it prepares an election of its own, as demo does, and runs serve on
it in a process of its own. With -url it uses a running service and the links from
the mails in DIR. That casts real ballots on those links, which nobody can take
back: never point it at an election that counts.

What the figures mean:

  voters per second  complete voters, from link to checked promise, over the whole
                     run, while always -concurrency of them are under way
  latency            of one voter's whole way, not of one request. Half of the voters
                     took at most p50, 95 % at most p95, 99 % at most p99. More at
                     once makes it longer: the voters wait for one another
  CPU per voter      processor time, in all processes. On a busy computer it says
                     more than the time that passed
  memory             what serve holds after the run, without its databases

What they do not mean: voters run on the same processors as the service here, so
a service with its voters elsewhere does better than this; with -url it is the
other way around, and the network counts too. Each voter opens connections of its own,
as a browser does, but without TLS and a web server in front. Voters do not think
before they choose. No witness runs meanwhile, and mails are files.

A voter whom the service turns away because it is busy tries again, as every
voter's program does; that counts as time, and as an error only if it gave up.
Exit code 1: not every voter got a valid promise.`,
		run: runBench,
	}
}

// A benchRun is what the flags of bench say.
type benchRun struct {
	voters, concurrency int
	seed                uint64
	data                string
	keep, json          bool
	url, mail           string
}

// The bounds keep a typing error from filling the disk, or from running out
// of files that may be open at once.
const (
	maxVoters      = 200_000
	maxConcurrency = 4096
	defaultVoters  = 500
)

func benchFlags(fs *flag.FlagSet, args []string) (*benchRun, error) {
	b := new(benchRun)
	fs.IntVar(&b.voters, "voters", 0, "how many voters (default 500; with -url: one for each link)")
	fs.IntVar(&b.concurrency, "concurrency", 64, "how many of them at once")
	fs.Uint64Var(&b.seed, "seed", 1, "draws the members, their order and their choices")
	fs.BoolVar(&b.json, "json", false, "print the figures as one line of JSON")
	fs.StringVar(&b.data, "data", "", "new folder for the election, kept afterwards (default: a temporary one, removed)")
	fs.BoolVar(&b.keep, "keep", false, "keep the temporary folder and say where it is")
	fs.StringVar(&b.url, "url", "", "a running service: address of the voter's pages, or of the election's public record")
	fs.StringVar(&b.mail, "mail", "", "folder with the mails of that service's members")
	if err := parse(fs, args); err != nil {
		return nil, err
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case fs.NArg() > 0:
		return nil, usageError("there is nothing to say after the flags, such as %q", fs.Arg(0))
	case given["voters"] && (b.voters < 1 || b.voters > maxVoters):
		return nil, usageError("-voters takes 1 to 200,000")
	case b.concurrency < 1 || b.concurrency > maxConcurrency:
		return nil, usageError("-concurrency takes 1 to 4,096")
	case (b.url == "") != (b.mail == ""):
		return nil, usageError("-url and -mail go together: a service, and the mails with its links")
	case b.url != "" && (b.data != "" || b.keep):
		return nil, usageError("-data and -keep are for an election of its own, and -url names another one")
	}
	if b.url == "" && b.voters == 0 {
		b.voters = defaultVoters
	}
	return b, nil
}

func runBench(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	b, err := benchFlags(fs, args)
	if err != nil {
		return err
	}
	bars := newProgress(e)
	defer bars.done()
	var f *figures
	if b.url != "" {
		f, err = b.measure(ctx, bars, nil)
	} else {
		f, err = b.own(ctx, e, bars)
	}
	bars.done()
	if err != nil {
		return err
	}
	if err := f.print(e.out, b.json); err != nil {
		return err
	}
	for _, sentence := range slices.Sorted(maps.Keys(f.reasons)) {
		fmt.Fprintf(e.err, "%d voters: %s\n", f.reasons[sentence], sentence)
	}
	if f.Errors > 0 {
		return fmt.Errorf("%d of %d voters did not end with a valid promise", f.Errors, f.Voters)
	}
	return nil
}

// own measures a service of its own, in a process of its own.
func (b *benchRun) own(ctx context.Context, e *env, bars *progress) (f *figures, err error) {
	if b.data == "" {
		if b.data, err = os.MkdirTemp("", "strikevote-bench-"); err != nil {
			return nil, fmt.Errorf("making room for the election: %w", err)
		}
		defer func() {
			if b.keep {
				bars.done()
				fmt.Fprintf(e.err, "The election is kept in %s\n", b.data)
				return
			}
			if rerr := os.RemoveAll(b.data); err == nil && rerr != nil {
				err = fmt.Errorf("removing the election: %w", rerr)
			}
		}()
	}
	p, err := demo.Prepare(ctx, demo.Options{
		Data: b.data, Members: max(b.voters, minMembers), Seed: b.seed, Progress: bars.step, Version: versionText(),
	})
	if err != nil {
		return nil, err
	}
	b.url, b.mail = p.Origins.Booth, p.Mail
	bars.step("starting the service", 0, 1)
	s, err := startService(ctx, filepath.Clean(p.Data))
	if err != nil {
		return nil, err
	}
	f, err = b.measure(ctx, bars, s)
	bars.step("stopping the service", 0, 1)
	if serr := s.stop(); serr != nil {
		return nil, serr // which explains what became of the voters, too
	}
	return f, err
}

// minMembers is the smallest roll that an election can be drawn for.
const minMembers = 3

// measure lets the voters vote. s is the service if it runs here, or nil.
func (b *benchRun) measure(ctx context.Context, bars *progress, s *service) (*figures, error) {
	if s != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		// Nobody is to wait for a service that is gone.
		defer context.AfterFunc(s.ended, cancel)()
	}
	bars.step("reading the links", 0, 1)
	load, err := demo.ReadLoad(b.mail, b.voters, b.seed)
	if err != nil {
		return nil, err
	}
	if err := load.Check(ctx, b.url); err != nil {
		return nil, err
	}
	before := cpuNow(s)
	votes, err := load.Vote(ctx, b.concurrency, func(done, total int) { bars.step("voters vote", done, total) })
	if err != nil {
		return nil, err
	}
	return newFigures(votes, b.concurrency, cpuNow(s).less(before), s.memory()), nil
}
