package board

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strikevote/internal/platform/durable"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// typeAct is the entry of the ledger that holds a committee's act (SPEC 9).
const typeAct = 0x05

// Export writes the record of an election that is locked or further as a
// directory: exactly the files of its stage (SPEC 17), each complete or not
// there at all. A directory that holds some of them already, from an export
// that was interrupted, is completed; one with any other file, or with another
// content, is refused, so that two records are never mixed.
//
// The checkpoints must satisfy the policy, else it returns [ErrNotCosigned].
func Export(ctx context.Context, ledger, ballots *Log, dir string) error {
	x, err := newExport(ctx, ledger, ballots)
	if err != nil {
		return fmt.Errorf("exporting record: %w", err)
	}
	if err := x.checkDir(dir); err != nil {
		return fmt.Errorf("exporting record: %w", err)
	}
	for _, path := range x.paths {
		body, err := x.read(ctx, path)
		if err != nil {
			return fmt.Errorf("exporting %s: %w", path, err)
		}
		if err := writeFile(dir, path, body); err != nil {
			return fmt.Errorf("exporting %s: %w", path, err)
		}
	}
	return nil
}

// An export is the list of a record's files and where each comes from.
type export struct {
	ledger, ballots *Log
	paths           []string
	notes           map[string][]byte    // final checkpoints, by path
	tiles           map[string]tlog.Tile // by path
}

func newExport(ctx context.Context, ledger, ballots *Log) (*export, error) {
	x := &export{
		ledger: ledger, ballots: ballots,
		notes: make(map[string][]byte),
		tiles: make(map[string]tlog.Tile),
	}
	b, err := x.file(ctx, layout.Manifest)
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	m, err := election.Parse(b)
	if err != nil {
		return nil, err
	}
	shape := layout.Shape{Manifest: m}
	if shape.LedgerSize, err = x.end(ctx, layout.Ledger); err != nil {
		return nil, err
	}
	if shape.BallotsSize, err = x.end(ctx, layout.Ballots); err != nil {
		return nil, err
	}
	acts, err := ledger.Count(ctx, typeAct)
	if err != nil {
		return nil, err
	}
	shape.Acts = int(acts)
	have, err := x.have(ctx)
	if err != nil {
		return nil, err
	}
	return x, x.list(shape, have)
}

// named returns the log that a path names.
func (x *export) named(name string) *Log {
	if name == layout.Ledger {
		return x.ledger
	}
	return x.ballots
}

// file finds a file beside either log.
func (x *export) file(ctx context.Context, path string) ([]byte, error) {
	body, err := x.ledger.File(ctx, path)
	if errors.Is(err, ErrNotFound) {
		return x.ballots.File(ctx, path)
	}
	return body, err
}

// end checks that a log is final and its end cosigned, and returns its size.
func (x *export) end(ctx context.Context, name string) (int64, error) {
	l := x.named(name)
	final, err := l.Final(ctx)
	if err != nil {
		return 0, err
	}
	if !final {
		return 0, fmt.Errorf("log %q has not ended", name)
	}
	h, err := l.Head(ctx)
	if err != nil {
		return 0, err
	}
	note, err := l.CosignedCheckpoint(ctx)
	if err != nil {
		return 0, fmt.Errorf("log %q: %w", name, err)
	}
	o, err := l.c.Policy.Open(note)
	if err != nil {
		return 0, err
	}
	if o.Checkpoint.Size != h.Size || o.Checkpoint.Root != h.Root {
		return 0, fmt.Errorf("end of log %q: %w", name, ErrNotCosigned)
	}
	x.notes[layout.Checkpoint(name)] = note
	for t := range tlog.Tiles(h.Size) {
		x.tiles[layout.Tile(name, t)] = t
	}
	return h.Size, nil
}

// have lists the files beside both logs.
func (x *export) have(ctx context.Context) ([]string, error) {
	a, err := x.ledger.Files(ctx)
	if err != nil {
		return nil, err
	}
	b, err := x.ballots.Files(ctx)
	return append(a, b...), err
}

// list fixes the paths: all that the stage demands and what it allows besides.
// A file that it does not know, or that a later stage would have, is a fault of
// the record, and better found here than by an auditor.
func (x *export) list(shape layout.Shape, have []string) error {
	shape.Stage = layout.Locked
	for _, path := range have {
		if s := layout.Late(path); s.Rank() > shape.Stage.Rank() {
			shape.Stage = s
		}
	}
	x.paths = slices.Collect(shape.Must())
	may := shape.May()
	var problems []error
	for _, path := range have {
		if slices.Contains(may, path) {
			x.paths = append(x.paths, path)
		}
	}
	known := make(map[string]bool, len(x.paths))
	for _, path := range x.paths {
		known[path] = true
	}
	for _, path := range have {
		if !known[path] {
			problems = append(problems, fmt.Errorf("%s does not belong to a record that is %s", path, shape.Stage))
		}
	}
	return errors.Join(problems...)
}

// checkDir makes the directory and refuses one that holds anything else.
func (x *export) checkDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	known := make(map[string]bool, len(x.paths))
	for _, path := range x.paths {
		known[path] = true
	}
	return fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || known[path] {
			return err
		}
		if strings.HasPrefix(path, tempPrefix) { // of an export that was killed
			return os.Remove(filepath.Join(dir, path))
		}
		return fmt.Errorf("%s is in the directory and not in the record", path)
	})
}

func (x *export) read(ctx context.Context, path string) ([]byte, error) {
	if note, ok := x.notes[path]; ok {
		return note, nil
	}
	for _, name := range []string{layout.Ledger, layout.Ballots} {
		l := x.named(name)
		if t, ok := x.tiles[path]; ok && path == layout.Tile(name, t) {
			return l.Tile(ctx, t)
		}
		if path == layout.FirstCheckpoint(name) {
			note, err := l.CheckpointAt(ctx, 1)
			if err != nil {
				return nil, err
			}
			_, err = l.c.Policy.Open(note)
			return note, err
		}
	}
	return x.file(ctx, path)
}

// tempPrefix begins the names of temporary files. No path of a record has a dot.
const tempPrefix = ".strikevote-export-"

// writeFile writes a file so that a crash leaves all of it or nothing under its
// name: a temporary file is synced, renamed, and the directory synced.
func writeFile(dir, path string, body []byte) error {
	name := filepath.Join(dir, filepath.FromSlash(path))
	if old, err := os.ReadFile(name); err == nil {
		if !bytes.Equal(old, body) {
			return errors.New("the directory holds another file under this name")
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(name)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // after the rename it is gone
	_, err = tmp.Write(body)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err == nil {
		err = durable.SyncDir(parent)
	}
	return err
}
