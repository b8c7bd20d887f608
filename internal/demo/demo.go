// Package demo runs a whole election on one computer, through the same services,
// programs and HTTP as a real one: roll, ceremony, sealing, mail, votes, acts,
// close, opening, certification, audit.
//
// It plays every person, so it knows everything that they are kept from knowing
// of one another. Nothing of it may be reachable from a real election: its
// manifests are marked demo, and its people's addresses cannot receive mail.
package demo

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/deployment"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
	"strikevote/internal/roll"
)

// pace is how often the service looks for due work in a demo.
const pace = 200 * time.Millisecond

// Options set a demo. The zero value of a field is its default.
type Options struct {
	Members     int     // simulated members; 500
	Turnout     float64 // share of the members who vote; 0.7
	Seed        uint64  // of the members and their choices
	Roll        []byte  // a roll file to use instead of simulated members
	RollOptions roll.Options
	Data        string // folder for the databases; removed at the end if empty
	Out         string // folder that gets the record; must not exist
	// Serve is called while voting is open, after the simulated members have
	// voted; the election goes on when it returns. May be nil.
	Serve func(ctx context.Context, w *World) error
	// Certified is called when the result is certified and its record was verified, before
	// the service ends. May be nil.
	Certified func(ctx context.Context, w *World) error
	// Draft changes what the committee agrees on, before it is sealed. May be nil.
	Draft    func(*election.Manifest)
	Progress func(step string, done, total int) // may be nil
	Say      func(format string, args ...any)   // lines for the person who watches; may be nil
	Log      *slog.Logger                       // may be nil
	Version  string
}

// A RollError carries the report on a roll file that cannot be imported.
type RollError struct{ File *roll.File }

func (e *RollError) Error() string {
	faults, _ := e.File.Count()
	return fmt.Sprintf("the roll has %d faults; nothing was imported", faults)
}

// A World is a demo under way.
type World struct {
	o        Options
	d        *deployment.Deployment
	id       suite.ElectionID
	dir      string
	manifest *election.Manifest
	mid      suite.MID
	people   people
	members  []roll.Member
	late     roll.Member
	acts     uint32       // how many the committee has signed
	unused   []string     // files of mails whose link nobody used
	stop     func() error // ends service and witness, and returns what went wrong in them
}

// Run runs a whole election and returns its audit.
func Run(ctx context.Context, o Options) (*audit.Report, error) {
	defaults(&o)
	if _, err := os.Stat(o.Out); o.Out != "" && err == nil {
		return nil, fmt.Errorf("%s exists already; name a new folder for the record", o.Out)
	}
	if err := checkNew(o.Data); err != nil {
		return nil, err
	}
	if o.Out != "" {
		// Found out now rather than after the whole election.
		if err := os.MkdirAll(o.Out, 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of the record: %w", err)
		}
		if err := os.Remove(o.Out); err != nil {
			return nil, fmt.Errorf("making the folder of the record: %w", err)
		}
	}
	w := &World{o: o}
	members, err := w.readRoll()
	if err != nil {
		return nil, err
	}
	if err := w.holdBack(members); err != nil {
		return nil, err
	}
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	report, err := w.run(ctx)
	if cerr := w.close(); err == nil {
		err = cerr
	}
	return report, err
}

func defaults(o *Options) {
	if o.Members == 0 {
		o.Members = 500
	}
	if o.Turnout == 0 {
		o.Turnout = 0.7
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Version == "" {
		o.Version = "strikevote"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// readRoll draws or reads the roll before anything else is started: what is
// wrong with a file should be said at once.
func (w *World) readRoll() ([]roll.Member, error) {
	data, options := w.o.Roll, w.o.RollOptions
	if data == nil {
		var err error
		if data, err = simulatedRoll(w.o.Members, w.random("roll")); err != nil {
			return nil, fmt.Errorf("drawing members: %w", err)
		}
	}
	file, err := roll.Read(data, options)
	if err != nil {
		return nil, fmt.Errorf("reading the roll: %w", err)
	}
	if !file.OK() {
		return nil, &RollError{File: file}
	}
	return file.Members, nil
}

// holdBack keeps one member off the roll, who joins late by an act of the
// committee: the last of a unit that has others.
func (w *World) holdBack(members []roll.Member) error {
	count := make(map[string]int)
	for _, m := range members {
		count[m.Group]++
	}
	for i := len(members) - 1; i >= 0; i-- {
		if count[members[i].Group] > 1 && members[i].Email != "" {
			w.late = members[i]
			w.members = slices.Delete(slices.Clone(members), i, i+1)
			return nil
		}
	}
	return errors.New("a demo needs a unit with two members, one of them with an address: one of them joins late")
}

// random returns a source of its own for each purpose, so that more draws for
// one change nothing in another.
func (w *World) random(purpose string) *rand.Rand { return random(w.o.Seed, purpose) }

func random(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// start opens the databases and the service.
func (w *World) start(ctx context.Context) error {
	w.dir = w.o.Data
	if w.dir == "" {
		var err error
		if w.dir, err = os.MkdirTemp("", "strikevote-demo-"); err != nil {
			return fmt.Errorf("making room for the demo: %w", err)
		}
	}
	if err := markFolder(w.dir); err != nil {
		return err
	}
	w.o.Progress("starting two databases", 0, 1)
	d, err := deployment.Open(ctx, deployment.Config{
		Data: w.dir, Mail: filepath.Join(w.dir, "mail"), Log: w.o.Log, Pace: pace,
	})
	if err != nil {
		w.cleanup()
		return err
	}
	w.d = d
	serving, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- d.Serve(serving) }()
	w.stop = func() error {
		cancel()
		return <-served
	}
	return nil
}

func (w *World) close() error {
	err := w.stop()
	if cerr := w.d.Close(); err == nil {
		err = cerr
	}
	w.cleanup()
	return err
}

// cleanup removes the databases of a demo that was not told where to keep them.
func (w *World) cleanup() {
	if w.o.Data != "" {
		return
	}
	if err := os.RemoveAll(w.dir); err != nil {
		w.o.Log.Warn("the demo's folder stays", "err", err)
	}
}

// run is the life of the election.
func (w *World) run(ctx context.Context) (*audit.Report, error) {
	for _, step := range []func(context.Context) error{
		w.prepare, w.addLate, w.vote, w.serve, w.closePolls, w.openTotals, w.certify,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	report, err := w.audit(ctx)
	if err != nil || w.o.Certified == nil {
		return report, err
	}
	return report, w.o.Certified(ctx, w)
}

func (w *World) serve(ctx context.Context) error {
	if w.o.Serve == nil {
		return nil
	}
	return w.o.Serve(ctx, w)
}

// Mail returns the folder with everybody's mail.
func (w *World) Mail() string { return w.d.MailDir() }

// Unused returns the files of mails whose link no simulated member used.
func (w *World) Unused() []string { return w.unused }

// Origins returns the addresses of the service.
func (w *World) Origins() election.Origins { return w.d.Origins() }

// Election returns the election's id.
func (w *World) Election() suite.ElectionID { return w.id }

// audit exports the finished record and verifies it from the folder, as
// anybody can.
func (w *World) audit(ctx context.Context) (*audit.Report, error) {
	if w.o.Out == "" {
		dir, err := os.MkdirTemp("", "strikevote-record-")
		if err != nil {
			return nil, fmt.Errorf("making room for the record: %w", err)
		}
		w.o.Out = filepath.Join(dir, "record")
	}
	w.o.Progress("writing the record", 0, 1)
	if err := w.d.Export(ctx, w.id, w.o.Out); err != nil {
		return nil, err
	}
	fsys, closer, err := record.Open(ctx, w.o.Out)
	if err != nil {
		return nil, fmt.Errorf("opening the record: %w", err)
	}
	defer closer.Close()
	report, err := audit.Verify(ctx, fsys, audit.Options{Stage: layout.Certified, MID: &w.mid,
		Progress: func(step string, done, total int) { w.o.Progress("checking the "+step, done, total) }})
	if err != nil {
		return nil, fmt.Errorf("verifying the record: %w", err)
	}
	w.o.Say("The record is in %s", w.o.Out)
	return report, nil
}
