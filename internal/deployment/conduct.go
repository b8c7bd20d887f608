package deployment

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"strikevote/internal/board"
	"strikevote/internal/committee"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
)

// conduct does what is due, again and again, until ctx ends. Nothing in it is
// remembered between rounds: after a crash the next round goes on from what the
// databases say. A failure is logged and tried again.
func (d *Deployment) conduct(ctx context.Context) error {
	var wg sync.WaitGroup
	// start does not wait for what runs still: no election is to be closed late
	// because thousands of mails leave, or because another one is verified.
	start := func(busy *sync.Mutex, do func()) {
		if busy.TryLock() {
			wg.Go(func() {
				defer busy.Unlock()
				do()
			})
		}
	}
	t := time.NewTicker(d.c.Pace)
	defer t.Stop()
	for {
		d.followCommittee(ctx)
		for _, id := range d.ids() {
			e := d.running(id)
			if d.haltedBy(e) != nil {
				continue
			}
			start(&e.rounds, func() { d.round(ctx, e) })
			start(&e.looks, func() { d.lookAfter(ctx, e) })
			start(&e.mails, func() { d.sendMails(ctx, e) })
		}
		select {
		case <-ctx.Done():
			wg.Wait()
			return nil
		case <-t.C:
		}
	}
}

// followCommittee serves elections that another process has sealed, such as an
// operator's command, and no more those that one has wiped.
func (d *Deployment) followCommittee(ctx context.Context) {
	known, err := d.known(ctx)
	if err == nil {
		err = d.openElections(ctx, known)
		d.closeForgotten(known)
	}
	text := ""
	if err != nil && ctx.Err() == nil {
		if text = err.Error(); text != d.following {
			d.c.Log.ErrorContext(ctx, "elections are not followed; trying again", "err", err)
		}
	}
	d.following = text
}

func (d *Deployment) sendMails(ctx context.Context, e *running) {
	m := e.mailer.Load()
	if m == nil {
		return
	}
	text := ""
	if _, err := m.Drain(ctx); err != nil && ctx.Err() == nil {
		if text = err.Error(); text != e.unsent {
			d.c.Log.ErrorContext(ctx, "mails wait", "err", err)
		}
	}
	e.unsent = text
}

// A step is one thing that may be due.
type step struct {
	what string
	do   func(context.Context, *running) error
}

// steps are what this process has to do for an election. The registrar's side
// conducts; the box's side ends its own log when it was told that the ledger has
// ended, and destroys its own key.
func (d *Deployment) steps() []step {
	list := []step{{"state of the databases", d.lookBack}}
	if d.runs(PartRegistrar) {
		list = append(list,
			step{"registrar", func(ctx context.Context, e *running) error { return e.registrar.Tick(ctx) }},
			step{"invitations", d.invite},
			step{"signed acts", d.applyActs},
			step{"acts for the box", d.forwardActs},
			step{"acts", d.publishActs},
			step{"accepted envelopes", d.deliverEnvelopes},
			step{"lock of the ledger", d.lockLedger},
			step{"end of the ledger for the box", d.lockBox})
	}
	if d.runs(PartBox) {
		list = append(list,
			step{"ballot box", func(ctx context.Context, e *running) error { return e.box.Tick(ctx) }},
			step{"end of the box", d.endBox})
	}
	if d.runs(PartRegistrar) {
		list = append(list,
			step{"result", d.publishResult},
			step{"certificate", d.publishCertificate},
			step{"destruction of the link keys", d.destroyLinkKeys},
			step{"mails with the result", d.announceResult})
	}
	return list
}

// round takes one election as far as it can go now.
func (d *Deployment) round(ctx context.Context, e *running) {
	for _, step := range d.steps() {
		err := step.do(ctx, e)
		switch {
		case err == nil || ctx.Err() != nil:
		case setBack(err):
			d.halt(ctx, e, err)
			return
		case waits(err):
			d.c.Log.DebugContext(ctx, "waiting", "step", step.what, "err", err)
		case e.failing[step.what] == err.Error():
			// Said before; a line every round would bury the others.
			d.c.Log.DebugContext(ctx, "a step still fails", "step", step.what, "err", err)
			continue
		default:
			d.c.Log.ErrorContext(ctx, "a step failed and is tried again until it succeeds", "step", step.what, "err", err)
			e.failing[step.what] = err.Error()
			continue
		}
		delete(e.failing, step.what)
	}
}

// waits reports whether an error only says that it is not time yet.
func waits(err error) bool {
	for _, w := range []error{registrar.ErrNotYet, board.ErrNotCosigned, committee.ErrNotYet, errWaiting} {
		if errors.Is(err, w) {
			return true
		}
	}
	return false
}

var errWaiting = errors.New("waiting for an earlier step")

// publishActs publishes every act with its proof as soon as the witnesses have
// signed for it; what amends the roll or decides envelopes, at lock.
func (d *Deployment) publishActs(ctx context.Context, e *running) error {
	_, err := e.registrar.PublishActs(ctx, e.ledger)
	return err
}

// forwardActs brings every act to the box with the proof that the ledger holds
// it. The registrar decides which acts there are; whoever sent one need not reach
// both sides, and the two cannot part over what voting ends by.
func (d *Deployment) forwardActs(ctx context.Context, e *running) error {
	proven, missing := e.registrar.Proven(ctx, e.ledger, e.forwarded)
	for _, a := range proven {
		if _, err := d.postBox(ctx, e, "/acts", octets, a.Proof); err != nil {
			return err
		}
		e.forwarded++
	}
	return missing
}

// invite queues everybody's invitation once voting is open, which it is not
// before the witnesses have signed for both logs.
func (d *Deployment) invite(ctx context.Context, e *running) error {
	if e.invited {
		return nil
	}
	state, err := e.registrar.Phase(ctx)
	if err != nil {
		return err
	}
	if state.Phase != election.PhaseOpen {
		return errWaiting
	}
	// Who was invited before is not invited again, so a restart may repeat it.
	if _, err := e.registrar.Enqueue(ctx, mailer.Invitation, d.c.Now(), d.c.Spread); err != nil {
		return err
	}
	e.invited = true
	return nil
}

// lockLedger ends the ledger when it is time, destroys the issuer keys, so that
// no credential can be made from then on, and publishes the rolls.
func (d *Deployment) lockLedger(ctx context.Context, e *running) error {
	done, err := has(ctx, e.ledger, layout.StatementRegistrar)
	if err != nil {
		return err
	}
	if done {
		d.wipe(ctx, e)
		return nil
	}
	state, err := e.registrar.Phase(ctx)
	if err != nil {
		return err
	}
	if state.Phase != election.PhaseClosed && state.Phase != election.PhaseCancelled && state.Phase != election.PhaseLocked {
		return errWaiting
	}
	if err := e.registrar.Lock(ctx); err != nil {
		return err
	}
	// The last decision may have come a moment before the lock. Its ballots are
	// signed with keys that are destroyed below.
	if err := d.deliverEnvelopes(ctx, e); err != nil {
		return err
	}
	// Amendments and decisions can be published only now. They have to be there
	// before the statement below, which makes the record count as complete: a
	// teller who comes at once must find all of it.
	if err := d.publishActs(ctx, e); err != nil {
		return err
	}
	for _, g := range e.manifest.Groups {
		if err := e.keys.destroy(sideRegistrar, issuerName(g.ID)); err != nil {
			return err
		}
	}
	return e.registrar.PublishEnd(ctx, e.ledger, e.ledger.SignText)
}

// wipe forgets the issuer keys once their destruction is stated, which another
// process may have done: those in the memory of this one must go as well.
func (d *Deployment) wipe(ctx context.Context, e *running) {
	if !e.wiped {
		e.registrar.Wipe()
		e.wiped = true
		d.c.Log.InfoContext(ctx, "this process has no issuer keys any more", "election", e.manifest.ElectionID.String())
	}
}

// has reports whether a file of the record is published.
func has(ctx context.Context, log *board.Log, path string) (bool, error) {
	_, err := log.File(ctx, path)
	if errors.Is(err, board.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// deliverEnvelopes brings the envelopes that the committee has accepted into the
// box, signed. It is repeated until the box has each.
func (d *Deployment) deliverEnvelopes(ctx context.Context, e *running) error {
	if done, err := has(ctx, e.ledger, layout.StatementRegistrar); err != nil || done {
		return err // everything was delivered before the issuer keys went
	}
	missing, err := e.registrar.Accepted(ctx, func(id suite.BallotID) (bool, error) {
		if e.delivered[id] {
			return true, nil
		}
		found, err := d.askBox(ctx, e, id)
		if found {
			e.delivered[id] = true
		}
		return found, err
	})
	if err != nil {
		return err
	}
	for _, env := range missing {
		if _, err := d.postBox(ctx, e, "/ballots", octets, slices.Concat(env.Body, env.Sig[:])); err != nil {
			return err
		}
		e.delivered[env.BallotID] = true
	}
	return nil
}

// lockBox hands the box the witnessed end of the ledger, over HTTP as on two
// machines.
func (d *Deployment) lockBox(ctx context.Context, e *running) error {
	if done, err := d.boxHas(ctx, e, layout.StatementBox); err != nil || done {
		return err
	}
	if final, err := e.ledger.Final(ctx); err != nil || !final {
		return errors.Join(err, errWaiting)
	}
	head, err := e.ledger.Head(ctx)
	if err != nil {
		return err
	}
	last, err := e.ledger.Entry(ctx, head.Size-1)
	if err != nil {
		return err
	}
	proof, err := e.ledger.Proof(ctx, head.Size-1, last)
	if err != nil {
		return err
	}
	_, err = d.postBox(ctx, e, "/lock", octets, proof)
	return err
}

// endBox destroys the pending key once the box is locked, and says so.
func (d *Deployment) endBox(ctx context.Context, e *running) error {
	done, err := has(ctx, e.ballots, layout.StatementBox)
	if err != nil {
		return err
	}
	if done {
		if !e.forgot { // the key; another process may have stated its destruction
			e.box.Forget()
			e.forgot = true
			d.c.Log.InfoContext(ctx, "this process has no pending key any more", "election", e.manifest.ElectionID.String())
		}
		return nil
	}
	if final, err := e.ballots.Final(ctx); err != nil || !final {
		return errors.Join(err, errWaiting)
	}
	if err := e.keys.destroy(sideBox, keyPending); err != nil {
		return err
	}
	return e.box.StateDestroyed(ctx)
}
