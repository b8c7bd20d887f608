package mailer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

const (
	// batchSize bounds how many mails leave twice when a process is killed
	// between sending them and marking them.
	batchSize = 100

	// lease is how long other processes keep off a claimed mail. It is longer
	// than a batch takes, sendTimeout included.
	lease = 5 * time.Minute

	sendTimeout = 30 * time.Second

	// maxAttempts bounds retries; with the pauses between them they go on for
	// about a day.
	maxAttempts = 30
)

// A job is a claimed row of the outbox and the person it is for.
type job struct {
	id       []byte
	kind     string
	attempts int
	onRoll   bool
	group    suite.GroupID
	index    uint32

	// looked up for this attempt
	name, email, unit, campus, language string
	jti                                 []byte
	used                                string // "", "issue", "deposit", "strike"
	close                               int64  // of voting, which an act may have moved
}

// state is what becomes of a job.
type state int

const (
	sent    state = iota
	again         // after a pause
	failed        // for good
	dropped       // not needed any more; the outbox shows it as sent, so that nobody sees who needed no reminder
)

// batch claims, sends and settles at most batchSize mails.
func (m *Mailer) batch(ctx context.Context) (claimed, left int, err error) {
	until := m.c.Now().UTC().Add(lease)
	jobs, err := m.claim(ctx, until)
	if err != nil || len(jobs) == 0 {
		return 0, 0, err
	}
	states := m.sendAll(ctx, jobs)
	for _, s := range states {
		if s == sent {
			left++
		}
	}
	return len(jobs), left, m.settle(ctx, jobs, states, until)
}

// claim leases mails that are due, or whose lease ran out with their process.
func (m *Mailer) claim(ctx context.Context, until time.Time) ([]*job, error) {
	// FOR UPDATE SKIP LOCKED: two processes that claim at once take different
	// rows, and neither waits.
	rows, err := m.c.Pool.Query(ctx, `
		WITH due AS (
			SELECT id FROM registrar.outbox
			WHERE state IN ('queued', 'leased') AND not_before <= $1
			  AND (state = 'queued' OR lease_until < $1)
			ORDER BY not_before, id LIMIT $3
			FOR UPDATE SKIP LOCKED),
		claimed AS (
			UPDATE registrar.outbox o SET state = 'leased', lease_until = $2, attempts = attempts + 1
			FROM due WHERE o.id = due.id
			RETURNING o.id, o.kind, o.attempts, o.on_roll, o.group_id, o.roll_index)
		SELECT c.id, c.kind, c.attempts, c.on_roll, c.group_id, c.roll_index,
			COALESCE(m.name, a.name, ''), COALESCE(m.email, a.email, ''), COALESCE(m.unit, ''),
			COALESCE(m.campus, a.campus, ''), COALESCE(m.language, a.language, ''),
			t.jti, COALESCE(u.kind, ''), COALESCE(e.close_at, $4)
		FROM claimed c
		LEFT JOIN registrar.election e ON true
		LEFT JOIN registrar.member m ON c.on_roll AND m.group_id = c.group_id AND m.roll_index = c.roll_index
		LEFT JOIN registrar.applicant a ON NOT c.on_roll AND a.group_id = c.group_id AND a.roll_index = c.roll_index
		LEFT JOIN registrar.used u ON c.on_roll AND u.group_id = c.group_id AND u.roll_index = c.roll_index
		LEFT JOIN registrar.token t ON t.on_roll = c.on_roll AND t.group_id = c.group_id AND t.roll_index = c.roll_index
			AND NOT EXISTS (SELECT FROM registrar.token_revoked r WHERE r.token_id = t.token_id)`,
		m.c.Now().UTC(), until, batchSize, m.c.Manifest.Schedule.Close)
	if err != nil {
		return nil, fmt.Errorf("claiming mails: %w", err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*job, error) {
		j := new(job)
		return j, row.Scan(&j.id, &j.kind, &j.attempts, &j.onRoll, &j.group, &j.index,
			&j.name, &j.email, &j.unit, &j.campus, &j.language, &j.jti, &j.used, &j.close)
	})
	if err != nil {
		return nil, fmt.Errorf("claiming mails: %w", err)
	}
	return jobs, nil
}

// sendAll sends with a few at once and returns what became of each.
func (m *Mailer) sendAll(ctx context.Context, jobs []*job) []state {
	states := make([]state, len(jobs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(m.c.Workers, len(jobs)) {
		wg.Go(func() {
			for i := range next {
				states[i] = m.send(ctx, jobs[i])
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	wg.Wait()
	return states
}

// send sends one mail. What went wrong is logged by kind alone: a sender's
// error may quote the address.
func (m *Mailer) send(ctx context.Context, j *job) state {
	if unneeded(j, m.c.Now()) {
		return dropped
	}
	if j.email == "" || j.attempts > maxAttempts { // the latter if its process is killed each time
		return failed
	}
	mail, err := m.compose(ctx, j)
	if err != nil {
		m.c.Log.ErrorContext(ctx, "mail not rendered", "kind", j.kind, "err", err)
		return m.retry(j)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err = m.c.Sender.Send(ctx, mail)
	switch {
	case err == nil:
		return sent
	case errors.Is(err, ErrRefused):
		m.c.Log.WarnContext(ctx, "mail refused", "kind", j.kind)
		return failed
	default:
		m.c.Log.WarnContext(ctx, "mail not sent", "kind", j.kind, "attempt", j.attempts)
		return m.retry(j)
	}
}

func (m *Mailer) retry(j *job) state {
	if j.attempts >= maxAttempts {
		return failed
	}
	return again
}

// unneeded says which mails have become pointless since they were queued.
// Whether a member needs a reminder is decided here, as late as can be, by
// nobody. One that waited for a retry into the last hour comes too late.
func unneeded(j *job, now time.Time) bool {
	switch j.kind {
	case Reminder, Closing:
		return j.used != "" || now.Unix() > j.close-LastHour
	case Issued, Deposited, Result:
		return false
	default:
		return j.used == "strike"
	}
}

// compose renders a mail, with a link where its kind has one.
func (m *Mailer) compose(ctx context.Context, j *job) (Mail, error) {
	p := person{name: j.name, group: j.group, unit: j.unit, campus: j.campus, language: j.language, close: j.close}
	if linked(j.kind) {
		if len(j.jti) != len(token.JTI{}) {
			return Mail{}, errors.New("the member has no live token")
		}
		kind := token.KindMember
		if !j.onRoll {
			kind = token.KindEnvelope
		}
		t, c := m.c.Minter.Mint(token.Body{Kind: kind, Election: m.c.Manifest.ElectionID, Group: j.group, Index: j.index,
			JTI: token.JTI(j.jti), Expires: m.c.Manifest.Schedule.TokenExpires()})
		p.link, p.code = token.Link(m.c.Manifest.Origins.Booth, t, m.c.MID), c.Reveal()
	}
	if j.kind == Result {
		if m.c.Outcome == nil {
			return Mail{}, errors.New("there is no result")
		}
		o, err := m.c.Outcome(ctx)
		if err != nil {
			return Mail{}, fmt.Errorf("reading the result: %w", err)
		}
		if p.outcome = o; o == nil {
			return Mail{}, errors.New("there is no result")
		}
	}
	mail, err := m.render.mail(j.kind, p, m.c.Now())
	if err != nil {
		return Mail{}, err
	}
	mail.ID, mail.To = randomID(), j.email
	return mail, nil
}

func linked(kind string) bool {
	switch kind {
	case Invitation, Reminder, Closing, Resend, Corrected, Envelope:
		return true
	}
	return false
}

// settle writes what became of the batch.
func (m *Mailer) settle(ctx context.Context, jobs []*job, states []state, until time.Time) error {
	// A process that is told to stop still marks what it sent.
	ctx = context.WithoutCancel(ctx)
	b := new(pgx.Batch)
	var done, lost [][]byte
	for i, j := range jobs {
		switch states[i] {
		case sent, dropped:
			done = append(done, j.id)
		case failed:
			lost = append(lost, j.id)
		case again:
			// Only while the lease is ours: another process may be at it.
			b.Queue(`UPDATE registrar.outbox SET state = 'queued', lease_until = NULL, not_before = $3
				WHERE id = $1 AND state = 'leased' AND lease_until = $2`, j.id, until, m.c.Now().UTC().Add(backoff(j.attempts)))
		}
	}
	b.Queue(`UPDATE registrar.outbox SET state = 'sent', lease_until = NULL WHERE id = ANY($1)`, done)
	b.Queue(`UPDATE registrar.outbox SET state = 'failed', lease_until = NULL WHERE id = ANY($1) AND state <> 'sent'`, lost)
	if err := m.c.Pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("marking mails: %w", err)
	}
	return nil
}

// backoff is the pause after a failed attempt: 15 seconds, doubling to an hour.
func backoff(attempts int) time.Duration {
	return min(time.Hour, 15*time.Second<<min(attempts-1, 10))
}
