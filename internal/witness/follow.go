package witness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"strikevote/internal/platform/away"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// Poll looks at both logs once: it verifies the newest checkpoint, reads what
// of the tree it needs to see that the log was continued, writes it down, and
// brings its cosignature to the board.
func (w *Witness) Poll(ctx context.Context) error {
	var errs []error
	for _, l := range w.logs {
		err := w.poll(ctx, l)
		if errors.As(err, new(*away.Error)) && len(errs) == 0 {
			return err // nor does it answer for the other log
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("following log %q: %w", l.name, err))
		}
	}
	return errors.Join(errs...)
}

func (w *Witness) poll(ctx context.Context, l followed) error {
	path := layout.Checkpoint(l.name)
	note, err := w.get(ctx, path, layout.Limit(path))
	if err != nil {
		return err
	}
	o, err := l.policy.OpenLog(note)
	if err != nil {
		return err
	}
	c := o.Checkpoint
	last := w.store.get(c.Origin)
	switch {
	case last.Forked:
		return ErrFork
	case c.Size < last.Size:
		return w.stale(ctx, l, c, signed(note), last)
	case c.Size == last.Size && last.cosigned() && c.Root == last.Root:
		if contains(o.Cosignatures, w.c.Key.Key().Name()) {
			return nil
		}
		return w.post(ctx, l, last.Line) // as it was written down
	}
	proof, err := w.prove(ctx, l, c, last)
	if err != nil {
		return err
	}
	if last.Size > 0 && c.Size > last.Size {
		// The proof is made of hashes that were checked against the new root.
		// If it does not lead to the old root, the log has signed both.
		if err := tlog.CheckConsistency(proof, c.Size, c.Root, last.Size, last.Root); err != nil {
			return w.convict(c.Origin, signed(note))
		}
	}
	switch ahead := time.Duration(w.ahead.Load()); {
	case ahead > maxAhead:
		return ErrAhead
	case ahead < -maxAhead:
		return ErrBehind
	}
	line, err := w.cosign(c, signed(note), last.Size, proof)
	if err != nil {
		return err
	}
	w.c.Log.InfoContext(ctx, "cosigned", "log", l.name, "size", c.Size)
	return w.post(ctx, l, line)
}

// signed returns a note with the log's line alone, which is its first.
func signed(note []byte) string {
	text, lines, _ := bytes.Cut(note, []byte("\n\n"))
	first, _, _ := bytes.Cut(lines, []byte("\n"))
	return string(text) + "\n\n" + string(first) + "\n"
}

func contains(list []tlog.Cosignature, name string) bool {
	for _, c := range list {
		if c.Witness == name {
			return true
		}
	}
	return false
}

// prove reads the proof that a checkpoint continues the last one. At the first
// sight of a log it reads its first entry's hash instead: a log of another
// manifest is not this election's.
func (w *Witness) prove(ctx context.Context, l followed, c tlog.Checkpoint, last record) ([]suite.Hash, error) {
	if c.Size == 0 || c.Size == last.Size {
		return nil, nil
	}
	read := tlog.TileReader(c.Size, c.Root, w.fetch(ctx, l))
	if last.Size > 0 {
		return tlog.ProveConsistency(c.Size, last.Size, read)
	}
	first, err := read([]int64{tlog.StoredHashIndex(0)})
	if err != nil {
		return nil, err
	}
	if first[0] != tlog.LeafHash(ledger.ManifestEntry(w.mid)) {
		return nil, errors.New("the log does not begin with this manifest")
	}
	return nil, nil
}

// fetch reads tiles from the board. They are checked against a root by whoever
// asks for them.
func (w *Witness) fetch(ctx context.Context, l followed) func([]tlog.Tile) ([][]byte, error) {
	return func(tiles []tlog.Tile) ([][]byte, error) {
		out := make([][]byte, len(tiles))
		for i, t := range tiles {
			path := layout.Tile(l.name, t)
			b, err := w.get(ctx, path, layout.Limit(path))
			if err != nil {
				return nil, err
			}
			out[i] = b
		}
		return out, nil
	}
}

// stale looks at a checkpoint smaller than the last one: an old page from a
// cache, or another history.
func (w *Witness) stale(ctx context.Context, l followed, c tlog.Checkpoint, note string, last record) error {
	read := tlog.TileReader(last.Size, last.Root, w.fetch(ctx, l))
	if c.Size == 0 {
		return ErrStale
	}
	proof, err := tlog.ProveConsistency(last.Size, c.Size, read)
	if err != nil {
		return errors.Join(ErrStale, err)
	}
	if err := tlog.CheckConsistency(proof, last.Size, last.Root, c.Size, c.Root); err != nil {
		return w.convict(c.Origin, note)
	}
	return ErrStale
}

// convict keeps a note as evidence against the last one cosigned.
func (w *Witness) convict(origin, note string) error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return errors.Join(ErrFork, w.store.convict(w.store.last(origin), note))
}

// get reads a file of the record, of a bounded length.
func (w *Witness) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.c.URL+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	b, status, err := w.do(r, limit)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("the board answers %d to %s", status, path)
	}
	return b, nil
}

// post brings a cosignature line to the board.
func (w *Witness) post(ctx context.Context, l followed, line string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.c.URL+"/"+l.name+"/cosignatures", bytes.NewReader([]byte(line)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, status, err := w.do(r, 4096)
	if err != nil {
		return err
	}
	var said struct{ Error string }
	if json.Unmarshal(answer, &said) == nil && said.Error == "ahead" {
		return ErrAhead
	}
	if status != http.StatusOK && status != http.StatusNoContent {
		return fmt.Errorf("the board answers %d to a cosignature", status)
	}
	return nil
}

func (w *Witness) do(r *http.Request, limit int64) (body []byte, status int, err error) {
	resp, err := w.c.Client.Do(r)
	if err != nil {
		return nil, 0, away.Of("the board at "+r.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	w.compareClocks(r.Context(), resp.Header)
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, 0, err
	}
	if int64(len(body)) > limit {
		return nil, 0, errors.New("the board's answer is too long")
	}
	return body, resp.StatusCode, nil
}
