// Package sendgridtest is a stand-in of SendGrid's mail API for tests, over real HTTP.
//
// It holds every request against SendGrid's published schema and against what this
// project promises: no tracking, nothing about members beyond the mail. A request that
// breaks either fails the test. It refuses, delays and forgets as it is told to, keeps
// what it accepted, and tells of it as SendGrid's webhook does.
package sendgridtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Options are how a [Server] behaves. Shares are of all calls, from 0 to 1.
type Options struct {
	Key string // of the API; empty: "SG.test"
	// Sandbox demands that every call is one that sends nothing.
	Sandbox bool

	Limited     float64       // answered 429, and what follows within the same second too
	Failed      float64       // answered 500, and not accepted
	FailedAfter float64       // accepted, and answered 500
	Lost        float64       // accepted, and never answered
	Until       int           // the last call with which any of that happens; 0: every call
	Seed        uint64        // of where chance begins
	Latency     time.Duration // before each answer

	// Bad reports whether SendGrid takes an address for none.
	Bad func(address string) bool
	// Answer, if not nil, decides about each call, the n-th from 1, instead of chance.
	Answer func(n int, sent Request) Reply
}

// A Reply is an answer. The zero value is what SendGrid answers to what is in order.
type Reply struct {
	Status int
	Body   string
	Header http.Header
	Accept bool // the mails are sent, whatever the answer is
	Never  bool // there is no answer
}

// Counts says what became of the calls.
type Counts struct {
	Calls, Accepted, Rejected    int
	Limited, Failed, FailedAfter int
	Lost                         int // accepted, and never answered
	Cut                          int // ended by who called, before all was there
	Gone                         int // accepted, and who called did not wait for the answer
	LargestPersonalization       int // bytes of one mail's substitutions
}

// A Server is the stand-in. It ends with the test.
type Server struct {
	t      testing.TB
	o      Options
	http   *httptest.Server
	schema *jsonschema.Schema // nil: not to be had
	key    *ecdsa.PrivateKey  // signs events

	mu      sync.Mutex
	chance  float64
	counts  Counts
	kept    []Message
	until   time.Time // nothing is taken before
	records []string
	changed chan struct{}
	told    int
}

// New starts a stand-in.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Key == "" {
		o.Key = "SG.test"
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, o: o, schema: officialSchema(t), key: key, chance: rand.New(rand.NewPCG(o.Seed, 1)).Float64(), changed: make(chan struct{})}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() { s.http.CloseClientConnections(); s.http.Close() })
	return s
}

// URL is the base of its addresses.
func (s *Server) URL() string { return s.http.URL }

// Key is the key of the API that it wants.
func (s *Server) Key() string { return s.o.Key }

// Kept returns what it accepted, in order. The same mail may be there twice.
func (s *Server) Kept() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.kept...)
}

// Counts returns what became of the calls until now.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Records returns all that SendGrid keeps for long beside a mail and its address: its
// categories, custom arguments and headers, one line each.
func (s *Server) Records() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.records...)
}

// Changed returns a channel that closes with the next call that it accepts.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // the caller was killed
		s.mu.Lock()
		s.counts.Cut++
		s.mu.Unlock()
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v3/mail/send" || r.Header.Get("Content-Type") != "application/json" {
		s.t.Errorf("SendGrid was asked %s %s, %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	if r.Header.Get("Authorization") != "Bearer "+s.o.Key {
		write(w, Reply{Status: http.StatusUnauthorized, Body: faults("", "The provided authorization grant is invalid, expired, or revoked")})
		return
	}
	reply := s.judge(body)
	if s.o.Latency > 0 {
		select {
		case <-time.After(s.o.Latency):
		case <-r.Context().Done():
		}
	}
	if reply.Never {
		<-r.Context().Done()
		return
	}
	if r.Context().Err() != nil && reply.Accept {
		s.mu.Lock()
		s.counts.Gone++
		s.mu.Unlock()
	}
	write(w, reply)
}

func write(w http.ResponseWriter, r Reply) {
	for name, v := range r.Header {
		w.Header()[name] = v
	}
	w.WriteHeader(r.Status)
	_, _ = io.WriteString(w, r.Body) // a caller that is gone hears nothing
}

// judge decides about a call, and keeps its mails if they are sent.
func (s *Server) judge(body []byte) Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Calls++
	sent, err := s.check(body)
	if err != nil {
		s.t.Errorf("a request that SendGrid does not take, or that this project must not make: %v", err)
		s.counts.Rejected++
		return Reply{Status: http.StatusBadRequest, Body: faults("", "Bad Request")}
	}
	reply := s.chosen(sent)
	if reply.Status == 0 && !reply.Never {
		for i, p := range sent.Personalizations {
			if s.o.Bad != nil && s.o.Bad(p.To[0].Email) {
				s.counts.Rejected++
				return Reply{Status: http.StatusBadRequest, Body: faults(fmt.Sprintf("personalizations.%d.to", i), "Does not contain a valid address: "+p.To[0].Email)}
			}
		}
		reply.Status, reply.Accept = http.StatusAccepted, true
		if s.o.Sandbox {
			reply.Status = http.StatusOK
		}
	}
	if reply.Accept {
		s.counts.Accepted++
		s.kept = append(s.kept, sent.messages(s.counts.Calls)...)
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return reply
}

// chosen is what chance, or the test, answers.
func (s *Server) chosen(sent Request) Reply {
	if s.o.Answer != nil {
		return s.o.Answer(s.counts.Calls, sent)
	}
	if s.o.Until > 0 && s.counts.Calls > s.o.Until {
		return Reply{}
	}
	now := time.Now()
	if now.Before(s.until) {
		s.counts.Limited++
		return limited(s.until)
	}
	// Steps of the golden section: not to be foreseen from one to the next, and yet no
	// share is left out of a few dozen calls.
	_, s.chance = math.Modf(s.chance + math.Phi)
	switch x, o := s.chance, s.o; {
	case x < o.Limited:
		s.counts.Limited++
		s.until = now.Truncate(time.Second).Add(time.Second)
		return limited(s.until)
	case x < o.Limited+o.Failed:
		s.counts.Failed++
		return Reply{Status: http.StatusInternalServerError, Body: faults("", "")}
	case x < o.Limited+o.Failed+o.FailedAfter:
		s.counts.FailedAfter++
		return Reply{Status: http.StatusServiceUnavailable, Body: faults("", ""), Accept: true}
	case x < o.Limited+o.Failed+o.FailedAfter+o.Lost:
		s.counts.Lost++
		return Reply{Never: true, Accept: true}
	}
	return Reply{}
}

func limited(until time.Time) Reply {
	return Reply{Status: http.StatusTooManyRequests, Body: faults("", "too many requests"), Header: http.Header{
		"X-Ratelimit-Limit": {"600"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {strconv.FormatInt(until.Unix(), 10)}}}
}

// faults is the body of an answer that refuses.
func faults(field, message string) string {
	e := map[string]any{"message": message, "field": nil, "help": nil}
	if field != "" {
		e["field"] = field
	}
	b, err := json.Marshal(map[string]any{"errors": []any{e}})
	if err != nil {
		panic(err) // strings can be written
	}
	return string(b)
}

// Faulty is an answer that finds fault with a field, which is empty if it names none.
func Faulty(field, message string) Reply {
	return Reply{Status: http.StatusBadRequest, Body: faults(field, message)}
}
