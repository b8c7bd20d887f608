package deployment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"strikevote/internal/board"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// newestPath is the file that keeps the newest signed checkpoint of a log. It is
// beside the databases and not in them, so that one that is set back, with all its
// tables, is found.
func newestPath(data, election, log string) string {
	return filepath.Join(data, "signed", election, log)
}

func (d *Deployment) newestPath(id suite.ElectionID, side string) string {
	if side == sideBox {
		return newestPath(d.c.Data, id.String(), layout.Ballots)
	}
	return newestPath(d.c.Data, id.String(), layout.Ledger)
}

// setBack reports whether an error says that a database is older than what was
// published or acknowledged from it.
func setBack(err error) bool {
	return errors.Is(err, board.ErrRollback) || errors.Is(err, board.ErrRestored)
}

// standing looks whether a log may go on. Where it may not, the election is shown and
// nothing else: a second history would be signed, a second ballot issued.
func (e *running) standing(ctx context.Context, side string, log *board.Log) error {
	err := log.Standing(ctx)
	if setBack(err) {
		e.halted = fmt.Errorf("the database of the %s is an old state: %w", side, err)
		return nil
	}
	return err
}

// lookBack finds a database that was set back while it is served, as somebody may do
// with a server of their own.
func (d *Deployment) lookBack(ctx context.Context, e *running) error {
	if d.names() {
		if err := e.ledger.Standing(ctx); err != nil {
			return err
		}
	}
	if d.votes() {
		return e.ballots.Standing(ctx)
	}
	return nil
}

// halt stops an election whose database was set back while it was served.
func (d *Deployment) halt(ctx context.Context, e *running, err error) {
	d.mu.Lock()
	e.halted = err
	d.mu.Unlock()
	d.serveHalted(ctx, e)
}

// serveHalted tells voters that the election rests, and the operator why.
func (d *Deployment) serveHalted(ctx context.Context, e *running) {
	id := e.manifest.ElectionID
	if d.runs(PartRegistrar) {
		d.registrars.Halt(id, e.manifest.Origins.Booth)
	}
	if d.votes() {
		d.boxes.Halt(id, e.manifest.Origins.Booth)
	}
	d.c.Log.ErrorContext(ctx, "this election is for reading only: nothing is signed, issued or taken. "+
		"Put back the newest state of its database, see Backups in deploy/README.md", "election", id.String(), "err", d.haltedBy(e))
}

// haltedBy returns why an election is for reading only, nil if it is not.
func (d *Deployment) haltedBy(e *running) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return e.halted
}

// active returns a sealed election that goes on, for what would have no effect on one
// that rests.
func (d *Deployment) active(id suite.ElectionID) (*running, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	if err := d.haltedBy(e); err != nil {
		return nil, fmt.Errorf("the election rests, and nothing was done: %w", err)
	}
	return e, nil
}

// checkHalted returns an error while an election of this process rests, for those who
// watch the service.
func (d *Deployment) checkHalted(context.Context) error {
	for _, id := range d.ids() {
		if e := d.running(id); e != nil {
			if err := d.haltedBy(e); err != nil {
				return fmt.Errorf("election %s: %w", id, err)
			}
		}
	}
	return nil
}
