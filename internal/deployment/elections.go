package deployment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/mailer"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
	"strikevote/migrations"
)

// A running election is a sealed one with its databases open.
type running struct {
	manifest *election.Manifest
	bytes    []byte // the manifest's published bytes
	mid      suite.MID
	keys     keyring

	registrarPool, boxPool *pgxpool.Pool
	// What the board's listener uses: a role that reads what is public and may
	// add cosignatures, and nothing else.
	boardPools                  []*pgxpool.Pool
	publicLedger, publicBallots *board.Log
	content                     *pages.Store // of the public pages

	ledger, ballots *board.Log // with their signers
	registrar       *registrar.Registrar
	box             *ballotbox.Box
	minter          *mailer.Minter                // nil once the keys of links are destroyed
	mailer          atomic.Pointer[mailer.Mailer] // sends while mails is locked; who only looks does not wait for that
	unsent          string                        // why mails waited last; guarded by mails
	// What mails tell of the certified result; it has a lock of its own.
	told struct {
		sync.Mutex
		outcome *mailer.Outcome
	}
	// The round's own: whether invitations and results are queued, how many acts and which
	// accepted envelopes the box has, whether the keys that are destroyed at the lock
	// have left this process, whether the certificate was found to count the reports
	// that are upheld, and what each failing step said last.
	invited       bool
	announced     bool
	wiped, forgot bool
	settled       bool
	forwarded     int
	delivered     map[suite.BallotID]bool
	failing       map[string]string
	rounds, mails sync.Mutex // held while a round goes on, while mails leave
	looks         sync.Mutex // held while downtime is looked for
	watch         watch      // guarded by looks
	// halted says why the election is for reading only; nil: it is not. Guarded by the
	// deployment's mu once the election is served.
	halted error
}

func (e *running) close() {
	for _, p := range append([]*pgxpool.Pool{e.registrarPool, e.boxPool}, e.boardPools...) {
		if p != nil {
			p.Close()
		}
	}
}

// draftEvery is how often a host that has nothing but the box looks for one that
// is not made yet.
const draftEvery = 30 * time.Second

// openElections opens every election that is sealed on the sides that this process
// has. One that was interrupted while it was being sealed stays closed until the
// committee seals it again.
func (d *Deployment) openElections(ctx context.Context, known []suite.ElectionID) error {
	var errs []error
	now := d.c.Now()
	for _, id := range known {
		if d.running(id) != nil || now.Before(d.drafts[id]) {
			continue
		}
		err := d.openElection(ctx, id)
		if errors.Is(err, ErrPending) && d.servers.allPrivate() {
			// The program was replaced by a newer one; nobody else migrates a
			// private database.
			if err = d.servers.migrateElection(ctx, id); err == nil {
				err = d.openElection(ctx, id)
			}
		}
		switch {
		case errors.Is(err, registrar.ErrDraft) && !d.names():
			// Nobody but the server can be asked whether the box is made yet, and
			// it logs each time that there is no such database.
			d.drafts[id] = now.Add(draftEvery)
		case err != nil && !errors.Is(err, registrar.ErrDraft):
			errs = append(errs, fmt.Errorf("opening election %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// known lists the elections there may be: the committee's list, or, on a host that
// has nothing but the box, those for which it has keys.
func (d *Deployment) known(ctx context.Context) ([]suite.ElectionID, error) {
	if d.names() {
		return d.committee.Elections(ctx)
	}
	if !d.votes() {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(d.c.Data, "keys"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	var ids []suite.ElectionID
	for _, entry := range entries {
		if id, err := suite.ParseElectionID(entry.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// openElection opens what this process has of a sealed election and serves it. It
// returns [registrar.ErrDraft] for one that is not sealed.
func (d *Deployment) openElection(ctx context.Context, id suite.ElectionID) (err error) {
	d.opening.Lock()
	defer d.opening.Unlock()
	if d.running(id) != nil {
		return nil // it was sealed again
	}
	e := &running{keys: d.keys(id), failing: make(map[string]string), delivered: make(map[suite.BallotID]bool)}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	// The registrar's side is sealed last. Where it is not, the box's may not
	// even be there.
	var steps []func(context.Context, *running) error
	if d.names() {
		steps = append(steps, func(ctx context.Context, e *running) error { return d.readProposal(ctx, e, id) }, d.openLedger,
			func(ctx context.Context, e *running) error { return e.standing(ctx, sideRegistrar, e.ledger) }, d.openRegistrar)
	}
	if d.votes() {
		steps = append(steps, func(ctx context.Context, e *running) error { return d.openBoxDatabase(ctx, e, id) }, d.openBallots,
			func(ctx context.Context, e *running) error { return e.standing(ctx, sideBox, e.ballots) }, d.openBox)
	}
	for _, step := range steps {
		if err := step(ctx, e); err != nil {
			return err
		}
	}
	if e.halted != nil {
		d.serveHalted(ctx, e)
	} else {
		if d.runs(PartRegistrar) {
			d.registrars.Add(e.registrar)
		}
		if d.votes() {
			d.boxes.Add(e.box)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.elections[id] = e
	return nil
}

// readProposal reads the manifest once it is fixed. What is only proposed, for
// days perhaps, opens no database every round.
func (d *Deployment) readProposal(ctx context.Context, e *running, id suite.ElectionID) error {
	sealed, err := d.committee.Sealed(ctx, id)
	if err != nil {
		return err
	}
	if !sealed {
		return registrar.ErrDraft
	}
	b, err := d.committee.Proposal(ctx, id)
	if err != nil {
		return err
	}
	return e.read(b)
}

// read takes the manifest's published bytes.
func (e *running) read(manifest []byte) (err error) {
	if e.manifest, err = election.Parse(manifest); err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	e.bytes, e.mid = manifest, election.MID(manifest)
	return nil
}

// openBoxDatabase opens the box's database. Where this process has no other side,
// the manifest that it was sealed with is read from there.
func (d *Deployment) openBoxDatabase(ctx context.Context, e *running, id suite.ElectionID) (err error) {
	e.boxPool, err = openSide(ctx, d.servers.box, id, migrations.Ballotbox)
	if absent(err) && e.manifest == nil {
		return registrar.ErrDraft // keys are made, and nothing is sealed yet
	}
	if absent(err) {
		// The box is made before the registrar's side is sealed.
		return d.noBox()
	}
	if err == nil {
		err = d.servers.checkSettings(ctx, e.boxPool, sideBox)
	}
	if err != nil || e.manifest != nil {
		return err
	}
	manifest, err := ballotbox.Manifest(ctx, e.boxPool)
	if errors.Is(err, ballotbox.ErrEmpty) {
		return registrar.ErrDraft
	}
	if err != nil {
		return err
	}
	return e.read(manifest)
}

// noBox says that the registrar's side is sealed and the box's database is not there, as
// after a restore of one side only.
func (d *Deployment) noBox() error {
	if d.c.Box != nil {
		return errors.New("it is sealed, and the box's server has no database of it: restore the backup of the box, or see that this is its server")
	}
	return fmt.Errorf("it is sealed, and the box has no database of it here: stop serve, move %s away, and restore the backup of the box",
		filepath.Join(d.c.Data, "postgres", d.servers.sideOf(sideBox).folder))
}

// phase returns where the election stands for the public: locked only when the
// whole locked record is there to be verified.
func (d *Deployment) phase(ctx context.Context, e *running) (election.Phase, error) {
	state, err := e.registrar.Phase(ctx)
	if err != nil || state.Phase != election.PhaseLocked {
		return state.Phase, err
	}
	for _, f := range []struct {
		path string
		then election.Phase
	}{{layout.Certification, election.PhaseCertified}, {layout.Result, election.PhaseTallied}} {
		if done, err := has(ctx, e.ledger, f.path); err != nil || done {
			return f.then, err
		}
	}
	err = d.recordReady(ctx, e)
	switch {
	case err == nil:
		return election.PhaseLocked, nil
	case waits(err):
		return election.PhaseClosed, nil
	}
	return "", err
}

// recordReady returns an error that says to wait until the locked record is
// complete and witnessed, on both sides.
func (d *Deployment) recordReady(ctx context.Context, e *running) error {
	if done, err := has(ctx, e.ledger, layout.StatementRegistrar); err != nil || !done {
		return errors.Join(err, errWaiting)
	}
	head, err := e.ledger.Head(ctx)
	if err != nil {
		return err
	}
	if _, err := e.ledger.FirstCosigned(ctx, head.Size-1); err != nil {
		return err
	}
	// The statement is published after the close record, so that the newest
	// checkpoint is the last one.
	if done, err := d.boxHas(ctx, e, layout.StatementBox); err != nil || !done {
		return errors.Join(err, errWaiting)
	}
	return d.boxCosigned(ctx, e, layout.Checkpoint(layout.Ballots))
}
