package web

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// AtMost lets n requests run at once and as many wait. Others are told to come
// back, which is better for everybody than a queue that only grows. The body, of at
// most limit bytes, is read before: n clients that send a byte now and then would
// keep everybody out.
func AtMost(n int, limit int64) func(http.Handler) http.Handler {
	running, admitted := make(chan struct{}, n), make(chan struct{}, 2*n)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
			if err != nil {
				readProblem(err).write(w)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			select {
			case admitted <- struct{}{}:
				defer func() { <-admitted }()
			default:
				errBusy.write(w)
				return
			}
			select {
			case running <- struct{}{}:
				defer func() { <-running }()
			case <-r.Context().Done():
				errBusy.write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// A Limiter counts how often something is done, by key. Keys are kept as keyed
// hashes, in memory only, under a key that is drawn anew with the limiter and
// every day: a copy of the memory does not list who was here.
type Limiter struct {
	every time.Duration
	burst float64
	now   func() time.Time

	mu      sync.Mutex
	secret  [32]byte
	since   time.Time // when secret was drawn
	buckets map[[sha256.Size]byte]bucket
}

// A bucket holds what a key may still do.
type bucket struct {
	left float64
	at   time.Time
}

// maxBuckets bounds the memory of a limiter, to some ten megabytes.
const maxBuckets = 1 << 17

// NewLimiter returns a limiter that allows a key burst times at once and then
// once in every.
func NewLimiter(every time.Duration, burst int, now func() time.Time) *Limiter {
	return &Limiter{every: every, burst: float64(burst), now: now}
}

// Allow reports whether a key may go on, and counts it.
func (l *Limiter) Allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	// Buckets that are full again say nothing; a flood of keys must not fill
	// the memory either. Both begin a new table under a new key.
	if l.buckets == nil || now.Sub(l.since) > 24*time.Hour || len(l.buckets) >= maxBuckets {
		_, _ = rand.Read(l.secret[:]) // never fails
		l.since, l.buckets = now, make(map[[sha256.Size]byte]bucket)
	}
	id := l.id(key)
	b, ok := l.buckets[id]
	if !ok {
		b.left = l.burst
	} else {
		b.left = math.Min(l.burst, b.left+now.Sub(b.at).Seconds()/l.every.Seconds())
	}
	b.at = now
	allowed := b.left >= 1
	if allowed {
		b.left--
	}
	l.buckets[id] = b
	return allowed
}

// GiveBack takes back one call of [Limiter.Allow] that turned out not to be what
// is limited. Taking first and giving back counts exactly, however many ask at
// once; looking first and counting afterwards does not.
func (l *Limiter) GiveBack(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.id(key)
	if b, ok := l.buckets[id]; ok {
		b.left = math.Min(l.burst, b.left+1)
		l.buckets[id] = b
	}
}

// id returns the keyed hash of a key. It needs the lock.
func (l *Limiter) id(key string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, l.secret[:])
	mac.Write([]byte(key))
	return [sha256.Size]byte(mac.Sum(nil))
}

// ByAddress limits requests by the client's network: an IPv4 address or an IPv6
// /64. Whole hospitals share one, so the limit must be generous. Behind a proxy
// that this program trusts, address reads the client from what the proxy says;
// nil means the address of the connection. One from this machine is not limited: it
// is a proxy's that nobody named, and with it everybody would be shut out at once,
// or a program's of the operator. The ballot box does not use it.
func (l *Limiter) ByAddress(address func(*http.Request) netip.Addr) func(http.Handler) http.Handler {
	if address == nil {
		address = Remote
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if a := address(r); !a.Unmap().IsLoopback() && !l.Allow(Network(a)) {
				w.Header().Set("Retry-After", "60")
				errTooMany.write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Remote returns the address of a request's connection, or the zero address.
func Remote(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// Network returns the key under which an address is limited: an IPv4 address or
// an IPv6 /64. All without an address share a key.
func Network(a netip.Addr) string {
	bits := 64
	if a = a.Unmap(); a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
