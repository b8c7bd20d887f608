package registrar

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/mailbox"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/election"
)

// mail queues one mail, in the transaction of what it is about.
func (r *Registrar) mail(ctx context.Context, tx pgx.Tx, kind string, onRoll bool, at Place, when int64) error {
	id := randomID()
	_, err := tx.Exec(ctx, `INSERT INTO registrar.outbox (id, kind, on_roll, group_id, roll_index, not_before) VALUES ($1, $2, $3, $4, $5, $6)`,
		id[:], kind, onRoll, at.Group, at.Index, time.Unix(when, 0).UTC())
	if err != nil {
		return fmt.Errorf("queueing a mail: %w", err)
	}
	return nil
}

// formerWaits says whether a mail to the former address of a member, at $1 and $2, has
// not left yet.
const formerWaits = `EXISTS (SELECT FROM registrar.outbox o WHERE o.kind = 'replaced' AND o.on_roll
	AND o.group_id = $1 AND o.roll_index = $2 AND o.state IN ('queued', 'leased'))`

// mailFormer queues the word to an address that was corrected; to nobody, if there
// was none, or if one waits.
func (r *Registrar) mailFormer(ctx context.Context, tx pgx.Tx, at Place) error {
	var has bool
	err := tx.QueryRow(ctx, `SELECT former_email IS NOT NULL AND NOT `+formerWaits+` FROM registrar.member WHERE group_id = $1 AND roll_index = $2`, at.Group, at.Index).Scan(&has)
	if err != nil || !has {
		return err
	}
	return r.mail(ctx, tx, mailer.Replaced, true, at, r.c.Now().Unix())
}

var (
	// ErrLastHour is returned for reminders that would leave too late.
	ErrLastHour = errors.New("no reminder leaves in the last hour before the close, since it might arrive too late; that the close was moved is told until then by the mail moved")
	// ErrNotMoved is returned for the word that the close was moved, where it was not.
	ErrNotMoved = errors.New("the close was not moved: it is the one that all mails have named")
	// ErrMovedSpread is returned for such words of which the last would leave too late.
	ErrMovedSpread = errors.New("the last of these mails would leave after the close: send them over a shorter time")
	// ErrMailEarly is returned for reminders before the opening: their link would
	// be the first that a member gets, and not yet of use.
	ErrMailEarly = errors.New("reminders leave while voting is open, and it is not open yet")
	// ErrMailSpread is returned for announcements of which the last would leave too late.
	ErrMailSpread = errors.New("the last announcement would leave after voting opens: send them over a shorter time")
	// ErrMailLate is returned for what has no sense any more.
	ErrMailLate = errors.New("it is too late for this mail: an announcement leaves before voting opens, a reminder before it closes")
)

const (
	// remindAgain lies between two mails to a member that say that a vote is on: more
	// than one a day is a nuisance.
	remindAgain = 20 * time.Hour
	// closingAgain lies between a reminder and the closing mail on the last day, which
	// is the last chance.
	closingAgain = 4 * time.Hour
	lastDay      = 24 * time.Hour
	// movedAgain lies between two words that the close was moved. It is short, for the
	// close may be moved again, and keeps off who asks for the same mails twice.
	movedAgain = 10 * time.Minute
)

// receivers are who gets a mail of kind $1: whoever has an address, got none of its kind
// since $2, and no reminder or closing mail since $3, if it is one; and for whom none of
// them waits still. The time is that of the first turn: only who has not voted is tried
// again, so that by the time of an attempt the number of receivers would say how many have
// voted. Nobody is reminded for whom no link was queued, as in the moment
// between the opening and the invitations: it would leave before it. That the close was
// moved is told to those whose link has left, or is just leaving and may name the close
// before: one that waits names the close in force.
const receivers = ` FROM registrar.member m
	WHERE m.email IS NOT NULL AND NOT EXISTS (
		SELECT FROM registrar.outbox o WHERE o.on_roll AND o.group_id = m.group_id AND o.roll_index = m.roll_index
			AND (o.kind = $1 AND (o.turn > $2 OR o.state = 'queued' AND o.attempts = 0)
				OR $1 IN ('reminder', 'closing') AND o.kind IN ('reminder', 'closing', 'moved')
					AND (o.turn > $3 OR o.state = 'queued' AND o.attempts = 0)))
		AND ($1 NOT IN ('reminder', 'closing', 'moved') OR EXISTS (SELECT FROM registrar.outbox o WHERE o.on_roll
			AND o.group_id = m.group_id AND o.roll_index = m.roll_index AND o.kind IN ('invitation', 'corrected')
			AND ($1 <> 'moved' OR o.state <> 'queued')))`

// tellAgain lets everybody be told at once of a close that is moved again: a word that has
// had its turn names the one before. It looks at turns alone, and so at nobody's vote.
// Locked by id, as by the mailer, so that neither waits for the other in a ring.
func tellAgain(ctx context.Context, tx pgx.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `WITH told AS MATERIALIZED (
			SELECT id FROM registrar.outbox WHERE kind = 'moved' AND turn > $1 AND turn <= $2 ORDER BY id FOR UPDATE)
		UPDATE registrar.outbox o SET turn = $1 FROM told WHERE o.id = told.id`, now.Add(-movedAgain).UTC(), now.UTC())
	return err
}

// free is from when on a member may be reminded whose link has left, $6 seconds before.
// It is the turn of a reminder that is queued now, from which what lies between two is
// reckoned; where the link waits still, the turn moves when it leaves. NULL: any time.
const free = `(SELECT max(w.not_before) + $6::bigint * interval '1 second' FROM registrar.outbox w WHERE $1 IN ('reminder', 'closing') AND w.on_roll
	AND w.group_id = m.group_id AND w.roll_index = m.roll_index AND w.kind IN ('invitation', 'corrected') AND w.state = 'sent')`

// spaced returns since when a kind of mail, and since when a reminder of either kind,
// keeps a member from another.
func spaced(kind string, from time.Time, closes int64) (same, other time.Time) {
	same, other = time.Unix(0, 0), from.Add(-remindAgain)
	switch kind {
	case mailer.Reminder:
		same = other
	case mailer.Moved:
		same = from.Add(-movedAgain)
	case mailer.Closing:
		if !from.Before(time.Unix(closes, 0).Add(-lastDay)) {
			other = from.Add(-closingAgain)
		}
	}
	return same.UTC(), other.UTC()
}

// Enqueue queues a mail of a kind to everybody on the roll who has an address, the result
// to whoever else had a counted envelope, and that the close was moved to whoever else has
// a link for one, spread at random over a while from a
// moment on. Whoever got that kind before does not get it again; a reminder may be repeated after 20 hours, to those whose
// last one does not wait still, as in a pause: they would get two at once. So long lies
// between a reminder and the closing mail, too, but for the last day: 4 hours are enough
// there. Who needs no reminder is found out when it would leave, and told to nobody:
// whoever needs none is reckoned like all others. Invitations leave in the first half of
// the voting, however long the while is. It returns how many were queued. Nothing may
// leave before the election is ready.
func (r *Registrar) Enqueue(ctx context.Context, kind string, from time.Time, spread time.Duration) (int, error) {
	if err := r.mayEnqueue(ctx, kind); err != nil {
		return 0, err
	}
	var queued int
	err := alone(ctx, r.c.Pool, func(tx pgx.Tx) error {
		e, err := readRow(ctx, tx)
		if err != nil {
			return err
		}
		if kind == mailer.Invitation {
			spread = r.within(kind, e, from, spread)
		}
		if err := r.inTime(kind, e, from.Unix(), from.Add(spread).Unix()); err != nil {
			return err
		}
		if err := wasMoved(ctx, tx, kind); err != nil {
			return err
		}
		same, other := spaced(kind, from, e.close)
		tag, err := tx.Exec(ctx, `
			INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before)
			SELECT uuid_send(gen_random_uuid()), $1, m.group_id, m.roll_index, GREATEST($4::timestamptz + random() * $5::bigint * interval '1 second', `+free+`)`+receivers,
			kind, same, other, from.UTC(), int64(spread/time.Second), int64(mailer.LinkAge(r.manifest)/time.Second))
		if err != nil {
			return err
		}
		queued = int(tag.RowsAffected())
		more := 0
		switch kind {
		case mailer.Result:
			more, err = r.tellCounted(ctx, tx, from, spread)
		case mailer.Moved:
			more, err = tellAdmitted(ctx, tx, same, from, spread)
		}
		queued += more
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("queueing mails: %w", err)
	}
	return queued, nil
}

// within returns over which while mails of a kind leave, from a moment on, where most is
// wanted: by the middle of the time in which they are of use, so that one that is tried
// again still leaves in it.
func (r *Registrar) within(kind string, e row, from time.Time, most time.Duration) time.Duration {
	end := e.close
	switch kind {
	case mailer.Announcement:
		end = r.manifest.Schedule.Open
	case mailer.Reminder, mailer.Closing:
		end -= mailer.LastHour
	case mailer.Result:
		return most
	}
	return max(0, min(most, time.Duration(end-from.Unix())*time.Second/2))
}

// Within returns over which while mails of a kind are to leave, from a moment on, where
// nobody said how long for this kind: most, or less, so that all of them leave in time.
func (r *Registrar) Within(ctx context.Context, kind string, from time.Time, most time.Duration) (time.Duration, error) {
	var e row
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) (err error) {
		e, err = readRow(ctx, tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("looking when mails are to leave: %w", err)
	}
	return r.within(kind, e, from, most), nil
}

// CheckEnqueue returns what [Registrar.Enqueue] would now, of a result for those on the roll,
// and queues nothing.
func (r *Registrar) CheckEnqueue(ctx context.Context, kind string, from time.Time, spread time.Duration) (int, error) {
	if err := r.mayEnqueue(ctx, kind); err != nil {
		return 0, err
	}
	var n int
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		e, err := readRow(ctx, tx)
		if err != nil {
			return err
		}
		if err := r.inTime(kind, e, from.Unix(), from.Add(spread).Unix()); err != nil {
			return err
		}
		if err := wasMoved(ctx, tx, kind); err != nil {
			return err
		}
		same, other := spaced(kind, from, e.close)
		more, err := countAdmitted(ctx, tx, kind, same)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `SELECT count(*)`+receivers, kind, same, other).Scan(&n)
		n += more
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("queueing mails: %w", err)
	}
	return n, nil
}

func (r *Registrar) mayEnqueue(ctx context.Context, kind string) error {
	if !slices.Contains([]string{mailer.Announcement, mailer.Invitation, mailer.Reminder, mailer.Closing, mailer.Moved, mailer.Result}, kind) {
		return errors.New("queueing mails: this kind does not go to everybody")
	}
	if r.c.Ready != nil {
		if err := r.c.Ready(ctx); err != nil {
			return fmt.Errorf("queueing mails: %w", err)
		}
	}
	return nil
}

// inTime returns an error for a mail that would say what is not so when it leaves,
// between from and last.
func (r *Registrar) inTime(kind string, e row, from, last int64) error {
	open := r.manifest.Schedule.Open
	switch {
	case kind == mailer.Announcement && (e.phase != election.PhaseSealed || from >= open):
		return ErrMailLate
	case kind == mailer.Announcement && last >= open:
		return ErrMailSpread
	case kind == mailer.Invitation || kind == mailer.Result || kind == mailer.Announcement:
		return nil
	case e.phase == election.PhaseSealed || from < open:
		return ErrMailEarly
	case e.phase != election.PhaseOpen || from >= e.close:
		return ErrMailLate
	case kind == mailer.Moved && last >= e.close:
		return ErrMovedSpread
	case kind != mailer.Moved && last > e.close-mailer.LastHour:
		return ErrLastHour
	}
	return nil
}

// cleanWho returns an address or a number as it is looked up; ok is false for
// what can be neither.
func cleanWho(typed string) (who string, ok bool) {
	who = strings.TrimSpace(typed)
	return who, who != "" && len(who) <= 320 && utf8.ValidString(who) && !strings.ContainsFunc(who, unicode.IsControl)
}

// justAsked says whether a mail f was queued for the same place since $3, or waits for its
// first attempt.
const justAsked = `EXISTS (SELECT FROM registrar.outbox o WHERE o.kind = f.kind AND o.on_roll = f.on_roll
	AND o.group_id = f.group_id AND o.roll_index = f.roll_index AND (o.not_before > $3 OR o.state = 'queued' AND o.attempts = 0))`

// resend is one statement that writes one row, of the same size and into the same
// indexes, whoever was asked for: for nobody the row says so, waits in the queue as any
// other, and is dropped when its turn comes. It has the place of a member by chance,
// $4 and $5: were it always the same, the page of the index for it would be at hand,
// and those of members would have to be fetched, and written whole, after each
// checkpoint. That was to be seen from outside. What is read of a member is read of
// this one. Writing the row, and waiting for the disk, takes far longer than all that
// still differs. Before the opening
// everybody is nobody: no link leaves before the witnesses have signed the first
// checkpoints, and asking for one is open to all. Whoever was admitted to an envelope is
// nobody after the close: no envelope is taken any more.
const resend = `
	WITH found AS (
		SELECT true AS on_roll, group_id, roll_index, 'resend' AS kind FROM registrar.member
		WHERE (lower(email) = lower($1) OR member_no = $6) AND email IS NOT NULL
		UNION ALL
		SELECT false, group_id, roll_index, 'envelope' FROM registrar.applicant WHERE lower(email) = lower($1)
			AND NOT EXISTS (SELECT FROM registrar.election WHERE phase = 'closed' OR close_at <= $7)),
	taken AS (
		SELECT * FROM found
		UNION ALL
		SELECT true, group_id, roll_index, 'nobody' FROM registrar.member
		WHERE group_id = $4 AND roll_index = $5 AND NOT EXISTS (SELECT FROM found)),
	fresh AS MATERIALIZED (
		SELECT * FROM taken f
		WHERE EXISTS (SELECT FROM registrar.election WHERE phase IN ('open', 'closed'))
			AND NOT ` + justAsked + `),
	due AS (SELECT * FROM fresh WHERE kind <> 'nobody')
	INSERT INTO registrar.outbox (id, kind, on_roll, group_id, roll_index, state, not_before)
	SELECT uuid_send(gen_random_uuid()), kind, on_roll, group_id, roll_index, 'queued', $2::timestamptz FROM due
	UNION ALL
	SELECT uuid_send(gen_random_uuid()), 'nobody', true, $4::integer, $5::integer, 'queued', $2::timestamptz WHERE NOT EXISTS (SELECT FROM due)`

// somewhere returns a place on the roll by chance.
func (r *Registrar) somewhere() Place {
	var all uint64
	for _, g := range r.manifest.Groups {
		all += uint64(g.RollSize)
	}
	id := randomID()
	n := binary.BigEndian.Uint64(id[:]) % max(1, all)
	for _, g := range r.manifest.Groups {
		if n < uint64(g.RollSize) {
			return Place{Group: g.ID, Index: uint32(n)}
		}
		n -= uint64(g.RollSize)
	}
	return Place{}
}

// Resend queues the link again for everybody with an address or a number; at
// most once in ten minutes, and not while one waits for its first attempt: an outage or a
// pause would end with all that were asked for in it. It says nothing about whether there
// is such a person, and takes no link away.
func (r *Registrar) Resend(ctx context.Context, addressOrNumber string) error {
	return r.resend(ctx, addressOrNumber, nil)
}

// resend queues a link again, unless check, which may be nil, has something against it.
func (r *Registrar) resend(ctx context.Context, addressOrNumber string, check func(tx pgx.Tx, who string) error) error {
	who, ok := cleanWho(addressOrNumber)
	if !ok {
		return ErrWho
	}
	// As the roll keeps it. This is before all that depends on the roll, and takes as long
	// for an address that stands there as for another.
	address := mailbox.Kept(who)
	// One at a time waits for the lock below: others do so without a connection,
	// which those who vote need.
	select {
	case r.resends <- struct{}{}:
		defer func() { <-r.resends }()
	case <-ctx.Done():
		return ctx.Err()
	}
	now, at := r.c.Now().UTC(), r.somewhere()
	err := postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		// Two that look at once would both find that nothing was sent: one member's
		// mailbox could be filled. The lock is one for all, since whoever asks may
		// name an address or a number.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(resendLock)); err != nil {
			return err
		}
		if check != nil {
			if err := check(tx, who); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, resend, address, now, now.Add(-resendAgain), at.Group, at.Index, who, now.Unix())
		return err
	})
	if err != nil {
		return fmt.Errorf("queueing a link: %w", scrub(err))
	}
	return nil
}

// resendLock is held by whoever queues a link again.
const resendLock = 0x726573656e64 // "resend"
