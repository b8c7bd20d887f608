package smtp

import (
	"context"
	"slices"
	"sync"
	"time"

	"strikevote/internal/mailer"
)

// A batch is the mails of one call of Send, on their way.
type batch struct {
	mails   []mailer.Mail
	answers []mailer.Answer
	last    time.Time // nothing is begun afterwards; zero: whenever
	enough  func()    // nobody need wait for a connection any more

	mu      sync.Mutex
	todo    []int          // guarded by mu
	begun   int            // mails that are neither answered nor in todo; guarded by mu
	lost    int            // connections that broke since the last answer; guarded by mu
	served  int            // mails that the server itself answered for; guarded by mu
	refused []tried        // refused since the last that was taken, see [Sender.believe]; guarded by mu
	doubted []tried        // not taken since the last that was, and maybe for our sake; guarded by mu
	failure *mailer.Answer // why no connection could be made; guarded by mu
	pause   *mailer.Answer // said of us, and good for all; guarded by mu
	doubt   *mailer.Answer // the same, said of several recipients; guarded by mu
}

// A tried is a mail that the server answered.
type tried struct {
	i     int
	to    recipient
	begun int           // how many refusals there were before
	at    int           // the number of its own, if it was refused
	ours  mailer.Answer // see [judgment]
}

const (
	// losses is how many mails in a row may break their connections, over all of them,
	// before the server is held to be down.
	losses = 10
	// suspicious is how many recipients must be refused, and none be taken, until that
	// is held to be about us.
	suspicious = 10
	// perConnection is for how many mails another connection is worth its greetings.
	perConnection = 5
)

// Send hands over mails, on as many connections as there are. See [mailer.Sender].
func (s *Sender) Send(ctx context.Context, mails []mailer.Mail) []mailer.Answer {
	b := &batch{mails: mails, answers: make([]mailer.Answer, len(mails))}
	for i := range mails {
		b.answers[i].Reason = mailer.ReasonDown
		b.todo = append(b.todo, i)
	}
	if d, ok := ctx.Deadline(); ok {
		// A mail that is begun too late is cut off, and may be sent twice.
		b.last = d.Add(-time.Until(d) / 4)
	}
	// A server that takes few connections lets the others wait for its greeting. They do
	// not keep a batch whose mails went over those that it took.
	connecting, cancel := context.WithCancel(ctx)
	defer cancel()
	b.enough = cancel
	var wg sync.WaitGroup
	for range min(s.c.Connections, (len(mails)+perConnection-1)/perConnection) {
		wg.Go(func() { s.work(ctx, connecting, b) })
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	b.close(&s.doubts)
	s.believe(b)
	return b.answers
}

// work sends mails of a batch on one connection after the other.
func (s *Sender) work(ctx, connecting context.Context, b *batch) {
	var c *session
	again := -1
	for {
		if c == nil {
			if b.down() {
				return
			}
			var failure *mailer.Answer
			if c, failure = s.get(connecting); failure != nil {
				b.fail(failure)
				return
			}
		}
		i, ok := b.next(ctx)
		if !ok {
			break
		}
		m, wrong := s.message(b.mails[i])
		if wrong != nil {
			b.answer(i, *wrong, false)
			continue
		}
		x := tried{i: i, to: s.recipient(m.to), begun: s.begun()}
		before := c.sent
		j, usable := c.send(ctx, m)
		if j.Verdict == mailer.NotTaken && !usable && before > 0 && again != i {
			// Servers end a connection after some number of mails. That says nothing of
			// this one, nor of the next connection.
			s.drop(c)
			c, again = nil, i
			b.back(i)
			continue
		}
		x.ours = j.ours
		s.note(b, x, j.Answer)
		b.answer(i, j.Answer, usable)
		if !usable {
			s.drop(c)
			c = nil
			b.lose()
		}
	}
	s.put(c)
}

func (b *batch) next(ctx context.Context) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pause != nil || b.doubt != nil || ctx.Err() != nil || !b.last.IsZero() && time.Now().After(b.last) {
		b.enough()
		return 0, false
	}
	if len(b.todo) == 0 {
		return 0, false
	}
	i := b.todo[0]
	b.todo = b.todo[1:]
	b.begun++
	return i, true
}

func (b *batch) back(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.todo = append([]int{i}, b.todo...)
	b.begun--
}

func (b *batch) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost++
}

// down reports whether it is no use to connect again.
func (b *batch) down() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost < losses {
		return false
	}
	j := judge(errLost, greeting)
	b.failure = &j.Answer
	return true
}

// fail keeps why one of the connections is no more. The others go on, for a server that
// takes few connections at once refuses only those beyond.
func (b *batch) fail(a *mailer.Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failure = a
}

func (b *batch) answer(i int, a mailer.Answer, served bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[i] = a
	if b.begun--; b.begun == 0 && len(b.todo) == 0 {
		b.enough()
	}
	if a.Pause > 0 {
		b.pause = &a
	}
	if !served {
		return
	}
	b.lost = 0
	b.served++
}

// close says what becomes of the mails that were not tried, and of those whose answers
// have turned out to be about us.
func (b *batch) close(d *doubts) {
	why := b.pause
	if why == nil && b.doubt != nil {
		if why = b.doubt; !d.holds(*why) { // another batch's mail was taken meanwhile
			why = &mailer.Answer{Reason: why.Reason}
		}
	}
	for _, x := range b.doubted {
		if a := &b.answers[x.i]; d.holds(x.ours) {
			a.Reason, a.Pause = x.ours.Reason, x.ours.Pause
		}
	}
	if why == nil && b.failure != nil {
		// One connection that could be used is enough to go on.
		if why = b.failure; b.served > 0 {
			why = &mailer.Answer{Reason: why.Reason}
		}
	}
	if why != nil {
		for _, i := range b.todo {
			b.answers[i] = *why
		}
	}
}

// refuse counts recipients that were refused since the last that was taken. Who was among
// many such before, and whose mailbox it is again that others are taken between, has none:
// that says nothing of us, and the dead addresses of a roll that are left at its end would
// else hold up whoever asks for a link. A policy is no such thing: a server that takes a
// few mails an hour has it against all. s.mu and b.mu are locked.
func (s *Sender) refuse(b *batch, x tried, why mailer.Reason) {
	s.refusals++
	x.at = s.refusals
	b.refused = append(b.refused, x)
	if why != mailer.ReasonAddress && why != mailer.ReasonFull {
		delete(s.gone, x.to)
	}
	if !s.gone[x.to] {
		s.refused[x.to] = x.at
	}
}

// begun returns what a mail that begins now is to know when it is taken.
func (s *Sender) begun() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusals
}

// take ends what there was against us. What was refused before the mail began is
// believed. Later it is not: a server that turns against us refuses on one connection
// while it still takes what it has begun to take on the others. s.mu and b.mu are locked.
func (s *Sender) take(b *batch, x tried) {
	s.doubts.taken(x.to)
	b.doubted, b.doubt = nil, nil
	b.refused = slices.DeleteFunc(b.refused, func(other tried) bool { return other.at <= x.begun })
	many := len(s.refused) >= suspicious
	for other, at := range s.refused {
		if at > x.begun {
			continue
		}
		delete(s.refused, other)
		if many {
			s.gone.add(other)
		}
	}
	delete(s.gone, x.to)
	s.known = true
}

// believe looks at what the server refused for good. One that refuses everybody has
// nothing against the members: it does not know us, or not any more, and nobody may lose
// their link by that. A filter or a list can turn against us in the middle of a batch, so
// that what counts is who was refused since the last that was taken; and mails that leave
// over an hour come in small batches, so that it is counted over all of them. And before
// the server has taken any, a refusal that is not about the mailbox is no more than a
// reason to ask again. A test asks no second time. s.mu is locked.
func (s *Sender) believe(b *batch) {
	if s.c.Quote {
		return
	}
	if len(s.refused) >= suspicious {
		s.known = false
	}
	for _, x := range b.refused {
		switch a := &b.answers[x.i]; {
		case s.refused[x.to] == 0 && !s.gone[x.to]: // another batch's mail was taken meanwhile
		case len(s.refused) >= suspicious:
			*a = mailer.Answer{Reason: mailer.ReasonSettings, Pause: pauseSettings}
		case !s.known && (a.Reason == mailer.ReasonPolicy || a.Reason == mailer.ReasonOther):
			*a = mailer.Answer{Reason: a.Reason}
		}
	}
}
