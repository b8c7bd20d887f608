package deployment

import (
	"context"
	"errors"
	"fmt"

	"strikevote/internal/board"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A Witness is how far one of an election's witnesses has come. What the logs' files hold
// of it is public.
type Witness struct {
	Name string
	// Begun reports whether it has signed the first entry of both logs, without which no
	// mail leaves (SPEC.md section 9).
	Begun bool
	// Follows reports whether it has signed the newest checkpoint of both. A moment after
	// a log grew, nobody has.
	Follows bool
}

// Witnesses returns how far each of the manifest's witnesses has come, in its order.
func (d *Deployment) Witnesses(ctx context.Context, id suite.ElectionID) ([]Witness, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	ledger, err := e.manifest.LedgerPolicy()
	if err != nil {
		return nil, err
	}
	ballots, err := e.manifest.BallotsPolicy()
	if err != nil {
		return nil, err
	}
	list := make([]Witness, len(ledger.Witnesses))
	for i, w := range ledger.Witnesses {
		list[i] = Witness{w.Name(), true, true}
	}
	local := board.Local(layout.Ledger, e.ledger)
	for _, x := range []struct {
		path   string
		policy tlog.Policy
		read   func(ctx context.Context, path string) ([]byte, error)
		signed func(w *Witness) *bool
	}{
		{layout.FirstCheckpoint(layout.Ledger), ledger, local.Resource, func(w *Witness) *bool { return &w.Begun }},
		{layout.Checkpoint(layout.Ledger), ledger, local.Resource, func(w *Witness) *bool { return &w.Follows }},
		{layout.FirstCheckpoint(layout.Ballots), ballots, d.ballotsOf(e), func(w *Witness) *bool { return &w.Begun }},
		{layout.Checkpoint(layout.Ballots), ballots, d.ballotsOf(e), func(w *Witness) *bool { return &w.Follows }},
	} {
		names, err := cosigners(ctx, x.path, x.policy, x.read)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if !names[list[i].Name] {
				*x.signed(&list[i]) = false
			}
		}
	}
	return list, nil
}

func (d *Deployment) ballotsOf(e *running) func(context.Context, string) ([]byte, error) {
	return func(ctx context.Context, path string) ([]byte, error) { return d.ballotsResource(ctx, e, path) }
}

// cosigners returns the names of those who have signed a checkpoint: nobody where it is
// not published yet.
func cosigners(ctx context.Context, path string, policy tlog.Policy, read func(context.Context, string) ([]byte, error)) (map[string]bool, error) {
	names := make(map[string]bool)
	note, err := read(ctx, path)
	if errors.Is(err, board.ErrNotFound) {
		return names, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	o, err := policy.OpenLog(note)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	for _, c := range o.Cosignatures {
		names[c.Witness] = true
	}
	return names, nil
}
