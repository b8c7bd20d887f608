package deployment

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/mailer"
	"strikevote/internal/pages"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/credential/issuer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
	"strikevote/migrations"
)

func (d *Deployment) openLedger(ctx context.Context, e *running) error {
	policy, err := e.manifest.LedgerPolicy()
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	if e.registrarPool, err = openSide(ctx, d.servers.registrar, e.manifest.ElectionID, migrations.Registrar); err != nil {
		return err
	}
	e.ledger, e.publicLedger, err = d.openLog(ctx, e, d.servers.registrar, e.registrarPool, policy, sideRegistrar, keyLedger)
	if err != nil {
		return err
	}
	e.content = pages.NewStore(e.boardPools[len(e.boardPools)-1])
	return nil
}

func (d *Deployment) openBallots(ctx context.Context, e *running) error {
	policy, err := e.manifest.BallotsPolicy()
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	e.ballots, e.publicBallots, err = d.openLog(ctx, e, d.servers.box, e.boxPool, policy, sideBox, keyBallots)
	return err
}

// openLog opens a log, for its service with the signer and for the board
// without.
func (d *Deployment) openLog(ctx context.Context, e *running, server postgres.Server, pool *pgxpool.Pool, policy tlog.Policy, side, key string) (log, public *board.Log, err error) {
	signer, err := d.logSigner(e, policy, side, key)
	if err != nil {
		return nil, nil, err
	}
	reader, err := openAs(ctx, server, e.manifest.ElectionID, "sv_board")
	if err != nil {
		return nil, nil, err
	}
	e.boardPools = append(e.boardPools, reader)
	log = board.New(board.Config{Pool: pool, Signer: signer, Newest: d.newestPath(e.manifest.ElectionID, side), MID: e.mid, Policy: policy, Log: d.c.Log, Now: d.c.Now})
	return log, board.New(board.Config{Pool: reader, MID: e.mid, Policy: policy, Log: d.c.Log, Now: d.c.Now}), nil
}

// logSigner returns what signs a log, or nil in a process that has no part in it,
// such as a console that runs apart.
func (d *Deployment) logSigner(e *running, policy tlog.Policy, side, key string) (*tlog.LogSigner, error) {
	if side == sideRegistrar && !d.runs(PartRegistrar) {
		return nil, nil
	}
	seed, err := e.keys.seed(side, key)
	if err != nil {
		return nil, err
	}
	signer, err := tlog.NewLogSigner(policy.Log.Name(), seed)
	if err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	if signer.Key() != policy.Log {
		return nil, notManifests(side, key)
	}
	return signer, nil
}

// notManifests is the error of a key that would sign what nobody accepts.
func notManifests(side, key string) error {
	return fmt.Errorf("the key %s of the %s is not the manifest's; restore it from its copy", key, side)
}

func (d *Deployment) openRegistrar(ctx context.Context, e *running) error {
	c := registrar.Config{
		Pool: e.registrarPool, Ledger: registrar.LedgerOf(e.ledger), Now: d.c.Now, Log: d.c.Log,
		Ready:         func(ctx context.Context) error { return d.witnessed(ctx, e) },
		CheckEnvelope: registrar.CheckAt(d.client, d.boxURL(e)),
		Certified:     func(ctx context.Context) (bool, error) { return has(ctx, e.ledger, layout.Certification) },
		Zone:          d.Zone(e.manifest.ElectionID),
	}
	var err error
	if !d.runs(PartRegistrar) || e.halted != nil {
		// A console reads the phase, and holds no key.
		e.registrar, err = registrar.Open(ctx, c)
		return err
	}
	// Once the result is certified nobody needs a link or an answer any more.
	certified, err := has(ctx, e.ledger, layout.Certification)
	if err != nil {
		return err
	}
	if c.Keys, err = e.keys.registrar(e.manifest.Groups, certified); err != nil {
		return err
	}
	if err := e.openMinter(certified); err != nil {
		return err
	}
	if e.minter != nil {
		c.Minter = e.minter
	}
	if e.registrar, err = registrar.Open(ctx, c); err != nil {
		return err
	}
	final, err := e.ledger.Final(ctx)
	if err != nil {
		return err
	}
	for _, g := range e.manifest.Groups {
		// Found now, and not by the first member of the group who votes.
		if c.Keys.Issuers[g.ID] == nil && !final {
			return fmt.Errorf("reading %s of the %s: %w: %s", issuerName(g.ID), sideRegistrar, ErrNoKey, e.keys.path(sideRegistrar, issuerName(g.ID)))
		}
	}
	return d.openMailer(e)
}

// openMailer opens what sends the mails. Without keys for links it sends those that have
// none, such as the result's.
func (d *Deployment) openMailer(e *running) error {
	senders := d.c.Senders
	if len(senders) == 0 || e.manifest.Demo { // nobody of a demo is to get a mail
		senders = []mailer.Sender{&mailer.Directory{Path: d.c.Mail, Unsynced: e.manifest.Demo}}
	}
	m, err := mailer.New(mailer.Config{
		Pool: e.registrarPool, Manifest: e.manifest, MID: e.mid, Minter: e.minter, Senders: senders, Outcome: e.outcome,
		From: d.c.From, Zone: d.Zone(e.manifest.ElectionID), Now: d.c.Now, Log: d.c.Log, Observe: d.mailCounts.observe,
	})
	e.mailer.Store(m)
	return err
}

// openMinter opens what makes links. Once the result is certified, what an
// interruption left of the keys goes now.
func (e *running) openMinter(certified bool) (err error) {
	if certified {
		return e.keys.destroyLinks()
	}
	if e.minter, err = e.keys.minter(); err != nil {
		return err
	}
	if !bytes.Equal(e.minter.Public(), e.manifest.TokenKey[:]) {
		return notManifests(sideMailer, keyToken)
	}
	return nil
}

// mailDomain is the sender's where none is configured.
const mailDomain = "union.example"

// witnessed returns an error until the witnesses have cosigned the first entry
// of both logs: no mail leaves before that (SPEC.md section 9).
func (d *Deployment) witnessed(ctx context.Context, e *running) error {
	if _, err := e.ledger.FirstCosigned(ctx, 0); err != nil {
		return err
	}
	return d.boxCosigned(ctx, e, layout.FirstCheckpoint(layout.Ballots))
}

func (d *Deployment) openBox(ctx context.Context, e *running) error {
	if e.halted != nil {
		return nil // its record is read, and nothing is opened that could be taken
	}
	pending, err := e.keys.seed(sideBox, keyPending)
	if errors.Is(err, ErrNoKey) {
		// Destroyed at the lock, and not before: ballots wait under it.
		if final, ferr := e.ballots.Final(ctx); ferr != nil || !final {
			return errors.Join(err, ferr)
		}
	} else if err != nil {
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
	if errors.Is(err, ballotbox.ErrOtherKey) {
		return fmt.Errorf("%w: %s", err, e.keys.path(sideBox, keyPending))
	}
	return err
}

// registrar returns the registrar's keys. Issuer keys that were destroyed are
// missing from the map. Of a certified election the operator may have destroyed
// the key of the answers too.
func (k keyring) registrar(groups []election.Group, certified bool) (registrar.Keys, error) {
	keys := registrar.Keys{Issuers: make(map[suite.GroupID]*issuer.Key)}
	var err error
	if keys.RollKey, err = k.seed(sideRegistrar, keyRoll); err != nil {
		return keys, err
	}
	keys.FactorKey, err = k.seed(sideRegistrar, keyFactor)
	if err != nil && !(certified && errors.Is(err, ErrNoKey)) {
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
