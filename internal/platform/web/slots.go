package web

import (
	"errors"
	"net/netip"
	"sync"
)

// Slots bound how many long answers are under way at once, in all and to one network,
// so that whoever reads very slowly keeps at most a few of them from others. A network
// is remembered while it is being answered, and no longer.
type Slots struct {
	all, each int

	mu   sync.Mutex
	busy int            // guarded by mu
	held map[string]int // by network; guarded by mu
}

// NewSlots returns so many slots, of which one network has at most each.
func NewSlots(all, each int) *Slots { return &Slots{all: all, each: each, held: make(map[string]int)} }

var (
	// ErrSlots is returned while all slots are taken.
	ErrSlots = errors.New("too many answers of this kind are under way")
	// ErrNetworkSlots is returned to a network that has all that it may have.
	ErrNetworkSlots = errors.New("too many answers of this kind to one network are under way")
)

// Take takes a slot for an address, until done is called, or returns [ErrSlots] or
// [ErrNetworkSlots]. As with [Limiter.ByAddress], this machine is one of all: a proxy
// that nobody named would be everybody.
func (s *Slots) Take(a netip.Addr) (done func(), err error) {
	network := ""
	if !a.Unmap().IsLoopback() {
		network = "of " + Network(a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case network != "" && s.held[network] >= s.each:
		return nil, ErrNetworkSlots
	case s.busy >= s.all:
		return nil, ErrSlots
	}
	s.busy++
	if network != "" {
		s.held[network]++
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy--
		if network == "" {
			return
		}
		if s.held[network]--; s.held[network] == 0 {
			delete(s.held, network)
		}
	}), nil
}
