package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/witness"
)

func witnessCommand() command {
	return command{
		name: "witness", args: "key|-follow URL|-listen ADDR [flags]",
		short: "watch an election's logs and sign that they only grow",
		long: `
A witness remembers the last state that it saw of both logs of an election. It
signs a newer state only after checking that it continues the old one; two
different stories of one election cannot both be signed. It reads no ballot.

  strikevote witness -dir DIR -name NAME key    make a key and print its public
                                                half, for the committee
  strikevote witness -dir DIR -name NAME -follow URL
                                                look at an election again and again
                                                and bring it the signatures; works
                                                from behind a home router
  strikevote witness -dir DIR -name NAME -follow URL -once
                                                look once and end, for cron; exit code
                                                0 when everything that is there is
                                                signed
  strikevote witness -dir DIR -name NAME -follow URL -listen ADDR
                                                follow, and also take checkpoints that
                                                are brought (c2sp.org/tlog-witness)

URL is the address of the public record. A witness may be started before the
election is sealed; it waits for it. Exit code 3 means that a log has signed two
different stories. The proof is then in DIR, in files named fork-…: give copies of
them to the committee and to the other witnesses.

Keep DIR, and keep it in one place: a witness that forgets, or that runs twice, can
be told a second story. A backup of it that is a day old is a witness that forgot a
day. To move to another computer, stop the program here, move the whole folder
(copy it and delete it here), and start it only there, with the same -name. Without
the folder, or with a key that somebody else may have, do not start with a new one
under the old name: tell the committee. The other witnesses are enough meanwhile.

The clock counts: the time in a signature decides whether the committee changed the
end of voting in time. Let the system set it (NTP). The program says when it and the
board's are more than a minute apart, and signs nothing while it is more than five
ahead.

What happens is told in plain lines, or as JSON lines with -json.`,
		run: runWitness,
	}
}

func runWitness(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	follow := fs.String("follow", "", "address of the election's public record")
	dir := fs.String("dir", "", "folder for the key and the state")
	name := fs.String("name", "", "the witness's name, such as witness.example.org")
	midText := fs.String("mid", "", "the election you mean: 64 hexadecimal digits; without it, compare the six words")
	interval := fs.Duration("interval", 10*time.Second, "how often to look")
	once := fs.Bool("once", false, "look once and end")
	listen := fs.String("listen", "", "also take checkpoints that are brought to this host:port")
	asJSON := fs.Bool("json", false, "write what happens as JSON lines, for programs")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *dir == "" || *name == "" {
		return usageError("name the folder with -dir and yourself with -name")
	}
	show := fs.NArg() == 1 && fs.Arg(0) == "key"
	if !show && (*follow == "" || fs.NArg() > 0) {
		return usageError("say key to print the public key, or name the record with -follow")
	}
	key, err := witnessKey(*dir, *name, show)
	if err != nil {
		return err
	}
	if show {
		fmt.Fprintln(e.out, key.VKey())
		return nil
	}
	log := newLogger(e.err, true)
	if !*asJSON {
		log = slog.New(&plainLines{w: e.err, mu: new(sync.Mutex)})
	}
	c := witness.Config{URL: strings.TrimSuffix(*follow, "/"), Key: key, Dir: *dir, Interval: *interval, Log: log}
	if *midText != "" {
		mid, err := suite.ParseMID(*midText)
		if err != nil {
			return usageError("-mid takes 64 hexadecimal digits")
		}
		c.MID = &mid
	}
	switch {
	case *once && *listen != "":
		return usageError("-once looks and ends; it cannot -listen")
	case *once:
		return witnessOnce(ctx, e, c)
	}
	fmt.Fprintf(e.out, "Following %s as %s. Stop with Ctrl-C.\n", c.URL, *name)
	return witnessFollow(ctx, e, c, *listen)
}

// witnessOnce looks once.
func witnessOnce(ctx context.Context, e *env, c witness.Config) error {
	w, err := witness.Open(ctx, c)
	if err != nil {
		return err
	}
	defer w.Close()
	fmt.Fprintf(e.out, "Six check words: %s\n", election.SixWords(w.MID()))
	if err := w.Poll(ctx); err != nil {
		return forked(e, c, err)
	}
	fmt.Fprintln(e.out, "Both logs only grew, and that is signed.")
	return nil
}

// forked tells of a log that signed two stories; the exit code is then that of
// a check that was made and failed.
func forked(e *env, c witness.Config, err error) error {
	if !errors.Is(err, witness.ErrFork) {
		return err
	}
	fmt.Fprintf(e.err, "strikevote witness: %v\nTHE LOG HAS SIGNED TWO DIFFERENT STORIES. The proof is in %s, in files named fork-*:\ngive copies of them to the committee and to the other witnesses.\n", err, c.Dir)
	return errFalse
}

// witnessFollow follows and, if it has an address, takes what is brought there,
// over one state.
func witnessFollow(ctx context.Context, e *env, c witness.Config, listen string) error {
	w, err := witness.Await(ctx, c)
	if err != nil {
		return err
	}
	defer w.Close()
	fmt.Fprintf(e.out, "Six check words: %s\n", election.SixWords(w.MID()))
	if listen == "" {
		return forked(e, c, w.Follow(ctx))
	}
	l, err := listenTCP(ctx, listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Listening on http://%s\n", l.Addr())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		defer cancel() // whichever of the two ends first ends the other
		served <- web.Serve(ctx, web.Server("", http.Handler(witness.Handler(w)), web.Limits{}), l)
	}()
	err = forked(e, c, w.Follow(ctx))
	cancel()
	if serr := <-served; err == nil {
		err = serr
	}
	return err
}

// witnessKey reads the witness's key. Only where it is asked for is one made: a
// new key in a folder that was mistyped or lost is no witness of any election.
func witnessKey(dir, name string, fresh bool) (*tlog.WitnessSigner, error) {
	path := filepath.Join(dir, "witness.key")
	b, err := os.ReadFile(path)
	if err == nil {
		// One key under two names would be listed as two witnesses, and signatures under
		// another name than the listed one count for nothing.
		made, rerr := os.ReadFile(filepath.Join(dir, witnessName))
		if was := strings.TrimSpace(string(made)); rerr == nil && was != name {
			return nil, fmt.Errorf("the key in %s is that of the witness %s, and of no other: give -name %s, or name a new folder with -dir for another witness", dir, was, was)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if !fresh {
			return nil, fmt.Errorf("there is no witness's key in %s; name the folder that has it, or make one: strikevote witness -dir DIR -name NAME key", dir)
		}
		// A name that no key can have is refused before one is made for it.
		if _, err := tlog.NewWitnessSigner(name, [32]byte{}); err != nil {
			return nil, err
		}
		b, err = newWitnessKey(dir, name, path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the witness's key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != 32 {
		return nil, fmt.Errorf("%s does not hold a witness's key", path)
	}
	return tlog.NewWitnessSigner(name, [32]byte(seed))
}

// witnessName is the file, beside a witness's key, that holds the name it was made for.
const witnessName = "witness.name"

func newWitnessKey(dir, name, path string) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, witnessName), []byte(name+"\n"), 0o600); err != nil {
		return nil, err
	}
	var seed [32]byte
	rand.Read(seed[:])
	b := []byte(hex.EncodeToString(seed[:]) + "\n")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return b, err
}
