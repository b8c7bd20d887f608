package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// Downtime is looked for and recorded by the process that has the registrar's
// part. What it finds proposes an extension (SPEC.md section 11); nothing is
// extended by it.
const (
	probeEvery = 10 * time.Second
	probeTime  = 5 * time.Second
	// A stop shorter than this, such as a restart, is not recorded.
	leastOutage = 30 * time.Second
	// What goes on for longer is recorded in pieces, which add up: a part that
	// does not come back before the close, or a restart of this process, must
	// not lose it.
	piece   = 5 * time.Minute
	service = "the service" // who records it
)

// A watch remembers since when each part of an election does not answer, and
// when it was last seen that they do. It is used by one goroutine at a time.
type watch struct {
	next time.Time // of the next look
	down map[Part]stop
	said string // what was complained about last
}

// A stop is a time in which a part does not answer, as far as it is not recorded.
type stop struct {
	from  time.Time
	begun bool // what was before is recorded
}

// lookAfter looks for downtime beside the rounds: what does not answer must not
// delay a close.
func (d *Deployment) lookAfter(ctx context.Context, e *running) {
	if !d.runs(PartRegistrar) {
		return
	}
	text := ""
	if err := d.lookForDowntime(ctx, e); err != nil && ctx.Err() == nil {
		if text = err.Error(); text != e.watch.said {
			d.c.Log.ErrorContext(ctx, "downtime is not recorded", "err", err)
		}
	}
	e.watch.said = text
}

// lookForDowntime asks, from the opening to the close, whether the parts that
// voting needs answer. What cannot be recorded is kept, and recorded by a later
// look.
func (d *Deployment) lookForDowntime(ctx context.Context, e *running) error {
	now := d.c.Now()
	if now.Before(e.watch.next) {
		return nil
	}
	e.watch.next = now.Add(probeEvery)
	state, err := e.registrar.Phase(ctx)
	switch {
	case err != nil:
		// The database that would take the note is the one that is gone.
		e.watch.since(PartRegistrar, now)
		return err
	case state.Phase == election.PhaseSealed && now.Unix() < e.manifest.Schedule.Open:
		// Nobody misses anything yet, but a process that stops now and is not
		// back at the opening has to know since when.
		return d.beat(e, now)
	case state.Phase != election.PhaseSealed && state.Phase != election.PhaseOpen:
		return nil
	}
	var errs []error
	// A beat in the place of one that was not recorded would lose the gap.
	if err := d.recordGap(ctx, e, now); err != nil {
		errs = append(errs, err)
	} else if err := d.beat(e, now); err != nil {
		errs = append(errs, err)
	}
	for part, down := range map[Part]error{
		PartRegistrar: nil,
		PartBox:       d.probeBox(ctx, e),
		PartBooth:     d.probe(ctx, e.manifest.Origins.Booth+"/v1/"+e.manifest.ElectionID.String()+"/manifest"),
	} {
		if down != nil {
			e.watch.since(part, now)
		}
		if err := d.recordStop(ctx, e, part, down == nil, now); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (w *watch) since(part Part, now time.Time) {
	if w.down == nil {
		w.down = make(map[Part]stop)
	}
	if _, ok := w.down[part]; !ok {
		w.down[part] = stop{from: now}
	}
}

// recordStop records that a part did not answer: all of it once it answers
// again, and before that a piece that is long enough. It forgets nothing that is
// not recorded.
func (d *Deployment) recordStop(ctx context.Context, e *running, part Part, over bool, now time.Time) error {
	s, ok := e.watch.down[part]
	if !ok {
		return nil
	}
	long := now.Sub(s.from)
	// The end of a long one counts, however short it is.
	if over && (s.begun && long >= time.Second || long >= leastOutage) || long >= piece {
		if err := d.recordOutage(ctx, e, part, s.from, now); err != nil {
			return err
		}
		e.watch.down[part] = stop{from: now, begun: true}
	}
	if over {
		delete(e.watch.down, part)
	}
	return nil
}

func (d *Deployment) recordOutage(ctx context.Context, e *running, part Part, from, to time.Time) error {
	return d.committee.RecordOutage(ctx, e.manifest.ElectionID, string(part), from.Unix(), to.Unix(), service)
}

// probeBox reports whether the box reads its database. No ballot has this id.
func (d *Deployment) probeBox(ctx context.Context, e *running) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	_, err := d.askBox(ctx, e, suite.BallotID{})
	return err
}

// probe reports whether something answers as a service that works: any answer but
// one that says that it does not.
func (d *Deployment) probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is used again
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("it answers %d", resp.StatusCode)
	}
	return nil
}

// beatPath is a file whose time says when this process last found that it works.
func (d *Deployment) beatPath(id suite.ElectionID) string {
	return filepath.Join(d.c.Data, "beat-"+id.String())
}

func (d *Deployment) beat(e *running, now time.Time) error {
	path := d.beatPath(e.manifest.ElectionID)
	err := os.Chtimes(path, now, now)
	if errors.Is(err, os.ErrNotExist) {
		err = os.WriteFile(path, nil, 0o600)
		if err == nil {
			err = os.Chtimes(path, now, now)
		}
	}
	if err != nil {
		return fmt.Errorf("noting that the service works: %w", err)
	}
	return nil
}

// recordGap records the time in which this process did not run.
func (d *Deployment) recordGap(ctx context.Context, e *running, now time.Time) error {
	info, err := os.Stat(d.beatPath(e.manifest.ElectionID))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for downtime: %w", err)
	}
	// A look is late by as long as a round takes.
	if now.Sub(info.ModTime()) < leastOutage+probeEvery {
		return nil
	}
	return d.recordOutage(ctx, e, PartRegistrar, info.ModTime(), now)
}

// Extension returns what the downtime so far proposes: the close to which voting
// is to be extended. ok is false where it proposes nothing.
func (d *Deployment) Extension(ctx context.Context, id suite.ElectionID) (newClose int64, outages []committee.Outage, ok bool, err error) {
	e := d.running(id)
	if e == nil {
		return 0, nil, false, errNotSealed
	}
	if outages, err = d.committee.Outages(ctx, id); err != nil {
		return 0, nil, false, err
	}
	state, err := e.registrar.Phase(ctx)
	if err != nil {
		return 0, nil, false, err
	}
	newClose, ok = committee.ProposedExtension(e.manifest, state.Close, outages, d.c.Now().Unix())
	return newClose, outages, ok, nil
}
