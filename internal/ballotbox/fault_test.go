package ballotbox_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
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
	before func(w *world)
	do     func(w *world) error
	again  func(w *world)
}

// TestBreak breaks every round trip of every operation, before the server sees
// it and after it answered, and restarts the box. What was acknowledged before
// is kept, what is done again gets the right answer, and the log is one log.
func TestBreak(t *testing.T) {
	t.Parallel()
	for _, s := range []step{
		{"cast", func(*world) {},
			func(w *world) error {
				p, _, err := w.box.Cast(context.Background(), w.made[0].sealed)
				if err == nil {
					w.checkPromise(w.made[0].id, p)
				}
				return err
			},
			func(w *world) { w.mustCast(w.made[0], ballotbox.Received) }},
		{"cast again", func(w *world) { w.mustCast(w.made[0], ballotbox.Received) },
			func(w *world) error { _, _, err := w.box.Cast(context.Background(), w.made[0].sealed); return err },
			func(w *world) { w.mustCast(w.made[0], ballotbox.Received) }},
		{"batch", castAll,
			func(w *world) error { return w.box.Tick(context.Background()) },
			func(w *world) {
				w.tick()
				if n := len(w.published()); n != 10 || w.waiting() != 10 {
					w.t.Errorf("%d in the log, %d pending", n, w.waiting())
				}
				w.checkSigned()
			}},
		{"lock", func(w *world) { castAll(w); w.tick(); w.afterGrace() },
			func(w *world) error { _, err := w.box.Lock(context.Background(), w.lockProof()); return err },
			func(w *world) {
				if _, err := w.box.Lock(context.Background(), w.lockProof()); err != nil {
					w.t.Error(err)
				}
				w.mustHold(w.made...)
				w.checkSigned()
			}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, after := range []bool{false, true} {
				trips := breakAll(t, s, after)
				if trips < 4 {
					t.Errorf("only %d round trips were broken", trips)
				}
			}
		})
	}
}

func castAll(w *world) {
	for _, m := range w.made {
		w.mustCast(m, ballotbox.Received)
	}
}

// breakAll breaks one round trip after the other until there is none left.
func breakAll(t *testing.T, s step, after bool) int {
	t.Helper()
	for n := 1; ; n++ {
		w := newWorld(t)
		w.made = w.ballots(1, 20)
		s.before(w)
		direct := w.service
		b := newBreaker(t, w.db.URL("sv_ballotbox"))
		w.service = b.pool(t, w.db.URL("sv_ballotbox"))
		w.box = w.mustOpen()
		b.arm(n, after)
		err := s.do(w)
		hit := b.disarm()
		w.service.Close()
		b.cut()
		if !hit {
			if err != nil {
				t.Fatalf("unbroken: %v", err)
			}
			return n - 1
		}
		if err == nil && n == 1 {
			t.Error("the first round trip was lost and nobody noticed")
		}
		if errors.Is(err, ballotbox.ErrBadCredential) || errors.Is(err, ballotbox.ErrMalformed) {
			t.Errorf("round trip %d: %v", n, err)
		}
		w.service = direct
		w.box = w.mustOpen()
		s.again(w)
	}
}

// checkSigned checks that the newest checkpoint is of the committed head.
func (w *world) checkSigned() {
	w.t.Helper()
	if behind, err := w.log().Unsigned(context.Background()); behind || err != nil {
		w.t.Errorf("the head has no checkpoint (%v)", err)
	}
}

// lockProof is the same proof each time: the clock of a world stands still.
func (w *world) lockProof() []byte { return w.proof(nil) }
