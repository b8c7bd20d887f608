package registrar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailbox"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
)

// What only whoever has the roll is told of a link that is to be sent again. The public
// page says the same to everybody.
var (
	// ErrNobody is returned where nobody has an address.
	ErrNobody = errors.New("nobody on the roll has this address, nor anybody admitted")
	// ErrNoAddress is returned for a member to whom no mail can go.
	ErrNoAddress = errors.New("this member has no address: give one with roll address, or print a sealed slip with roll slips")
	// ErrEarly is returned before the opening.
	ErrEarly = errors.New("voting is not open yet; the link leaves with the invitations, once it is")
	// ErrOver is returned where nobody can use a link any more.
	ErrOver = errors.New("voting is over: no link is of use any more, and none is sent")
	// ErrOverEnvelope is returned after the close for somebody who was admitted.
	ErrOverEnvelope = errors.New("voting has closed: no envelope is taken any more, and no link for one is sent")
	// ErrJustSent is returned where [Registrar.Resend] would queue no second mail.
	ErrJustSent = errors.New("this link was sent again less than ten minutes ago, or is about to leave")
)

// Known returns the member with a number, as far as somebody at the terminal has to see
// that it is the right one: number, name, address and unit. It returns [ErrNoMember].
func (r *Registrar) Known(ctx context.Context, number string) (m Member, err error) {
	err = r.c.Pool.QueryRow(ctx, `SELECT member_no, name, COALESCE(email, ''), unit FROM registrar.member WHERE member_no = $1`, number).
		Scan(&m.Number, &m.Name, &m.Email, &m.Unit)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, ErrNoMember
	}
	if err != nil {
		return m, fmt.Errorf("finding a member: %w", scrub(err))
	}
	return m, nil
}

// CheckNewLink returns whose link [Registrar.NewLink] would replace, or the error that it
// would return, and replaces none.
func (r *Registrar) CheckNewLink(ctx context.Context, number string) (Member, error) {
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, _, _, err := liveToken(ctx, tx, number); err != nil {
			return err
		}
		_, err := r.mayLink(ctx, tx)
		return err
	})
	if err != nil {
		return Member{}, fmt.Errorf("replacing a link: %w", scrub(err))
	}
	return r.Known(ctx, number)
}

// errLooked ends a transaction of which nothing is to stay.
var errLooked = errors.New("nothing is to stay")

// CheckStage returns what [Registrar.Unstage] and [Registrar.Stage] would, one after the
// other, and keeps nothing of either.
func (r *Registrar) CheckStage(ctx context.Context, m Member, waiting []suite.Hash) (g suite.GroupID, leaf suite.Hash, err error) {
	err = alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		if _, err := unstage(ctx, tx, waiting); err != nil {
			return err
		}
		if g, leaf, err = r.stage(ctx, tx, m); err != nil {
			return err
		}
		return errLooked
	})
	if errors.Is(err, errLooked) {
		return g, leaf, nil
	}
	return 0, suite.Hash{}, fmt.Errorf("staging an addition: %w", scrub(err))
}

// CheckAdmit returns the error that [Registrar.Admit] would, and admits nobody.
func (r *Registrar) CheckAdmit(ctx context.Context, a Applicant) error {
	err := r.readyFor(ctx, a)
	if err == nil {
		err = alone(ctx, r.c.Pool, func(tx pgx.Tx) error { return r.mayAdmit(ctx, tx, a) })
	}
	if err != nil {
		return fmt.Errorf("admitting an applicant: %w", scrub(err))
	}
	return nil
}

// CheckResend returns whose link [Registrar.ResendKnown] would send again, or the error
// that it would return, and queues nothing. Who was admitted has no number. finish is zero
// while voting is open; after the close a link only finishes a ballot that was issued
// before, until then.
func (r *Registrar) CheckResend(ctx context.Context, addressOrNumber string) (list []Member, finish int64, err error) {
	who, ok := cleanWho(addressOrNumber)
	if !ok {
		return nil, 0, ErrWho
	}
	err = postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		list, finish, err = r.whoseLink(ctx, tx, who)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("sending a link again: %w", scrub(err))
	}
	return list, finish, nil
}

// ResendKnown is [Registrar.Resend] for whoever has the roll: it says why no link would
// leave, and then queues nothing.
func (r *Registrar) ResendKnown(ctx context.Context, addressOrNumber string) error {
	return r.resend(ctx, addressOrNumber, func(tx pgx.Tx, who string) error {
		_, _, err := r.whoseLink(ctx, tx, who)
		return err
	})
}

// whoseLink finds those for whom the statement resend would queue a mail that leaves, and
// returns what [Registrar.CheckResend] does.
func (r *Registrar) whoseLink(ctx context.Context, tx pgx.Tx, who string) (list []Member, finish int64, err error) {
	e, err := readRow(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	s := State{Phase: e.phase, Close: e.close}
	switch {
	case r.early(s):
		return nil, 0, ErrEarly
	case r.over(s):
		return nil, 0, ErrOver
	}
	if r.finishing(s) {
		finish = s.Close + r.manifest.Schedule.Grace
	}
	rows, err := tx.Query(ctx, `
		SELECT on_roll, number, name, email, unit, struck, `+justAsked+` FROM (
			SELECT true AS on_roll, group_id, roll_index, 'resend' AS kind, member_no AS number, name, COALESCE(email, '') AS email, unit,
				EXISTS (SELECT FROM registrar.used u WHERE u.group_id = m.group_id AND u.roll_index = m.roll_index AND u.kind = 'strike') AS struck
			FROM registrar.member m WHERE lower(email) = lower($1) OR member_no = $2
			UNION ALL
			SELECT false, group_id, roll_index, 'envelope', '', name, COALESCE(email, ''), '', false FROM registrar.applicant WHERE lower(email) = lower($1)) f
		ORDER BY number`, mailbox.Kept(who), who, r.c.Now().UTC().Add(-resendAgain))
	if err != nil {
		return nil, 0, err
	}
	var m Member
	var onRoll, struck, asked bool
	why := ErrNoMember
	if strings.Contains(who, "@") {
		why = ErrNobody
	}
	_, err = pgx.ForEachRow(rows, []any{&onRoll, &m.Number, &m.Name, &m.Email, &m.Unit, &struck, &asked}, func() error {
		switch {
		case finish > 0 && !onRoll:
			why = ErrOverEnvelope
		case struck:
			why = ErrStruck
		case m.Email == "":
			why = ErrNoAddress
		case asked:
			why = ErrJustSent
		default:
			list = append(list, m)
		}
		return nil
	})
	if err == nil && len(list) == 0 {
		err = why
	}
	return list, finish, err
}

// resendAgain lies between two mails with the same link to a member.
const resendAgain = 10 * time.Minute
