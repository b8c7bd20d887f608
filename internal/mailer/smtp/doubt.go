package smtp

import (
	"hash/maphash"
	"strings"

	"strikevote/internal/mailer"
)

// several is how many recipients must get the same answer, and none be taken in between,
// until an answer about a recipient is held to be about us. One address that a server
// does not relay to, or whose system it cannot ask, would else keep thousands of links
// from leaving. Four such in a row are chance even where one in fifty is like that; and a
// server that takes nothing from us is left alone after a handful of questions.
const several = 5

// mostOwn bounds how many recipients are remembered; beyond it all are forgotten.
const mostOwn = 100_000

// A recipient stands for an address in memory. Nobody can tell the address from it.
type recipient uint64

type recipients map[recipient]bool

func (r *recipients) add(to recipient) {
	if *r == nil || len(*r) >= mostOwn {
		*r = make(recipients)
	}
	(*r)[to] = true
}

func (s *Sender) recipient(to string) recipient {
	return recipient(maphash.String(s.seed, strings.ToLower(to)))
}

// doubts are recipients that were not taken for what may be our sake: over all batches
// and connections, for where mails leave over an hour each batch has few.
type doubts struct {
	// since the last that was taken, by what their answers say of us. One that is tried
	// again is there once.
	since map[mailer.Answer]recipients
	// own are those that were not taken while others were. What they are answered is
	// about them, and stays so: when all others have their mails only they are left, and
	// would else hold up whoever asks for a link.
	own recipients
}

// holds reports whether an answer is about us.
func (d *doubts) holds(ours mailer.Answer) bool { return len(d.since[ours]) >= several }

func (d *doubts) add(to recipient, ours mailer.Answer) {
	if d.since == nil {
		d.since = make(map[mailer.Answer]recipients)
	}
	if d.since[ours] == nil {
		d.since[ours] = make(recipients)
	}
	if len(d.since[ours]) < mostOwn {
		d.since[ours][to] = true
	}
}

// taken notes a recipient whose mail was taken: whatever there was against us is over.
// Those of a hold become own too, though it may have been for our sake: it says no more
// than that they do not count again. Where only few are left that are never taken, as
// after a restart, they would else hold the sender once more after each that is.
func (d *doubts) taken(to recipient) {
	for _, list := range d.since {
		for other := range list {
			d.own.add(other)
		}
	}
	clear(d.since)
	delete(d.own, to)
}

// note keeps what an answer says beyond its mail. After several that are about us the
// rest of a batch is not tried. One after another, also where a hold is over: so a mail
// that is taken has a chance to be among them, and to end it.
func (s *Sender) note(b *batch, x tried, a mailer.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case a.Verdict == mailer.Accepted:
		s.take(b, x)
	case a.Verdict == mailer.Refused:
		s.refuse(b, x, a.Reason)
	case x.ours != (mailer.Answer{}) && !s.doubts.own[x.to]: // own ones would prolong a hold
		s.doubts.add(x.to, x.ours)
		b.doubted = append(b.doubted, x)
		n := 0
		for _, other := range b.doubted {
			if other.ours == x.ours {
				n++
			}
		}
		if n >= several && s.doubts.holds(x.ours) {
			b.doubt = &x.ours
		}
	}
}
