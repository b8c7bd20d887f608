package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"strikevote/internal/board"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// An Upstream says where this process finds what others serve. Empty fields mean
// the addresses under which everybody finds them.
type Upstream struct {
	Ledger  string // the half of the record beside the registrar
	Ballots string // the half beside the box
	Box     string // the ballot box
}

// half returns one half of an election's record: from this process's database,
// or from whoever has it.
func (d *Deployment) half(id suite.ElectionID, name string) board.Half {
	e := d.running(id)
	switch {
	case name == layout.Ledger && e != nil && e.publicLedger != nil:
		return board.Local(name, e.publicLedger)
	case name == layout.Ballots && e != nil && e.publicBallots != nil:
		return board.Local(name, e.publicBallots)
	}
	origin := d.c.Upstream.Ledger
	if name == layout.Ballots {
		origin = d.c.Upstream.Ballots
	}
	if origin == "" {
		origin = d.origins.Board
	}
	return board.Remote(d.client, origin, id, name)
}

// ballotsHalf is what the registrar's side sees of the box's: what is published,
// and no more.
func (d *Deployment) ballotsHalf(e *running) board.Half {
	if e.ballots != nil {
		return board.Local(layout.Ballots, e.ballots)
	}
	return d.half(e.manifest.ElectionID, layout.Ballots)
}

// boxCosigned checks that a checkpoint of the ballot log satisfies the manifest's
// policy. It returns [errWaiting] while it does not.
func (d *Deployment) boxCosigned(ctx context.Context, e *running, path string) error {
	policy, err := e.manifest.BallotsPolicy()
	if err != nil {
		return err
	}
	note, err := d.ballotsHalf(e).Resource(ctx, path)
	if errors.Is(err, board.ErrNotFound) {
		return fmt.Errorf("%w: the box has not published %s", errWaiting, path)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if _, err := policy.Open(note); err != nil {
		return fmt.Errorf("%w: the witnesses have not signed %s", errWaiting, path)
	}
	return nil
}

// boxHas reports whether the box's half has a file.
func (d *Deployment) boxHas(ctx context.Context, e *running, path string) (bool, error) {
	_, err := d.ballotsHalf(e).Resource(ctx, path)
	if errors.Is(err, board.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// boxURL is where this process reaches the box of an election.
func (d *Deployment) boxURL(e *running) string {
	origin := d.c.Upstream.Box
	if origin == "" {
		origin = e.manifest.Origins.Box
	}
	return origin + "/v1/" + e.manifest.ElectionID.String()
}

// postBox sends something to the box over HTTP, as from another machine.
func (d *Deployment) postBox(ctx context.Context, e *running, path string, content []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.boxURL(e)+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("sending to the box: %w", err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("sending to the box: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("sending to the box: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("sending to the box: it answered %s: %s", resp.Status, bytes.TrimSpace(body))
	}
	return nil
}
