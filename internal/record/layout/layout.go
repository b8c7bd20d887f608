// Package layout says which files a published record holds, and where.
//
// It knows names, stages and limits; it must never open a file, so that the
// auditor, also the one that runs in a browser, can use it without reaching
// the network or the disk. It must never guess: a path stands for exactly one
// thing. Section 17 of internal/protocol/SPEC.md is the list.
package layout

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// A Stage is how far the life of an election had come when its record was
// published.
type Stage string

// The stages of a record. A cancelled election has the files of Locked, for
// ever: nothing of it is opened.
const (
	Locked    Stage = "locked"
	Opened    Stage = "opened"
	Certified Stage = "certified"
	Cancelled Stage = "cancelled"
)

// Rank orders Locked, Opened and Certified; it is 0 for any other stage.
// Cancelled counts as Locked, whose files it has.
func (s Stage) Rank() int {
	switch s {
	case Locked, Cancelled:
		return 1
	case Opened:
		return 2
	case Certified:
		return 3
	}
	return 0
}

// Paths of single files.
const (
	Manifest           = "manifest"
	Sealing            = "sealing"
	CeremonyFresh      = "ceremony/fresh"
	CeremonyTranscript = "ceremony/transcript"
	CeremonySignatures = "ceremony/signatures"
	StatementRegistrar = "statements/registrar"
	StatementBox       = "statements/box"
	Result             = "result"
	Certificate        = "certificate"
	Certification      = "certification"
)

// The two logs, as they are called in paths.
const (
	Ledger  = "ledger"
	Ballots = "ballots"
)

// MaxLogSize bounds what a record may ask its reader to hold. The sum of the
// rolls is below 2^20 and an envelope is opened by hand, so no true log comes
// near it; a hostile checkpoint may claim any size.
const MaxLogSize = 1 << 21

// MaxActs is the last sequence that four digits can name.
const MaxActs = 9999

// Drill is the path of a teller's drill; tellers count from 1.
func Drill(teller int) string { return fmt.Sprintf("drill/%d", teller) }

// Act is the path of the committee's act with this sequence.
func Act(sequence int) string { return fmt.Sprintf("acts/%04d", sequence) }

// Roll is the path of a group's roll.
func Roll(g suite.GroupID) string { return fmt.Sprintf("roll/%05d", g) }

// Shares is the path of a teller's partial decryptions.
func Shares(teller int) string { return fmt.Sprintf("shares/%d", teller) }

// StatementTeller is the path of a teller's statement of destruction.
func StatementTeller(teller int) string { return fmt.Sprintf("statements/teller-%d", teller) }

// FirstCheckpoint is the path of a log's cosigned checkpoint of size 1.
func FirstCheckpoint(log string) string { return log + "/checkpoint-1" }

// Checkpoint is the path of a log's final checkpoint.
func Checkpoint(log string) string { return log + "/checkpoint" }

// Tile is the path of a tile or an entry bundle of a log.
func Tile(log string, t tlog.Tile) string { return log + "/" + t.Path() }

// Shape is everything that the list of files depends on.
type Shape struct {
	Manifest    *election.Manifest
	Stage       Stage
	Acts        int   // committee acts in the ledger
	LedgerSize  int64 // sizes of the final checkpoints
	BallotsSize int64
}

// Must yields the files that a record of this shape has to hold, in a fixed
// order. The shares are not among them: any t of n will do, see [Shape.May].
func (s Shape) Must() iter.Seq[string] {
	return func(yield func(string) bool) {
		for p := range s.small() {
			if !yield(p) {
				return
			}
		}
		for _, log := range []string{Ledger, Ballots} {
			size := s.LedgerSize
			if log == Ballots {
				size = s.BallotsSize
			}
			if !yield(FirstCheckpoint(log)) || !yield(Checkpoint(log)) {
				return
			}
			for t := range tlog.Tiles(min(size, MaxLogSize)) {
				if !yield(Tile(log, t)) {
					return
				}
			}
		}
	}
}

// small yields the files beside the logs.
func (s Shape) small() iter.Seq[string] {
	list := []string{Manifest, Sealing, CeremonyFresh, CeremonyTranscript, CeremonySignatures}
	for i := range int(s.Manifest.Tellers.N) {
		list = append(list, Drill(i+1))
	}
	for i := range s.Acts {
		list = append(list, Act(i+1))
	}
	for _, g := range s.Manifest.Groups {
		list = append(list, Roll(g.ID))
	}
	list = append(list, StatementRegistrar, StatementBox)
	if s.Stage.Rank() >= Opened.Rank() {
		list = append(list, Result)
	}
	if s.Stage.Rank() >= Certified.Rank() {
		list = append(list, Certificate, Certification)
	}
	return slices.Values(list)
}

// May lists the files that a record of this shape may hold besides: shares of
// any of the tellers (at least t, which is the auditor's to count), and
// statements of any of them.
func (s Shape) May() []string {
	var list []string
	for i := range int(s.Manifest.Tellers.N) {
		if s.Stage.Rank() >= Opened.Rank() {
			list = append(list, Shares(i+1))
		}
		if s.Stage.Rank() >= Certified.Rank() {
			list = append(list, StatementTeller(i+1))
		}
	}
	return list
}

// Late says which stage a record has reached at the least that holds this
// file: the stage of a record is the last of which any file is present.
func Late(path string) Stage {
	switch {
	case path == Certificate, path == Certification, strings.HasPrefix(path, "statements/teller-"):
		return Certified
	case path == Result, strings.HasPrefix(path, "shares/"):
		return Opened
	}
	return Locked
}

// AtLock reports whether a file comes, or may come, only while the election is being
// locked: the rolls, the statements, and the acts, which wait for the witnesses or,
// where they say something about persons, for the end of the ledger.
func AtLock(path string) bool {
	return path == StatementRegistrar || path == StatementBox ||
		strings.HasPrefix(path, "roll/") || strings.HasPrefix(path, "acts/")
}

// Limit is the largest size that a file at this path can have. Nothing is read
// beyond it: the record may come from anybody.
func Limit(path string) int64 {
	_, in, _ := strings.Cut(path, "/")
	switch {
	case path == CeremonyFresh:
		return 32
	case path == CeremonySignatures:
		return 32 * 64
	case strings.HasPrefix(path, "roll/"):
		return 32 << 20 // a roll is below 2^20 leaves of 32 bytes
	case strings.HasPrefix(in, "tile/entries/"):
		return 256 * (2 + 65535) // the most that a bundle can encode
	case strings.HasPrefix(in, "tile/"):
		return 256 * 32
	case strings.HasPrefix(path, "acts/"):
		return 256 << 10 // 65,000 bytes in base64, hashes, checkpoint
	case strings.HasPrefix(in, "checkpoint"), strings.HasPrefix(path, "statements/"):
		return 64 << 10
	}
	return suite.MaxFile
}

// ErrTooLarge is what reading a file beyond its [Limit] ends with. It is a
// fault of the record, not of the connection.
var ErrTooLarge = errors.New("larger than a file of its kind can be")

// ErrNotPlain is what opening anything but a plain file or a folder ends with. It
// is a fault of the record: a link could lead the reader to a file that is not
// part of it, and a named pipe could let it wait for ever.
var ErrNotPlain = errors.New("it is not a plain file")

// ErrNoRecord is returned for a source that has no manifest, or none that can be read:
// whoever names the folder of a service, or the address of the ballot page, is not told
// of a hole in a record.
var ErrNoRecord = errors.New("this is no election's record")

// ErrNoManifest is the [ErrNoRecord] of a source without a manifest.
var ErrNoManifest = fmt.Errorf("%w: there is no file %s", ErrNoRecord, Manifest)

// ParseManifest reads what a source has for a manifest; [ErrNoRecord] if it is none.
func ParseManifest(raw []byte) (*election.Manifest, error) {
	m, err := election.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w, or a damaged one: %w", ErrNoRecord, err)
	}
	return m, nil
}

// ErrNotLocked is returned for a file that a board publishes at the lock, and for
// a board whose ledger has only begun. It is no hole in the record: there is no
// whole record yet.
var ErrNotLocked = errors.New("the election is not locked yet: its record is published, and can be checked, when voting has ended")

// ErrLocking is returned for a record that a service shows while the election is
// being locked. Nothing in it is false; it is not whole yet.
var ErrLocking = errors.New("the election is being locked, and its record is not whole yet: try again in a minute")

// A Remote source of a record cannot list its files: whoever reads it asks for
// those that must be there, and cannot tell whether there are others.
type Remote interface {
	// Remote does nothing; having it is what counts.
	Remote()
}
