package smtp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/mailer"
	"strikevote/internal/mailer/smtp"
	"strikevote/internal/protocol/election/electiontest"
)

// doubtful are answers to a recipient that servers give of one and of all alike, and
// what they mean for a mail and for the sender.
var doubtful = map[string]struct {
	says         error
	mail, sender mailer.Reason
}{
	"no relay":        {says(550, 5, 7, 1, "Unable to relay"), mailer.ReasonPolicy, mailer.ReasonSettings},
	"sign in":         {says(530, 5, 7, 0, "Authentication required"), mailer.ReasonPolicy, mailer.ReasonSettings},
	"rejected":        {says(450, 4, 7, 1, "Recipient address rejected: try again later"), mailer.ReasonPolicy, mailer.ReasonLimit},
	"lookup failure":  {says(451, 4, 3, 0, "Temporary lookup failure"), mailer.ReasonDown, mailer.ReasonDown},
	"busy":            {says(421, 4, 4, 5, "busy"), mailer.ReasonDown, mailer.ReasonLimit},
	"no such command": {says(555, 5, 5, 4, "Unsupported option: NOTIFY"), mailer.ReasonOther, mailer.ReasonSettings},
	"quota":           {says(550, 5, 4, 5, "Daily sending quota exceeded"), mailer.ReasonLimit, mailer.ReasonLimit},
}

// rig is a server whose answer to recipients depends on whether they are chosen.
func rig(t *testing.T, a *authority, answer error, chosen func(to string) bool) *post {
	t.Helper()
	p := &post{rcpt: func(_, to string) error {
		if chosen(to) {
			return answer
		}
		return nil
	}}
	return p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
}

// TestDoubts: one recipient of three hundred is answered as if it were about us. All
// others leave at once, this one comes again with pauses that grow, and whoever asks for
// a link meanwhile gets it. Where all are answered like that the sender is held, and
// nobody's attempts are used up.
func TestDoubts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const n = 300
	for name, tt := range doubtful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all atomic.Bool
			var tries atomic.Int64
			p := rig(t, a, tt.says, func(to string) bool {
				one := strings.HasPrefix(to, "canary77@")
				if one || all.Load() {
					tries.Add(1)
				}
				return one || all.Load()
			})
			if got := p.sender(t, a, nil).Send(t.Context(), []mailer.Mail{mailTo(1, address(77))})[0]; got != (mailer.Answer{Reason: tt.mail}) {
				t.Errorf("for one mail it says %+v", got)
			}
			s := newStorm(t, n)
			var late atomic.Int64 // seconds
			var logged bytes.Buffer
			m := s.mailerAt(p.sender(t, a, nil), slog.New(slog.NewTextHandler(&logged, nil)), &late)
			for hours := range 8 {
				s.drain(m, map[bool]int{true: n - 1, false: hours}[hours == 0])
				for _, minutes := range []int64{1, 9, 50} {
					late.Add(minutes * 60)
					s.drain(m, 0)
				}
				if held := m.Held()["smtp"]; held != mailer.ReasonNone {
					t.Fatalf("for one recipient the sender is held: %s", held)
				}
				s.ask(hours+1, hours) // so many ask for their link
			}
			if k := tries.Load(); k < 8 || k > 40 {
				t.Errorf("the recipient was tried %d times in 8 hours", k)
			}
			s.ask(20, 20)
			all.Store(true)
			s.drain(m, 0)
			if held := m.Held()["smtp"]; held != tt.sender {
				t.Errorf("all are answered like that, and the sender is held for %q, not %q", held, tt.sender)
			}
			if strings.Count(logged.String(), "not to be asked for now") != 1 || !strings.Contains(logged.String(), "reason="+string(tt.sender)) {
				t.Errorf("logged: %s", &logged)
			}
			before := tries.Load()
			for range 60 {
				late.Add(30 * 60)
				s.drain(m, 0)
			}
			if k := tries.Load() - before; k > 60*12 {
				t.Errorf("%d questions in 60 pauses", k)
			}
			all.Store(false)
			late.Add(2 * 3600)
			if s.drain(m, 28); m.Held()["smtp"] != mailer.ReasonNone {
				t.Errorf("it works again and is held: %v", m.Held())
			}
		})
	}
}

// mailerAt is a Mailer whose clock the test sets, in seconds since the opening.
func (s *storm) mailerAt(sender mailer.Sender, log *slog.Logger, late *atomic.Int64) *mailer.Mailer {
	s.t.Helper()
	return s.mailerOf(s.db.Pool("sv_registrar"), sender, log, func() time.Time { return time.Unix(electiontest.Open+late.Load(), 0) })
}

func (s *storm) drain(m *mailer.Mailer, want int) {
	s.t.Helper()
	if got, err := m.Drain(s.t.Context()); err != nil || got != want {
		s.t.Fatalf("%d mails left, not %d: %v", got, want, err)
	}
}

// ask queues links for n members, from one on.
func (s *storm) ask(n, first int) {
	s.t.Helper()
	for i := range n {
		if _, err := s.db.Owner.Exec(s.t.Context(), `INSERT INTO registrar.outbox (id, kind, group_id, roll_index, not_before)
			VALUES (uuid_send(gen_random_uuid()), $1, 1, $2, $3)`, mailer.Resend, first+i, time.Unix(electiontest.Open, 0).UTC()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestDoubtsCounted: what counts is different recipients, over batches and connections,
// with the same answer and none taken in between.
func TestDoubtsCounted(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	odd := map[byte]error{'r': doubtful["no relay"].says, 'l': doubtful["lookup failure"].says, 'u': says(550, 5, 1, 1, "unknown"), 'g': says(451, 4, 7, 1, "Greylisted")}
	p := &post{rcpt: func(_, to string) error { return odd[to[0]] }}
	p.start(t, smtp.StartTLS, a.vouch(t, "127.0.0.1", soon))
	for name, tt := range map[string]struct {
		batches string // of recipients
		held    mailer.Reason
	}{
		"four":                {"r1 r2 r3 r4", ""},
		"five, one by one":    {"r1|r2|r3|r4|r5", mailer.ReasonSettings},
		"one, again":          {"r1|r1|r1|r1|r1|r1|r1", ""},
		"and another":         {"r1|r1|r2|r3|r3|r4|r5", mailer.ReasonSettings},
		"one taken":           {"r1|r2|r3|r4|a|r5|r6|r7|r8", ""},
		"one taken, in one":   {"r1 r2 r3 r4 a r5 r6 r7 r8", ""},
		"of two sorts":        {"r1 l1 r2 l2 r3 l3 r4 l4", ""},
		"of one of two":       {"r1 l1 r2 l2 r3 l3 l4 l5", mailer.ReasonDown},
		"others between":      {"r1 u r2 g r3 u2 r4 g2 r5", mailer.ReasonSettings},
		"greylisted":          {"g1 g2 g3 g4 g5 g6 g7", ""},
		"known for their own": {"r1 r2 r3 r4 a|r5 r6 r7 r8 a|r1|r2|r3|r4|r5|r6|r7|r8", ""},
		"and five others":     {"r1 r2 r3 r4 a|r1|r2|r5|r6|r7|r8|r9", mailer.ReasonSettings},
		"until one is taken":  {"r1 r2 r3 r4 r5|r1|a|r1|r2", ""},
		"held on":             {"r1 r2 r3 r4 r5|r6|r1", mailer.ReasonSettings},
	} {
		s := p.sender(t, a, func(c *smtp.Config) { c.Connections = 1 })
		var last []mailer.Answer
		k := 0
		for batch := range strings.SplitSeq(tt.batches, "|") {
			var mails []mailer.Mail
			for to := range strings.FieldsSeq(batch) {
				k++
				mails = append(mails, mailTo(k, to+"@mail.example"))
			}
			last = s.Send(t.Context(), mails)
		}
		held := mailer.ReasonNone
		for _, x := range last {
			if x.Pause > 0 {
				held = x.Reason
			}
		}
		if held != tt.held {
			t.Errorf("%s: held for %q, not %q: %+v", name, held, tt.held, last)
		}
	}
}

// TestDoubtsAtOnce: several batches at once, of a server that takes one recipient in
// two; none is held. Then it takes none, and few more are
// asked for.
func TestDoubtsAtOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var none atomic.Bool
	var asked atomic.Int64
	p := rig(t, a, doubtful["no relay"].says, func(to string) bool {
		asked.Add(1)
		return none.Load() || to[0] == 'b'
	})
	s := p.sender(t, a, nil)
	play := func() (held, taken int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() {
				var mails []mailer.Mail
				for i := range 40 {
					mails = append(mails, mailTo(k*40+i, fmt.Sprintf("%c%d-%d@mail.example", "ab"[i%2], k, i)))
				}
				answers := s.Send(t.Context(), mails)
				mu.Lock()
				defer mu.Unlock()
				for _, x := range answers {
					if x.Verdict == mailer.Accepted {
						taken++
					}
				}
				if slices.ContainsFunc(answers, func(x mailer.Answer) bool { return x.Pause > 0 }) {
					held++
				}
			})
		}
		wg.Wait()
		return held, taken
	}
	if held, taken := play(); held != 0 || taken != 80 {
		t.Errorf("%d batches are held, %d of 80 mails were taken", held, taken)
	}
	asked.Store(0)
	none.Store(true)
	// Every second one is known for its own, and does not count: each batch asks for so
	// many more until five others are refused.
	if held, taken := play(); held != 4 || taken != 0 || asked.Load() > 2*4*8 {
		t.Errorf("%d batches of 4 are held, %d mails taken, %d questions", held, taken, asked.Load())
	}
}
