package deployment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strikevote/internal/backup"
	"strikevote/internal/platform/durable"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/record/layout"
)

// Restore says which backup is to be put back, and what is known of it.
type Restore struct {
	From string
	// Last is the operator's word that nothing was acknowledged after the backup:
	// the service was stopped before it, and never started again.
	Last bool
	// Newest names files with checkpoints that were seen elsewhere, which the backup
	// has to hold.
	Newest []string
	Do     bool // otherwise it is only checked
	Say    func(format string, args ...any)
	Step   func(name string, done, total int)
}

var (
	// ErrNotLast is returned where a backup is said to be the last state and is not.
	ErrNotLast = errors.New("it is not the last state, so without -last it can be restored for reading only")
	// ErrTarget is returned where something stands already that a restore would mix
	// with.
	ErrTarget = errors.New("a backup is restored where nothing is yet")
	// ErrSchema is returned for a backup of another version's tables.
	ErrSchema = errors.New("it was made by a version with other tables; restore it with that version, and start this one on the result")
)

// A restoration is under way.
type restoration struct {
	Restore
	c      Config
	a      *backup.Archive
	states map[string]*backup.State // by database
}

// RestoreBackup checks an archive: every file against its hash, every entry of a log
// against its root and what was signed. With [Restore.Do] it then fills new databases
// from it, compares what they hold with the archive, and only then lets them be found.
//
// An election that is not over is restored for reading only, unless the operator says
// that nothing came after: whoever was issued a ballot since could be issued another,
// and ballots that were promised a place in the log are not there.
func RestoreBackup(ctx context.Context, c Config, r Restore) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	x := &restoration{Restore: r, c: c, states: make(map[string]*backup.State)}
	for _, step := range []func() error{x.check, x.last, func() error { return x.target(ctx) }} {
		if err := step(); err != nil {
			return err
		}
	}
	if r.Do {
		if err := x.restore(ctx); err != nil {
			return err
		}
	}
	x.tell()
	return nil
}

// check verifies the archive by itself.
func (x *restoration) check() (err error) {
	if x.a, err = backup.Open(x.From); err != nil {
		return err
	}
	const kilo = 1 << 10 // an int may have 32 bits
	if err := x.a.Check(func(done, total int64) { x.Step("checking files", int(done/kilo), int(total/kilo)) }); err != nil {
		return err
	}
	x.Say("backup of the %s's side, made %s by version %s", x.a.Side, x.a.Made, x.a.Program)
	x.Say("SHA-256 of its manifest: %s", x.a.Sum)
	for i := range x.a.Databases {
		d := &x.a.Databases[i]
		x.Step("computing the logs anew", i, len(x.a.Databases))
		if _, election, ours := kindOf(x.a.Side, d.Name); !ours || election != d.Election {
			return fmt.Errorf("reading the backup: %s is no database of the %s", d.Name, x.a.Side)
		}
		if x.states[d.Name], err = x.a.Log(d); err != nil {
			return err
		}
		rows := int64(0)
		for _, t := range d.Tables {
			rows += t.Rows
		}
		if s := x.states[d.Name]; s != nil {
			x.Say("database %s: %d rows; log entries: %d, computed anew: root %s, signed up to %d", d.Name, rows, s.Size, s.Root, s.Signed)
		} else {
			x.Say("database %s: %d rows", d.Name, rows)
		}
	}
	x.Step("computing the logs anew", len(x.a.Databases), len(x.a.Databases))
	return nil
}

// last compares the backup with what is known of later states.
func (x *restoration) last() error {
	if x.Last && x.a.Running {
		return fmt.Errorf("%w: the service ran while it was made, so more may have been acknowledged after it", ErrNotLast)
	}
	files := slices.Clone(x.Newest)
	for _, s := range x.states {
		if s != nil {
			// Where the old data folder is used again, or its signed folder was copied.
			path := newestPath(x.c.Data, s.Manifest.ElectionID.String(), x.logName())
			if _, err := os.Stat(path); err == nil {
				files = append(files, path)
			}
		}
	}
	for _, path := range files {
		note, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading a newer checkpoint: %w", err)
		}
		switch err := x.compare(note); {
		case errors.Is(err, backup.ErrBehind) && x.Last:
			return fmt.Errorf("%w: comparing it with %s: %w", ErrNotLast, path, err)
		case errors.Is(err, backup.ErrBehind):
			x.Say("%s: %v", path, err)
		case err != nil:
			return fmt.Errorf("comparing the backup with %s: %w", path, err)
		default:
			x.Say("it holds all of the checkpoint in %s", path)
		}
	}
	return nil
}

// compare finds the log that a checkpoint is of.
func (x *restoration) compare(note []byte) error {
	origin, _, _ := strings.Cut(string(note), "\n")
	for _, s := range x.states {
		if s != nil && s.Policy.Log.Name() == origin {
			return s.Continues(note)
		}
	}
	return errors.New("it is no checkpoint of a log in this backup; name one of this side and this election")
}

func (x *restoration) logName() string {
	if x.a.Side == sideBox {
		return layout.Ballots
	}
	return layout.Ledger
}

// reading reports whether an election is restored for reading only.
func (x *restoration) reading(s *backup.State) bool { return !x.Last && x.unended(s) }

// unended reports whether more could have come to an election after the backup.
func (x *restoration) unended(s *backup.State) bool {
	switch {
	case s == nil:
		return false
	case x.a.Side == sideBox:
		return !s.Ended
	}
	return !slices.Contains(s.Files, layout.Certification)
}

func (x *restoration) configured() bool {
	return x.a.Side == sideBox && x.c.Box != nil || x.a.Side == sideRegistrar && x.c.Registrar != nil
}

// folders returns where a private cluster is to be, and where it is filled. A name of
// its own keeps serve from starting on half a restore.
func (x *restoration) folders() (final, filling string) {
	final = filepath.Join(x.c.Data, "postgres", new(servers).sideOf(x.a.Side).folder)
	return final, final + ".restoring"
}

// target refuses to mix a backup with anything.
func (x *restoration) target(ctx context.Context) error {
	if err := Unserved(x.c.Data); err != nil {
		return err
	}
	if x.configured() {
		return nil // each database is looked at when it is filled
	}
	final, filling := x.folders()
	if _, err := os.Lstat(final); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s holds a database already; name a new folder with -data", ErrTarget, final)
	}
	if _, err := os.Lstat(filling); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s was left by a restore that was interrupted; delete it and run this again", ErrTarget, filling)
	}
	return nil
}

func (x *restoration) restore(ctx context.Context) (err error) {
	if err := os.MkdirAll(x.c.Data, 0o711); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	// A service that started meanwhile would make an empty database in the place of this.
	held, err := holdAlone(x.c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.release()) }()
	s := new(servers)
	s.registrar, s.box = x.c.Registrar, x.c.Box
	side := s.sideOf(x.a.Side)
	final, filling := x.folders()
	var own *cluster.Cluster
	if !x.configured() {
		own, err = cluster.Start(ctx, cluster.Config{Dir: filling, Name: side.folder, Roles: side.roles, Log: x.c.Log})
		if err != nil {
			return err
		}
		side.server = own
	}
	err = x.fill(ctx, side)
	if own != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = errors.Join(err, own.Stop(stop))
	}
	if err != nil {
		return err
	}
	if err := x.placeNotes(); err != nil {
		return err
	}
	if own == nil {
		return nil
	}
	if err := os.Rename(filling, final); err != nil {
		return fmt.Errorf("putting the database in its place: %w", err)
	}
	return durable.SyncDir(filepath.Dir(final))
}

// placeNotes puts notes back where there are none.
func (x *restoration) placeNotes() error {
	for _, p := range x.a.Notes {
		b, err := x.a.Note(p)
		if err != nil {
			return err
		}
		err = durable.WriteNew(filepath.Join(x.c.Data, filepath.Base(p.File)), b)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("putting a note back: %w", err)
		}
	}
	return nil
}

// tell says what has to be done before the service is started, and what is lost.
func (x *restoration) tell() {
	if x.Do {
		x.Say("restored, and compared with the backup row by row")
	}
	other := sideRegistrar
	if x.a.Side == sideRegistrar {
		other = sideBox
	}
	if _, err := os.Stat(filepath.Join(x.c.Data, "postgres", new(servers).sideOf(other).folder)); errors.Is(err, fs.ErrNotExist) && x.c.Box == nil && x.c.Registrar == nil {
		x.Say("if the %s belongs on this machine too, restore its backup before serve is started", other)
	}
	for _, d := range x.a.Databases {
		s := x.states[d.Name]
		var wanted [][2]string
		switch {
		case d.Election == "":
			continue
		case s == nil:
			wanted = [][2]string{{sideRegistrar, keyRoll}, {sideRegistrar, keyFactor}} // a draft
		case x.a.Side == sideBox:
			wanted = boxKeyNames(s.Ended)
		default:
			wanted = registrarKeyNames(s.Manifest, s.Ended, slices.Contains(s.Files, layout.Certification))
		}
		for _, key := range wanted {
			path := keyring{dir: filepath.Join(x.c.Data, "keys", d.Election)}.path(key[0], key[1])
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				x.Say("put beside it before serve is started, from its copy: %s", path)
			}
		}
		switch {
		case x.reading(s):
			x.Say("%s", lost(x.a.Side, d.Election, x.a.Made))
		case x.unended(s):
			x.Say("election %s goes on, by your word that nothing was acknowledged after %s", d.Election, x.a.Made)
		}
	}
}

// lost says in words what an old state means.
func lost(side, id, made string) string {
	text := "election " + id + " is for reading only: its record is shown, and nothing is signed, issued or taken. "
	if side == sideBox {
		return text + "Ballots that were acknowledged after " + made + " are not in it. Their voters hold a promise, signed by the box, " +
			"which proves that the ballot was taken: let the committee ask for them. It decides whether to vote again."
	}
	return text + "Who was issued a ballot after " + made + " is not known to it, and could be issued a second one. The committee decides whether to vote again."
}
