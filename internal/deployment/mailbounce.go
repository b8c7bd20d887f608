package deployment

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"strikevote/internal/committee"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/migrations"
)

// CountMail keeps what a mail system tells of mails, of whatever election they are, and
// returns how many events were of ours.
func (d *Deployment) CountMail(ctx context.Context, events []mailer.Event) (int, error) {
	return d.countEvents(ctx, events)
}

// CountAlone does the same for a program that the mail system starts for each bounce:
// it reads no key, and starts no database.
func CountAlone(ctx context.Context, c Config, events []mailer.Event) (known int, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := servers{registrar: c.Registrar}
	if s.registrar == nil {
		s.registrar, err = cluster.Attach(ctx, cluster.Config{
			Dir: filepath.Join(c.Data, "postgres", "registrar"), Name: "registrar", Log: c.Log, Roles: migrations.RegistrarRoles,
		})
		if err != nil {
			return 0, err
		}
	}
	papers, err := s.openCommittee(ctx)
	if err != nil {
		return 0, err
	}
	defer papers.Close()
	ids, err := committee.New(committee.Config{Pool: papers, Log: c.Log, Now: time.Now, Status: notSealed}).Elections(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		pool, err := openSide(ctx, s.registrar, id, migrations.Registrar)
		if absent(err) {
			continue // it is being made, or wiped
		}
		if err == nil {
			var n mailer.Counted
			n, err = mailer.Count(ctx, pool, events)
			known += n.New + n.Again
			pool.Close()
		}
		errs = append(errs, err)
	}
	return known, errors.Join(errs...)
}
