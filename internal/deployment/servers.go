package deployment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/protocol/suite"
	"strikevote/migrations"
)

// committeeDatabase is the deployment's own database on the registrar's side.
const committeeDatabase = "strikevote"

// servers are the two database servers. They are two because transaction ids
// and the write-ahead log of one server would show which issuance and which
// ballot came together. One that this process has no business with is nil.
type servers struct {
	registrar, box postgres.Server
	// private holds the servers that this program runs itself, by side, and
	// attached those that another process of it runs. Only such ones are
	// migrated without being asked.
	private  map[string]*cluster.Cluster
	attached map[string]cluster.Config
}

// A plan says what servers to reach.
type plan struct {
	registrar, box bool // which sides are needed
	attach         bool // whether one that another process runs will do
}

// start reaches the configured servers, or starts private ones at once.
func (s *servers) start(ctx context.Context, c Config, p plan) error {
	s.private, s.attached = make(map[string]*cluster.Cluster), make(map[string]cluster.Config)
	var mu sync.Mutex // guards the two maps
	g := new(errgroup.Group)
	launch := func(side, name string, roles []string, configured postgres.Server, into *postgres.Server) {
		if *into = configured; configured != nil {
			return
		}
		cc := cluster.Config{Dir: filepath.Join(c.Data, "postgres", name), Name: name, Log: c.Log, Roles: roles}
		g.Go(func() error {
			cl, other, err := startOrAttach(ctx, cc, p.attach)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if other != nil {
				*into, s.attached[side] = other, cc
				return nil
			}
			*into, s.private[side] = cl, cl
			return nil
		})
	}
	if p.registrar {
		launch(sideRegistrar, "registrar", migrations.RegistrarRoles, c.Registrar, &s.registrar)
	}
	if p.box {
		launch(sideBox, "ballotbox", migrations.BallotboxRoles, c.Box, &s.box)
	}
	return g.Wait()
}

// attachTime bounds the wait for a server that another process starts or stops.
const attachTime = time.Minute

// startOrAttach starts a private server, or reaches the one that another process
// runs, where that will do. The other process may just be starting it, or ending
// it, so both are tried for a while.
func startOrAttach(ctx context.Context, c cluster.Config, share bool) (*cluster.Cluster, *cluster.Attached, error) {
	ctx, cancel := context.WithTimeout(ctx, attachTime)
	defer cancel()
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		cl, err := cluster.Start(ctx, c)
		if !errors.Is(err, cluster.ErrInUse) || !share {
			return cl, nil, err
		}
		a, aerr := cluster.Attach(ctx, c)
		if aerr == nil {
			return nil, a, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, errors.Join(err, aerr)
		case <-t.C:
		}
	}
}

// isPrivate reports whether a side's server is this program's own, in whichever
// process.
func (s *servers) isPrivate(side string) bool {
	_, attached := s.attached[side]
	return attached || s.private[side] != nil
}

// RunsDatabases reports whether this very process runs a database server, which ends with
// it: then no service runs beside it that had one of its own.
func (d *Deployment) RunsDatabases() bool { return len(d.servers.private) > 0 }

// allPrivate reports whether every server that this process has is private.
func (s *servers) allPrivate() bool {
	return (s.registrar == nil || s.isPrivate(sideRegistrar)) && (s.box == nil || s.isPrivate(sideBox))
}

// watch returns an error when a private server ends, by itself or with the
// process that ran it. The service then ends too: whoever started it starts it
// again, and the server recovers what it had acknowledged.
func (s *servers) watch(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for side, c := range s.private {
		g.Go(func() error {
			select {
			case <-ctx.Done():
				return nil
			case <-c.Done():
				return fmt.Errorf("the database of the %s stopped by itself; start the service again", side)
			}
		})
	}
	for side, c := range s.attached {
		g.Go(func() error { return watchAttached(ctx, side, c) })
	}
	return g.Wait()
}

// watchAttached looks every few seconds whether the process that runs a server
// still does.
func watchAttached(ctx context.Context, side string, c cluster.Config) error {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		// What else hinders one look is no reason to end: a crowd of connections may
		// have taken every file of this process for a moment.
		if _, err := cluster.Attach(ctx, c); errors.Is(err, cluster.ErrNotRunning) && ctx.Err() == nil {
			return fmt.Errorf("the process that ran the database of the %s has ended; start the service again", side)
		}
	}
}

// stopTime bounds a clean stop; after it the databases recover at the next
// start from their write-ahead logs.
const stopTime = 30 * time.Second

func (s *servers) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	var errs []error
	for _, c := range s.private {
		errs = append(errs, c.Stop(ctx))
	}
	return errors.Join(errs...)
}

func databaseName(id suite.ElectionID) string { return "sv_" + id.String() }

// prepare creates and migrates a database as its owner. It is fine if it is
// there already.
func prepare(ctx context.Context, s postgres.Server, name string, kind migrations.Database) error {
	owner, err := postgres.Connect(ctx, s.URL("postgres", kind.Owner))
	if err != nil {
		return fmt.Errorf("connecting to create database %s: %w", name, err)
	}
	err = postgres.CreateDatabase(ctx, owner, name, kind.Connect...)
	owner.Close(ctx)
	if err != nil && !errors.Is(err, postgres.ErrExists) {
		return err
	}
	conn, err := postgres.Connect(ctx, s.URL(name, kind.Owner))
	if err != nil {
		return fmt.Errorf("connecting to migrate database %s: %w", name, err)
	}
	defer conn.Close(ctx)
	for _, dir := range kind.Dirs {
		if err := postgres.Migrate(ctx, conn, migrations.FS, dir); err != nil {
			return fmt.Errorf("migrating database %s: %w", name, err)
		}
	}
	return nil
}

func (s *servers) openCommittee(ctx context.Context) (*pgxpool.Pool, error) {
	if s.isPrivate(sideRegistrar) {
		if err := prepare(ctx, s.registrar, committeeDatabase, migrations.Committee); err != nil {
			return nil, err
		}
	}
	pool, err := postgres.OpenRole(ctx, s.registrar, committeeDatabase, migrations.Committee.Service)
	if err != nil {
		return nil, err
	}
	err = current(ctx, pool, committeeDatabase, migrations.Committee)
	if err == nil {
		err = s.checkSettings(ctx, pool, sideRegistrar)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// checkSettings refuses a server that somebody else runs if it would lose what was
// acknowledged, or keep what ties members to ballots. A private one is set by this
// program.
func (s *servers) checkSettings(ctx context.Context, pool *pgxpool.Pool, side string) error {
	if s.isPrivate(side) {
		return nil
	}
	// What this role cannot see, doctor tells.
	problems, _, err := postgres.CheckSettings(ctx, pool)
	if err != nil {
		return fmt.Errorf("checking the settings of the %s's database server: %w", side, err)
	}
	if len(problems) > 0 {
		return fmt.Errorf("the %s's database server is not set as it has to be, see deploy/README.md: %s", side, strings.Join(problems, "; "))
	}
	return nil
}

// ErrPending is returned for a database whose schema is older than the program.
var ErrPending = errors.New("the database lacks migrations; run strikevote migrate with the service stopped")

// current returns [ErrPending] unless every migration is applied: new code on
// an old schema would fail in the middle of a vote.
func current(ctx context.Context, pool *pgxpool.Pool, name string, kind migrations.Database) error {
	for _, dir := range kind.Dirs {
		missing, err := postgres.Pending(ctx, pool, migrations.FS, dir)
		if err != nil {
			return fmt.Errorf("checking database %s: %w", name, err)
		}
		if len(missing) > 0 {
			return fmt.Errorf("database %s: %w (%s)", name, ErrPending, strings.Join(missing, ", "))
		}
	}
	return nil
}

// migrateElection applies what an election's databases lack.
func (s *servers) migrateElection(ctx context.Context, id suite.ElectionID) error {
	for _, side := range []struct {
		server postgres.Server
		kind   migrations.Database
	}{{s.registrar, migrations.Registrar}, {s.box, migrations.Ballotbox}} {
		if side.server == nil {
			continue
		}
		if err := prepare(ctx, side.server, databaseName(id), side.kind); err != nil {
			return err
		}
	}
	return nil
}

// openSide opens an election's database of one side as that side's service.
func openSide(ctx context.Context, s postgres.Server, id suite.ElectionID, kind migrations.Database) (*pgxpool.Pool, error) {
	pool, err := openAs(ctx, s, id, kind.Service)
	if err != nil {
		return nil, err
	}
	if err := current(ctx, pool, databaseName(id), kind); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// absent reports whether an error says that a database does not exist.
func absent(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "3D000"
}

// openAs opens an election's database as a given role.
func openAs(ctx context.Context, s postgres.Server, id suite.ElectionID, role string) (*pgxpool.Pool, error) {
	return postgres.OpenRole(ctx, s, databaseName(id), role)
}
