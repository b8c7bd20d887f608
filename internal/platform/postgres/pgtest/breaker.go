package pgtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/platform/postgres"
)

// A Breaker stands between a service and its database, counts round trips, and
// breaks one of them: before the server sees the request, or after it answered
// and before the service sees the answer. Then every connection is cut, as when
// a process dies; new ones pass. It is safe for concurrent use.
type Breaker struct {
	listener net.Listener
	target   string // the server's socket

	mu    sync.Mutex
	trips int // round trips begun; guarded by mu
	at    int // the one that breaks, from 1; guarded by mu
	after bool
	hit   bool
	conns []net.Conn
}

// NewBreaker listens for connections to the server of a database, given by its
// address. It lasts as long as the test.
func NewBreaker(t testing.TB, database string) *Breaker {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Breaker{listener: l, target: socketOf(cfg)}
	t.Cleanup(func() { _ = l.Close(); b.Cut() })
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

// Pool opens a pool through the breaker to a database, given by its address. It
// lasts as long as the test.
func (b *Breaker) Pool(t testing.TB, database string) *pgxpool.Pool {
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

// Arm breaks the n-th round trip from now: with 0, none.
func (b *Breaker) Arm(n int, after bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trips, b.at, b.after, b.hit = 0, n, after, false
}

// Disarm reports whether the break happened, and lets everything pass.
func (b *Breaker) Disarm() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = 0
	return b.hit
}

// Trips returns how many round trips were begun since [Breaker.Arm].
func (b *Breaker) Trips() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trips
}

// Cut cuts every connection, as a service that is killed leaves them.
func (b *Breaker) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

// serve carries one connection.
func (b *Breaker) serve(client net.Conn) {
	server, err := net.Dial("unix", b.target)
	if err != nil {
		_ = client.Close()
		return
	}
	b.mu.Lock()
	b.conns = append(b.conns, client, server)
	b.mu.Unlock()
	w := &wire{Breaker: b, client: client, server: server}
	go w.down()
	w.up()
	_ = client.Close()
	_ = server.Close()
}

// A wire is one connection through a breaker.
type wire struct {
	*Breaker
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
				w.Cut()
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

func (b *Breaker) trip() int {
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
			// A server that is ready for a COPY waits for the client, who waits for it.
			if kind == 'Z' || kind == 'G' {
				w.Cut()
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

// A Fault is one round trip that breaks, counted from 1.
type Fault struct {
	At    int
	After bool // after the server answered
}

// A Pair is two faults of one operation, the second while it is done again.
type Pair struct {
	First, Second Fault
	Restart       bool // the service starts anew after each
}

// Pairs says how many pairs there are of an operation of so many round trips.
func Pairs(trips int) int { return 2 * (2 * trips) * (2 * trips) }

// PairAt returns the pair of a number below [Pairs]. Numbers that follow one
// another are far apart, so that some of them are a sample of all.
func PairAt(trips, number int) Pair {
	total := Pairs(trips)
	stride := total*5/8 | 1
	for gcd(stride, total) != 1 {
		stride += 2
	}
	n := number * stride % total
	fault := func(i int) Fault { return Fault{At: 1 + i/2, After: i%2 == 1} }
	faults := 2 * trips
	return Pair{fault(n / 2 % faults), fault(n / 2 / faults), n%2 == 1}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
