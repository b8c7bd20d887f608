// Package backup keeps what the databases of one side hold in a folder of files,
// the archive, and checks such a folder: every file against its SHA-256, and every
// entry of a log against the signed checkpoints.
//
// An archive is of one side, never of both, and holds no key: together they would
// undo what the two are apart for. Rows stand in the order of their keys, so that
// an archive does not show in which order they came. The package opens no database
// and knows of the elections only what is published.
package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// The two sides.
const (
	Registrar = "registrar"
	Box       = "box"
)

// version is that of the archive's form.
const version = 1

// manifestName is the file that names all others.
const manifestName = "manifest.json"

// A Manifest says what an archive holds.
type Manifest struct {
	Format  int    `json:"format"`
	Program string `json:"program"` // the version that made it
	Side    string `json:"side"`
	Made    string `json:"made"` // when it was begun, RFC 3339 in UTC
	// Running says that the databases were in use meanwhile: what was acknowledged
	// since is not in it.
	Running   bool       `json:"running"`
	Databases []Database `json:"databases"`
	Notes     []Part     `json:"notes"` // files of the data folder that are no secret
}

// A Part is one file of an archive.
type Part struct {
	File   string `json:"file"` // below the archive's folder, with slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// A Database is one database. Election and Log are empty for the committee's own,
// and Log for an election that is not sealed.
type Database struct {
	Name     string  `json:"name"`
	Election string  `json:"election,omitempty"`
	Log      *Log    `json:"log,omitempty"`
	Tables   []Table `json:"tables"`
}

// A Table is the rows of one table.
type Table struct {
	Name    string   `json:"name"` // with its schema
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	Part
}

// Table returns the table of a name, or nil.
func (d *Database) Table(name string) *Table {
	if i := slices.IndexFunc(d.Tables, func(t Table) bool { return t.Name == name }); i >= 0 {
		return &d.Tables[i]
	}
	return nil
}

// A Log is the end of a side's log as it was copied.
type Log struct {
	Origin     string `json:"origin"`
	Size       int64  `json:"size"`
	Root       string `json:"root"`       // in hexadecimal
	Checkpoint string `json:"checkpoint"` // the newest that was signed
}

var (
	fileName = regexp.MustCompile(`^[a-z0-9_.-]+(/[a-z0-9_.-]+)*$`)
	sumOf    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// parts lists all files but the manifest.
func (m *Manifest) parts() []Part {
	list := slices.Clone(m.Notes)
	for _, d := range m.Databases {
		for _, t := range d.Tables {
			list = append(list, t.Part)
		}
	}
	return list
}

// check returns an error for a manifest that this program did not write.
func (m *Manifest) check() error {
	// They are shown to people: a terminal would obey other characters.
	if _, err := time.Parse(time.RFC3339, m.Made); err != nil || !printable.MatchString(m.Program) {
		return errors.New("it does not say when and by which program it was made")
	}
	if m.Format != version {
		return fmt.Errorf("its form is %d, and this program reads %d: use the version that made it, %s", m.Format, version, m.Program)
	}
	if m.Side != Registrar && m.Side != Box {
		return errors.New("it names no side")
	}
	if len(m.Databases) == 0 {
		return errors.New("it names no database")
	}
	// They are put into a data folder, where other names mean something.
	for _, p := range m.Notes {
		if !noteName.MatchString(p.File) || p.Bytes > maxNote || m.Side == Box && p.File != "notes/listen.json" {
			return errors.New("it has notes as no backup has")
		}
	}
	seen := map[string]bool{manifestName: true}
	for _, p := range m.parts() {
		if !fileName.MatchString(p.File) || !filepath.IsLocal(p.File) || seen[p.File] || !sumOf.MatchString(p.SHA256) || p.Bytes < 0 {
			return errors.New("it names files as no backup does")
		}
		seen[p.File] = true
	}
	return nil
}

// An Archive is a backup that is read.
type Archive struct {
	Manifest
	// Sum is the SHA-256 of the manifest, and so stands for the whole archive.
	Sum string

	dir string
}

// ErrDamaged is returned for an archive that is not what was written.
var ErrDamaged = errors.New("the backup is damaged; take another copy of it")

// maxManifest bounds what is read of a manifest, maxNote what is read of a note.
const (
	maxManifest = 64 << 20
	maxNote     = 1 << 20
)

var (
	printable = regexp.MustCompile(`^[ -~]{1,200}$`)
	noteName  = regexp.MustCompile(`^notes/(listen\.json|zone-[0-9a-f]{32})$`)
)

// Open reads the manifest of an archive. Its files are checked by [Archive.Check].
func Open(dir string) (*Archive, error) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // what is in a folder is not what is in a link to it
	}
	path := filepath.Join(dir, manifestName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no backup: there is no %s in it", dir, manifestName)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the backup: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("reading the backup: %w", err)
	}
	a, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	a.dir = dir
	return a, nil
}

func parse(b []byte) (*Archive, error) {
	d := json.NewDecoder(bytesReader(b))
	d.DisallowUnknownFields()
	a := &Archive{Sum: sum(b)}
	if err := d.Decode(&a.Manifest); err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	if d.More() {
		return nil, ErrDamaged
	}
	return a, a.check()
}

// Step is told how many bytes of how many are done.
type Step func(done, total int64)

// Check compares every file with its length and SHA-256, and refuses files that the
// manifest does not name. What was flipped, cut or exchanged in the archive is found;
// somebody who also writes a new manifest is found by its sum.
func (a *Archive) Check(step Step) error {
	var total, done int64
	wanted := map[string]bool{manifestName: true}
	for _, p := range a.parts() {
		total += p.Bytes
		wanted[p.File] = true
	}
	if err := a.checkNames(wanted); err != nil {
		return err
	}
	for _, p := range a.parts() {
		r, err := a.read(p)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, &counting{r: r, step: func(n int64) { done += n; step(done, total) }})
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("checking %s: %w", p.File, err)
		}
	}
	return nil
}

func (a *Archive) checkNames(wanted map[string]bool) error {
	err := filepath.WalkDir(a.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(a.dir, path)
		if err == nil && !wanted[filepath.ToSlash(rel)] {
			err = fmt.Errorf("%s is no part of this backup; move it away", path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("looking through the backup: %w", err)
	}
	return nil
}
