package voter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/voter"
)

// whole goes through a vote and returns its ballot.
func whole(t *testing.T, s *service, index uint32, memory voter.Memory) suite.BallotID {
	t.Helper()
	session := s.open(t, index, memory)
	if _, err := session.Status(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	seal(t, session, 0, 1)
	finish(t, session)
	found, err := session.Find(t.Context())
	if err != nil || found.State != "in the log" || found.Proof == nil {
		t.Errorf("got %v, %v", found, err)
	}
	id, _ := session.Tracker()
	return id
}

// TestFaults breaks every request once, in every way. The vote must be finished
// without help, and be one.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newService(t)
	member := uint32(0)
	for at := range paths {
		for _, kind := range []fault{lost, dropped, cut, busy, broken, gateway} {
			s.set(func() {
				s.requests = nil
				s.fault = func(n int, _ request) fault {
					if n == at+1 {
						return kind
					}
					return none
				}
			})
			// In a bubble of its own time no pause is waited for.
			synctest.Test(t, func(t *testing.T) { whole(t, s, member, voter.NoMemory{}) })
			member++
			if n := len(s.requests); n != len(paths)+1 {
				t.Errorf("%s, fault %d: %d requests", paths[at], kind, n)
			}
		}
	}
	if issued, cast := s.counts(); issued != int(member) || cast != int(member) {
		t.Errorf("%d votes made %d credentials and %d ballots", member, issued, cast)
	}
}

// TestLostTwice loses every reply, of every request, once.
func TestLostTwice(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fault = func(n int, _ request) fault {
		if n%2 == 1 {
			return dropped
		}
		return none
	}
	synctest.Test(t, func(t *testing.T) { whole(t, s, 0, inFile(t)) })
	if issued, cast := s.counts(); issued != 1 || cast != 1 || s.signed != 2 {
		t.Errorf("%d credentials, signed %d times, and %d ballots", issued, s.signed, cast)
	}
}

// services are what a voter is told did not answer.
var services = map[string]string{
	"booth": "the service with the voters' pages", "registrar": "the registrar", "box": "the ballot box", "board": "the public board",
}

// TestGiveUp finds the service down for good at each request.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for at, path := range paths {
		for _, kind := range []fault{lost, busy} {
			tries := 0
			s.set(func() {
				s.fault = func(_ int, r request) fault {
					if r.origin+r.path == path {
						tries++
						return kind
					}
					return none
				}
			})
			synctest.Test(t, func(t *testing.T) {
				err := attempt(t, s.client(), s.link(uint32(10*at+int(kind))))
				sentence(t, path, err)
				if err != nil && !strings.Contains(err.Error(), "gave up after 6 tries") {
					t.Errorf("%s: got %q", path, err)
				}
				if away := new(voter.AwayError); kind == lost && (!errors.As(err, &away) || strings.Contains(err.Error(), "http") || !strings.Contains(err.Error(), services[strings.SplitN(path, "/", 2)[0]]+" does not answer now")) {
					t.Errorf("%s: got %q", path, err)
				}
				if said := new(voter.ServiceError); errors.As(err, &said) != (kind == busy) {
					t.Errorf("%s: got %q", path, err)
				}
			})
			if tries != voter.Attempts || voter.Attempts != 6 {
				t.Errorf("%s: tried %d times", path, tries)
			}
		}
	}
}

// TestPause checks how long a service that says so is left alone, by the
// bubble's clock: as long as it says, but not for ever.
func TestPause(t *testing.T) {
	t.Parallel()
	for after, want := range map[string][2]time.Duration{
		"3":                             {3 * time.Second, 4 * time.Second},
		"1000000":                       {10 * time.Second, 11 * time.Second},
		"-5":                            {0, time.Second},
		"Fri, 31 Dec 2027 23:59:59 GMT": {0, time.Second},
		"":                              {0, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t)
			s.fault = func(n int, _ request) fault {
				if n == 1 {
					return busy
				}
				return none
			}
			client := &http.Client{Transport: headers{s, after}}
			began := time.Now()
			if _, err := voter.Open(t.Context(), client, s.link(0), voter.NoMemory{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < want[0] || took > want[1] {
				t.Errorf("Retry-After %q: waited %v", after, took)
			}
		})
	}
}

// headers sets Retry-After.
type headers struct {
	*service
	after string
}

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.service.RoundTrip(r)
	if err == nil {
		resp.Header.Set("Retry-After", h.after)
	}
	return resp, err
}

// TestCancelled ends the program while it waits to try again.
func TestCancelled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fault = func(int, request) fault { return busy }
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := voter.Open(ctx, s.client(), s.link(0), voter.NoMemory{})
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	if len(s.requests) != 1 {
		t.Errorf("%d requests", len(s.requests))
	}
}

// A mortal is a network that ends with its program, at the n-th request.
type mortal struct {
	*service
	n      int
	after  bool // the request arrives
	seen   int
	cancel context.CancelFunc
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	m.seen++
	if m.seen != m.n {
		return m.service.RoundTrip(r)
	}
	if m.after {
		if _, err := m.service.RoundTrip(r); err != nil {
			return nil, err
		}
	}
	m.cancel()
	return nil, errNetwork
}

// TestKilled kills the program before and after every request, and as often in a
// row as there are requests, and opens the link again each time. The ballot that
// was kept is the one that is finished.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	member := uint32(0)
	for n := 1; n <= len(paths); n++ {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("killed at %s, arrived: %v", paths[n-1], after)
			memory := inFile(t)
			ctx, cancel := context.WithCancel(t.Context())
			m := &mortal{service: s, n: n, after: after, cancel: cancel}
			if err := live(ctx, m, s.link(member), memory, (*voter.Session).Finish); err == nil {
				t.Errorf("%s: it lived on", name)
			}
			session := s.open(t, member, memory)
			id, kept := session.Tracker()
			if want := n >= 4; kept != want {
				t.Errorf("%s: a ballot is kept: %v", name, kept)
			}
			if !kept {
				seal(t, session, 2, 0)
			} else if err := session.Seal(ballot.Choices{0, 0}, ""); err == nil {
				t.Errorf("%s: another ballot took its place", name)
			}
			finish(t, session)
			if got, _ := session.Tracker(); kept && got != id {
				t.Errorf("%s: another ballot was finished", name)
			}
			member++
		}
	}
	if issued, cast := s.counts(); issued != int(member) || cast != int(member) {
		t.Errorf("%d votes made %d credentials and %d ballots", member, issued, cast)
	}
}

// live is a program from its start to its end, with a ballot that is cast or
// deposited.
func live(ctx context.Context, m http.RoundTripper, link string, memory voter.Memory, end func(*voter.Session, context.Context, string) error) error {
	session, err := voter.Open(ctx, &http.Client{Transport: m}, link, memory)
	if err != nil {
		return err
	}
	if _, err := session.Status(ctx, ""); err != nil {
		return err
	}
	if session.Stage() == voter.StageNew {
		if err := session.Seal(ballot.Choices{1, 1}, ""); err != nil {
			return err
		}
	}
	if err := end(session, ctx, ""); err != nil {
		return err
	}
	_, err = session.Find(ctx)
	return err
}

// TestKilledAgain kills every run after its last new request has arrived.
func TestKilledAgain(t *testing.T) {
	t.Parallel()
	s := newService(t)
	memory := inFile(t)
	// Each run opens the link with two requests and asks for the status.
	runs := 0
	for at := 4; at <= 6; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		if err := live(ctx, &mortal{service: s, n: 4, after: true, cancel: cancel}, s.link(0), memory, (*voter.Session).Finish); err == nil {
			t.Error("it lived on")
		}
		runs++
	}
	if issued, cast := s.counts(); issued != 1 || cast != 0 || s.signed != runs {
		t.Errorf("%d credentials, signed %d times, and %d ballots", issued, s.signed, cast)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := live(ctx, &mortal{service: s, n: 5, after: true, cancel: cancel}, s.link(0), memory, (*voter.Session).Finish); err == nil {
		t.Error("it lived on")
	}
	if issued, cast := s.counts(); issued != 1 || cast != 1 {
		t.Errorf("%d credentials and %d ballots", issued, cast)
	}
	session := s.open(t, 0, memory)
	if session.Stage() != voter.StageIssued {
		t.Errorf("got stage %q", session.Stage())
	}
	finish(t, session)
	if _, cast := s.counts(); cast != 1 {
		t.Errorf("%d ballots", cast)
	}
}
