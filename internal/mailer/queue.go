package mailer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

const (
	// lease is how long other processes keep off a claimed mail. It is longer
	// than a batch takes with two senders, [sendTimeout] included.
	lease = 2 * time.Minute

	sendTimeout = 45 * time.Second

	// grace is for how long a sender goes on when the process is told to stop: cut off
	// at once, its mails would be of unknown fate, and leave again.
	grace = 5 * time.Second

	// maxAttempts bounds retries; with the pauses between them they go on for
	// about a day. Those at which a sender keeps a mail back for its own sake, and not
	// for the mail's, do not count: an outage may be longer, and says nothing of one mail.
	maxAttempts = 30

	// patience is for how long after its turn a mail is spared so that a sender keeps back
	// while it takes others. One that takes a few of each batch, as a server does that
	// lets so many pass in an hour, may do so for days; but it may mean this mail after
	// all, and then the mail must end. Where it takes none of anybody, no attempt counts.
	patience = 7 * 24 * time.Hour
)

// A job is a claimed row of the outbox and the person it is for.
type job struct {
	id       []byte
	kind     string
	attempts int
	turn     time.Time // when its turn came first
	sender   string    // that may have taken it before
	onRoll   bool
	group    suite.GroupID
	index    uint32

	// looked up for this attempt
	name, email, former, unit, campus, language string
	jti                                         []byte
	used                                        string // "", "issue", "deposit", "strike"
	close                                       int64  // of voting, which an act may have moved
	phase                                       election.Phase
	stopped                                     bool // of a word to an old address: links were sent there

	mail   Mail
	state  state // what becomes of it
	reason Reason
	spared bool // a sender kept it back for its own sake, so that this attempt does not count
}

// state is what becomes of a job.
type state int

const (
	again state = iota // after a pause
	sent
	failed  // for good
	dropped // not needed any more; the outbox shows it as sent, so that nobody sees who needed no reminder
)

// batch claims, sends and settles at most [Batch] mails.
func (m *Mailer) batch(ctx context.Context) (claimed, left int, err error) {
	if len(m.route.open(m.c.Now())) == 0 {
		return 0, 0, nil // all are held back; who claimed now would only use up attempts
	}
	until := m.c.Now().UTC().Add(m.c.Lease)
	jobs, err := m.claim(ctx, until)
	if err != nil || len(jobs) == 0 {
		return 0, 0, err
	}
	var ready []*job
	for _, j := range jobs {
		if m.prepare(ctx, j) {
			ready = append(ready, j)
		}
	}
	err = m.sendAll(ctx, ready, until)
	for _, j := range jobs {
		switch {
		case j.state == sent:
			left++
		case j.state == again && j.attempts >= maxAttempts && !j.spared:
			j.state = failed
		}
	}
	return len(jobs), left, errors.Join(err, m.settle(ctx, jobs, until))
}

// LinkAge is how long a member has a link before they are reminded of it: four hours, and
// less where the whole vote is short. In a rehearsal and in a demo it is zero: whoever
// tries the mails there tries them all in one evening.
func LinkAge(m *election.Manifest) time.Duration {
	if m.Rehearsal || m.Demo {
		return 0
	}
	return min(4*time.Hour, time.Duration(m.Schedule.Close-m.Schedule.Open)*time.Second/12)
}

const (
	// itsLink finds the mail w that brings the link of which a reminder o speaks.
	itsLink = ` FROM registrar.outbox w
	WHERE o.kind IN ('reminder', 'closing') AND o.on_roll AND w.kind IN ('invitation', 'corrected') AND w.on_roll
		AND w.group_id = o.group_id AND w.roll_index = o.roll_index`
	// linkWaits is whether a mail o is a reminder whose link has not left.
	linkWaits = `EXISTS (SELECT` + itsLink + ` AND w.state IN ('queued', 'leased'))`
	// keptBack is whether a mail o is a reminder whose link waits, or has left only since $2.
	keptBack = `EXISTS (SELECT` + itsLink + ` AND (w.state IN ('queued', 'leased') OR w.state = 'sent' AND w.not_before > $2))`
)

// linkedBefore is whether a mail c is a word to an old address and a link had left before:
// whoever never had one is not to look for it. It left at its last time: one whose turn had
// come before the correction, and that was held back, went to the new address.
const linkedBefore = `c.kind = 'replaced' AND EXISTS (SELECT FROM registrar.outbox w WHERE w.on_roll AND w.kind IN ('invitation', 'resend', 'corrected')
	AND w.group_id = c.group_id AND w.roll_index = c.roll_index AND w.state = 'sent' AND w.not_before < c.turn)`

// claim leases mails that are due, or whose lease ran out with their process. A reminder
// speaks of the link that came before: while the mail that brings it waits, also for
// another attempt, the reminder does, and for a while after it has left, see [LinkAge]:
// "You have not voted yet" would else leave in the second of a link that was held back
// with it. One that was given up keeps nothing back, for a reminder has the link, too. It
// is told apart here and not when mails are queued, for a pause or an outage may end in
// any order.
func (m *Mailer) claim(ctx context.Context, until time.Time) ([]*job, error) {
	now := m.c.Now()
	// FOR UPDATE SKIP LOCKED: two processes that claim at once take different
	// rows, and neither waits.
	rows, err := m.c.Pool.Query(ctx, `
		WITH due AS (
			SELECT o.id FROM registrar.outbox o
			WHERE o.state IN ('queued', 'leased') AND o.not_before <= $1
			  AND (o.state = 'queued' OR o.lease_until < $1)
			  AND NOT EXISTS (SELECT FROM registrar.mail_pause WHERE paused)
			  AND NOT `+keptBack+`
			ORDER BY o.kind = ANY($5), o.kind = ANY($6), o.not_before, o.id LIMIT $3
			FOR UPDATE OF o SKIP LOCKED),
		claimed AS (
			UPDATE registrar.outbox o SET state = 'leased', lease_until = $7, attempts = attempts + 1
			FROM due WHERE o.id = due.id
			RETURNING o.id, o.kind, o.attempts, o.turn, o.sender, o.on_roll, o.group_id, o.roll_index)
		SELECT c.id, c.kind, c.attempts, c.turn, COALESCE(c.sender, ''), c.on_roll, c.group_id, c.roll_index,
			COALESCE(m.name, a.name, ''), COALESCE(m.email, a.email, ''), COALESCE(m.former_email, ''), COALESCE(m.unit, ''),
			COALESCE(m.campus, a.campus, ''), COALESCE(m.language, a.language, ''),
			t.jti, COALESCE(u.kind, CASE WHEN v.ballot_id IS NOT NULL THEN 'deposit' END, ''), COALESCE(e.close_at, $4), COALESCE(e.phase, ''), `+linkedBefore+`
		FROM claimed c
		LEFT JOIN registrar.election e ON true
		LEFT JOIN registrar.member m ON c.on_roll AND m.group_id = c.group_id AND m.roll_index = c.roll_index
		LEFT JOIN registrar.applicant a ON NOT c.on_roll AND a.group_id = c.group_id AND a.roll_index = c.roll_index
		LEFT JOIN registrar.used u ON c.on_roll AND u.group_id = c.group_id AND u.roll_index = c.roll_index
		LEFT JOIN registrar.envelope v ON NOT c.on_roll AND NOT v.on_roll AND v.group_id = c.group_id AND v.roll_index = c.roll_index
		LEFT JOIN registrar.token t ON t.on_roll = c.on_roll AND t.group_id = c.group_id AND t.roll_index = c.roll_index
			AND NOT EXISTS (SELECT FROM registrar.token_revoked r WHERE r.token_id = t.token_id)`,
		now.UTC(), now.Add(-LinkAge(m.c.Manifest)).UTC(), Batch, m.c.Manifest.Schedule.Close, bulk, notices, until)
	if err != nil {
		return nil, fmt.Errorf("claiming mails: %w", err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*job, error) {
		j := new(job)
		return j, row.Scan(&j.id, &j.kind, &j.attempts, &j.turn, &j.sender, &j.onRoll, &j.group, &j.index,
			&j.name, &j.email, &j.former, &j.unit, &j.campus, &j.language, &j.jti, &j.used, &j.close, &j.phase, &j.stopped)
	})
	if err != nil {
		return nil, fmt.Errorf("claiming mails: %w", err)
	}
	return jobs, nil
}

// prepare renders a job's mail and reports whether there is one to send.
func (m *Mailer) prepare(ctx context.Context, j *job) bool {
	if unneeded(j, m.c.Now()) {
		j.state = dropped
		return false
	}
	if j.kind == Replaced {
		j.email = j.former
	}
	if j.email == "" {
		j.state, j.reason = failed, ReasonAddress
		return false
	}
	if m.keyless(j) || m.over(j) || j.attempts > maxAttempts { // the latter if its process is killed each time
		j.state, j.reason = failed, ReasonOther
		return false
	}
	mail, err := m.compose(ctx, j)
	if err != nil {
		m.c.Log.ErrorContext(ctx, "mail not rendered", "kind", j.kind, "err", err)
		return false
	}
	j.mail = mail
	return true
}

// name writes which sender is about to get the jobs, before it gets them: whoever
// goes on after a crash must know who may have taken them. It returns those that are
// still this process's: one that was stopped for longer than its lease, or waited for a
// slow sender, must not send what another has sent meanwhile.
func (m *Mailer) name(ctx context.Context, jobs []*job, s Sender, until time.Time) ([]*job, error) {
	ids := make([][]byte, len(jobs))
	for i, j := range jobs {
		ids[i] = j.id
	}
	// Locked by id, as by [Count], so that neither ever waits for the other in a ring.
	rows, err := m.c.Pool.Query(ctx, `WITH held AS MATERIALIZED (SELECT id FROM registrar.outbox WHERE id = ANY($1) ORDER BY id FOR UPDATE)
		UPDATE registrar.outbox o SET sender = $2 FROM held
		WHERE o.id = held.id AND o.state = 'leased' AND o.lease_until = $3 RETURNING o.id`,
		ids, s.Name(), until)
	if err != nil {
		return nil, fmt.Errorf("naming the sender of mails: %w", err)
	}
	named, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, fmt.Errorf("naming the sender of mails: %w", err)
	}
	ours := make(map[string]bool)
	for _, id := range named {
		ours[string(id)] = true
	}
	return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return !ours[string(j.id)] }), nil
}

// unneeded says which mails have become pointless since they were queued.
// Whether a member needs a reminder is decided here, as late as can be, by
// nobody. One that waited for a retry into the last hour comes too late. In an election
// that is cancelled nobody is to vote, and what is announced once voting has opened has
// been overtaken.
func unneeded(j *job, now time.Time) bool {
	switch j.kind {
	case Reminder, Closing:
		return j.used != "" || now.Unix() > j.close-LastHour || j.phase == election.PhaseCancelled
	case Moved:
		return j.used != "" || now.Unix() >= j.close || j.phase == election.PhaseCancelled
	case Replaced, Issued, Deposited, Result:
		return false
	case Nobody:
		return true
	case Announcement:
		return j.used == "strike" || j.phase != "" && j.phase != election.PhaseSealed
	default:
		return j.used == "strike" || j.phase == election.PhaseCancelled
	}
}

// over reports whether a mail needs a link that would be of no use any more. After the
// close none is of use to whoever has no ballot yet, as nobody who waits for the first
// link has; until the end of the grace one still finishes a ballot that was issued before.
func (m *Mailer) over(j *job) bool {
	if !linked(j.kind) {
		return false
	}
	switch j.phase {
	case election.PhaseLocked, election.PhaseTallied, election.PhaseCertified, "archived":
		return true
	}
	end := j.close
	if j.kind == Resend {
		end += m.c.Manifest.Schedule.Grace
	}
	return m.c.Now().Unix() >= end
}

// keyless reports whether a mail needs a link and the keys for links are destroyed, so
// that no link would be of use.
func (m *Mailer) keyless(j *job) bool { return linked(j.kind) && m.c.Minter == nil }

// compose renders a mail, with a link where its kind has one.
func (m *Mailer) compose(ctx context.Context, j *job) (Mail, error) {
	p := person{name: j.name, group: j.group, unit: j.unit, campus: j.campus, language: j.language, close: j.close, stopped: j.stopped}
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
	mail.ID, mail.To = [16]byte(j.id), j.email
	return mail, nil
}

func linked(kind string) bool {
	switch kind {
	case Invitation, Reminder, Closing, Moved, Resend, Corrected, Envelope:
		return true
	}
	return false
}

// moveTurns gives the reminders that wait for a link of $1, which has left, the turn that
// they have now: from $3 on. Else what lies between two reminders would be reckoned from
// when the first was queued, and it be followed at once by the next. They are moved for
// everybody alike, whoever has voted, and only before their first attempt; so a turn says
// nothing of that, as the time at which a reminder left would. Rows that another
// process has locked are left as they are, so that neither waits for the other in a ring.
const moveTurns = `UPDATE registrar.outbox o SET turn = GREATEST(o.turn, $3), not_before = GREATEST(o.not_before, $3)
	FROM (SELECT o.id FROM registrar.outbox w JOIN registrar.outbox o USING (group_id, roll_index)
		WHERE w.id = ANY($1) AND w.on_roll AND w.kind = ANY($2)
			AND o.on_roll AND o.kind IN ('reminder', 'closing') AND o.state = 'queued' AND o.attempts = 0
		FOR UPDATE OF o SKIP LOCKED) waits
	WHERE o.id = waits.id`

// settle writes what became of the batch.
func (m *Mailer) settle(ctx context.Context, jobs []*job, until time.Time) error {
	// A process that is told to stop still marks what it sent.
	ctx = context.WithoutCancel(ctx)
	b := new(pgx.Batch)
	var all, done, needless [][]byte
	for _, j := range jobs {
		all = append(all, j.id)
	}
	b.Queue(lockMails, all) // one transaction with the rest
	for _, j := range jobs {
		switch j.state {
		case sent:
			done = append(done, j.id)
		case dropped:
			needless = append(needless, j.id)
		case failed:
			// What the provider told meanwhile is more than what we could not learn.
			b.Queue(`UPDATE registrar.outbox SET state = 'failed', lease_until = NULL, reason = $2 WHERE id = $1 AND state <> 'sent'`,
				j.id, string(cmp.Or(j.reason, ReasonOther)))
		case again:
			// Only while the lease is ours: another process may be at it.
			attempts := j.attempts
			// One that is spared counts only until other senders may have the mail: else
			// after a long outage the first system that says later would be the last one.
			if j.spared && attempts > stickyAttempts+1 {
				attempts--
			}
			b.Queue(`UPDATE registrar.outbox SET state = 'queued', lease_until = NULL, not_before = $3, sender = NULLIF($4, ''), attempts = $5
				WHERE id = $1 AND state = 'leased' AND lease_until = $2`,
				j.id, until, m.c.Now().UTC().Add(backoff(j.attempts)), j.sender, attempts)
		}
	}
	// Another process may have given one up meanwhile, for a reason that is none now.
	// One that brings the link has left now, however long it had been due: see [LinkAge].
	b.Queue(`UPDATE registrar.outbox SET state = 'sent', lease_until = NULL,
		not_before = CASE WHEN on_roll AND kind = ANY($2) THEN GREATEST(not_before, $3) ELSE not_before END,
		reason = CASE WHEN delivery IN ('delayed', 'bounced', 'blocked', 'complained') THEN reason END WHERE id = ANY($1)`,
		done, firsts, m.c.Now().UTC())
	b.Queue(`UPDATE registrar.outbox SET state = 'sent', lease_until = NULL, sender = NULL WHERE id = ANY($1) AND state <> 'failed'`, needless)
	b.Queue(moveTurns, done, firsts, m.c.Now().Add(LinkAge(m.c.Manifest)).UTC())
	if err := m.c.Pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("marking mails: %w", err)
	}
	return nil
}

// backoff is the pause after a failed attempt: 15 seconds, doubling to an hour, and
// up to a quarter more by chance, so that what failed together does not come back
// together.
func backoff(attempts int) time.Duration {
	pause := min(time.Hour, 15*time.Second<<min(attempts-1, 10))
	return pause + rand.N(pause/4)
}
