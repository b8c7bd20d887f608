// Package mirror says what a copy of a published record consists of, and holds
// one in memory or reads it from an archive.
//
// It is what a mirror on disk (internal/record) and the check in a browser
// (cmd/strikevote/wasm) have in common, so it must never reach the network or
// the disk: bytes come from a function that its caller brings. Like
// internal/record it judges nothing. Section 17 of internal/protocol/SPEC.md.
package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

const (
	// MaxSize bounds what a server can make its reader keep: a ballot is at
	// most 5 kB, and there are less than 2^20.
	MaxSize = 8 << 30

	// MaxFiles bounds the files of a record: both logs at their largest have
	// some 33,000 tiles and bundles, and there are at most 9,999 acts and 1,000
	// rolls.
	MaxFiles = 1 << 16
)

// List lists what to ask for to have the whole record: what the manifest and the
// two final checkpoints call for. It believes the checkpoints without checking
// their signatures, which only makes its caller fetch too much or too little. read
// returns a file, [fs.ErrNotExist] for one that is not there, and
// [layout.ErrTooLarge] for one beyond its limit.
func List(read func(path string) ([]byte, error)) ([]string, error) {
	raw, err := read(layout.Manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, layout.ErrNoManifest
	}
	if err != nil {
		return nil, err
	}
	m, err := layout.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	shape := layout.Shape{Manifest: m, Stage: layout.Certified}
	for log, size := range map[string]*int64{layout.Ledger: &shape.LedgerSize, layout.Ballots: &shape.BallotsSize} {
		note, err := read(layout.Checkpoint(log))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		text, _, _ := strings.Cut(string(note), "\n\n")
		c, err := tlog.ParseCheckpointText(text + "\n")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", layout.Checkpoint(log), err)
		}
		*size = c.Size
	}
	// How many acts there are stands in the ledger only.
	for shape.Acts < layout.MaxActs {
		_, err := read(layout.Act(shape.Acts + 1))
		if errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil && !errors.Is(err, layout.ErrTooLarge) {
			return nil, err
		}
		shape.Acts++
	}
	return slices.AppendSeq(shape.May(), shape.Must()), nil
}
