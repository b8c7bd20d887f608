package deployment

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
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

	ledger, ballots *board.Log // with their signers
	registrar       *registrar.Registrar
	box             *ballotbox.Box
	mailer          *mailer.Mailer
	invited         bool // the round's own: invitations are queued
}

func (e *running) close() {
	for _, p := range append([]*pgxpool.Pool{e.registrarPool, e.boxPool}, e.boardPools...) {
		if p != nil {
			p.Close()
		}
	}
}

// openElections opens every election that is sealed on both sides. One that
// was interrupted while it was being sealed stays closed until the committee
// seals it again.
func (d *Deployment) openElections(ctx context.Context) error {
	ids, err := d.committee.Elections(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := d.openElection(ctx, id)
		if errors.Is(err, ErrPending) && d.servers.private[sideRegistrar] && d.servers.private[sideBox] {
			// The program was replaced by a newer one; nobody else migrates a
			// private database.
			if err = d.servers.migrateElection(ctx, id); err == nil {
				err = d.openElection(ctx, id)
			}
		}
		if errors.Is(err, registrar.ErrDraft) {
			continue
		}
		if err != nil {
			return fmt.Errorf("opening election %s: %w", id, err)
		}
	}
	return nil
}

// openElection opens both sides of a sealed election and serves it.
func (d *Deployment) openElection(ctx context.Context, id suite.ElectionID) (err error) {
	e := &running{keys: d.keys(id)}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.bytes, err = d.committee.Proposal(ctx, id); err != nil {
		return registrar.ErrDraft // nothing was proposed, so nothing is sealed
	}
	if e.manifest, err = election.Parse(e.bytes); err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	e.mid = election.MID(e.bytes)
	if err := d.openLogs(ctx, e); err != nil {
		return err
	}
	if err := d.openRegistrar(ctx, e); err != nil {
		return err
	}
	if err := d.openBox(ctx, e); err != nil {
		return err
	}
	d.registrars.Add(e.registrar)
	d.boxes.Add(e.box)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.elections[id] = e
	return nil
}

// openLogs opens both logs, for the services with their signers and for the
// board without.
func (d *Deployment) openLogs(ctx context.Context, e *running) error {
	for _, l := range []struct {
		server interface {
			URL(database, role string) string
		}
		kind   migrations.Database
		log    election.Log
		policy func() (tlog.Policy, error)
		side   string
		key    string
		pool   **pgxpool.Pool
		into   **board.Log
		public **board.Log
	}{
		{d.servers.registrar, migrations.Registrar, e.manifest.Ledger, e.manifest.LedgerPolicy, sideRegistrar, keyLedger, &e.registrarPool, &e.ledger, &e.publicLedger},
		{d.servers.box, migrations.Ballotbox, e.manifest.Ballots, e.manifest.BallotsPolicy, sideBox, keyBallots, &e.boxPool, &e.ballots, &e.publicBallots},
	} {
		policy, err := l.policy()
		if err != nil {
			return fmt.Errorf("reading manifest: %w", err)
		}
		seed, err := e.keys.seed(l.side, l.key)
		if err != nil {
			return err
		}
		signer, err := tlog.NewLogSigner(l.log.Origin, seed)
		if err != nil {
			return fmt.Errorf("opening log: %w", err)
		}
		id := e.manifest.ElectionID
		if *l.pool, err = openSide(ctx, l.server, id, l.kind); err != nil {
			return err
		}
		public, err := openAs(ctx, l.server, id, "sv_board")
		if err != nil {
			return err
		}
		e.boardPools = append(e.boardPools, public)
		*l.into = board.New(board.Config{Pool: *l.pool, Signer: signer, MID: e.mid, Policy: policy, Log: d.c.Log})
		*l.public = board.New(board.Config{Pool: public, MID: e.mid, Policy: policy, Log: d.c.Log})
	}
	return nil
}

func (d *Deployment) openRegistrar(ctx context.Context, e *running) error {
	keys, err := e.keys.registrar(e.manifest.Groups)
	if err != nil {
		return err
	}
	minter, err := e.keys.minter()
	if err != nil {
		return err
	}
	e.registrar, err = registrar.Open(ctx, registrar.Config{
		Pool: e.registrarPool, Keys: keys, Minter: minter, Ledger: registrar.LedgerOf(e.ledger),
		Ready: e.witnessed, Now: d.c.Now, Log: d.c.Log,
	})
	if err != nil {
		return err
	}
	e.mailer, err = mailer.New(mailer.Config{
		Pool: e.registrarPool, Manifest: e.manifest, MID: e.mid, Minter: minter, Sender: &mailer.Directory{Path: d.c.Mail},
		From: mailer.Address{Name: "Union ballot", Address: "ballot@" + mailDomain}, Zone: time.Local, Now: d.c.Now, Log: d.c.Log,
	})
	return err
}

// mailDomain is the sender's until mail providers are configured.
const mailDomain = "union.example"

// witnessed returns an error until the witnesses have cosigned the first entry
// of both logs: no mail leaves before that (SPEC.md section 9).
func (e *running) witnessed(ctx context.Context) error {
	for _, l := range []*board.Log{e.ledger, e.ballots} {
		if _, err := l.FirstCosigned(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deployment) openBox(ctx context.Context, e *running) error {
	pending, err := e.keys.existing(sideBox, keyPending)
	if err != nil {
		return err
	}
	promise, err := e.keys.seed(sideBox, keyPromise)
	if err != nil {
		return err
	}
	e.box, err = ballotbox.New(ctx, ballotbox.Config{
		Pool: e.boxPool, Manifest: e.manifest, MID: e.mid, PendingKey: pending,
		Promise: ed25519.NewKeyFromSeed(promise[:]), Log: e.ballots, Now: d.c.Now, Logger: d.c.Log,
	})
	return err
}

// registrar returns the registrar's keys. Issuer keys that were destroyed are
// missing from the map.
func (k keyring) registrar(groups []election.Group) (registrar.Keys, error) {
	keys := registrar.Keys{Issuers: make(map[suite.GroupID]*issuer.Key)}
	var err error
	if keys.RollKey, err = k.seed(sideRegistrar, keyRoll); err != nil {
		return keys, err
	}
	if keys.FactorKey, err = k.seed(sideRegistrar, keyFactor); err != nil {
		return keys, err
	}
	for _, g := range groups {
		key, err := k.existingIssuer(g.ID)
		if err != nil {
			return keys, err
		}
		if key != nil {
			keys.Issuers[g.ID] = key
		}
	}
	return keys, nil
}

func (k keyring) minter() (*mailer.Minter, error) {
	tokenSeed, err := k.seed(sideMailer, keyToken)
	if err != nil {
		return nil, err
	}
	codeKey, err := k.seed(sideMailer, keyCode)
	if err != nil {
		return nil, err
	}
	return mailer.NewMinter(tokenSeed, codeKey), nil
}

// phase returns where the election stands for the public: locked only when the
// whole locked record is there to be verified.
func (e *running) phase(ctx context.Context) (election.Phase, error) {
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
	ready, err := e.recordReady(ctx)
	if err != nil || ready {
		return election.PhaseLocked, err
	}
	return election.PhaseClosed, nil
}

// recordReady reports whether the locked record is complete and witnessed.
func (e *running) recordReady(ctx context.Context) (bool, error) {
	for _, l := range []*board.Log{e.ledger, e.ballots} {
		final, err := l.Final(ctx)
		if err != nil || !final {
			return false, err
		}
		head, err := l.Head(ctx)
		if err != nil {
			return false, err
		}
		if _, err := l.FirstCosigned(ctx, head.Size-1); errors.Is(err, board.ErrNotCosigned) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	for _, f := range []struct {
		log  *board.Log
		path string
	}{{e.ledger, layout.StatementRegistrar}, {e.ballots, layout.StatementBox}} {
		if done, err := has(ctx, f.log, f.path); err != nil || !done {
			return false, err
		}
	}
	return true, nil
}
