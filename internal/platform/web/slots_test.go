package web

import (
	"errors"
	"net/netip"
	"testing"
)

// TestSlots: one network leaves slots to others, what is done is free again, once, and
// nothing of who was answered stays.
func TestSlots(t *testing.T) {
	t.Parallel()
	s := NewSlots(4, 2)
	take := func(addr string, want error) func() {
		t.Helper()
		var a netip.Addr
		if addr != "" {
			a = netip.MustParseAddr(addr)
		}
		done, err := s.Take(a)
		if !errors.Is(err, want) {
			t.Fatalf("%s: got %v, want %v", addr, err, want)
		}
		return done
	}
	first := take("192.0.2.1", nil)
	list := []func(){first, take("::ffff:192.0.2.1", nil)}
	take("192.0.2.1", ErrNetworkSlots)
	list = append(list, take("2001:db8::1", nil), take("2001:db8::2", nil))
	take("2001:db8::3", ErrNetworkSlots)
	take("2001:db8:0:1::1", ErrSlots)
	take("127.0.0.1", ErrSlots)
	first()
	first()
	list = append(list, take("", nil))
	take("198.51.100.1", ErrSlots)
	for _, done := range list {
		done()
	}
	// A proxy on this machine that nobody named is everybody.
	for range 2 {
		list = []func(){take("127.0.0.1", nil), take("::1", nil), take("127.0.0.1", nil), take("127.0.0.2", nil)}
		take("::1", ErrSlots)
		for _, done := range list {
			done()
		}
	}
	if s.busy != 0 || len(s.held) != 0 {
		t.Errorf("%d are busy, of %v", s.busy, s.held)
	}
}
