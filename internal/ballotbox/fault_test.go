package ballotbox_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/ballotbox"
	"strikevote/internal/platform/postgres"
)

// A breaker stands between a box and its database, counts round trips, and
// breaks one of them: before the server sees the request, or after it answered
// and before the box sees the answer. Then every connection is cut, as when a
// process dies.
type breaker struct {
	listener net.Listener
	target   string // the server's socket

	mu    sync.Mutex
	trips int // round trips begun; guarded by mu
	at    int // the one that breaks, from 1; guarded by mu
	after bool
	hit   bool
	conns []net.Conn
}

// newBreaker listens for connections to a database.
func newBreaker(t testing.TB, database string) *breaker {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{listener: l, target: socketOf(cfg)}
	t.Cleanup(func() { _ = l.Close(); b.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(c)
		}
	}()
	return b
}

// pool opens a pool through the breaker.
func (b *breaker) pool(t testing.TB, database string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "postgres", Host: b.listener.Addr().String(), Path: "/" + cfg.ConnConfig.Database,
		User: url.User(cfg.ConnConfig.User), RawQuery: "sslmode=disable"}
	p, err := postgres.Open(context.Background(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// arm breaks the n-th round trip from now.
func (b *breaker) arm(n int, after bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trips, b.at, b.after, b.hit = 0, n, after, false
}

// disarm reports whether the break happened, and lets everything pass.
func (b *breaker) disarm() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = 0
	return b.hit
}

func (b *breaker) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

// serve carries one connection.
func (b *breaker) serve(client net.Conn) {
	server, err := net.Dial("unix", b.target)
	if err != nil {
		_ = client.Close()
		return
	}
	b.mu.Lock()
	b.conns = append(b.conns, client, server)
	b.mu.Unlock()
	w := &wire{breaker: b, client: client, server: server}
	go w.down()
	w.up()
	_ = client.Close()
	_ = server.Close()
}

// A wire is one connection through a breaker.
type wire struct {
	*breaker
	client, server net.Conn
	mu             sync.Mutex
	swallow        bool // answers from here on; guarded by mu
}

// up carries requests. A message that ends a round trip is Sync or Query.
func (w *wire) up() {
	if !w.startup() {
		return
	}
	for {
		kind, msg, err := message(w.client)
		if err != nil {
			return
		}
		if kind == 'S' || kind == 'Q' {
			switch w.trip() {
			case breakBefore:
				w.cut()
				return
			case breakAfter:
				w.mu.Lock()
				w.swallow = true
				w.mu.Unlock()
			}
		}
		if _, err := w.server.Write(msg); err != nil {
			return
		}
	}
}

const (
	pass = iota
	breakBefore
	breakAfter
)

func (b *breaker) trip() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trips++
	switch {
	case b.at == 0 || b.trips != b.at:
		return pass
	case b.after:
		b.hit = true
		return breakAfter
	}
	b.hit = true
	return breakBefore
}

// startup carries the first message, which has no type.
func (w *wire) startup() bool {
	var size [4]byte
	if _, err := io.ReadFull(w.client, size[:]); err != nil {
		return false
	}
	rest := make([]byte, binary.BigEndian.Uint32(size[:])-4)
	if _, err := io.ReadFull(w.client, rest); err != nil {
		return false
	}
	_, err := w.server.Write(append(size[:], rest...))
	return err == nil
}

// down carries answers, and cuts when the last of a swallowed one is there: the
// server has done what it was asked, and nobody will hear of it.
func (w *wire) down() {
	for {
		kind, msg, err := message(w.server)
		if err != nil {
			_ = w.client.Close()
			return
		}
		w.mu.Lock()
		swallow := w.swallow
		w.mu.Unlock()
		if swallow {
			if kind == 'Z' {
				w.cut()
				return
			}
			continue
		}
		if _, err := w.client.Write(msg); err != nil {
			return
		}
	}
}

// message reads a typed message.
func message(r io.Reader) (kind byte, msg []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	msg = make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
	copy(msg, head[:])
	_, err = io.ReadFull(r, msg[5:])
	return head[0], msg, err
}

func socketOf(cfg *pgxpool.Config) string {
	return fmt.Sprintf("%s/.s.PGSQL.%d", cfg.ConnConfig.Host, cfg.ConnConfig.Port)
}

// A step is something that a box does, and what must hold after it, whether it
// was broken or not, once it is done again without a break.
type step struct {
	name   string
	before func(w *world) // may be called again in the same world
	do     func(w *world) error
	again  func(w *world)
}

var steps = []step{
	{
		name:   "cast",
		before: func(w *world) { w.made = append(w.made, w.ballot(1)) },
		do:     castLast,
		again:  func(w *world) { w.mustCast(w.made[len(w.made)-1], ballotbox.Received) },
	},
	{
		name: "cast again",
		before: func(w *world) {
			w.made = append(w.made, w.ballot(1))
			w.mustCast(w.made[len(w.made)-1], ballotbox.Received)
		},
		do:    castLast,
		again: func(w *world) { w.mustCast(w.made[len(w.made)-1], ballotbox.Received) },
	},
	{
		name: "batch",
		before: func(w *world) {
			for n := w.waiting(); n < 20; n++ {
				w.made = append(w.made, w.ballot(1))
				w.mustCast(w.made[len(w.made)-1], ballotbox.Received)
			}
		},
		do: func(w *world) error { return w.box.Tick(context.Background()) },
		again: func(w *world) {
			w.tick()
			if n := len(w.published()); n != len(w.made)-10 || w.waiting() != 10 {
				w.t.Errorf("%d in the log and %d pending of %d", n, w.waiting(), len(w.made))
			}
		},
	},
	{
		name: "lock",
		before: func(w *world) {
			if len(w.made) == 0 {
				w.made = append(w.ballots(1, 2), w.ballots(2, 2)...)
			}
			for _, m := range w.made {
				w.mustCast(m, ballotbox.Received)
			}
			w.afterGrace()
		},
		do: func(w *world) error { _, err := w.box.Lock(context.Background(), w.proof(nil)); return err },
		again: func(w *world) {
			if !w.locked() {
				if n := w.waiting(); n != len(w.made) || len(w.published()) != 0 {
					w.t.Errorf("%d pending of %d", n, len(w.made))
				}
				return // the next round trip is broken in the same world
			}
			// The clock of a world stands still, so the proof is the same.
			if _, err := w.box.Lock(context.Background(), w.proof(nil)); err != nil {
				w.t.Error(err)
			}
			w.mustHold(w.made...)
		},
	},
}

// locked reports whether the box is locked.
func (w *world) locked() (yes bool) {
	w.t.Helper()
	w.scan(`SELECT phase = 'locked' FROM ballotbox.election`, &yes)
	return yes
}

func castLast(w *world) error {
	m := w.made[len(w.made)-1]
	p, _, err := w.box.Cast(context.Background(), m.sealed)
	if err == nil {
		w.checkPromise(m.id, p)
	}
	return err
}

// TestBreak breaks every round trip of every operation, before the server sees
// it and after it answered, and restarts the box. What was acknowledged before
// is kept, what is done again gets the right answer, and the log is one log.
func TestBreak(t *testing.T) {
	t.Parallel()
	for _, s := range steps {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answered %v", s.name, after), func(t *testing.T) {
				t.Parallel()
				breakAll(t, s, after)
			})
		}
	}
}

// breakAll breaks one round trip after the other until there is none left, in
// one world as long as that is not locked.
func breakAll(t *testing.T, s step, after bool) {
	t.Helper()
	n := 0
	for broken := true; broken; {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, large)
			for broken && !w.locked() {
				n++
				broken = breakOne(w, s, n, after)
			}
		})
	}
	if n < 6 {
		t.Errorf("only %d round trips were broken", n-1)
	}
}

// breakOne breaks the n-th round trip of a step, if it has so many.
func breakOne(w *world, s step, n int, after bool) bool {
	w.t.Helper()
	s.before(w)
	direct := w.service
	b := newBreaker(w.t, w.db.URL("sv_ballotbox"))
	w.service = b.pool(w.t, w.db.URL("sv_ballotbox"))
	w.box = w.mustOpen()
	b.arm(n, after)
	err := s.do(w)
	hit := b.disarm()
	b.cut()
	w.service.Close()
	w.service = direct
	w.box = w.mustOpen()
	if !hit && err != nil {
		w.t.Fatalf("unbroken: %v", err)
	}
	if hit && n == 1 && err == nil {
		w.t.Error("the first round trip was lost and nobody noticed")
	}
	if answer := ballotbox.Status(err); hit && err != nil && answer != http.StatusServiceUnavailable {
		w.t.Errorf("round trip %d: answered %d, %v", n, answer, err)
	}
	s.again(w)
	if behind, err := w.log().Unsigned(context.Background()); behind || err != nil {
		w.t.Errorf("the head has no checkpoint (%v)", err)
	}
	return hit
}
