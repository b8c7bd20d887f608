package deployment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/board"
	"strikevote/internal/committee"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/migrations"
)

// databases checks the servers of the sides that this process has, and every
// election in them.
func (x *examination) databases(ctx context.Context) error {
	var s servers
	s.private = make(map[string]*cluster.Cluster)
	defer func() { _ = s.stop() }() // what was started for this
	var ids []suite.ElectionID
	if x.d.names() {
		server := x.server(ctx, &s, sideRegistrar, "registrar", migrations.RegistrarRoles, x.Registrar)
		if server != nil && x.look(ctx, sideRegistrar, server, migrations.Committee.Owner, x.Registrar != nil) {
			ids = x.committee(ctx, server)
			for _, id := range ids {
				x.election(ctx, sideRegistrar, server, id, migrations.Registrar)
			}
		}
	}
	if x.d.votes() {
		server := x.server(ctx, &s, sideBox, "ballotbox", migrations.BallotboxRoles, x.Box)
		if server != nil && x.look(ctx, sideBox, server, migrations.Ballotbox.Owner, x.Box != nil) {
			if !x.d.names() {
				var err error
				if ids, err = x.d.known(ctx); err != nil {
					return err
				}
			}
			for _, id := range ids {
				x.election(ctx, sideBox, server, id, migrations.Ballotbox)
			}
		}
	}
	return nil
}

func ofSide(side string) string { return "database of the " + side }

// server reaches a side's server: the configured one, the private one that serve
// runs, or the private one started for this. It returns nil if there is none yet.
func (x *examination) server(ctx context.Context, s *servers, side, name string, roles []string, configured postgres.Server) postgres.Server {
	if configured != nil {
		return configured
	}
	c := cluster.Config{Dir: filepath.Join(x.Data, "postgres", name), Name: name, Roles: roles, Log: x.Log}
	if _, err := os.Stat(filepath.Join(c.Dir, "data")); errors.Is(err, fs.ErrNotExist) {
		x.ok(ofSide(side), "there is none yet; serve makes it")
		return nil
	}
	other, err := cluster.Attach(ctx, c)
	if err == nil {
		return other
	}
	if !errors.Is(err, cluster.ErrNotRunning) {
		x.fail(ofSide(side), "run doctor as root, or as the account of the service", "%v", err)
		return nil
	}
	started, err := cluster.Start(ctx, c)
	if err != nil {
		x.fail(ofSide(side), "look at the log of serve", "%v", err)
		return nil
	}
	s.private[side] = started
	return started
}

// answerTime bounds one server's checks.
const answerTime = 20 * time.Second

// look checks a server as its owner role. It reports whether there is any use in
// looking further.
func (x *examination) look(ctx context.Context, side string, s postgres.Server, owner string, configured bool) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	pool, err := postgres.OpenRole(ctx, s, "postgres", owner)
	if err != nil {
		x.fail(ofSide(side), "see that the server runs, and that every role may log in as deploy/README.md says", "%v", err)
		return false
	}
	defer pool.Close()
	if err := postgres.CheckVersion(ctx, pool); err != nil {
		x.fail(ofSide(side), "install a newer one", "%v", err)
		return false
	}
	x.ok(ofSide(side), "it answers")
	if !configured {
		return true // it was started with the right settings, on the command line
	}
	x.settings(ctx, side, owner, pool)
	if side == sideBox {
		x.standby(ctx, pool)
	}
	return true
}

// standby looks for a second copy of the box's database.
func (x *examination) standby(ctx context.Context, q postgres.Querier) {
	const check = "settings of the " + sideBox
	switch there, err := postgres.HasStandby(ctx, q); {
	case err != nil:
		x.fail(check, "see that the server runs", "%v", err)
	case !there:
		x.warn(check, "add a synchronous standby, or use mirrored disks", "there is no second copy of ballots that were acknowledged")
	}
}

// settings checks a server's settings as a role has them.
func (x *examination) settings(ctx context.Context, side, role string, q postgres.Querier) {
	check := "settings of the " + side
	bad, unseen, err := postgres.CheckSettings(ctx, q)
	if err != nil {
		x.fail(check, "see that the server runs", "%v", err)
		return
	}
	for _, p := range unseen {
		x.warn(check, "run that once, or look at it yourself", "as %s: %s", role, p)
	}
	for _, p := range bad {
		x.fail(check, "set it as deploy/README.md says, and reload or restart the server", "as %s: %s", role, p)
	}
	if len(bad)+len(unseen) == 0 {
		x.ok(check, "as %s they lose and keep nothing that they should not", role)
	}
}

// committee checks the deployment's own database and returns the elections.
func (x *examination) committee(ctx context.Context, s postgres.Server) []suite.ElectionID {
	const check = "list of elections"
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	pool, err := postgres.OpenRole(ctx, s, committeeDatabase, migrations.Committee.Service)
	if absent(err) {
		x.warn(check, "run strikevote migrate; on private databases serve does it", "there is no database %s yet", committeeDatabase)
		return nil
	}
	if err != nil {
		x.fail(check, "see that the role may log in", "%v", err)
		return nil
	}
	defer pool.Close()
	if x.Registrar != nil {
		x.settings(ctx, sideRegistrar, migrations.Committee.Service, pool)
	}
	if err := current(ctx, pool, committeeDatabase, migrations.Committee); err != nil {
		x.pending(check, err)
		return nil
	}
	papers := committee.New(committee.Config{Pool: pool, Log: x.Log, Now: x.Now, Status: notSealed})
	ids, err := papers.Elections(ctx)
	if err != nil {
		x.fail(check, "look at the server's log", "%v", err)
		return nil
	}
	if len(ids) == 1 {
		x.ok(check, "1 election")
		return ids
	}
	x.ok(check, "%d elections", len(ids))
	return ids
}

func (x *examination) pending(check string, err error) {
	if errors.Is(err, ErrPending) {
		x.fail(check, "stop serve and run strikevote migrate", "%v", err)
		return
	}
	x.fail(check, "use the version of the program that the database was made with, or a newer one", "%v", err)
}

// election checks one side of an election: its schema, its role's settings, its
// keys. One that is not sealed has none of them.
func (x *examination) election(ctx context.Context, side string, s postgres.Server, id suite.ElectionID, kind migrations.Database) {
	check := fmt.Sprintf("election %s, %s", id, side)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	pool, err := openAs(ctx, s, id, kind.Service)
	if absent(err) && side == sideBox && x.sealed[id] {
		x.fail(check, "restore the backup of the box", "it is sealed, and the box has no database of it")
		return
	}
	if absent(err) {
		x.ok(check, "it is not sealed yet")
		return
	}
	if err != nil {
		x.fail(check, "see that the role may log in", "%v", err)
		return
	}
	defer pool.Close()
	configured, keys, read := x.Registrar != nil, x.registrarKeys, publishedManifest
	if side == sideBox {
		configured, keys, read = x.Box != nil, x.boxKeysThere, ballotbox.Manifest
	}
	if configured {
		x.settings(ctx, side, kind.Service, pool)
	}
	if err := current(ctx, pool, databaseName(id), kind); err != nil {
		x.pending(check, err)
		return
	}
	before := len(x.findings)
	manifest, err := read(ctx, pool)
	if errors.Is(err, board.ErrNotFound) || errors.Is(err, ballotbox.ErrEmpty) {
		x.ok(check, "it is not sealed yet")
		return
	}
	var m *election.Manifest
	if err == nil {
		x.sealed[id] = x.sealed[id] || side == sideRegistrar
		if m, err = election.Parse(manifest); err == nil {
			err = keys(ctx, s, sealedElection{m, election.MID(manifest), x.d.keys(id)})
		}
	}
	if err != nil {
		x.fail(check, "look at the server's log", "%v", err)
		return
	}
	if len(x.findings) == before { // otherwise it was said which key is missing
		x.ok(check, "its schema and keys are there")
	}
	if side == sideRegistrar {
		x.namedPage(ctx, m, election.MID(manifest), pool)
	}
}

// publishedManifest reads an election's manifest from the registrar's half of the
// record, where it stands once the election is sealed.
func publishedManifest(ctx context.Context, pool *pgxpool.Pool) ([]byte, error) {
	return board.New(board.Config{Pool: pool}).File(ctx, layout.Manifest)
}
