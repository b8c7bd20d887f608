package backup_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strikevote/internal/backup"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// tables are the rows of a box's database, as COPY writes them.
type tables map[string][]string

// columns are those of the tables that the log is in.
var columns = map[string][]string{
	"ballotbox.election": {"one", "manifest", "phase"},
	"board.entry":        {"index", "body"},
	"board.node":         {"index", "hash"},
	"board.head":         {"one", "size", "root", "chain"},
	"board.checkpoint":   {"size", "note"},
	"board.cosignature":  {"size", "witness", "line"},
	"board.file":         {"path", "body"},
}

func row(values ...any) string {
	var text []string
	for _, v := range values {
		switch v := v.(type) {
		case []byte:
			text = append(text, `\\x`+hex.EncodeToString(v))
		case suite.Hash:
			text = append(text, `\\x`+hex.EncodeToString(v[:]))
		case int64:
			text = append(text, strconv.FormatInt(v, 10))
		default:
			text = append(text, strings.ReplaceAll(v.(string), "\n", `\n`))
		}
	}
	return strings.Join(text, "\t") + "\n"
}

// A made log with a checkpoint at each of some sizes.
type made struct {
	tables
	election string
	keys     electiontest.Keys
	entries  [][]byte
	nodes    []suite.Hash
	notes    map[int64][]byte
}

func (m *made) read(indexes []int64) ([]suite.Hash, error) {
	var out []suite.Hash
	for _, x := range indexes {
		out = append(out, m.nodes[x])
	}
	return out, nil
}

// newMade makes the log of an election with so many entries, each number the first byte
// of one.
func newMade(t testing.TB, entries int64, signed ...int64) *made {
	t.Helper()
	manifest, keys := electiontest.Manifest(t)
	body, mid := electiontest.Encode(t, manifest)
	m := &made{tables: make(tables), election: manifest.ElectionID.String(), keys: keys, notes: make(map[int64][]byte)}
	m.tables["ballotbox.election"] = []string{row("t", body, "open")}
	chain := tlog.NewChain(mid)
	var root suite.Hash
	for i := range entries {
		entry := fmt.Appendf([]byte{1}, "ballot %d", i)
		leaf := tlog.LeafHash(entry)
		hashes, err := tlog.StoredHashes(i, leaf, m.read)
		if err != nil {
			t.Fatal(err)
		}
		for k, h := range hashes {
			m.tables["board.node"] = append(m.tables["board.node"], row(int64(len(m.nodes)+k), h))
		}
		m.nodes = append(m.nodes, hashes...)
		m.entries = append(m.entries, entry)
		m.tables["board.entry"] = append(m.tables["board.entry"], row(i, entry))
		chain.Add(leaf)
		if root, err = tlog.TreeHash(i+1, m.read); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(signed, i+1) {
			c := tlog.Checkpoint{Origin: manifest.Ballots.Origin, Size: i + 1, Root: root}
			m.notes[i+1] = keys.Ballots.Sign(c)
			m.tables["board.checkpoint"] = append(m.tables["board.checkpoint"], row(i+1, m.notes[i+1]))
			line := keys.Witnesses[0].Cosign(c.Text(), time.Unix(1_900_000_000, 0))
			m.tables["board.cosignature"] = append(m.tables["board.cosignature"], row(i+1, keys.Witnesses[0].Key().Name(), line))
		}
	}
	m.tables["board.head"] = []string{row("t", entries, root, chain.Head())}
	m.tables["board.file"] = []string{row("statements/box", []byte("x"))}
	return m
}

// write writes tables into an archive and returns its folder.
func (m *made) write(t testing.TB, tables tables) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "archive")
	w, err := backup.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	d := backup.Database{Name: "sv_" + m.election, Election: m.election}
	for name, columns := range columns {
		part, err := w.Part("sv_"+m.election+"/"+name, func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Join(tables[name], ""))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		d.Tables = append(d.Tables, backup.Table{Name: name, Columns: columns, Rows: int64(len(tables[name])), Part: part})
	}
	if _, err := w.Finish(&backup.Manifest{Program: "test", Side: backup.Box, Made: "2026-01-02T03:04:05Z", Databases: []backup.Database{d}}); err != nil {
		t.Fatal(err)
	}
	return out
}

func ignore(int64, int64) {}

// check opens an archive and checks all of it.
func check(dir string) (*backup.State, error) {
	a, err := backup.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := a.Check(ignore); err != nil {
		return nil, err
	}
	return a.Log(&a.Databases[0])
}

func TestLog(t *testing.T) {
	t.Parallel()
	m := newMade(t, 13, 5, 11)
	s, err := check(m.write(t, m.tables))
	if err != nil {
		t.Fatal(err)
	}
	if s.Size != 13 || s.Signed != 11 || s.Ended || !bytes.Equal(s.Note, m.notes[11]) || !slices.Equal(s.Files, []string{"statements/box"}) {
		t.Errorf("got %d entries, signed %d, ended %v, files %v", s.Size, s.Signed, s.Ended, s.Files)
	}
	for size, want := range map[int64]bool{5: true, 13: true, 14: false} {
		other := newMade(t, 14, 5, 13, 14)
		if err := s.Continues(other.notes[size]); (err == nil) != want || err != nil && !errors.Is(err, backup.ErrBehind) {
			t.Errorf("a checkpoint of %d entries: %v", size, err)
		}
	}
	fork := m.keys.Ballots.Sign(tlog.Checkpoint{Origin: s.Policy.Log.Name(), Size: 5})
	if err := s.Continues(fork); !errors.Is(err, backup.ErrBehind) {
		t.Errorf("a checkpoint of others: %v", err)
	}
}

// TestLogTampered changes one thing of the tables and writes an archive with fresh
// hashes over it: the log itself gives it away.
func TestLogTampered(t *testing.T) {
	t.Parallel()
	m := newMade(t, 13, 5, 11)
	flip := func(table string, at int) func(tables) {
		return func(x tables) {
			b := []byte(x[table][at])
			i := len(b) - 5 // a digit near the end
			if b[i] = '0'; x[table][at][i] == '0' {
				b[i] = '1'
			}
			x[table][at] = string(b)
		}
	}
	drop := func(table string, at int) func(tables) {
		return func(x tables) { x[table] = slices.Delete(x[table], at, at+1) }
	}
	tests := map[string]func(tables){
		"no manifest": func(x tables) { x["ballotbox.election"] = nil; x["board.head"] = []string{"x\n"} },
		"other manifest": func(x tables) {
			other, _ := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Seed = "other" })
			body, _ := electiontest.Encode(t, other)
			x["ballotbox.election"] = []string{row("t", body, "open")}
		},
		"entry dropped":     drop("board.entry", 4),
		"last entry gone":   drop("board.entry", 12),
		"entries exchanged": func(x tables) { x["board.entry"][3], x["board.entry"][4] = x["board.entry"][4], x["board.entry"][3] },
		"node dropped":      drop("board.node", 3),
		"last node gone":    func(x tables) { x["board.node"] = x["board.node"][:len(x["board.node"])-1] },
		"node added":        func(x tables) { x["board.node"] = append(x["board.node"], row(int64(len(m.nodes)), m.nodes[0])) },
		"no head":           drop("board.head", 0),
		"two heads":         func(x tables) { x["board.head"] = append(x["board.head"], x["board.head"][0]) },
		"head":              flip("board.head", 0),
		"checkpoint":        flip("board.checkpoint", 0),
		"newest checkpoint": flip("board.checkpoint", 1),
		"cosignature":       flip("board.cosignature", 0),
		"signed more": func(x tables) {
			x["board.checkpoint"] = append(x["board.checkpoint"], row(int64(14), newMade(t, 14, 14).notes[14]))
		},
		"signed others": func(x tables) {
			fork := m.keys.Ballots.Sign(tlog.Checkpoint{Origin: m.keys.Ballots.Key().Name(), Size: 12})
			x["board.checkpoint"] = append(x["board.checkpoint"], row(int64(12), fork))
		},
		"a column more": func(x tables) { x["board.node"][0] = "0\t" + x["board.node"][0] },
	}
	for i := range 13 {
		tests[fmt.Sprintf("entry %d", i)] = flip("board.entry", i)
	}
	for i := range m.tables["board.node"] {
		tests[fmt.Sprintf("node %d", i)] = flip("board.node", i)
	}
	for name, change := range tests {
		x := make(tables)
		for table, rows := range m.tables {
			x[table] = slices.Clone(rows)
		}
		change(x)
		s, err := check(m.write(t, x))
		if name == "no manifest" {
			// It counts as a draft, which the archive's manifest decides.
			if s != nil || err != nil {
				t.Errorf("%s: got %v, %v", name, s, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

// TestTampered changes files of an archive: each change is found, and the archive as it
// was is not.
func TestTampered(t *testing.T) {
	t.Parallel()
	m := newMade(t, 5, 5)
	entry := "sv_" + m.election + "/board.entry"
	for name, change := range map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"flipped": func(dir string) error {
			path := filepath.Join(dir, entry)
			b, err := os.ReadFile(path)
			b[len(b)/2] ^= 1
			return errors.Join(err, os.WriteFile(path, b, 0o600))
		},
		"cut":     func(dir string) error { return os.Truncate(filepath.Join(dir, entry), 40) },
		"emptied": func(dir string) error { return os.Truncate(filepath.Join(dir, entry), 0) },
		"longer": func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, entry), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("\n")
			return errors.Join(err, f.Close())
		},
		"missing":  func(dir string) error { return os.Remove(filepath.Join(dir, entry)) },
		"added":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "pending.key"), nil, 0o600) },
		"manifest": func(dir string) error { return os.Truncate(filepath.Join(dir, "manifest.json"), 100) },
		"none":     func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) },
		"a link out of it": func(dir string) error {
			path, outside := filepath.Join(dir, entry), filepath.Join(filepath.Dir(dir), "outside")
			return errors.Join(os.Rename(path, outside), os.Symlink(outside, path))
		},
	} {
		dir := m.write(t, m.tables)
		if err := change(dir); err != nil {
			t.Fatal(name, err)
		}
		if _, err := check(dir); (err == nil) != (name == "nothing") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func note(file string) string {
	return fmt.Sprintf(`{"file": %q, "bytes": 0, "sha256": %q}`, file, strings.Repeat("0", 64))
}

// TestManifest refuses manifests that would lead out of the archive, or that another
// version wrote.
func TestManifest(t *testing.T) {
	t.Parallel()
	m := newMade(t, 2, 2)
	b, err := os.ReadFile(filepath.Join(m.write(t, m.tables), "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := backup.Parse(b); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"format": 1`, `"format": 2`},
		{`"side": "box"`, `"side": "both"`},
		{`"side": "box"`, `"side": "box", "key": "x"`},
		{"/board.entry", "/../../board.entry"},
		{"sv_" + m.election + "/board.entry", "/etc/board.entry"},
		{"/board.entry\"", "/board.node\""},
		{"/board.entry\"", "/Board.entry\""},
		{"sv_" + m.election + "/board.entry", "manifest.json"},
		{`"sha256": "`, `"sha256": "0`},
		{`"bytes": `, `"bytes": -`},
		{"\n}\n", "\n}\n{}"},
		{`"program": "`, `"program": "\u001b]0;x`},
		{`"made": "`, `"made": "\u001b[2J`},
		{`"notes": null`, `"notes": [` + note("notes/keys") + `]`},
		{`"notes": null`, `"notes": [` + note("notes/serving-box.json") + `]`},
		{`"notes": null`, `"notes": [` + note("notes/zone-"+strings.Repeat("a", 32)) + `]`}, // of the registrar's side only
	} {
		changed := bytes.Replace(b, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, b) {
			t.Fatal(change, "changes nothing")
		}
		if err := backup.Parse(changed); err == nil {
			t.Errorf("%s is taken", change[1])
		}
	}
}

// TestUnfinished leaves nothing that looks like a backup, and takes no name that is
// there.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "archive")
	w, err := backup.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Part("a/b", func(w io.Writer) error { _, err := w.Write([]byte("x")); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a backup has the name of one: %v", err)
	}
	full := errors.New("the disk is full")
	if _, err := w.Part("c", func(io.Writer) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(filepath.Dir(out)); err != nil || len(list) != 0 {
		t.Errorf("something was left: %v, %v", list, err)
	}
	m := newMade(t, 1, 1)
	if _, err := backup.Create(m.write(t, m.tables)); err == nil {
		t.Error("a backup takes the place of another")
	}
	info, err := os.Stat(m.write(t, m.tables))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into it: %v, %v", info, err)
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		`a\tb\nc\\d\re`: "a\tb\nc\\d\re", `\\x00ff`: `\x00ff`, ``: ``, `\b\f\v`: "\b\f\v",
	} {
		if got := string(backup.Unescape([]byte(field))); got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	if backup.Unescape([]byte(`\N`)) != nil {
		t.Error("null is not nil")
	}
}

// FuzzManifest reads manifests of strangers.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":1,"program":"x","side":"box","made":"x","running":true,"databases":[{"name":"sv_x","tables":[]}],"notes":[]}`))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = backup.Parse(b) })
}
