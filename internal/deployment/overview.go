package deployment

import (
	"context"
	"errors"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
)

// An Overview is where an election stands, for the committee and operators. It
// counts people and names none.
type Overview struct {
	ID       suite.ElectionID
	Manifest *election.Manifest // the draft, before sealing
	MID      suite.MID          // zero before a manifest is proposed
	Phase    election.Phase
	Close    int64 // in force; 0 before sealing
	Rests    error // why nothing is signed, issued or taken; nil where it goes on
	Zone     *time.Location

	Ceremony *ceremony.State
	Roll     []registrar.UnitCount // before sealing
	Declared bool                  // whether a quorum has declared the roll, before sealing
	Papers   []agenda.Paper        // what was put before the committee and who has signed it, before sealing
	Counts   []ledger.FinalGroup   // after it
	Mails    []registrar.MailCount
	Acts     []committee.ProposedAct // all of them, by sequence
}

// Client returns the voter's page that the committee named last, in the manifest or by
// an act that was applied, or nil.
func (o *Overview) Client() *election.Client {
	client := o.Manifest.Client
	for _, a := range o.Acts {
		if a.Kind != act.KindClientBundle || a.State != agenda.Applied {
			continue
		}
		if p, err := (&act.Act{Kind: a.Kind, Sequence: a.Sequence, Payload: a.Payload}).Decode(); err == nil {
			named := p.(act.ClientBundle)
			client = &election.Client{URL: named.URL, SHA256: named.SHA256}
		}
	}
	return client
}

// Elections lists the elections of the deployment, oldest first.
func (d *Deployment) Elections(ctx context.Context) ([]suite.ElectionID, error) { return d.known(ctx) }

// Overview returns where an election stands.
func (d *Deployment) Overview(ctx context.Context, id suite.ElectionID) (*Overview, error) {
	o := &Overview{ID: id, Zone: d.Zone(id)}
	if !d.names() {
		return d.overviewBox(o)
	}
	var err error
	if o.Phase, err = d.Phase(ctx, id); err != nil {
		return nil, err
	}
	if o.Ceremony, err = d.committee.State(ctx, id); err != nil {
		return nil, err
	}
	e := d.running(id)
	if e == nil {
		return o, d.overviewDraft(ctx, o)
	}
	o.Manifest, o.MID, o.Rests = e.manifest, e.mid, d.haltedBy(e)
	state, err := e.registrar.Phase(ctx)
	if err != nil {
		return nil, err
	}
	o.Close = state.Close
	if o.Counts, err = e.registrar.Counts(ctx); err != nil {
		return nil, err
	}
	if o.Mails, err = e.registrar.Mails(ctx); err != nil {
		return nil, err
	}
	o.Acts, err = d.committee.Acts(ctx, id)
	return o, err
}

// overviewBox says what a host knows that has nothing but the box.
func (d *Deployment) overviewBox(o *Overview) (*Overview, error) {
	o.Ceremony, o.Phase, o.Manifest = new(ceremony.State), "draft", &election.Manifest{Title: []string{"an election that is not sealed here"}}
	if e := d.running(o.ID); e != nil {
		o.Phase, o.Manifest, o.MID = election.PhaseSealed, e.manifest, e.mid
	}
	return o, nil
}

// Conducts reports whether this host has the registrar's side, and with it what
// the committee decides.
func (d *Deployment) Conducts() bool { return d.names() }

// HasBox reports whether the box is on this host.
func (d *Deployment) HasBox() bool { return d.votes() }

func (d *Deployment) overviewDraft(ctx context.Context, o *Overview) error {
	var err error
	if o.Manifest, err = d.committee.Draft(ctx, o.ID); err != nil {
		return err
	}
	proposed, err := d.committee.Proposal(ctx, o.ID)
	if err == nil {
		o.MID = election.MID(proposed)
	} else if !errors.Is(err, committee.ErrNotYet) {
		return err
	}
	_, _, err = d.committee.Declaration(ctx, o.ID)
	if o.Declared = err == nil; err != nil && !errors.Is(err, committee.ErrNotYet) {
		return err
	}
	papers, err := d.committee.Overview(ctx, o.ID)
	if err != nil {
		return err
	}
	o.Papers = papers.Papers
	draft, err := d.draft(ctx, o.ID, nil)
	if err != nil {
		return err
	}
	defer draft.Pool.Close()
	o.Roll, err = draft.Summary(ctx)
	return err
}
