package deployment

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/committee"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
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
	minter          *mailer.Minter // nil once the keys of links are destroyed
	mailer          *mailer.Mailer // nil then; guarded by mails
	// The round's own: whether invitations are queued, how many acts the box
	// has, and what each failing step said last.
	invited       bool
	forwarded     int
	failing       map[string]string
	rounds, mails sync.Mutex // held while a round goes on, while mails leave
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
		if errors.Is(err, ErrPending) && d.servers.private[sideRegistrar] != nil && d.servers.private[sideBox] != nil {
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

// openElection opens both sides of a sealed election and serves it. It returns
// [registrar.ErrDraft] for one that is not sealed.
func (d *Deployment) openElection(ctx context.Context, id suite.ElectionID) (err error) {
	d.opening.Lock()
	defer d.opening.Unlock()
	if d.running(id) != nil {
		return nil // it was sealed again
	}
	e := &running{keys: d.keys(id), failing: make(map[string]string)}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	e.bytes, err = d.committee.Proposal(ctx, id)
	if errors.Is(err, committee.ErrNotYet) {
		return registrar.ErrDraft // nothing was proposed, so nothing is sealed
	}
	if err != nil {
		return err
	}
	if e.manifest, err = election.Parse(e.bytes); err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	e.mid = election.MID(e.bytes)
	// The registrar's side is sealed last. Where it is not, the box's may not
	// even be there.
	for _, step := range []func(context.Context, *running) error{d.openLedger, d.openRegistrar, d.openBallots, d.openBox} {
		if err := step(ctx, e); err != nil {
			return err
		}
	}
	d.registrars.Add(e.registrar)
	d.boxes.Add(e.box)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.elections[id] = e
	return nil
}

func (d *Deployment) openLedger(ctx context.Context, e *running) error {
	policy, err := e.manifest.LedgerPolicy()
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	if e.registrarPool, err = openSide(ctx, d.servers.registrar, e.manifest.ElectionID, migrations.Registrar); err != nil {
		return err
	}
	e.ledger, e.publicLedger, err = d.openLog(ctx, e, d.servers.registrar, e.registrarPool, policy, sideRegistrar, keyLedger)
	return err
}

func (d *Deployment) openBallots(ctx context.Context, e *running) error {
	policy, err := e.manifest.BallotsPolicy()
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	if e.boxPool, err = openSide(ctx, d.servers.box, e.manifest.ElectionID, migrations.Ballotbox); err != nil {
		return err
	}
	e.ballots, e.publicBallots, err = d.openLog(ctx, e, d.servers.box, e.boxPool, policy, sideBox, keyBallots)
	return err
}

// openLog opens a log, for its service with the signer and for the board
// without.
func (d *Deployment) openLog(ctx context.Context, e *running, server postgres.Server, pool *pgxpool.Pool, policy tlog.Policy, side, key string) (log, public *board.Log, err error) {
	seed, err := e.keys.seed(side, key)
	if err != nil {
		return nil, nil, err
	}
	signer, err := tlog.NewLogSigner(policy.Log.Name(), seed)
	if err != nil {
		return nil, nil, fmt.Errorf("opening log: %w", err)
	}
	if signer.Key() != policy.Log {
		return nil, nil, notManifests(side, key)
	}
	reader, err := openAs(ctx, server, e.manifest.ElectionID, "sv_board")
	if err != nil {
		return nil, nil, err
	}
	e.boardPools = append(e.boardPools, reader)
	log = board.New(board.Config{Pool: pool, Signer: signer, MID: e.mid, Policy: policy, Log: d.c.Log})
	return log, board.New(board.Config{Pool: reader, MID: e.mid, Policy: policy, Log: d.c.Log}), nil
}

// notManifests is the error of a key that would sign what nobody accepts.
func notManifests(side, key string) error {
	return fmt.Errorf("the key %s of the %s is not the manifest's; restore it from its copy", key, side)
}

func (d *Deployment) openRegistrar(ctx context.Context, e *running) error {
	c := registrar.Config{
		Pool: e.registrarPool, Ledger: registrar.LedgerOf(e.ledger), Ready: e.witnessed, Now: d.c.Now, Log: d.c.Log,
	}
	var err error
	if c.Keys, err = e.keys.registrar(e.manifest.Groups); err != nil {
		return err
	}
	if err := e.openMinter(ctx); err != nil {
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
			return fmt.Errorf("reading %s of the %s: %w", issuerName(g.ID), sideRegistrar, ErrNoKey)
		}
	}
	if e.minter == nil {
		return nil
	}
	e.mailer, err = mailer.New(mailer.Config{
		Pool: e.registrarPool, Manifest: e.manifest, MID: e.mid, Minter: e.minter,
		Sender: &mailer.Directory{Path: d.c.Mail, Unsynced: e.manifest.Demo},
		From:   mailer.Address{Name: "Union ballot", Address: "ballot@" + mailDomain}, Zone: time.Local, Now: d.c.Now, Log: d.c.Log,
	})
	return err
}

// openMinter opens what makes links. Once the result is certified nobody needs
// one any more, and what an interruption left of the keys goes now.
func (e *running) openMinter(ctx context.Context) error {
	certified, err := has(ctx, e.ledger, layout.Certification)
	if err != nil {
		return err
	}
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
