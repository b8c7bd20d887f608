package mailer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres/pgtest"
)

// mailOf queues a mail and returns its id, as a sender has it.
func (o *office) mailOf(kind string, index int) [16]byte {
	o.t.Helper()
	o.queue(kind, index)
	var id []byte
	err := o.db.Owner.QueryRow(context.Background(), `SELECT id FROM registrar.outbox WHERE kind = $1 AND roll_index = $2`, kind, index).Scan(&id)
	if err != nil {
		o.t.Fatal(err)
	}
	return [16]byte(id)
}

// row says what the outbox has of a mail.
func (o *office) row(id [16]byte) (s string) {
	o.t.Helper()
	err := o.db.Owner.QueryRow(context.Background(), `SELECT concat_ws(' ', state, delivery, reason, sender) FROM registrar.outbox WHERE id = $1`, id[:]).Scan(&s)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

func (o *office) counts(events ...mailer.Event) mailer.Counted {
	o.t.Helper()
	c, err := mailer.Count(context.Background(), o.db.Service, events)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// TestCountOrder tells everything about a mail in every order, alone and all at once:
// the strongest stays.
func TestCountOrder(t *testing.T) {
	t.Parallel()
	all := []mailer.Event{{State: mailer.Processed}, {State: mailer.Delayed, Reason: mailer.ReasonDown}, {State: mailer.Delivered},
		{State: mailer.Blocked, Reason: mailer.ReasonPolicy}, {State: mailer.Bounced, Reason: mailer.ReasonAddress}, {State: mailer.Complained, Reason: mailer.ReasonSpam}}
	want := []string{"sent processed inbox", "sent delayed down inbox", "sent delivered inbox", "sent blocked policy inbox", "sent bounced address inbox", "sent complained spam inbox"}
	const n = 60
	o := newOffice(t, n)
	var ids [][16]byte
	for i := range n {
		ids = append(ids, o.mailOf(mailer.Invitation, i))
	}
	if sent, err := o.mailer(new(inbox)).Drain(t.Context()); sent != n || err != nil {
		t.Fatal(sent, err)
	}
	for i, id := range ids {
		told := slices.Clone(all[:1+i%len(all)])
		for j := range told {
			told[j].ID, told[j].Mail = fmt.Sprintf("%d-%d", i, j), id
		}
		rand.Shuffle(len(told), func(a, b int) { told[a], told[b] = told[b], told[a] })
		if i%2 == 0 {
			if c := o.counts(told...); c != (mailer.Counted{New: len(told)}) {
				t.Errorf("got %+v", c)
			}
		} else {
			for _, e := range told {
				o.counts(e)
			}
		}
		if c := o.counts(told...); c != (mailer.Counted{Again: len(told)}) {
			t.Errorf("told again: %+v", c)
		}
		if got := o.row(id); got != want[i%len(all)] {
			t.Errorf("of %d events: %s, want %s", len(told), got, want[i%len(all)])
		}
	}
}

// TestCountTwice tells one event in one list twice, in two elections, and under the
// name of another.
func TestCountTwice(t *testing.T) {
	t.Parallel()
	o, other := newOffice(t, 2), newOffice(t, 1)
	id, second, theirs := o.mailOf(mailer.Invitation, 0), o.mailOf(mailer.Invitation, 1), other.mailOf(mailer.Invitation, 0)
	told := []mailer.Event{{ID: "a", Mail: id, State: mailer.Processed}, {ID: "a", Mail: id, State: mailer.Processed}, {ID: "b", Mail: theirs, State: mailer.Delivered},
		{ID: "c", Mail: [16]byte{1}, State: mailer.Bounced}}
	if c := o.counts(told...); c != (mailer.Counted{New: 1, Again: 1}) {
		t.Errorf("got %+v", c)
	}
	if c := other.counts(told...); c != (mailer.Counted{New: 1}) {
		t.Errorf("the other election: got %+v", c)
	}
	if c := o.counts(mailer.Event{ID: "a", Mail: second, State: mailer.Bounced}); c != (mailer.Counted{Again: 1}) || o.row(second) != "queued" {
		t.Errorf("under another's name: %+v, %s", c, o.row(second))
	}
	// Only what was about our mails is kept, and of it a name.
	var ids []string
	if err := o.db.Owner.QueryRow(t.Context(), `SELECT array_agg(id) FROM registrar.mail_event`).Scan(&ids); err != nil || !slices.Equal(ids, []string{"a"}) {
		t.Errorf("kept %q, %v", ids, err)
	}
}

// TestCountBad leaves out what is no event, and the rest of the list is counted.
func TestCountBad(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	id := o.mailOf(mailer.Invitation, 0)
	bad := []mailer.Event{{Mail: id, State: mailer.Bounced}, {ID: strings.Repeat("x", 101), Mail: id, State: mailer.Bounced}, {ID: "a\x00", Mail: id, State: mailer.Bounced},
		{ID: "ü", Mail: id, State: mailer.Bounced}, {ID: "x", Mail: id}, {ID: "y", Mail: id, State: "opened"}}
	if c := o.counts(bad...); c != (mailer.Counted{}) || o.row(id) != "queued" {
		t.Errorf("got %+v, %s", c, o.row(id))
	}
	bad = append(bad, mailer.Event{ID: "good", Mail: id, State: mailer.Delivered, Reason: mailer.ReasonDown})
	if c := o.counts(bad...); c != (mailer.Counted{New: 1}) || o.row(id) != "queued delivered" {
		t.Errorf("got %+v, %s", c, o.row(id))
	}
	if c := o.counts(mailer.Event{ID: "better", Mail: id, State: mailer.Bounced, Reason: "550 canary@mail.example"}); c != (mailer.Counted{New: 1}) || o.row(id) != "queued bounced other" {
		t.Errorf("got %+v, %s", c, o.row(id))
	}
	if c := o.counts(); c != (mailer.Counted{}) {
		t.Errorf("of none: %+v", c)
	}
}

// TestCountUnknown: what was told of a mail that may have been taken shows that it
// was. It does not go again, whatever became of it. One that nobody was asked to send
// goes all the same.
func TestCountUnknown(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 4)
	states := []mailer.Delivery{mailer.Processed, mailer.Delivered, mailer.Bounced}
	var ids [][16]byte
	for i := range states {
		ids = append(ids, o.mailOf(mailer.Invitation, i))
	}
	lost := &inbox{says: func(int) mailer.Answer { return mailer.Answer{Verdict: mailer.Unknown} }}
	if n, err := o.mailer(lost).Drain(t.Context()); n != 0 || err != nil || o.states() != "queued 3" {
		t.Fatal(n, err, o.states())
	}
	last := o.mailOf(mailer.Invitation, 3)
	o.counts(mailer.Event{ID: "last", Mail: last, State: mailer.Processed})
	for i, id := range ids {
		o.counts(mailer.Event{ID: fmt.Sprint(i), Mail: id, State: states[i]})
		if got := o.row(id); got != "sent "+string(states[i])+" inbox" {
			t.Errorf("got %s", got)
		}
	}
	o.now.Add(3600)
	b := new(inbox)
	if n, err := o.mailer(b).Drain(t.Context()); n != 1 || err != nil || len(b.mails) != 1 || b.mails[0].ID != last {
		t.Errorf("%d sent, %v", n, err)
	}
}

// TestCountWhileSending tells of mails while they are being sent: by a sender that
// waits for its own events to be counted before it answers that it knows nothing.
func TestCountWhileSending(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 3)
	ids := [][16]byte{o.mailOf(mailer.Invitation, 0), o.mailOf(mailer.Invitation, 1), o.mailOf(mailer.Invitation, 2)}
	answers := []mailer.Answer{{Verdict: mailer.Unknown}, {Verdict: mailer.Refused, Reason: mailer.ReasonOther}, {Verdict: mailer.Accepted}}
	b := &telling{o: o, answers: answers}
	if _, err := o.mailer(b).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if got := o.row(id); got != "sent delivered telling" {
			t.Errorf("mail %d: %s", i, got)
		}
	}
	o.now.Add(3600)
	if n, err := o.mailer(b).Drain(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sent again, %v", n, err)
	}
}

// A telling sender has its events counted before it answers.
type telling struct {
	o       *office
	answers []mailer.Answer
}

func (*telling) Name() string { return "telling" }

func (s *telling) Send(_ context.Context, mails []mailer.Mail) []mailer.Answer {
	for i, m := range mails {
		s.o.counts(mailer.Event{ID: fmt.Sprint(i), Mail: m.ID, State: mailer.Delivered})
	}
	return s.answers
}

// TestCountTogether counts the same events from many sides, in different orders, while
// the mails leave: each counts once, and nobody waits for somebody who waits.
func TestCountTogether(t *testing.T) {
	t.Parallel()
	const n, sides = 300, 6
	o := newOffice(t, n)
	var told []mailer.Event
	for i := range n {
		id := o.mailOf(mailer.Invitation, i)
		told = append(told, mailer.Event{ID: fmt.Sprint(i), Mail: id, State: mailer.Processed}, mailer.Event{ID: fmt.Sprintf("%d-d", i), Mail: id, State: mailer.Delivered})
	}
	var mu sync.Mutex
	var sum mailer.Counted
	var wg sync.WaitGroup
	for range sides {
		mine := slices.Clone(told)
		rand.Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
		wg.Go(func() {
			for part := range slices.Chunk(mine, 50) {
				c, err := mailer.Count(t.Context(), o.db.Service, part)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				sum.New, sum.Again = sum.New+c.New, sum.Again+c.Again
				mu.Unlock()
			}
		})
	}
	b := new(inbox)
	m := o.mailer(b)
	wg.Go(func() {
		if _, err := m.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if sum != (mailer.Counted{New: 2 * n, Again: (sides - 1) * 2 * n}) {
		t.Errorf("got %+v", sum)
	}
	seen := make(map[[16]byte]bool)
	for _, m := range b.mails {
		if seen[m.ID] {
			t.Error("a mail left twice")
		}
		seen[m.ID] = true
	}
}

// TestCountAway counts nothing by halves: where the database breaks, all of it is told
// again and counts once.
func TestCountAway(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 20)
	var told []mailer.Event
	for i := range 20 {
		told = append(told, mailer.Event{ID: fmt.Sprint(i), Mail: o.mailOf(mailer.Invitation, i), State: mailer.Bounced, Reason: mailer.ReasonAddress})
	}
	breaker := pgtest.NewBreaker(t, o.db.URL("sv_registrar"))
	pool := breaker.Pool(t, o.db.URL("sv_registrar"))
	total := 0
	for trip, hit := 1, true; hit; trip++ {
		breaker.Arm(trip, trip%2 == 0)
		c, err := mailer.Count(t.Context(), pool, told)
		if hit = breaker.Disarm(); hit == (err == nil) {
			t.Fatalf("broken at %d: %+v, %v", trip, c, err)
		}
		total += c.New + c.Again
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
	if total != len(told) {
		t.Errorf("%d of %d", total, len(told))
	}
	if n := o.counts(told...); n != (mailer.Counted{Again: 20}) {
		t.Errorf("got %+v", n)
	}
	if _, err := mailer.Count(canceled(t), o.db.Service, told); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestNeutral names every kind of mail but those that depend on who has voted.
func TestNeutral(t *testing.T) {
	t.Parallel()
	var not []string
	for _, kind := range mailer.Kinds() {
		if !mailer.Neutral(kind) {
			not = append(not, kind)
		}
	}
	if want := []string{mailer.Reminder, mailer.Closing, mailer.Moved, mailer.Issued, mailer.Deposited}; !slices.Equal(not, want) || len(mailer.NeutralKinds())+len(want) != len(mailer.Kinds()) {
		t.Errorf("not neutral: %q", not)
	}
}

// TestNobody drops what waits for nobody: it has a member's place, and no mail goes
// there.
func TestNobody(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 2)
	id := o.mailOf(mailer.Nobody, 0)
	o.queue(mailer.Resend, 1)
	b := new(inbox)
	if n, err := o.mailer(b).Drain(t.Context()); n != 1 || err != nil || len(b.mails) != 1 || b.mails[0].To != "canary1@mail.example" {
		t.Errorf("%d sent, %v", n, err)
	}
	if got := o.row(id); got != "sent" {
		t.Errorf("got %s", got)
	}
}
