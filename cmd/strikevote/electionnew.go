package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/protocol/election"
)

func runElectionNew(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.addWhole(e, fs, true)
	rehearsal := fs.Bool("rehearsal", false, "make a rehearsal: it says so everywhere, and can never become the real election")
	invitations := fs.String("invitations", "", "write the tellers' invitations to files in this folder instead of printing them")
	if err := o.parse(fs, args, 1, "name one election file; strikevote election sample writes one"); err != nil {
		return err
	}
	text, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("reading the election file: %w", err)
	}
	d, err := o.open(ctx, e)
	if err != nil {
		return err
	}
	defer d.Close()
	if !d.Conducts() {
		return errBoxOnly
	}
	if err := knownOrigins(d.Origins(), o.loaded.Data); err != nil {
		return err
	}
	draft, zone, err := parseElectionFile(text, d.Origins(), *rehearsal)
	if err != nil {
		return fmt.Errorf("the election file cannot be used yet:\n%w", err)
	}
	if err := datesToCome(draft, zone, e.clock()); err != nil {
		return fmt.Errorf("the election file cannot be used any more:\n%w", err)
	}
	describeDraft(e, draft, zone)
	openedBefore(e, draft, zone)
	if err := o.cautions(e, d, draft); err != nil {
		return err
	}
	if err := warnTwice(ctx, e, d, draft); err != nil {
		return err
	}
	if err := freeOf(*invitations, len(draft.Tellers.Names)); err != nil {
		return err
	}
	if o.dry(e) {
		return nil
	}
	return makeElection(ctx, e, d, draft, zone, *invitations)
}

// makeElection makes an election and hands its tellers' invitations over.
func makeElection(ctx context.Context, e *env, d *deployment.Deployment, draft *election.Manifest, zone *time.Location, invitations string) error {
	if invitations != "" {
		if err := os.MkdirAll(invitations, 0o700); err != nil {
			return fmt.Errorf("making the folder of the invitations: %w", err)
		}
	}
	list, err := d.Create(ctx, draft)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "\nElection %s is made.\n", draft.ElectionID)
	// Nothing can print an invitation again, so that no error keeps one back.
	errs := []error{d.SetZone(draft.ElectionID, zone)}
	for i, inv := range list {
		errs = append(errs, handOver(e, invitations, i+1, draft.Tellers.Names[i], inv.String()))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "Next: strikevote roll import, and the tellers' ceremony (strikevote teller init).")
	return nil
}

// knownOrigins returns an error for addresses that are missing: the manifest names
// all five.
func knownOrigins(o election.Origins, data string) error {
	var missing []string
	for name, origin := range map[string]string{"BOOTH": o.Booth, "REGISTRAR": o.Registrar, "BOX": o.Box, "BOARD": o.Board, "CONSOLE": o.Console} {
		if origin == "" {
			missing = append(missing, prefix+"ORIGIN_"+name)
		}
	}
	slices.Sort(missing)
	switch len(missing) {
	case 0:
		return nil
	case 5:
		return fmt.Errorf("the addresses of the service are not known; start strikevote serve -data %s once, or configure them", data)
	}
	return fmt.Errorf("the election file has to wait: the addresses of all five parts stand in it, and these are not set: %s", strings.Join(missing, ", "))
}

// warnTwice says that there is an election of this title already.
func warnTwice(ctx context.Context, e *env, d *deployment.Deployment, draft *election.Manifest) error {
	ids, err := d.Elections(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		if v.Manifest.Title[0] == draft.Title[0] && v.Manifest.Rehearsal == draft.Rehearsal {
			fmt.Fprintf(e.out, "warning: there is an election of this title already, %s. With two of them every command needs -id;\na draft is deleted with strikevote election wipe.\n", id)
		}
	}
	return nil
}

// freeOf refuses a folder that holds invitations of another election.
func freeOf(folder string, tellers int) error {
	for i := range tellers {
		path := filepath.Join(folder, fmt.Sprintf("teller-%d", i+1))
		if _, err := os.Lstat(path); folder != "" && err == nil {
			return fmt.Errorf("%s is there already; name another folder for the invitations", path)
		}
	}
	return nil
}

// handOver writes a teller's invitation to a file, or prints it where there is no
// folder or the file cannot be written.
func handOver(e *env, folder string, number int, name, invitation string) (err error) {
	if folder != "" {
		path := filepath.Join(folder, fmt.Sprintf("teller-%d", number))
		err = writePrivate(path, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, invitation)
			return err
		})
		if err == nil {
			fmt.Fprintf(e.out, "Invitation of teller %d, %s, is in %s\n", number, name, path)
			return nil
		}
		err = fmt.Errorf("writing an invitation: %w", err)
	}
	fmt.Fprintf(e.out, "Invitation of teller %d, %s:\n  %s\n", number, name, invitation)
	return err
}
