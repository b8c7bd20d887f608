package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"strikevote/internal/audit"
	"strikevote/internal/protocol/election"
)

// Prepared is an election that is open for voting, in a data folder with which
// nobody runs a service.
type Prepared struct {
	Data    string           // for strikevote serve -data
	Mail    string           // folder with everybody's mail
	Origins election.Origins // where a service on Data answers

	w *World
}

// Prepare takes an election as far as a demo does before anybody votes: the roll
// is imported, the opening key made, the manifest sealed and witnessed, voting
// open and every invitation sent. Then it ends the service, so that another
// process can serve [Options.Data], which must be set. All members are on the
// roll from the beginning. What a failure leaves in the folder stays.
func Prepare(ctx context.Context, o Options) (*Prepared, error) {
	if o.Data == "" {
		return nil, errors.New("preparing an election: name a folder for it")
	}
	defaults(&o)
	if err := checkNew(o.Data); err != nil {
		return nil, err
	}
	w := &World{o: o}
	var err error
	if w.members, err = w.readRoll(); err != nil {
		return nil, err
	}
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	p := &Prepared{Data: w.dir, Mail: w.Mail(), Origins: w.Origins(), w: w}
	err = w.prepare(ctx)
	if cerr := w.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Follow runs the election's witness until ctx ends, beside whatever process serves
// [Prepared.Data]. It returns [witness.ErrFork] if a log ever contradicts itself;
// while the board does not answer it waits. It must have returned before
// [Prepared.Finish], which runs the witness on what it has kept.
func (p *Prepared) Follow(ctx context.Context) error { return p.w.follow(ctx) }

// Finish takes the election from wherever voting stands to its end, after the
// other service has ended: it serves it again, has the committee close it, the
// tellers open the totals and the committee certify, and writes the record into the
// folder out, which must not exist. It returns the audit of that folder.
func (p *Prepared) Finish(ctx context.Context, out string) (report *audit.Report, err error) {
	w := p.w
	w.o.Out = out
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	w.watch(ctx)
	for _, step := range []func(context.Context) error{w.closePolls, w.openTotals, w.certify} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return w.audit(ctx)
}

// prepare takes the election to the point where voting is open and everybody
// has their mail.
func (w *World) prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{w.create, w.ceremony, w.seal, w.drillAndOpen} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// mark is the file that tells the folder of a demo from that of a service.
const mark = "DEMO.txt"

// markFolder makes the data folder, with its mark. What has that name already stays: it may
// be somebody's file, or a link to one.
func markFolder(data string) error {
	err := os.MkdirAll(data, 0o700)
	if err == nil {
		err = place(filepath.Join(data, mark), "This folder holds a demo of strikevote. It is not a real vote.\n")
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making room for the demo: %w", err)
	}
	return nil
}

// place writes a file that is not there yet.
func place(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// checkNew refuses a data folder that a service or a demo was begun in.
func checkNew(data string) error {
	if data == "" {
		return nil
	}
	has := func(name string) bool {
		_, err := os.Lstat(filepath.Join(data, name))
		return err == nil
	}
	switch {
	case !slices.ContainsFunc([]string{"keys", "postgres", "listen.json"}, has):
		return nil
	case has(mark):
		return fmt.Errorf("%s holds a demo already; name another folder, or look at it again with strikevote serve -data %s", data, data)
	}
	return fmt.Errorf("%s is the folder of a service, with its elections, and no demo; nothing was touched. A demo needs a folder of its own: name another folder", data)
}
