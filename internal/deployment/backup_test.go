package deployment

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/backup"
	"strikevote/internal/board"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/migrations"
)

// copySide makes a backup of a side of the world's servers, and returns its folder.
func (w *world) copySide(t *testing.T, side string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), side)
	m, sum, err := MakeBackup(t.Context(), w.c, Backup{Side: side, Out: out, Program: "test", Step: func(string, int, int) {}})
	if err != nil {
		t.Fatal(err)
	}
	if m.Side != side || len(sum) != 64 || len(m.Databases) == 0 {
		t.Errorf("got %v, %s", m, sum)
	}
	return out
}

// putBack restores a backup and returns what it says.
func putBack(t *testing.T, c Config, r Restore) (string, error) {
	t.Helper()
	var said strings.Builder
	r.Say = func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	r.Step = func(string, int, int) {}
	err := RestoreBackup(t.Context(), c, r)
	return said.String(), err
}

// testBackup copies both sides of an open election from servers that somebody else
// runs, while it is served, and restores them on others: it is shown there, and rests.
func testBackup(t *testing.T, w *world) {
	registrar, box := w.copySide(t, sideRegistrar), w.copySide(t, sideBox)
	m, err := backup.Open(box)
	if err != nil || !m.Running || m.Databases[0].Log == nil {
		t.Fatalf("got %v, %v", m, err)
	}
	w.places(t, box)
	dir := folder(t)
	servers := start(t, dir, sideRegistrar, sideBox)
	c := w.c
	c.Data, c.Registrar, c.Box = filepath.Join(dir, "data"), servers[0], servers[1]

	if _, err := putBack(t, c, Restore{From: box, Last: true, Do: true}); !errors.Is(err, ErrNotLast) {
		t.Errorf("a backup of a running service is the last state: %v", err)
	}
	if _, err := putBack(t, w.c, Restore{From: box, Do: true}); !errors.Is(err, ErrServed) {
		t.Errorf("beside a running service: got %v, want ErrServed", err)
	}
	onto := w.c
	onto.Data = c.Data
	if _, err := putBack(t, onto, Restore{From: box, Do: true}); !errors.Is(err, ErrTarget) {
		t.Errorf("onto a database: got %v, want ErrTarget", err)
	}
	w.badRows(t, c, registrar)
	for _, from := range []string{registrar, box} {
		for _, do := range []bool{false, true} {
			said, err := putBack(t, c, Restore{From: from, Do: do})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"for reading only", "computed anew: root " + root(t, from), "put beside it"} {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not said:\n%s", want, said)
				}
			}
		}
		if from == registrar {
			w.oneSided(t, c)
		}
		// With its addresses the service that runs here would be found.
		if err := os.Remove(filepath.Join(c.Data, "listen.json")); err != nil {
			t.Errorf("the addresses were not put back: %v", err)
		}
		if _, err := putBack(t, c, Restore{From: from, Do: true}); !errors.Is(err, ErrTarget) {
			t.Errorf("restored twice: got %v, want ErrTarget", err)
		}
	}
	w.resting(t, c)
}

// root is the root of the log in a backup, as its manifest says it and as the one who
// made it read it.
func root(t *testing.T, from string) string {
	t.Helper()
	a, err := backup.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range a.Manifest.Databases {
		if d.Log != nil {
			return d.Log.Root
		}
	}
	t.Fatal("the backup has no log")
	return ""
}

// badRows restores an archive whose rows the database refuses, with fresh hashes over
// it. Nothing of it stays, so that the good one can be restored after it.
func (w *world) badRows(t *testing.T, c Config, from string) {
	t.Helper()
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.CopyFS(bad, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(bad, databaseName(w.id), "registrar.member")
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := bytes.SplitAfter(was, []byte("\n"))
	now := slices.Concat(was, rows[0]) // one member twice
	manifest := filepath.Join(bad, "manifest.json")
	m, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(b []byte) []byte { h := sha256.Sum256(b); return []byte(hex.EncodeToString(h[:])) }
	m = bytes.Replace(m, sum(was), sum(now), 1)
	m = bytes.Replace(m, fmt.Appendf(nil, `"bytes": %d,`, len(was)), fmt.Appendf(nil, `"bytes": %d,`, len(now)), 1)
	if err := errors.Join(os.WriteFile(path, now, 0o600), os.WriteFile(manifest, m, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = putBack(t, c, Restore{From: bad, Do: true})
	if err == nil || errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "registrar.member") || strings.Contains(err.Error(), "NUMBER-") {
		t.Errorf("got %v, want that the server refuses a row, and no member in it", err)
	}
}

// resting serves what was restored.
// oneSided serves what only the registrar's side was restored of: nothing begins, and it
// is said what is missing.
func (w *world) oneSided(t *testing.T, c Config) {
	t.Helper()
	c.Data = folder(t)
	if err := os.CopyFS(filepath.Join(c.Data, "keys"), os.DirFS(filepath.Join(w.c.Data, "keys"))); err != nil {
		t.Fatal(err)
	}
	const want = "restore the backup of the box"
	d, err := Open(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("served with one side restored: %v", err)
	}
	if err == nil {
		_ = d.Close()
	}
	found := false
	x := newExamination(Checkup{Config: c})
	if err := x.databases(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, f := range x.findings {
		found = found || f.State == StateFail && f.Do == want
	}
	if !found {
		t.Errorf("doctor does not say it: %v", x.findings)
	}
}

// places refuses a backup beside the keys, or within another backup.
func (w *world) places(t *testing.T, other string) {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	for out, good := range map[string]bool{
		filepath.Join(dir, "new"):           true,
		filepath.Join(dir, "data-2"):        true,
		filepath.Join(data, "new"):          false,
		filepath.Join(data, "keys", "new"):  false,
		filepath.Join(other, "new"):         false,
		filepath.Join(other, "deep", "new"): false,
	} {
		if err := checkOut(data, out); (err == nil) != good {
			t.Errorf("%s: %v", out, err)
		}
	}
}

func (w *world) resting(t *testing.T, c Config) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(c.Data, "keys"), os.DirFS(filepath.Join(w.c.Data, "keys"))); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	end := serve(d)
	defer func() {
		if err := errors.Join(end(), d.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := d.checkHalted(t.Context()); err == nil {
		t.Error("the election does not rest")
	}
	if o, err := d.Overview(t.Context(), w.id); err != nil || o.Rests == nil {
		t.Errorf("an operator is not told that it rests: %v", err)
	}
	if _, err := d.QueueMail(t.Context(), w.id, mailer.Reminder, 0, "Olga"); err == nil || !strings.Contains(err.Error(), "rests") {
		t.Errorf("mails are queued for an election that rests: %v", err)
	}
	for _, url := range []string{
		"http://" + d.Address(listenBox) + "/v1/" + w.id.String() + "/ballots",
		"http://" + d.Address(listenBox) + "/v1/" + w.id.String() + "/find",
		"http://" + d.Address(listenRegistrar) + "/v1/" + w.id.String() + "/issue",
		"http://" + d.Address(listenRegistrar) + "/v1/" + w.id.String() + "/status",
	} {
		a := w.ask(t, url, "application/json", []byte(`{}`))
		if a.status != http.StatusConflict || !strings.Contains(a.body, `"set_back"`) {
			t.Errorf("%s answers %d %s", url, a.status, a.body)
		}
	}
	resp, err := w.client.Get("http://" + d.Address(listenBoard) + "/" + w.id.String() + "/ballots/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the record is not shown: %s", resp.Status)
	}
}

// testBackupAtEnd: what is over needs nobody's word to come back as it was.
func testBackupAtEnd(t *testing.T, w *world) {
	for _, side := range []string{sideRegistrar, sideBox} {
		c := w.c
		c.Data = t.TempDir()
		said, err := putBack(t, c, Restore{From: w.copySide(t, side)})
		if err != nil || strings.Contains(said, "for reading only") || strings.Contains(said, "pending.key") || strings.Contains(said, "issuer-") {
			t.Errorf("%s: %v\n%s", side, err, said)
		}
	}
}

// testSetBack: a database that is set back under a running service is found by the
// next round.
func testSetBack(t *testing.T, w *world) {
	if err := w.d.checkHalted(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := postgres.Connect(t.Context(), w.c.Box.URL(databaseName(w.id), migrations.Ballotbox.Owner))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `INSERT INTO board.restored DEFAULT VALUES`); err != nil {
		t.Fatal(err)
	}
	w.turn(t)
	if err := w.d.checkHalted(t.Context()); !errors.Is(err, board.ErrRestored) {
		t.Errorf("got %v, want ErrRestored", err)
	}
	if a := w.ask(t, w.box("/find"), "application/json", []byte(`{}`)); a.status != http.StatusConflict || !strings.Contains(a.body, `"set_back"`) {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// TestToldOfLast says what an operator's word did: it lets an election go on that is not
// over, and means nothing to one that is.
func TestToldOfLast(t *testing.T) {
	t.Parallel()
	for _, ended := range []bool{false, true} {
		var said strings.Builder
		x := &restoration{
			Restore: Restore{Last: true, Say: func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }},
			c:       Config{Data: t.TempDir()},
			a: &backup.Archive{Manifest: backup.Manifest{Side: sideBox, Made: "2030-01-01T00:00:00Z",
				Databases: []backup.Database{{Name: "sv_x", Election: "x"}}}},
			states: map[string]*backup.State{"sv_x": {Ended: ended}},
		}
		x.tell()
		if strings.Contains(said.String(), "goes on, by your word") == ended || strings.Contains(said.String(), "for reading only") {
			t.Errorf("ended %v:\n%s", ended, &said)
		}
	}
}
