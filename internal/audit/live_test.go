package audit_test

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// shown is a log of a record as it was when it had so many entries.
func shown(t *testing.T, e *audittest.Election, files audittest.Files, name string, size int64, moment int64) audittest.Files {
	t.Helper()
	signer, policy, err := e.Ledger, tlog.Policy{}, error(nil)
	if name == layout.Ballots {
		signer = e.Box
		policy, err = e.Manifest.BallotsPolicy()
	} else {
		policy, err = e.Manifest.LedgerPolicy()
	}
	if err != nil {
		t.Fatal(err)
	}
	whole, err := policy.Open(files[layout.Checkpoint(name)].Data)
	if err != nil {
		t.Fatal(err)
	}
	width := int(whole.Checkpoint.Size)
	if size < 0 {
		size += int64(width)
	}
	entries, err := tlog.DecodeBundle(files[layout.Tile(name, tlog.Tile{Level: tlog.Entries, Width: width})].Data, width)
	if err != nil {
		t.Fatal(err)
	}
	var tree tlog.Tree
	for _, b := range entries[:size] {
		tree.Append(tlog.LeafHash(b))
	}
	leaves := files[layout.Tile(name, tlog.Tile{Width: width})].Data
	files = without(files, layout.Tile(name, tlog.Tile{Width: width}), layout.Tile(name, tlog.Tile{Level: tlog.Entries, Width: width}))
	files = with(files, layout.Checkpoint(name), e.Checkpoint(t, signer, policy, &tree, size, moment))
	files = with(files, layout.Tile(name, tlog.Tile{Level: tlog.Entries, Width: int(size)}), tlog.EncodeBundle(entries[:size]))
	return with(files, layout.Tile(name, tlog.Tile{Width: int(size)}), leaves[:32*size])
}

// unsigned is a record with a last checkpoint that no witness has signed.
func unsigned(files audittest.Files, name string) audittest.Files {
	return with(files, layout.Checkpoint(name), firstSignature(files[layout.Checkpoint(name)].Data))
}

func without(files audittest.Files, paths ...string) audittest.Files {
	files = maps.Clone(files)
	for _, path := range paths {
		delete(files, path)
	}
	return files
}

// locks makes the states in which a lock shows a record, by what is awaited.
func locks(t *testing.T, e *audittest.Election, files audittest.Files) map[string]audittest.Files {
	t.Helper()
	const before = audittest.Close - 86400
	box := func(size, moment int64) audittest.Files {
		return without(shown(t, e, files, layout.Ballots, size, moment), layout.StatementBox)
	}
	states := map[string]audittest.Files{
		"the ledger's signatures":       unsigned(files, layout.Ledger),
		"the box's end":                 box(-1, before),
		"the box's last batch":          box(-3, before),
		"all ballots":                   box(1, before),
		"the box's signatures":          unsigned(files, layout.Ballots),
		"both signatures":               unsigned(unsigned(files, layout.Ledger), layout.Ballots),
		"the rolls":                     without(unsigned(files, layout.Ledger), layout.Roll(1), layout.StatementRegistrar),
		"the box's statement":           without(files, layout.StatementBox),
		"an act's signatures":           without(unsigned(files, layout.Ledger), layout.Act(len(e.Manifest.Groups)), layout.Act(1)),
		"the ledger's end":              shown(t, e, box(-1, before), layout.Ledger, -1, before),
		"the ledger's end, not the box": shown(t, e, files, layout.Ledger, -1, before),
	}
	states["the ledger's signatures, and ballots"] = unsigned(box(1, before), layout.Ledger)
	return states
}

// last is the last moment at which a record of audittest may be one that is being
// locked: it has envelopes.
var last = time.Unix(audittest.DecideUntil, 0).Add(time.Hour)

// TestLocking: a record that is read from its service while the election is being
// locked is none yet. A copy of it is false, and so is one that its service still
// shows an hour after the lock was due, whatever cosignatures say of the time.
func TestLocking(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]audittest.Options{
		"locked":    {Ballots: 8, Single: true, Stage: layout.Locked},
		"cancelled": {Ballots: 8, Single: true, Stage: layout.Locked, Cancelled: true},
	} {
		e, files := audittest.Record(t, o)
		for awaited, state := range locks(t, e, files) {
			// Read as it is verified, and fetched to a folder first.
			for _, source := range []fs.FS{remote{state}, state} {
				if _, err := audit.Verify(t.Context(), source, audit.Options{Fetched: last}); !errors.Is(err, layout.ErrLocking) {
					t.Errorf("%s, %s awaited: got %v, want %v\n%s", name, awaited, err, layout.ErrLocking,
						faults(verify(t, source, audit.Options{Fetched: last.Add(time.Second)})))
				}
				for why, o := range map[string]audit.Options{"a copy": {}, "for too long": {Fetched: last.Add(time.Second)}} {
					if r, err := audit.Verify(t.Context(), source, o); err != nil || r.Verified {
						t.Errorf("%s, %s awaited, %s: got %v, or it holds", name, awaited, why, err)
					}
				}
			}
		}
		if r := verify(t, remote{files}, audit.Options{Fetched: last}); !r.Verified {
			t.Errorf("%s: %s", name, faults(r))
		}
	}
}

// TestLockingFalse: what no lock brings makes a record false while it is locked, too,
// in whichever state its service shows it.
func TestLockingFalse(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, audittest.Options{Ballots: 8, Single: true, Stage: layout.Locked})
	flipped := func(files audittest.Files, path string) audittest.Files {
		content := slices.Clone(files[path].Data)
		content[len(content)/2] ^= 1
		return with(files, path, content)
	}
	states := locks(t, e, files)
	for _, awaited := range []string{"both signatures", "the ledger's signatures, and ballots", "the ledger's end"} {
		state := states[awaited]
		for path := range state {
			if path == layout.Manifest {
				continue // of another election
			}
			changed := map[string]audittest.Files{"changed": flipped(state, path)}
			if !layout.AtLock(path) {
				changed["missing"] = without(state, path)
			}
			for what, x := range changed {
				if r, err := audit.Verify(t.Context(), remote{x}, audit.Options{Fetched: last}); err != nil || r.Verified {
					t.Errorf("%s awaited, %s %s: got %v, or it holds", awaited, path, what, err)
				}
			}
		}
	}
	// What is open is locked long since.
	_, opened := audittest.Record(t, audittest.Options{Ballots: 8, Single: true, Stage: layout.Opened})
	for _, name := range []string{layout.Ledger, layout.Ballots} {
		if r, err := audit.Verify(t.Context(), remote{unsigned(opened, name)}, audit.Options{Fetched: last}); err != nil || r.Verified {
			t.Errorf("an opened record, unsigned %s: got %v, or it holds", name, err)
		}
	}
}

// TestLockingTwice: a service that withholds the rolls does not hide a member who got
// two ballots, of which the ledger tells.
func TestLockingTwice(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"one ballot", "two ballots"} {
		e := made(t, audittest.Options{Ballots: 8, Single: true, Stage: layout.Locked})
		if kind == "two ballots" {
			insert(e, e.Issuance(1, 0))
		}
		state := without(unsigned(e.Publish(t), layout.Ledger), layout.Roll(1), layout.StatementRegistrar)
		r, err := audit.Verify(t.Context(), remote{state}, audit.Options{Fetched: last})
		if kind == "one ballot" {
			if !errors.Is(err, layout.ErrLocking) {
				t.Errorf("%s: got %v, want %v", kind, err, layout.ErrLocking)
			}
		} else if err != nil || r.Verified || !strings.Contains(faults(r), "issued on before") {
			t.Errorf("%s: got %v, or another fault", kind, err)
		}
	}
}

// TestLockingDue: without an envelope the hour begins when casting has ended, not
// when the last envelope would have been decided.
func TestLockingDue(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, audittest.Options{Nobody: true, Stage: layout.Locked})
	state := unsigned(files, layout.Ballots)
	last := time.Unix(e.Manifest.Schedule.LockFrom(e.Manifest.Schedule.Close), 0).Add(time.Hour)
	if _, err := audit.Verify(t.Context(), remote{state}, audit.Options{Fetched: last}); !errors.Is(err, layout.ErrLocking) {
		t.Errorf("within the hour: got %v", err)
	}
	if r := verify(t, remote{state}, audit.Options{Fetched: last.Add(time.Second)}); r.Verified {
		t.Error("after it: it holds")
	}
}

// TestOverdue: that an election is not locked yet is the service's word; when it is, or
// should have been, the reader is told so.
func TestOverdue(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, small)
	const begins = "the election is not locked yet: its record is published, and can be checked, when voting has ended"
	for at, more := range map[time.Time]string{
		time.Unix(e.Manifest.Schedule.Close-1, 0): ". By its schedule voting ends at ", last: "", last.Add(time.Second): "ask the committee",
	} {
		_, err := audit.Verify(t.Context(), remote{open{files}}, audit.Options{Fetched: at})
		if !errors.Is(err, layout.ErrNotLocked) || !strings.HasPrefix(err.Error(), begins) || !strings.Contains(err.Error(), more) ||
			more == "" && err.Error() != begins {
			t.Errorf("at %v: got %v", at, err)
		}
	}
}
