package registrar

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/token"
)

// limits bound how often something is asked for. They are counted by each
// process for itself, in memory. One network may be a hospital with everybody
// in it, so its limits are those of a crowd; what one person does with one link
// is limited by the link.
type limits struct {
	address  func(*http.Request) netip.Addr
	requests *web.Limiter // by network
	links    *web.Limiter // by link or code
	wrong    *web.Limiter // wrong codes, by network
	asked    *web.Limiter // links to be sent again, by network
	askedAll *web.Limiter // and in all

	reported    *web.Limiter // reports, by network
	reportedAll *web.Limiter // and in all
}

func newLimits(now func() time.Time) *limits {
	return &limits{
		address:  web.Remote,
		requests: web.NewLimiter(50*time.Millisecond, 3000, now),
		links:    web.NewLimiter(2*time.Second, 30, now),
		// A code has 100 bits: that is what keeps anybody from finding one, and not
		// this limit, which keeps the search from being a load, and makes it a 429
		// that is seen. There is none in all: whoever reached it from many networks
		// would shut out everybody who has nothing but a code.
		wrong:    web.NewLimiter(time.Minute, 50, now),
		asked:    web.NewLimiter(10*time.Second, 100, now),
		askedAll: web.NewLimiter(200*time.Millisecond, 2000, now),
		// Each is kept, and read by two people.
		reported:    web.NewLimiter(time.Minute, 20, now),
		reportedAll: web.NewLimiter(2*time.Second, 500, now),
	}
}

// network returns the key of the client's network; ok is false where nothing is
// known of it: a connection from this machine is a proxy's, or a demonstration's,
// and says nothing about who is behind it.
func (l *limits) network(r *http.Request) (key string, ok bool) {
	a := l.address(r).Unmap()
	return web.Network(a), a.IsValid() && !a.IsLoopback()
}

// allow counts something for the client's network.
func (l *limits) allow(by *web.Limiter, r *http.Request) bool {
	key, ok := l.network(r)
	return !ok || by.Allow(key)
}

// guess runs do for a typed code. Every code is counted as a wrong one first,
// and given back when it was not: so no more are looked up than the limit says,
// however many come at once. Once it is reached the right one is refused too,
// or the limit would only slow a search down. Links are not touched by it, nor
// is what has not the form of a code: nothing is looked up for it, and a member
// who mistypes one must not use up the limit of everybody at their hospital.
func (l *limits) guess(r *http.Request, code string, do func() error) error {
	if _, err := token.ParseCode(code); err != nil {
		return do()
	}
	key, known := l.network(r)
	if known && !l.wrong.Allow(key) {
		return ErrTooManyCodes
	}
	err := do()
	if known && !errors.Is(err, ErrUnknownLink) {
		l.wrong.GiveBack(key)
	}
	return err
}
