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
	service     = "the service" // who records it
)

// A watch remembers since when each part of an election does not answer, and
// when it was last seen that they do. It is used by one goroutine at a time.
type watch struct {
	next time.Time // of the next look
	down map[Part]time.Time
	said string // what was complained about last
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

// lookForDowntime asks, while voting is open, whether the parts that voting needs
// answer.
func (d *Deployment) lookForDowntime(ctx context.Context, e *running) error {
	now := d.c.Now()
	if now.Before(e.watch.next) {
		return nil
	}
	e.watch.next = now.Add(probeEvery)
	state, err := e.registrar.Phase(ctx)
	if err != nil {
		// The database that would take the note is the one that is gone.
		e.watch.since(PartRegistrar, now)
		return err
	}
	if state.Phase != election.PhaseOpen {
		return nil
	}
	errs := []error{d.recordGap(ctx, e, now)}
	for part, err := range map[Part]error{
		PartRegistrar: nil,
		PartBox:       d.probe(ctx, d.boxURL(e)+"/find"),
		PartBooth:     d.probe(ctx, e.manifest.Origins.Booth+"/v1/"+e.manifest.ElectionID.String()+"/manifest"),
	} {
		if err != nil {
			e.watch.since(part, now)
			continue
		}
		if from, ok := e.watch.down[part]; ok {
			delete(e.watch.down, part)
			errs = append(errs, d.recordOutage(ctx, e, part, from, now))
		}
	}
	return errors.Join(append(errs, d.beat(e, now))...)
}

func (w *watch) since(part Part, now time.Time) {
	if w.down == nil {
		w.down = make(map[Part]time.Time)
	}
	if _, ok := w.down[part]; !ok {
		w.down[part] = now
	}
}

func (d *Deployment) recordOutage(ctx context.Context, e *running, part Part, from, to time.Time) error {
	if to.Sub(from) < leastOutage {
		return nil
	}
	return d.committee.RecordOutage(ctx, e.manifest.ElectionID, string(part), from.Unix(), to.Unix(), service)
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
