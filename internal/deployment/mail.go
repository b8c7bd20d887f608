package deployment

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/committee"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/registrar"
	"strikevote/migrations"
)

// MailStatus returns where the mails of an election stand.
func (d *Deployment) MailStatus(ctx context.Context, id suite.ElectionID) (*mailer.Status, error) {
	e := d.running(id)
	if e == nil {
		return nil, errNotSealed
	}
	return mailer.ReadStatus(ctx, e.registrarPool, e.manifest, d.c.Now())
}

// MailSpread returns over which while a mail to everybody leaves if nobody says how long:
// that of the settings, or less, so that all of them leave in time.
func (d *Deployment) MailSpread(ctx context.Context, id suite.ElectionID, kind string) (time.Duration, error) {
	e, err := d.active(id)
	if err != nil {
		return 0, err
	}
	return e.registrar.Within(ctx, kind, d.c.Now(), d.c.Spread)
}

// PauseMail holds all mails of an election back, and reports whether they left until
// now.
func (d *Deployment) PauseMail(ctx context.Context, id suite.ElectionID, by string) (bool, error) {
	e := d.running(id)
	if e == nil {
		return false, errNotSealed
	}
	const done = "held all mails back"
	if err := committee.CheckNote(by, done); err != nil {
		return false, err
	}
	changed, err := mailer.Pause(ctx, e.registrarPool)
	if err != nil || !changed {
		return false, err
	}
	return true, d.committee.Note(ctx, id, by, done)
}

// ResumeMail lets the mails of an election leave again, those that are late over a
// while, and reports whether they were held back.
func (d *Deployment) ResumeMail(ctx context.Context, id suite.ElectionID, spread time.Duration, by string) (bool, error) {
	e, err := d.active(id)
	if err != nil {
		return false, err
	}
	const done = "let mails leave again"
	if err := committee.CheckNote(by, done); err != nil {
		return false, err
	}
	changed, err := mailer.Resume(ctx, e.registrarPool, d.c.Now(), spread, e.manifest.Schedule.Open)
	if err != nil || !changed {
		return false, err
	}
	return true, d.committee.Note(ctx, id, by, done)
}

// Addressees returns everybody on the roll of an election who has an address, before
// its sealing too. They are for the machine of the registrar alone.
func (d *Deployment) Addressees(ctx context.Context, id suite.ElectionID) ([]registrar.Member, error) {
	pool, done, err := d.rollPool(ctx, id)
	if err != nil {
		return nil, err
	}
	defer done()
	return registrar.Addressees(ctx, pool)
}

// rollPool returns the pool of an election's roll, and what gives it back.
func (d *Deployment) rollPool(ctx context.Context, id suite.ElectionID) (*pgxpool.Pool, func(), error) {
	if e := d.running(id); e != nil {
		return e.registrarPool, func() {}, nil
	}
	pool, err := openSide(ctx, d.servers.registrar, id, migrations.Registrar)
	if err != nil {
		return nil, nil, err
	}
	return pool, pool.Close, nil
}

// NoteCleared notes that a member was taken off a provider's lists, and queues their
// link again. Before the opening there is none to queue: it leaves with the
// invitations, and queued is false. Where nothing was queued for another reason the error
// says which.
func (d *Deployment) NoteCleared(ctx context.Context, id suite.ElectionID, number, by string) (queued bool, err error) {
	if err := d.committee.Note(ctx, id, by, "had the mail provider mail a member again"); err != nil {
		return false, err
	}
	if d.running(id) == nil {
		return false, nil
	}
	err = d.resendLink(ctx, id, number)
	if errors.Is(err, registrar.ErrEarly) {
		return false, nil
	}
	return err == nil, err
}

// errNoService is returned where nobody answers for the service.
var errNoService = errors.New("the service does not run here, so no mail leaves")

// A MailService is what a running service says of those that carry its mails.
type MailService struct {
	Held map[string]mailer.Reason // why senders are not asked at the moment, by name
	Free int                      // senders that are asked
	// Refused are posts about mails that were refused since it started: unsigned, or
	// not to be read.
	Refused map[string]int
}

// Stuck reports whether no sender is asked.
func (s *MailService) Stuck() bool { return s != nil && len(s.Held) > 0 && s.Free == 0 }

var (
	senderLine  = regexp.MustCompile(`^strikevote_mail_sender_held\{reason="([a-z]*)",sender="([a-z]+)"\} ([01])$`)
	refusedLine = regexp.MustCompile(`^strikevote_mail_events_total\{answer="(unsigned|unreadable)"\} ([0-9.e+]+)$`)
)

// MailService asks the running service about the senders of mails. It returns an error
// where it does not run on this machine.
func (d *Deployment) MailService(ctx context.Context) (*MailService, error) {
	addrs := map[string]bool{d.c.Listen[listenAdmin]: true}
	if err := Unserved(d.c.Data); !errors.Is(err, ErrServed) {
		// What answers there is another folder's.
		return nil, errors.Join(errNoService, err)
	}
	all, err := d.readServings()
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		addrs[s.Health] = true
	}
	client := &http.Client{Timeout: healthTime, Transport: &http.Transport{DisableKeepAlives: true}}
	x := &examination{Checkup: Checkup{Config: d.c, Client: client}}
	s := &MailService{Held: make(map[string]mailer.Reason), Refused: make(map[string]int)}
	answered := false
	for addr := range addrs {
		if addr == "" {
			continue
		}
		a, err := x.get(ctx, "http://"+addr+"/metrics")
		if err != nil || a.status != http.StatusOK {
			continue
		}
		answered = true
		s.read(a.body)
	}
	if !answered {
		return nil, errNoService
	}
	return s, nil
}

// read takes what a service's metrics say.
func (s *MailService) read(metrics string) {
	for line := range strings.Lines(metrics) {
		line = strings.TrimSpace(line)
		if m := senderLine.FindStringSubmatch(line); m != nil {
			if m[3] == "1" {
				s.Held[m[2]] = mailer.Reason(m[1])
			} else {
				s.Free++
			}
		}
		if m := refusedLine.FindStringSubmatch(line); m != nil {
			if n, err := strconv.ParseFloat(m[2], 64); err == nil {
				s.Refused[m[1]] += int(n)
			}
		}
	}
}
