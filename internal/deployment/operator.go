package deployment

import (
	"context"
	"errors"
	"fmt"

	"strikevote/internal/board"
	"strikevote/internal/booth"
	"strikevote/internal/ceremony"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
	"strikevote/migrations"
)

// Create notes a new election, makes its database on the registrar's side, and
// returns the tellers' invitations. The draft says what the committee decided;
// the roll and everybody's keys come later.
func (d *Deployment) Create(ctx context.Context, draft *election.Manifest) ([]ceremony.Invitation, error) {
	for _, name := range []string{keyRoll, keyFactor} {
		if _, err := d.keys(draft.ElectionID).create(sideRegistrar, name); err != nil {
			return nil, err
		}
	}
	if err := prepare(ctx, d.servers.registrar, databaseName(draft.ElectionID), migrations.Registrar); err != nil {
		return nil, err
	}
	return d.committee.Create(ctx, draft)
}

// draft opens the registrar's side of an election that is not sealed. The
// caller closes its pool.
func (d *Deployment) draft(ctx context.Context, id suite.ElectionID, groups []election.Group) (*registrar.Draft, error) {
	keys, err := d.keys(id).registrar(groups, false)
	if err != nil {
		return nil, err
	}
	pool, err := openSide(ctx, d.servers.registrar, id, migrations.Registrar)
	if err != nil {
		return nil, err
	}
	return &registrar.Draft{Pool: pool, Election: id, Keys: keys}, nil
}

// ImportRoll replaces the roll of an election that is not sealed. Groups that it
// leaves with too few members to be counted by themselves are pooled, of those that
// the election was created with. Once sealing has begun it returns [committee.ErrFixed].
func (d *Deployment) ImportRoll(ctx context.Context, id suite.ElectionID, members []roll.Member) error {
	draft, err := d.draft(ctx, id, nil)
	if err != nil {
		return err
	}
	defer draft.Pool.Close()
	list := make([]registrar.Member, len(members))
	for i, m := range members {
		list[i] = member(m)
	}
	return d.committee.Regroup(ctx, id, service, func(created []election.Group) ([]election.Group, error) {
		return poolGroups(created, members), draft.Import(ctx, list)
	})
}

// Pooled returns the groups that an election would have with a roll, and whether
// they are fewer than it was created with.
func (d *Deployment) Pooled(ctx context.Context, id suite.ElectionID, members []roll.Member) (groups []election.Group, fewer bool, err error) {
	created, err := d.committee.Groups(ctx, id)
	if err != nil {
		return nil, false, err
	}
	groups = poolGroups(created, members)
	return groups, len(groups) < len(created), nil
}

// poolGroups returns the groups of a draft as they are with a roll: where one has
// too few members it is pooled with another, see [election.Pool].
func poolGroups(groups []election.Group, members []roll.Member) []election.Group {
	sizes := make(map[string]uint32)
	for _, m := range members {
		sizes[m.Group]++
	}
	var drafts []election.GroupDraft
	for _, g := range groups {
		x := election.GroupDraft{ID: g.ID, Name: g.Name, Units: g.Units, Parent: g.Parent}
		for _, unit := range g.Units {
			x.Size += sizes[unit]
		}
		drafts = append(drafts, x)
	}
	var pooled []election.Group
	for _, g := range election.Pool(drafts) {
		pooled = append(pooled, election.Group{ID: g.ID, Name: g.Name, Units: g.Units, Parent: g.Parent})
	}
	return pooled
}

// member hands a row of a roll file to the registrar.
func member(m roll.Member) registrar.Member {
	return registrar.Member{
		Number: m.Number, Name: m.Name, Email: m.Email, Unit: m.Group,
		Campus: m.Campus, Worksite: m.Worksite, Title: m.Title, Language: m.Language, Factor: m.Factor,
	}
}

// Propose makes the manifest that the committee signs: the draft, the roll as
// it is now, the key of the finished ceremony, and the keys of every part of
// the service, and the voter's page. Of the same it makes the same; after another roll
// was imported, or with another program, another one, to be signed anew. Once sealed it
// stays.
func (d *Deployment) Propose(ctx context.Context, id suite.ElectionID) ([]byte, error) {
	if e := d.running(id); e != nil {
		return e.bytes, nil
	}
	m, err := d.committee.Draft(ctx, id)
	if err != nil {
		return nil, err
	}
	c, err := d.committee.Ceremony(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("making the manifest: %w", err)
	}
	m.Tellers = c.Tellers(m.Tellers)
	if err := d.fillGroups(ctx, id, m); err != nil {
		return nil, err
	}
	if err := d.fillKeys(id, m); err != nil {
		return nil, err
	}
	// The page of this program: where the booth runs elsewhere, it has to be the same.
	m.Client = booth.Client(m.Origins.Booth)
	manifest, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("making the manifest: %w", err)
	}
	return manifest, d.committee.Propose(ctx, id, manifest)
}

// fillGroups puts the roll's sizes and roots and the issuers' keys into the manifest.
func (d *Deployment) fillGroups(ctx context.Context, id suite.ElectionID, m *election.Manifest) error {
	roots, err := d.prepareRoll(ctx, id, m.Groups)
	if err != nil {
		return err
	}
	for i, r := range roots {
		g := &m.Groups[i]
		g.RollSize, g.RollRoot, g.BatchMin = r.Size, r.Root, election.BatchMin(r.Size)
		key, err := d.keys(id).issuer(g.ID)
		if err != nil {
			return err
		}
		g.Issuer = key.Public().Bytes()
	}
	return nil
}

// fillKeys makes the keys of the service's parts and puts their public halves
// into the manifest.
func (d *Deployment) fillKeys(id suite.ElectionID, m *election.Manifest) error {
	box, err := d.boxKeys(id)
	if err != nil {
		return err
	}
	m.Ballots, m.PromiseKey = box.Log, box.Promise
	keys := d.keys(id)
	if m.Ledger, err = makeLog(keys, id, sideRegistrar, keyLedger, "ledger"); err != nil {
		return err
	}
	for _, name := range []string{keyToken, keyCode} {
		if _, err := keys.create(sideMailer, name); err != nil {
			return err
		}
	}
	minter, err := keys.minter()
	if err != nil {
		return err
	}
	m.TokenKey = election.Key32(minter.Public())
	return nil
}

// Seal writes the signed manifest as the first entry of both logs, and serves
// the election. Every step can be repeated: after an interruption it goes on. A
// box on another host is made there, by [Deployment.AcceptBox].
func (d *Deployment) Seal(ctx context.Context, id suite.ElectionID) error {
	// In this order: the first answer of Sealing fixes the manifest too.
	sealing, err := d.committee.Sealing(ctx, id)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	manifest, err := d.committee.Proposal(ctx, id)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	files, err := d.ceremonyFiles(ctx, id)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	files[layout.Manifest], files[layout.Sealing] = manifest, sealing
	if d.votes() {
		if err := d.createBox(ctx, id, manifest, sealing); err != nil {
			return err
		}
	}
	m, err := election.Parse(manifest)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	if err := d.sealRegistrar(ctx, m, manifest, sealing, files); err != nil {
		return err
	}
	return d.openElection(ctx, id)
}

// ceremonyFiles returns what the ceremony leaves for the record. All tellers
// must have drilled: a key that cannot open is found now or too late.
func (d *Deployment) ceremonyFiles(ctx context.Context, id suite.ElectionID) (map[string][]byte, error) {
	c, err := d.committee.Ceremony(ctx, id)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		layout.CeremonyFresh: c.Fresh, layout.CeremonyTranscript: c.Transcript, layout.CeremonySignatures: c.Signatures,
	}
	for i, drill := range c.Drills {
		if drill == nil {
			return nil, fmt.Errorf("teller %d has not drilled yet", i+1)
		}
		files[layout.Drill(i+1)] = drill
	}
	return files, nil
}

func (d *Deployment) sealRegistrar(ctx context.Context, m *election.Manifest, manifest, sealing []byte, files map[string][]byte) error {
	draft, err := d.draft(ctx, m.ElectionID, m.Groups)
	if err != nil {
		return err
	}
	defer draft.Pool.Close()
	policy, err := m.LedgerPolicy()
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	keys := d.keys(m.ElectionID)
	seed, err := keys.seed(sideRegistrar, keyLedger)
	if err != nil {
		return err
	}
	signer, err := tlog.NewLogSigner(m.Ledger.Origin, seed)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	log := board.New(board.Config{Pool: draft.Pool, Signer: signer, Newest: d.newestPath(m.ElectionID, sideRegistrar), MID: election.MID(manifest), Policy: policy, Log: d.c.Log})
	for path, body := range files {
		if err := log.PutFile(ctx, path, body); err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
	}
	minter, err := keys.minter()
	if err != nil {
		return err
	}
	return draft.Seal(ctx, manifest, sealing, minter, registrar.LedgerOf(log))
}

// errNotSealed is returned for what only a sealed election can do.
var errNotSealed = errors.New("the election is not sealed")

// StageAddition notes a member who comes late and returns the payload of the
// act by which the committee adds them (SPEC.md section 10).
func (d *Deployment) StageAddition(ctx context.Context, id suite.ElectionID, m roll.Member) ([]byte, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	group, leaf, err := e.registrar.Stage(ctx, member(m))
	if err != nil {
		return nil, err
	}
	return act.Amend{Op: act.OpAdd, Group: group, Hash: leaf}.Bytes(), nil
}

// MailsSent counts the invitations that have left.
func (d *Deployment) MailsSent(ctx context.Context, id suite.ElectionID) (int, error) {
	e := d.running(id)
	if e == nil {
		return 0, errNotSealed
	}
	counts, err := e.registrar.Mails(ctx)
	if err != nil {
		return 0, err
	}
	sent := 0
	for _, c := range counts {
		if c.Kind == mailer.Invitation && c.Left() {
			sent += c.Count
		}
	}
	return sent, nil
}

// ErrNotEnded is returned for the record of an election that is not locked yet.
var ErrNotEnded = errors.New("the record is whole once the election is locked, after the close")

// Export writes the finished record of an election to a folder. It returns [ErrNotEnded]
// before the lock.
func (d *Deployment) Export(ctx context.Context, id suite.ElectionID, dir string) error {
	e := d.running(id)
	if e == nil {
		return errNotSealed
	}
	phase, err := d.phase(ctx, e)
	if err != nil {
		return err
	}
	switch phase {
	case election.PhaseSealed, election.PhaseOpen, election.PhaseClosed:
		return fmt.Errorf("%w; now it is %s", ErrNotEnded, phase)
	}
	if e.ballots == nil {
		// The other half is on another host; both are published.
		return record.Download(ctx, d.Record(id), dir, nil)
	}
	return board.Export(ctx, e.ledger, e.ballots, dir)
}
