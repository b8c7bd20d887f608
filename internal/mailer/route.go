package mailer

import (
	"context"
	"slices"
	"sync"
	"time"
)

// stickyAttempts is for how many attempts a mail that a sender may have taken waits
// for this sender alone; their pauses make it about an hour. Then it may go by the
// next one too: of two mails with one link none does harm, and no mail at all does.
const stickyAttempts = 8

// OutageAttempts is how many attempts an outage uses up of a mail at most, at which a
// sender takes no mail of anybody. One that had more was put off for its own sake, or its
// recipient's, and waits for about three hours.
const OutageAttempts = stickyAttempts + 2

// A route is the ranked senders. A mail goes by the first that takes it.
//
// The rule against sending twice: a mail goes by another sender only when the one
// before has certainly not taken it. Where that is unknown, it waits for the same
// sender, see [stickyAttempts].
type route struct {
	senders []Sender

	mu   sync.Mutex
	held map[string]hold
}

// A hold keeps mails from a sender for a while.
type hold struct {
	until  time.Time
	reason Reason
}

func newRoute(senders []Sender) *route { return &route{senders: senders, held: map[string]hold{}} }

// open returns the senders that may be asked now, in their rank.
func (r *route) open(now time.Time) []Sender {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Sender
	for _, s := range r.senders {
		if !now.Before(r.held[s.Name()].until) {
			list = append(list, s)
		}
	}
	return list
}

// keep holds a sender back, if an answer says so. It reports whether this is news: a
// hold of another reason than the last.
func (r *route) keep(s Sender, answers []Answer, now time.Time) (news bool, reason Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.held[s.Name()]
	var h hold
	for _, x := range answers {
		if (x.Verdict == NotTaken || x.Verdict == Unknown) && x.Pause > 0 {
			if at := now.Add(x.Pause); at.After(h.until) {
				h = hold{at, x.Reason}
			}
		}
	}
	took := func(x Answer) bool { return x.Verdict == Accepted || x.Verdict == Refused }
	if h.until.IsZero() && !slices.ContainsFunc(answers, took) {
		return false, ReasonNone // that nothing is to be waited for does not say that it works
	}
	r.held[s.Name()] = h
	return h.reason != last.reason, h.reason
}

// holds returns why each sender is held back that is: a Reason by its name.
func (r *route) holds(now time.Time) map[string]Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := make(map[string]Reason)
	for name, h := range r.held {
		if now.Before(h.until) {
			m[name] = h.reason
		}
	}
	return m
}

// may reports whether a job may go by a sender.
func (r *route) may(j *job, s Sender) bool {
	if j.sender == "" || j.sender == s.Name() || j.attempts > stickyAttempts {
		return true
	}
	for _, other := range r.senders {
		if other.Name() == j.sender {
			return false
		}
	}
	return true // by one that is not configured any more
}

// sendAll hands over jobs whose mails are rendered and says what became of each: by
// one sender after the other, until one takes them.
func (m *Mailer) sendAll(ctx context.Context, jobs []*job, until time.Time) error {
	waiting := jobs
	for _, s := range m.route.open(m.c.Now()) {
		var now, later []*job
		for _, j := range waiting {
			if m.route.may(j, s) {
				now = append(now, j)
			} else {
				later = append(later, j)
			}
		}
		if len(now) == 0 {
			continue
		}
		now, err := m.name(ctx, now, s, until)
		if err != nil {
			return err
		}
		// One that the sender may have taken at an earlier attempt goes on waiting for
		// it: that it has not taken it now says nothing of then.
		waiting = append(later, m.hand(ctx, s, now)...)
	}
	return nil
}

// hand gives one sender its mails and returns those that it has certainly not taken.
func (m *Mailer) hand(ctx context.Context, s Sender, jobs []*job) (left []*job) {
	if len(jobs) == 0 {
		return nil
	}
	mails := make([]Mail, len(jobs))
	for i, j := range jobs {
		mails[i] = j.mail
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	answers := s.Send(sctx, mails)
	stop()
	cancel()
	if news, reason := m.route.keep(s, answers, m.c.Now()); news && reason != ReasonNone {
		m.c.Log.ErrorContext(ctx, "a sender of mails is not to be asked for now; mails wait", "sender", s.Name(), "reason", string(reason))
	} else if news {
		m.c.Log.InfoContext(ctx, "a sender of mails works again", "sender", s.Name())
	}
	counts := make(map[string]int)
	took := slices.ContainsFunc(answers, func(a Answer) bool { return a.Verdict == Accepted })
	now := m.c.Now()
	for i, j := range jobs {
		r := Answer{}
		if i < len(answers) {
			r = answers[i]
		}
		j.reason = r.Reason
		// The sender that was asked last decides: a mail that this one looked at counts.
		j.spared = r.Pause > 0 && (r.Verdict == NotTaken || r.Verdict == Unknown) && (!took || now.Before(j.turn.Add(patience)))
		if m.c.Observe != nil {
			m.c.Observe(j.kind, r.Verdict)
		}
		if r.Verdict != Accepted && Neutral(j.kind) {
			counts[r.Verdict.String()]++ // of others the number would be that of members who have voted, or have not
		}
		switch r.Verdict {
		case Accepted:
			j.state = sent
		case Refused:
			j.state = failed
		case Unknown:
			j.sender = s.Name()
		default:
			left = append(left, j)
		}
	}
	for what, n := range counts {
		m.c.Log.WarnContext(ctx, "mails were not sent", "sender", s.Name(), "answer", what, "count", n)
	}
	return left
}
