package board_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/board"
	"strikevote/internal/platform/postgres/pgtest"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// An ended election has two logs that are final, one act, and all files of the
// stage locked. What is in the files is not the board's business.
type ended struct {
	site
	m    *election.Manifest
	mid  suite.MID
	keys electiontest.Keys
}

func newEnded(t *testing.T) *ended {
	t.Helper()
	e := new(ended)
	var keys electiontest.Keys
	e.m, keys = electiontest.Manifest(t)
	manifest, mid := electiontest.Encode(t, e.m)
	e.mid, e.id, e.keys = mid, e.m.ElectionID, keys
	open := func(db *pgtest.DB, signer *tlog.LogSigner, policy tlog.Policy, err error) *fixture {
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{db: db, mid: mid, signer: signer, witnesses: keys.Witnesses, policy: policy}
		f.Log = board.New(f.config(db.Service))
		f.mustAppend(t, f.first())
		f.mustSign(t)
		f.cosign(t, 2, electiontest.Open)
		return f
	}
	policy, err := e.m.LedgerPolicy()
	e.ledger = open(pgtest.Registrar(t), keys.Ledger, policy, err)
	policy, err = e.m.BallotsPolicy()
	e.ballots = open(pgtest.Ballotbox(t), keys.Ballots, policy, err)
	s := &board.Site{
		Lookup: func(id suite.ElectionID) (board.Half, board.Half, bool) {
			return board.Local(layout.Ledger, e.ledger.Log), board.Local(layout.Ballots, e.ballots.Log), id == e.id
		},
		List: func(context.Context) ([]suite.ElectionID, error) { return []suite.ElectionID{e.id, {1}}, nil },
	}
	e.handler = s.Handler()
	e.put(t, e.ledger, layout.Manifest, manifest)
	e.put(t, e.ballots, layout.Manifest, manifest) // both sides keep it
	return e
}

func (e *ended) put(t *testing.T, f *fixture, path string, body []byte) {
	t.Helper()
	if err := f.PutFile(t.Context(), path, body); err != nil {
		t.Fatal(err)
	}
}

// end makes both logs final.
func (e *ended) end(t *testing.T) {
	t.Helper()
	e.ledger.mustAppend(t, entries(1, 300)...)
	e.ledger.mustAppend(t, ledger.ActEntry([]byte{1}), []byte{0xff})
	e.ballots.mustAppend(t, entries(1, 520)...)
	e.ballots.mustAppend(t, []byte{0xff})
	e.ledger.mustSign(t)
	e.ballots.mustSign(t)
}

// publish puts every file of a stage that is not there yet.
func (e *ended) publish(t *testing.T, stage layout.Stage) {
	t.Helper()
	for path := range (layout.Shape{Manifest: e.m, Stage: stage, Acts: 1}).Must() {
		f := e.ledger
		if path == layout.StatementBox {
			f = e.ballots
		}
		if path != layout.Manifest && !strings.HasPrefix(path, "ledger/") && !strings.HasPrefix(path, "ballots/") {
			e.put(t, f, path, []byte(path))
		}
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	e := newEnded(t)
	dir := filepath.Join(t.TempDir(), "record")
	export := func() error { return board.Export(t.Context(), e.ledger.Log, e.ballots.Log, dir) }
	if export() == nil {
		t.Error("exported before the end")
	}
	e.end(t)
	if err := export(); !errors.Is(err, board.ErrNotCosigned) {
		t.Errorf("got %v, want ErrNotCosigned", err)
	}
	e.ledger.cosign(t, 2, electiontest.Close)
	e.ballots.cosign(t, 1, electiontest.Close)
	if err := export(); !errors.Is(err, board.ErrNotCosigned) {
		t.Errorf("one of two: got %v, want ErrNotCosigned", err)
	}
	e.ballots.cosign(t, 2, electiontest.Close)
	if export() == nil {
		t.Error("exported without the files of its stage")
	}
	e.publish(t, layout.Locked)
	for range 2 {
		if err := export(); err != nil {
			t.Fatal(err)
		}
		e.checkDir(t, dir, layout.Locked)
	}
	// Later stages complete the same directory.
	e.put(t, e.ledger, "shares/2", []byte("shares"))
	if export() == nil {
		t.Error("exported shares without a result")
	}
	e.publish(t, layout.Opened)
	if err := export(); err != nil {
		t.Fatal(err)
	}
	e.checkDir(t, dir, layout.Opened, "shares/2")
	e.publish(t, layout.Certified)
	e.put(t, e.ledger, "statements/teller-1", []byte("x"))
	if err := export(); err != nil {
		t.Fatal(err)
	}
	e.checkDir(t, dir, layout.Certified, "shares/2", "statements/teller-1")
}

// checkDir compares a directory with the list of its stage and with what the
// board serves.
func (e *ended) checkDir(t *testing.T, dir string, stage layout.Stage, more ...string) {
	t.Helper()
	want := slices.Collect(layout.Shape{Manifest: e.m, Stage: stage, Acts: 1, LedgerSize: 303, BallotsSize: 522}.Must())
	want = append(want, more...)
	slices.Sort(want)
	var got []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got = append(got, path)
		b, err := os.ReadFile(filepath.Join(dir, path))
		if w := e.get(path); err != nil || w.Code != 200 || !bytes.Equal(w.Body.Bytes(), b) {
			t.Errorf("%s: the board serves something else (%d, %v)", path, w.Code, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestExportInto exports into directories that hold something.
func TestExportInto(t *testing.T) {
	t.Parallel()
	e := newEnded(t)
	e.end(t)
	e.ledger.cosign(t, 2, electiontest.Close)
	e.ballots.cosign(t, 2, electiontest.Close)
	e.publish(t, layout.Locked)
	for _, tt := range []struct {
		name, file, body string
		ok               bool
	}{
		{"part of the same", "sealing", "sealing", true},
		{"left by an export that was killed", ".strikevote-export-12", "x", true},
		{"another content", "sealing", "other", false},
		{"another file", "notes", "x", false},
		{"another tile", "ballots/tile/0/002", "x", false},
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, tt.file)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(tt.body), 0o644); err != nil {
			t.Fatal(err)
		}
		err := board.Export(t.Context(), e.ledger.Log, e.ballots.Log, dir)
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if tt.ok {
			e.checkDir(t, dir, layout.Locked)
		} else if b, err := os.ReadFile(name); err != nil || string(b) != tt.body {
			t.Errorf("%s: the file was changed", tt.name)
		}
	}
	e.put(t, e.ballots, "roll/00009", []byte("x"))
	if err := board.Export(t.Context(), e.ledger.Log, e.ballots.Log, t.TempDir()); err == nil {
		t.Error("exported a file that no record has")
	}
}

// TestPages reads the pages for people.
func TestPages(t *testing.T) {
	t.Parallel()
	e := newEnded(t)
	page := func(path string, want ...string) {
		t.Helper()
		w := e.do("GET", path, "")
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: got %d %s", path, w.Code, w.Body)
		}
		for _, s := range want {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%s does not say %q", path, s)
			}
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
	path := "/" + e.id.String() + "/"
	page("/", "Strike authorization vote", `href="`+path+`"`, "This is a demo. It decides nothing.")
	page(path, "Strike authorization vote", "has not ended", "This is a demo", election.SixWords(e.mid), e.mid.String(),
		"strikevote verify https://board.union.example/"+e.id.String(), "published when the vote has ended")
	e.end(t)
	e.publish(t, layout.Locked)
	page(path, "Voting has ended", `ballots/checkpoint</a><span class="size">: 522 entries`)
	e.publish(t, layout.Opened)
	page(path, "opened, and not yet certified", `href="roll/00001"`)
	e.publish(t, layout.Certified)
	page(path, "The result is certified.")
}

// TestPageClose: the front page of a record tells the close in force, and that a vote was
// cancelled, from the acts that are published.
func TestPageClose(t *testing.T) {
	t.Parallel()
	e := newEnded(t)
	says := func(want string, sides ...string) {
		t.Helper()
		body := e.get("").Body.String()
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q: %s", want, body)
		}
		for _, s := range sides {
			if strings.Contains(body, s) {
				t.Errorf("the page says %q", s)
			}
		}
	}
	says("The committee can move the close", "in force")
	policy, err := e.m.LedgerPolicy()
	if err != nil {
		t.Fatal(err)
	}
	var tree tlog.Tree
	tree.Append(tlog.LeafHash(ledger.ManifestEntry(e.mid)))
	publish := func(sequence int, kind act.Kind, payload []byte) {
		entry := ledger.ActEntry(e.keys.Act(e.mid, kind, uint32(sequence), payload).Bytes())
		tree.Append(tlog.LeafHash(entry))
		note := e.keys.Ledger.Sign(tlog.Checkpoint{Origin: policy.Log.Name(), Size: tree.Size(), Root: tree.Root()})
		p, err := tlog.Prove(tree.Size(), tree.Size()-1, tree.Reader(), note, entry)
		if err != nil {
			t.Fatal(err)
		}
		e.put(t, e.ledger, layout.Act(sequence), p.Bytes())
	}
	early := time.Unix(electiontest.Close-900, 0).UTC().Format("15:04 UTC")
	publish(1, act.KindCloseEarly, act.CloseEarly{Close: electiontest.Close - 900}.Bytes())
	says(early+"</strong>", "can move the close")
	publish(2, act.KindCancel, act.Cancel{}.Bytes())
	says("The committee cancelled it", "in force")
	// One that cannot be read takes the page from nobody.
	e.put(t, e.ledger, layout.Act(3), []byte("junk"))
	says("The committee can move the close")
}

// TestPageNarrow: the command and the long numbers of a record's front page break, and its
// style is one that its policy lets a browser use.
func TestPageNarrow(t *testing.T) {
	t.Parallel()
	e := newEnded(t)
	for _, path := range []string{"/", "/" + e.id.String() + "/"} {
		w := e.do("GET", path, "")
		_, style, _ := strings.Cut(w.Body.String(), "<style>")
		style, _, _ = strings.Cut(style, "</style>")
		sum := sha256.Sum256([]byte(style))
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
			t.Errorf("%s: the style is not one of the policy", path)
		}
		for _, want := range []string{"white-space: pre-wrap", "word-break: break-all", "prefers-color-scheme: dark"} {
			if !strings.Contains(style, want) {
				t.Errorf("%s: the style has no %q", path, want)
			}
		}
		if !strings.Contains(w.Body.String(), "initial-scale=1") {
			t.Errorf("%s: a phone shows it small", path)
		}
	}
}
