package audit_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// A broken source fails for one path, as a network does.
type broken struct {
	fs.FS
	path string
	err  error
}

func (b broken) Open(path string) (fs.File, error) {
	if path == b.path {
		return nil, &fs.PathError{Op: "open", Path: path, Err: b.err}
	}
	return b.FS.Open(path)
}

// TestSource tells a record that cannot be read from one that is false.
func TestSource(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	down := errors.New("the network is down")
	for path := range files {
		if _, err := audit.Verify(t.Context(), broken{files, path, down}, audit.Options{}); !errors.Is(err, down) {
			t.Errorf("%s: got %v, want the error of the source", path, err)
		}
		r, err := audit.Verify(t.Context(), broken{files, path, layout.ErrTooLarge}, audit.Options{})
		if path == layout.Manifest {
			if err == nil {
				t.Errorf("a manifest too large: got %s", faults(r))
			}
		} else if err != nil || r.Verified {
			t.Errorf("%s too large: got error %v, or it holds", path, err)
		}
	}
	// A file that no check came to read is still asked for.
	gap := broken{with(files, layout.CeremonyFresh, nil), layout.CeremonyTranscript, down}
	if _, err := audit.Verify(t.Context(), gap, audit.Options{}); !errors.Is(err, down) {
		t.Errorf("behind a missing file: got %v, want the error of the source", err)
	}
	// A folder that cannot be listed may hide files.
	if _, err := audit.Verify(t.Context(), broken{files, ".", down}, audit.Options{}); !errors.Is(err, down) {
		t.Errorf("a folder: got %v, want the error of the source", err)
	}
	if _, err := audit.Verify(t.Context(), fstest.MapFS{}, audit.Options{}); err == nil {
		t.Error("nothing at all is a record")
	}
}

// TestPlain: a file is a plain file.
func TestPlain(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	for path, check := range map[string]string{layout.Sealing: "sealing: sealing", "more": `files: "more"`} {
		changed := with(files, path, nil)
		changed[path] = &fstest.MapFile{Data: files[layout.Sealing].Data, Mode: fs.ModeNamedPipe}
		if found := tampered(t, changed, path+" is a pipe"); !strings.Contains(found, check+": it is not a plain file") {
			t.Errorf("%s is a pipe: got %s", path, found)
		}
	}
}

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	for _, at := range []string{"ledger", "ballots"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := audit.Verify(ctx, files, audit.Options{Progress: func(step string, _, _ int) {
			if step == at {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("in step %s: got %v", at, err)
		}
		cancel()
	}
}

// A hostile source panics, in workers and elsewhere.
type hostile struct {
	fs.FS
	path string
}

func (h hostile) Open(path string) (fs.File, error) {
	if path == h.path {
		panic("a fault of the verifier")
	}
	return h.FS.Open(path)
}

func TestPanic(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	for path := range files {
		if path == layout.Manifest || layout.Late(path) != layout.Locked {
			continue // read before there are checks
		}
		r := verify(t, hostile{files, path}, audit.Options{})
		if found := faults(r); r.Verified || !strings.Contains(found, "stumbled") {
			t.Errorf("%s: got %q", path, found)
		}
	}
}

// remote cannot list its files.
type remote struct{ fs.FS }

func (remote) Remote() {}

func TestRemote(t *testing.T) {
	t.Parallel()
	_, files := audittest.Record(t, small)
	files["readme"] = files["manifest"]
	r := verify(t, remote{files}, audit.Options{})
	last := r.Checks[len(r.Checks)-1]
	if !r.Verified || last.Name != "files" || !strings.Contains(last.Detail, "cannot be seen over the network") {
		t.Errorf("got %+v\n%s", last, faults(r))
	}
	delete(files, "drill/2")
	if r := verify(t, remote{files}, audit.Options{}); !strings.Contains(faults(r), "files: drill/2: the file is missing (SPEC 17).") {
		t.Errorf("a missing file: got %s", faults(r))
	}
}

// TestBegun: a board whose ledger holds the manifest's entry alone shows an
// election that runs. In a folder the same log is cut, and so is one whose entry
// is another's, or that the log's key did not sign.
func TestBegun(t *testing.T) {
	t.Parallel()
	e, files := audittest.Record(t, small)
	begun := maps.Clone(files)
	begun[layout.Checkpoint(layout.Ledger)] = files[layout.FirstCheckpoint(layout.Ledger)]
	for _, witnessed := range []bool{true, false} {
		if !witnessed {
			delete(begun, layout.FirstCheckpoint(layout.Ledger))
			begun = with(begun, layout.Checkpoint(layout.Ledger), e.Ledger.Sign(firstOf(e)))
		}
		if _, err := audit.Verify(t.Context(), remote{begun}, audit.Options{}); !errors.Is(err, layout.ErrNotLocked) {
			t.Errorf("on the web: got %v, want %v", err, layout.ErrNotLocked)
		}
		if found := tampered(t, begun, "a cut ledger in a folder"); !strings.Contains(found, "ledger") {
			t.Errorf("in a folder: got %s", found)
		}
	}
	// While voting is open it has grown, and for some seconds after each act the
	// witnesses have not signed it.
	unsigned := with(files, layout.Checkpoint(layout.Ledger), firstSignature(files[layout.Checkpoint(layout.Ledger)].Data))
	if _, err := audit.Verify(t.Context(), remote{open{unsigned}}, audit.Options{}); !errors.Is(err, layout.ErrNotLocked) {
		t.Errorf("one that grows: got %v, want %v", err, layout.ErrNotLocked)
	}
	if r, err := audit.Verify(t.Context(), remote{unsigned}, audit.Options{}); err != nil || !strings.Contains(faults(r), "fewer cosignatures") {
		t.Errorf("one that is shown whole: got %v, %s", err, faults(r))
	}
	if _, err := audit.Verify(t.Context(), open{unsigned}, audit.Options{}); errors.Is(err, layout.ErrNotLocked) {
		t.Error("a folder passes for an election that runs")
	}
	other := firstOf(e)
	other.Root[0] ^= 1
	ballots := maps.Clone(files)
	ballots[layout.Checkpoint(layout.Ballots)] = files[layout.FirstCheckpoint(layout.Ballots)]
	for name, changed := range map[string]fs.FS{
		"another entry": with(files, layout.Checkpoint(layout.Ledger), e.Ledger.Sign(other)),
		"no signature":  with(files, layout.Checkpoint(layout.Ledger), []byte(firstOf(e).Text())),
		"the ballots":   ballots,
	} {
		if r, err := audit.Verify(t.Context(), remote{changed}, audit.Options{}); err != nil || r.Verified {
			t.Errorf("%s: got %v, or it holds", name, err)
		}
	}
}

// firstOf is the ledger's checkpoint over the manifest's entry.
func firstOf(e *audittest.Election) tlog.Checkpoint {
	return tlog.Checkpoint{Origin: e.Manifest.Ledger.Origin, Size: 1, Root: tlog.LeafHash(ledger.ManifestEntry(e.MID))}
}

// firstSignature is a note with its first signature line, the log's, alone.
func firstSignature(note []byte) []byte {
	text, lines, _ := strings.Cut(string(note), "\n\n")
	first, _, _ := strings.Cut(lines, "\n")
	return []byte(text + "\n\n" + first + "\n")
}

// open withholds the ledger's entries, as a board does before the lock.
type open struct{ fs.FS }

func (o open) Open(path string) (fs.File, error) {
	if strings.HasPrefix(path, "ledger/tile/entries/") {
		return nil, layout.ErrNotLocked
	}
	return o.FS.Open(path)
}
