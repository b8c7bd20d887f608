package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/backup"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
	"strikevote/migrations"
)

// Backup says what is to be copied, and where to.
type Backup struct {
	Side    string // registrar or box
	Out     string // a new folder
	Program string // this program's version, for the archive's manifest
	Step    func(name string, done, total int)
}

// sideServer is what the two sides differ by.
type sideServer struct {
	server postgres.Server
	folder string // of the private cluster
	roles  []string
	owner  string
}

// sideOf returns one side of the servers.
func (s *servers) sideOf(side string) sideServer {
	if side == sideBox {
		return sideServer{s.box, "ballotbox", migrations.BallotboxRoles, migrations.Ballotbox.Owner}
	}
	return sideServer{s.registrar, "registrar", migrations.RegistrarRoles, migrations.Registrar.Owner}
}

// Sides lists the sides that parts of the service have a database of.
func Sides(parts []Part) []string {
	d := Deployment{c: Config{Parts: parts}}
	var list []string
	if len(parts) == 0 || d.names() {
		list = append(list, sideRegistrar)
	}
	if len(parts) == 0 || d.votes() {
		list = append(list, sideBox)
	}
	return list
}

// kindOf returns what a database of a side is, and of which election: none of the
// committee's own. It reports false for one that is not this program's.
func kindOf(side, name string) (kind migrations.Database, election string, ours bool) {
	if side == sideRegistrar && name == committeeDatabase {
		return migrations.Committee, "", true
	}
	id, ok := strings.CutPrefix(name, "sv_")
	if _, err := suite.ParseElectionID(id); !ok || err != nil {
		return kind, "", false
	}
	if side == sideBox {
		return migrations.Ballotbox, id, true
	}
	return migrations.Registrar, id, true
}

// MakeBackup copies every database of one side into a new folder, each as it was at
// one moment, also while the service runs. It returns what it wrote and the SHA-256
// of its manifest.
//
// Rows are read by their keys and not as they lie on the disk: a dump in the order
// of the disk would show in which order ballots came and members were issued theirs.
// No key is in it, sealed or not: with the registrar's database the mailer's keys are
// every link, and a copy of a key that is destroyed at the lock makes the statement
// about that false.
func MakeBackup(ctx context.Context, c Config, b Backup) (m *backup.Manifest, sum string, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var s servers
	private := filepath.Join(c.Data, "postgres", s.sideOf(b.Side).folder, "data")
	if configured := b.Side == sideBox && c.Box != nil || b.Side == sideRegistrar && c.Registrar != nil; !configured {
		if _, err := os.Stat(private); err != nil {
			return nil, "", fmt.Errorf("looking for the database of the %s: %w", b.Side, err)
		}
	}
	if err := checkOut(c.Data, b.Out); err != nil {
		return nil, "", err
	}
	w, err := backup.Create(b.Out)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, w.Abort()) }()
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx, c, plan{registrar: b.Side == sideRegistrar, box: b.Side == sideBox, attach: true}); err != nil {
		return nil, "", err
	}
	m = &backup.Manifest{Program: b.Program, Side: b.Side, Made: time.Now().UTC().Format(time.RFC3339)}
	copying := copier{backup: b, side: s.sideOf(b.Side), w: w, m: m}
	if err := copying.databases(ctx); err != nil {
		return nil, "", err
	}
	if m.Notes, err = notes(c.Data, b.Side, w); err != nil {
		return nil, "", err
	}
	sum, err = w.Finish(m)
	return m, sum, err
}

// checkOut refuses a place where a backup must not be: within another one, which may be
// the other side's and would not be whole any more, or beside the keys.
func checkOut(data, out string) error {
	abs, err := filepath.Abs(out)
	if err != nil {
		return fmt.Errorf("looking for the folder of the backup: %w", err)
	}
	if data, err = filepath.Abs(data); err != nil {
		return fmt.Errorf("looking for the data folder: %w", err)
	}
	for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
		if dir == data {
			return errors.New("a backup does not go into the data folder, where the keys are; name another place")
		}
		if _, err := backup.Open(dir); err == nil {
			return fmt.Errorf("%s is a backup itself, and nothing goes into it; name another place", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// A copier copies the databases of one side.
type copier struct {
	backup Backup
	side   sideServer
	w      *backup.Writer
	m      *backup.Manifest
}

func (c *copier) databases(ctx context.Context) error {
	conn, err := postgres.Connect(ctx, c.side.server.URL("postgres", c.side.owner))
	if err != nil {
		return fmt.Errorf("connecting to the %s's database: %w", c.backup.Side, err)
	}
	defer conn.Close(ctx)
	all, err := postgres.Databases(ctx, conn)
	if err != nil {
		return err
	}
	names := slices.DeleteFunc(all, func(name string) bool { _, _, ours := kindOf(c.backup.Side, name); return !ours })
	if len(names) == 0 {
		return fmt.Errorf("there is no election on the %s's side yet, and nothing to keep", c.backup.Side)
	}
	// The committee's first: what it does not know yet of an election is done again,
	// as after a crash. "strikevote" is before "sv_".
	for i, name := range names {
		c.backup.Step("copying databases", i, len(names))
		if err := c.used(ctx, conn, name); err != nil {
			return err
		}
		d, err := c.database(ctx, name)
		if err != nil {
			return fmt.Errorf("copying database %s: %w", name, err)
		}
		if err := c.used(ctx, conn, name); err != nil {
			return err
		}
		// One that has no table was made when the program was killed, and is filled
		// when its election is sealed or made again. There is nothing to keep.
		if len(d.Tables) > 0 {
			c.m.Databases = append(c.m.Databases, d)
		}
	}
	c.backup.Step("copying databases", len(names), len(names))
	return c.logs()
}

// used notes whether somebody is at work in a database.
func (c *copier) used(ctx context.Context, q postgres.Querier, name string) error {
	kind, _, _ := kindOf(c.backup.Side, name)
	n, err := postgres.Sessions(ctx, q, name, []string{kind.Service})
	c.m.Running = c.m.Running || n > 0
	return err
}

// database copies one database in one transaction, which sees one moment.
func (c *copier) database(ctx context.Context, name string) (d backup.Database, err error) {
	conn, err := postgres.Connect(ctx, c.side.server.URL(name, c.side.owner))
	if err != nil {
		return d, err
	}
	defer conn.Close(ctx)
	_, d.Election, _ = kindOf(c.backup.Side, name)
	d.Name = name
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		tables, err := postgres.Tables(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range tables {
			kept := backup.Table{Name: t.String(), Columns: t.Columns}
			kept.Part, err = c.w.Part(name+"/"+t.String(), func(w io.Writer) (err error) {
				kept.Rows, err = postgres.CopyOut(ctx, tx, t, w)
				return err
			})
			if err != nil {
				return err
			}
			d.Tables = append(d.Tables, kept)
		}
		return nil
	})
	return d, err
}

// logs recomputes every log from what was written. A backup that would be refused
// when it is needed is none.
func (c *copier) logs() error {
	a := c.w.Archive(c.m)
	for i := range c.m.Databases {
		c.backup.Step("computing the logs anew", i, len(c.m.Databases))
		d := &c.m.Databases[i]
		state, err := a.Log(d)
		if err != nil {
			return err
		}
		if state != nil {
			d.Log = state.Recorded()
		}
	}
	c.backup.Step("computing the logs anew", len(c.m.Databases), len(c.m.Databases))
	return nil
}

// notes copies what a service needs to go on under the same addresses.
func notes(data, side string, w *backup.Writer) ([]backup.Part, error) {
	patterns := []string{"listen.json"}
	if side == sideRegistrar {
		patterns = append(patterns, "zone-*")
	}
	var list []backup.Part
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(data, pattern))
		if err != nil {
			return nil, fmt.Errorf("looking for notes: %w", err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // its election was wiped just now
			}
			if err != nil {
				return nil, fmt.Errorf("copying notes: %w", err)
			}
			p, err := w.Part("notes/"+filepath.Base(path), func(out io.Writer) error { _, err := out.Write(b); return err })
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
	}
	return list, nil
}
