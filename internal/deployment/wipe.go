package deployment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"strikevote/internal/platform/durable"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/migrations"
)

// Wipe deletes everything that this process has of an election that decided
// nothing: a draft, a demo or a rehearsal. Its databases are dropped whole, its
// keys destroyed. A service that serves it stops doing so. The record of a real
// election is kept, and this refuses it.
func (d *Deployment) Wipe(ctx context.Context, id suite.ElectionID, by string) error {
	// First, so that no process opens it again. The committee's papers decide,
	// beside a seal that is being made.
	if d.names() {
		if err := d.committee.Forget(ctx, id, by); err != nil {
			return err
		}
	} else if err := d.openElection(ctx, id); err != nil && !errors.Is(err, registrar.ErrDraft) {
		// The box has nothing but its database to say what the election is.
		return err
	}
	if err := d.MayWipe(id); err != nil {
		return err
	}
	d.forget(id)
	for _, side := range []struct {
		server postgres.Server
		kind   migrations.Database
	}{{d.servers.box, migrations.Ballotbox}, {d.servers.registrar, migrations.Registrar}} {
		if side.server == nil {
			continue
		}
		if err := drop(ctx, side.server, databaseName(id), side.kind); err != nil {
			return err
		}
	}
	for _, path := range []string{d.zonePath(id), d.beatPath(id)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("wiping: %w", err)
		}
	}
	if err := os.RemoveAll(filepath.Dir(d.newestPath(id, sideBox))); err != nil {
		return fmt.Errorf("wiping: %w", err)
	}
	return d.keys(id).destroyAll()
}

// MayWipe returns an error for an election that is open here and decides something.
func (d *Deployment) MayWipe(id suite.ElectionID) error {
	if e := d.running(id); e != nil && !e.manifest.Rehearsal && !e.manifest.Demo {
		return errors.New("this is a real election; its record and its roll are kept for as long as the union has to keep them")
	}
	return nil
}

func drop(ctx context.Context, s postgres.Server, name string, kind migrations.Database) error {
	owner, err := postgres.Connect(ctx, s.URL("postgres", kind.Owner))
	if err != nil {
		return fmt.Errorf("connecting to drop database %s: %w", name, err)
	}
	defer owner.Close(ctx)
	return postgres.DropDatabase(ctx, owner, name)
}

// forget stops serving an election and closes it. Requests under way end with an
// error.
func (d *Deployment) forget(id suite.ElectionID) {
	e := d.running(id)
	if e == nil {
		return
	}
	d.registrars.Remove(id)
	d.boxes.Remove(id)
	d.mu.Lock()
	delete(d.elections, id)
	d.mu.Unlock()
	e.rounds.Lock()
	defer e.rounds.Unlock()
	e.mails.Lock()
	defer e.mails.Unlock()
	e.looks.Lock()
	defer e.looks.Unlock()
	e.close()
}

// closeForgotten stops serving elections that another process has wiped: those
// that are not known any more.
func (d *Deployment) closeForgotten(known []suite.ElectionID) {
	for _, id := range d.ids() {
		if !slices.Contains(known, id) {
			d.forget(id)
		}
	}
}

// destroyAll overwrites every file of an election's keys, also what an interruption
// has left beside them, and removes its folder. It may run twice at once.
func (k keyring) destroyAll() error {
	paths, err := filepath.Glob(filepath.Join(k.dir, "*", "*"))
	if err != nil {
		return fmt.Errorf("destroying keys: %w", err)
	}
	for _, path := range paths {
		if err := durable.Destroy(path); err != nil {
			return fmt.Errorf("destroying key %s: %w", filepath.Base(path), err)
		}
	}
	if err := os.RemoveAll(k.dir); err != nil {
		return fmt.Errorf("destroying keys: %w", err)
	}
	return nil
}
