package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"strikevote/internal/committee"
	"strikevote/internal/protocol/suite"
	"strikevote/migrations"
)

// Migrate brings every database of a deployment to this program's schema, as
// their owners, with the service stopped. It goes forward only. say is told
// what was done.
func Migrate(ctx context.Context, c Config, say func(format string, args ...any)) (err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := (&Deployment{c: c}).begun(); c.Registrar == nil && err != nil {
		return err // a private database is there already, or serve makes it
	}
	var s servers
	defer func() { err = errors.Join(err, s.stop()) }()
	// Not while another process serves: it would go on with the old schema.
	if err := s.start(ctx, c, plan{registrar: true, box: true}); err != nil {
		return err
	}
	if err := prepare(ctx, s.registrar, committeeDatabase, migrations.Committee); err != nil {
		return err
	}
	say("database %s is current", committeeDatabase)
	pool, err := s.openCommittee(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	papers := committee.New(committee.Config{Pool: pool, Log: c.Log, Now: time.Now, Status: notSealed})
	ids, err := papers.Elections(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.migrateElection(ctx, id); err != nil {
			return fmt.Errorf("election %s: %w", id, err)
		}
		say("the databases of election %s are current", id)
	}
	return nil
}

func notSealed(context.Context, suite.ElectionID) (committee.Status, bool) {
	return committee.Status{}, false
}
