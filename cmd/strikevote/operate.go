package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/suite"
)

// An operation is what every command on a deployment's databases takes: where they
// are, which election is meant, and whether it is to be done.
type operation struct {
	settings *loader
	loaded   *Config // the settings, once the deployment is open
	id, by   string
	yes      bool
}

const operatorHelp = wholeHelp + ` -id names
the election by the first digits of its number; with one election it can be left out.`

// wholeHelp is for a command that is not about one of the elections.
const wholeHelp = `
It opens the deployment's databases itself, also while serve runs on them.`

// add adds the common flags of a command about one election. Commands that change
// something say so.
func (o *operation) add(e *env, fs *flag.FlagSet, changes bool) {
	o.addWhole(e, fs, changes)
	fs.StringVar(&o.id, "id", "", "the election: the first `DIGITS` of its number (default: the only one)")
}

// addWhole adds the common flags of a command that is not about one of the elections.
// What runs of the service in this folder, serve has noted: there is no flag for it.
func (o *operation) addWhole(e *env, fs *flag.FlagSet, changes bool) {
	o.settings = settings(e, fs, "DATA")
	if changes {
		fs.BoolVar(&o.yes, "yes", false, "do it; without it the command only says what it would do")
	}
}

// named adds the flag of a command that says in the committee's log who did it.
func (o *operation) named(fs *flag.FlagSet) {
	fs.StringVar(&o.by, "by", "", "your `NAME`, for the committee's log")
}

// parse parses flags and takes exactly want arguments behind them, or at least
// -want where want is negative.
func (o *operation) parse(fs *flag.FlagSet, args []string, want int, what string) error {
	if err := parse(fs, args); err != nil {
		return err
	}
	if n := fs.NArg(); n != want && want >= 0 || n < -want {
		return usageError("%s", what)
	}
	return nil
}

// begin adds the flags of a command that changes something and says in the committee's
// log who did it, parses them as [operation.parse] does beside those that the command
// added before, and returns who acts.
func (o *operation) begin(e *env, fs *flag.FlagSet, args []string, want int, what string) (by string, err error) {
	o.add(e, fs, true)
	o.named(fs)
	if err := o.parse(fs, args, want, what); err != nil {
		return "", err
	}
	return o.who()
}

// open opens the deployment, or only the named parts of it. The caller closes it.
func (o *operation) open(ctx context.Context, e *env, parts ...deployment.Part) (*deployment.Deployment, error) {
	s, err := o.settings.load()
	if err != nil {
		return nil, err
	}
	if s.Data == "" {
		return nil, errNoData
	}
	o.loaded = s
	if _, err := os.Stat(s.Data); err != nil {
		return nil, fmt.Errorf("looking for the data folder: %w; start strikevote serve -data DIR first", err)
	}
	c, err := s.deployment(newLogger(e.err, false))
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		c.Parts = parts
	}
	return deployment.Operate(ctx, c)
}

var errBoxOnly = errors.New("this folder has the box only; run this on the registrar's host")

// with does something with the election that is meant, on a host that has the
// registrar's side.
func (o *operation) with(ctx context.Context, e *env, do func(d *deployment.Deployment, id suite.ElectionID) error) error {
	return o.anywhere(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		if !d.Conducts() {
			return errBoxOnly
		}
		return do(d, id)
	})
}

// looks makes the run of a command that only shows something of an election.
func looks(do func(ctx context.Context, e *env, d *deployment.Deployment, id suite.ElectionID) error) func(context.Context, *env, *flag.FlagSet, []string) error {
	return func(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
		var o operation
		o.add(e, fs, false)
		if err := o.parse(fs, args, 0, "it takes no arguments"); err != nil {
			return err
		}
		return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error { return do(ctx, e, d, id) })
	}
}

// anywhere opens the deployment, finds the election that is meant, and does
// something.
func (o *operation) anywhere(ctx context.Context, e *env, do func(d *deployment.Deployment, id suite.ElectionID) error) error {
	d, err := o.open(ctx, e)
	if err != nil {
		return err
	}
	id, err := o.election(ctx, d)
	if err == nil {
		err = do(d, id)
	}
	return errors.Join(err, d.Close())
}

// election finds the election that -id names, or the only one.
func (o *operation) election(ctx context.Context, d *deployment.Deployment) (suite.ElectionID, error) {
	ids, err := d.Elections(ctx)
	if err != nil {
		return suite.ElectionID{}, err
	}
	var found []suite.ElectionID
	for _, id := range ids {
		if strings.HasPrefix(id.String(), strings.ToLower(o.id)) {
			found = append(found, id)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && len(o.id) == 2*len(suite.ElectionID{}):
		// One that is not listed any more, to finish a wipe that was interrupted.
		return suite.ParseElectionID(strings.ToLower(o.id))
	case len(ids) == 0:
		return suite.ElectionID{}, errors.New("there is no election yet; make one with strikevote election new")
	case len(found) == 0:
		return suite.ElectionID{}, usageError("no election begins with %s; strikevote election list shows them", o.id)
	case o.id == "":
		return suite.ElectionID{}, usageError("there are %d elections; name one with -id, strikevote election list shows them", len(found))
	}
	return suite.ElectionID{}, usageError("%d elections begin with %s; give more digits", len(found), o.id)
}

// dry says that nothing was done, unless -yes was given.
func (o *operation) dry(e *env) bool {
	if !o.yes {
		fmt.Fprintln(e.out, "\nNothing was changed. To do it, run the same command with -yes.")
	}
	return !o.yes
}

// operator returns who acts, for what needs no name in the log.
func (o *operation) operator() string { return cmp.Or(strings.TrimSpace(o.by), "an operator") }

// who returns who acts, for the log.
func (o *operation) who() (string, error) {
	if strings.TrimSpace(o.by) == "" {
		return "", usageError("say who you are with -by, for the committee's log")
	}
	return o.by, nil
}
