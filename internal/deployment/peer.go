package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"strikevote/internal/ballotbox"
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
// or from whoever has it. It is nil where this process should have it and does
// not: asking anybody else, this one would ask itself, without end.
func (d *Deployment) half(id suite.ElectionID, name string) board.Half {
	e := d.running(id)
	origin, own := d.c.Upstream.Ledger, d.names()
	if name == layout.Ballots {
		origin, own = d.c.Upstream.Ballots, d.votes()
	}
	switch {
	case own && e == nil:
		return nil
	case own && name == layout.Ledger:
		return board.Local(name, e.publicLedger)
	case own:
		return board.Local(name, e.publicBallots)
	case origin == "" && d.runs(PartBoard):
		return nil
	case origin == "":
		origin = d.origins.Board
	}
	return board.Remote(d.client, origin, id, name)
}

// resource reads from a half of the record.
func (d *Deployment) resource(ctx context.Context, id suite.ElectionID, half, path string) ([]byte, error) {
	h := d.half(id, half)
	if h == nil {
		return nil, board.ErrNotFound
	}
	return h.Resource(ctx, path)
}

// ballotsResource is what the registrar's side sees of the box's: what is
// published, and no more.
func (d *Deployment) ballotsResource(ctx context.Context, e *running, path string) ([]byte, error) {
	if e.ballots != nil {
		return board.Local(layout.Ballots, e.ballots).Resource(ctx, path)
	}
	return d.resource(ctx, e.manifest.ElectionID, layout.Ballots, path)
}

// boxCosigned checks that a checkpoint of the ballot log satisfies the manifest's
// policy. It returns [errWaiting] while it does not.
func (d *Deployment) boxCosigned(ctx context.Context, e *running, path string) error {
	policy, err := e.manifest.BallotsPolicy()
	if err != nil {
		return err
	}
	note, err := d.ballotsResource(ctx, e, path)
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
	_, err := d.ballotsResource(ctx, e, path)
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

const octets = "application/octet-stream"

// postBox sends something to the box over HTTP, as from another machine, and
// returns its answer.
func (d *Deployment) postBox(ctx context.Context, e *running, path, kind string, content []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.boxURL(e)+path, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("sending to the box: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sending to the box: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("sending to the box: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("sending to the box: it answered %s: %s", resp.Status, bytes.TrimSpace(body[:min(len(body), 4096)]))
	}
	return body, nil
}

// askBox reports whether the box has a ballot, waiting or in its log.
func (d *Deployment) askBox(ctx context.Context, e *running, id suite.BallotID) (bool, error) {
	body, err := d.postBox(ctx, e, "/find", "application/json", fmt.Appendf(nil, `{"ballot_id":%q}`, id))
	if err != nil {
		return false, err
	}
	var found struct{ State ballotbox.State }
	if err := json.Unmarshal(body, &found); err != nil {
		return false, fmt.Errorf("reading the box's answer: %w", err)
	}
	return found.State == ballotbox.Received || found.State == ballotbox.InTheLog, nil
}
