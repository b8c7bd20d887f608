package teller_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/ceremony"
	"strikevote/internal/committee"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/statement"
	"strikevote/internal/teller"
)

// saved writes a record to a folder and to a ZIP file.
func saved(t *testing.T, files audittest.Files) (dir, packed string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "record")
	packed = dir + ".zip"
	if err := os.CopyFS(dir, fstest.MapFS(files)); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(packed)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(out)
	if err := errors.Join(z.AddFS(os.DirFS(dir)), z.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, packed
}

// A publisher is a board that keeps what it is given, and shows it.
type publisher struct{ files fstest.MapFS }

func (p publisher) PutFile(_ context.Context, path string, body []byte) error {
	p.files[path] = &fstest.MapFile{Data: body}
	return nil
}

// past returns a console of an election that is over, and key files of all its
// tellers, made for that console.
func (c *console) keysOf(t *testing.T, e *audittest.Election) {
	t.Helper()
	y, err := e.Manifest.Key()
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.Shares {
		inv := c.invitations[i]
		tt, err := teller.Make(c.path(i+1), passphrase, inv.Console, inv.Election, inv.Number, inv.Enrollment, e.Static[i], e.Shares[i], y)
		if err != nil {
			t.Fatal(err)
		}
		tt.Close()
	}
}

// pastConsole serves an election that has come to a phase.
func pastConsole(t *testing.T, e *audittest.Election, files audittest.Files, phase election.Phase) (*console, publisher) {
	t.Helper()
	p := publisher{fstest.MapFS{}}
	for name, f := range files {
		p.files[name] = f
	}
	board := httptest.NewServer(http.FileServerFS(p.files))
	t.Cleanup(board.Close)
	c := consoleOf(t, e.Manifest, func(context.Context, suite.ElectionID) (committee.Status, bool) {
		return committee.Status{Manifest: e.Manifest, MID: e.MID, Phase: string(phase), Record: board.URL, Files: p}, true
	})
	c.keysOf(t, e)
	return c, p
}

// TestCheckByFiles looks at the sealed election without a network.
func TestCheckByFiles(t *testing.T) {
	t.Parallel()
	e := past(t)
	c, _ := pastConsole(t, e, e.Publish(t), election.PhaseLocked)
	s := newStick(t)
	good := c.export(t, s)
	check := func(state string, mid *suite.MID) error {
		tt, err := teller.OpenByFiles(c.path(2), passphrase, teller.Files{In: state})
		if err != nil {
			return err
		}
		defer tt.Close()
		_, err = tt.Check(t.Context(), mid)
		return err
	}
	if err := check(good, &e.MID); err != nil {
		t.Error(err)
	}
	f, err := ceremony.ParseStateFile(read(t, good))
	if err != nil {
		t.Fatal(err)
	}
	m := *e.Manifest
	m.Tellers.StaticKeys = slices.Clone(m.Tellers.StaticKeys)
	m.Tellers.StaticKeys[1] = election.Point(group.Generator().Bytes())
	second, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*ceremony.StateFile)
		want   string
	}{
		"no manifest":        {func(f *ceremony.StateFile) { f.Manifest = nil }, "not in the state file"},
		"no witnesses":       {func(f *ceremony.StateFile) { f.Checkpoint = nil }, "witnesses' signatures"},
		"half a checkpoint":  {func(f *ceremony.StateFile) { f.Checkpoint = f.Checkpoint[:200] }, "witnesses have not"},
		"not sealed":         {func(f *ceremony.StateFile) { f.State.Record = "" }, "not sealed"},
		"an earlier session": {func(f *ceremony.StateFile) { f.State.Session = 0 }, "earlier ceremony"},
		"a second ceremony":  {func(f *ceremony.StateFile) { f.Manifest = second }, "nobody may vote in it"},
		"after a restart":    {func(f *ceremony.StateFile) { f.State.Session, f.Manifest = 2, second }, "use the key file of that one"},
	} {
		copied := *f
		tt.change(&copied)
		b, err := copied.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := check(s.put(t, b), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if err := check(good, &suite.MID{1}); err == nil || !strings.Contains(err.Error(), "another election than the one you mean") {
		t.Errorf("another mid: got %v", err)
	}
}

// TestOpenByFiles opens from a folder and from a ZIP file, by every set of
// tellers: t of them are enough, whoever they are, and fewer are not.
func TestOpenByFiles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	files := e.Publish(t)
	dir, packed := saved(t, files)
	var first []audit.Set
	for set := range 1 << 3 {
		c, p := pastConsole(t, e, files, election.PhaseLocked)
		s := newStick(t)
		tellers := 0
		for i := 1; i <= 3; i++ {
			if set>>(i-1)&1 == 0 {
				continue
			}
			tellers++
			f := teller.Files{Record: []string{dir, packed}[i%2], Out: s.name()}
			tt, err := teller.OpenByFiles(c.path(i), passphrase, f)
			if err != nil {
				t.Fatal(err)
			}
			if err := open(ctx, tt, teller.Options{MID: &e.MID}); err != nil {
				t.Fatal(err)
			}
			tt.Close()
			if got := c.taken(t, f.Out); got != ceremony.RoundShares {
				t.Errorf("got round %q", got)
			}
		}
		err := c.service.Open(ctx, c.election, nil)
		if tellers < 2 {
			if !errors.Is(err, committee.ErrNotYet) {
				t.Errorf("tellers %03b: got %v", set, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("tellers %03b: %v", set, err)
			continue
		}
		got := verified(t, audittest.Files(p.files)).Sets
		if first == nil {
			first = got
		}
		if len(got) == 0 || !reflect.DeepEqual(got, first) {
			t.Errorf("tellers %03b open other totals", set)
		}
	}
}

// TestOpenByFilesRefused brings records that are not to be opened, or second
// ones.
func TestOpenByFilesRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := past(t)
	files := e.Publish(t)
	fewer := e.Clone()
	fewer.Ballots = fewer.Ballots[1:]
	first, _ := saved(t, files)
	second, _ := saved(t, fewer.Publish(t))
	spoiled, _ := saved(t, files)
	if err := os.WriteFile(filepath.Join(spoiled, layout.StatementBox), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := pastConsole(t, e, files, election.PhaseLocked)
	s := newStick(t)
	try := func(record string, o teller.Options) (string, error) {
		f := teller.Files{Record: record, Out: s.name()}
		tt, err := teller.OpenByFiles(c.path(1), passphrase, f)
		if err != nil {
			return "", err
		}
		defer tt.Close()
		return f.Out, open(ctx, tt, o)
	}
	before := read(t, c.path(1))
	for name, tt := range map[string]struct {
		record, want string
		mid          *suite.MID
	}{
		"spoiled":          {spoiled, "does not hold", nil},
		"none":             {"", "name the record", nil},
		"an address":       {"http://127.0.0.1:1/", "name the record", nil},
		"no record":        {s.dir, "record", nil},
		"nothing there":    {filepath.Join(s.dir, "x"), "opening record", nil},
		"another election": {first, "", &suite.MID{1}},
	} {
		out, err := try(tt.record, teller.Options{MID: tt.mid})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a message was written", name)
		}
	}
	if !bytes.Equal(read(t, c.path(1)), before) {
		t.Error("the key file was changed")
	}
	if _, err := try(first, teller.Options{}); err != nil {
		t.Error(err)
	}
	if out, err := try(second, teller.Options{}); !errors.Is(err, teller.ErrOtherClose) {
		t.Errorf("a second close: got %v", err)
	} else if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a message for a second close was written")
	}
	if out, err := try(first, teller.Options{}); err != nil {
		t.Errorf("the first again: %v", err)
	} else if f, err := ceremony.ParseMessageFile(read(t, out)); err != nil {
		t.Error(err)
	} else if _, err := share.Parse(f.Body); err != nil {
		t.Error(err)
	}
}

// TestDestroyByFiles destroys a key, and writes the statement of it.
func TestDestroyByFiles(t *testing.T) {
	t.Parallel()
	e := past(t)
	locked, _ := saved(t, e.Publish(t))
	e.Options.Stage = layout.Certified
	certified, _ := saved(t, e.Publish(t))
	c, _ := pastConsole(t, e, e.Publish(t), election.PhaseCertified)
	s := newStick(t)
	destroy := func(f teller.Files) error {
		tt, err := teller.OpenByFiles(c.path(2), passphrase, f)
		if err != nil {
			return err
		}
		defer tt.Close()
		return end(t.Context(), tt)
	}
	for name, f := range map[string]teller.Files{
		"a locked record": {Record: locked, Out: s.name()}, "no record": {Out: s.name()}, "no file for the statement": {Record: certified},
	} {
		if err := destroy(f); err == nil {
			t.Errorf("%s was enough", name)
		}
		if _, err := teller.Peek(c.path(2), passphrase); err != nil {
			t.Fatalf("%s: the key is gone: %v", name, err)
		}
	}
	out := s.name()
	if err := destroy(teller.Files{Record: certified, Out: out}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.path(2)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key is there: %v", err)
	}
	m, err := ceremony.ParseMessageFile(read(t, out))
	if err != nil || m.Round != ceremony.RoundStatement {
		t.Fatalf("got %v, %v", m, err)
	}
	if err := statement.VerifyTeller(group.BaseMul(e.Static[1]), 2, e.MID, m.Body); err != nil {
		t.Error(err)
	}
}
