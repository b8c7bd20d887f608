package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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
  strikevote witness -dir DIR -name NAME -follow URL -listen ADDR
                                                the same, and also take checkpoints
                                                that are brought (c2sp.org/tlog-witness)

URL is the address of the public record. Keep DIR: a witness that forgets can be
told a second story.`,
		run: runWitness,
	}
}

func runWitness(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	follow := fs.String("follow", "", "address of the election's public record")
	dir := fs.String("dir", "", "folder for the key and the state")
	name := fs.String("name", "", "the witness's name, such as witness.example.org")
	midText := fs.String("mid", "", "the election you mean: 64 hexadecimal digits; without it, compare the six words")
	interval := fs.Duration("interval", 10*time.Second, "how often to look")
	listen := fs.String("listen", "", "also take checkpoints that are brought to this host:port")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *dir == "" || *name == "" {
		return usageError("name the folder with -dir and yourself with -name")
	}
	key, err := witnessKey(*dir, *name)
	if err != nil {
		return err
	}
	if fs.NArg() == 1 && fs.Arg(0) == "key" {
		fmt.Fprintln(e.out, key.VKey())
		return nil
	}
	if *follow == "" || fs.NArg() > 0 {
		return usageError("say key to print the public key, or name the record with -follow")
	}
	c := witness.Config{URL: strings.TrimSuffix(*follow, "/"), Key: key, Dir: *dir, Interval: *interval, Log: newLogger(e.err, true)}
	if *midText != "" {
		mid, err := suite.ParseMID(*midText)
		if err != nil {
			return usageError("-mid takes 64 hexadecimal digits")
		}
		c.MID = &mid
	}
	if *listen != "" {
		return witnessBoth(ctx, e, c, *listen)
	}
	fmt.Fprintf(e.out, "Following %s as %s. Stop with Ctrl-C.\n", c.URL, *name)
	return witness.Follow(ctx, c)
}

// witnessBoth follows and takes what is brought, over one state.
func witnessBoth(ctx context.Context, e *env, c witness.Config, addr string) error {
	w, err := witness.Open(ctx, c)
	if err != nil {
		return err
	}
	defer w.Close()
	l, err := listenTCP(ctx, addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Six check words: %s\nListening on http://%s\n", election.SixWords(w.MID()), l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(ctx, web.Server("", http.Handler(witness.Handler(w)), web.Limits{}), l) }()
	t := time.NewTicker(c.Interval)
	defer t.Stop()
	for {
		err := w.Poll(ctx)
		if errors.Is(err, witness.ErrFork) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "could not look; trying again", "err", err)
		}
		select {
		case err := <-failed:
			return err
		case <-t.C:
		}
	}
}

// witnessKey reads the witness's key, or makes it at the first call.
func witnessKey(dir, name string) (*tlog.WitnessSigner, error) {
	path := filepath.Join(dir, "witness.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = newWitnessKey(dir, path)
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

func newWitnessKey(dir, path string) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
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
