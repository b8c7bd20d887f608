package torture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/demo"
	"strikevote/internal/platform/web"
	"strikevote/internal/torture"
)

// A dawdler keeps a connection for as long as it may.
type dawdler struct {
	name  string
	first string        // sent at once; %s is the address
	drip  bool          // then a byte every second
	read  bool          // and a byte of the answer every second, else nothing of it
	bound time.Duration // in which the service ends it
}

// late is how long after its bound a connection may live on a busy machine.
const late = 30 * time.Second

// dawdlers are all kinds. long ones are bounded by minutes.
func dawdlers(election string, long bool) []dawdler {
	post := "POST /v1/" + election + "/acts HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: "
	list := []dawdler{
		{name: "silent", bound: 5 * time.Second},
		{name: "slow headers", first: "GET / HTTP/1.1\r\nHost: %s\r\nX-A: ", drip: true, bound: 5 * time.Second},
		{name: "slow bodies", first: post + "4000\r\n\r\n", drip: true, bound: 10 * time.Second},
		{name: "long bodies kept back", first: post + "62000\r\n\r\n" + strings.Repeat("b", 61_000), drip: true, bound: 10 * time.Second},
	}
	if long {
		list = append(list,
			dawdler{name: "idle", first: "GET /nothing HTTP/1.1\r\nHost: %s\r\n\r\n", bound: time.Minute},
			dawdler{name: "slow readers", first: strings.Repeat("GET /nothing HTTP/1.1\r\nHost: %s\r\n\r\n", 20_000), read: true, bound: 3 * time.Minute})
	}
	return list
}

// dawdle keeps a connection until the service ends it and reports whether it did in
// time. A slow reader does not learn of an end that stands behind what it has not
// read: it goes on until ctx ends.
func (d dawdler) dawdle(ctx context.Context, from, addr string, opened func()) (ended bool, err error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
	c, err := dialer.DialContext(ctx, "tcp", addr)
	opened()
	if err != nil {
		return false, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if d.read {
		_ = c.(*net.TCPConn).SetReadBuffer(1 << 10)
	} else {
		_ = c.SetDeadline(time.Now().Add(d.bound + late))
	}
	gone := make(chan struct{})
	var tick <-chan time.Time
	if d.drip || d.read {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		tick = t.C
	}
	go func() {
		if _, err := io.WriteString(c, strings.ReplaceAll(d.first, "%s", addr)); err != nil {
			return
		}
		for d.drip {
			select {
			case <-tick:
				if _, err := c.Write([]byte{'x'}); err != nil {
					return
				}
			case <-gone:
				return
			}
		}
	}()
	defer close(gone)
	for b := make([]byte, 4096); ; {
		n := len(b)
		if d.read {
			n = 1
			select {
			case <-tick:
			case <-ctx.Done():
			}
		}
		if _, err := c.Read(b[:n]); err != nil {
			timeout := net.Error(nil)
			return !(errors.As(err, &timeout) && timeout.Timeout()), nil
		}
	}
}

// TestTortureSlowClients keeps two thousand connections to all listeners busy with
// nothing, from other addresses of this machine, while members vote. All members
// vote, memory stays bounded, and the service ends every one of the connections.
//
// The services exempt this machine from their limits of requests, and no limit of
// theirs counts connections by network: what is tried here is what they do for
// everybody.
func TestTortureSlowClients(t *testing.T) {
	t.Parallel()
	const voters, slow = 50, 2000
	s := newStand(t, demo.Options{Members: 60})
	load, err := demo.ReadLoad(s.p.Mail, voters, 1)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := demo.ReadLetters(s.p.Mail)
	if err != nil {
		t.Fatal(err)
	}
	addrs, before := s.addresses(), s.footprints()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kinds := dawdlers(electionIn(letters[0].Link), torture.Long())
	var all, readers, open sync.WaitGroup
	var mu sync.Mutex
	ended, refused := make(map[string]int), 0
	open.Add(slow)
	for i := range slow {
		kind, addr := kinds[i%len(kinds)], addrs[i/len(kinds)%len(addrs)]
		group := &all
		if kind.read {
			group = &readers
		}
		group.Go(func() {
			ok, err := kind.dawdle(ctx, fmt.Sprintf("127.0.1.%d:0", 1+i%250), addr, open.Done)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				ended[kind.name]++
			} else if err != nil {
				refused++
			}
		})
	}
	open.Wait()
	votes, err := load.Vote(t.Context(), 10, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	peak := s.footprints()
	all.Wait() // the service ends them, or their own time does
	s.waitForFiles(before)
	cancel()
	readers.Wait()
	total := 0
	for _, n := range ended {
		total += n
	}
	if total != slow || refused > 0 {
		t.Errorf("of %d connections %v were ended and %d refused", slow, ended, refused)
	}
	if len(votes.Took) != voters {
		t.Errorf("%d of %d voters voted: %v\n%s", len(votes.Took), voters, votes.Errors, s.log.tail())
	}
	memory := s.compareMemory(before, peak)
	if r := s.finish(filepath.Join(t.TempDir(), "record")); r.Ballots != voters {
		t.Errorf("the record holds %d ballots", r.Ballots)
	}
	torture.Report(t, torture.Row{
		What:   fmt.Sprintf("%d connections kept busy with nothing on ten listeners (%v)", slow, ended),
		Target: "all 50 voters succeed; the service ends every connection; at most 80 MB more in each process",
		Measured: fmt.Sprintf("%d of %d voters, median %v, slowest %v; all ended; %s", len(votes.Took), voters,
			votes.Took[len(votes.Took)/2].Round(time.Millisecond), votes.Took[len(votes.Took)-1].Round(time.Millisecond), memory),
		Control: "a server without time-outs and with few connections serves nobody until they let it",
	})
}

// waitForFiles waits until no service has more connections open than before. Those of
// slow readers end with the time for an answer, which is three minutes at the console.
func (s *stand) waitForFiles(before map[string]footprint) {
	s.t.Helper()
	for tick, end := time.NewTicker(time.Second), time.Now().Add(3*time.Minute+late); ; <-tick.C {
		most := 0
		for name, f := range s.footprints() {
			most = max(most, f.files-before[name].files)
		}
		if most <= growthFiles {
			return
		}
		if time.Now().After(end) {
			s.t.Errorf("a service has %d files more open than before", most)
			return
		}
	}
}

// slowKB is what connections and the bodies that they keep back may take in one
// process: the services hold 24 MiB of bodies each, and three share a process.
const slowKB = 80 << 10

// addresses are those of all listeners.
func (s *stand) addresses() []string {
	o := s.p.Origins
	addrs := []string{s.ledger, s.ballots, s.admin[registrarService], s.admin[boxService], s.admin[boardService]}
	for _, origin := range []string{o.Booth, o.Registrar, o.Box, o.Board, o.Console} {
		addrs = append(addrs, strings.TrimPrefix(origin, "http://"))
	}
	return addrs
}

// compareMemory demands that no service took more than slowKB, and says what each did.
func (s *stand) compareMemory(before, peak map[string]footprint) string {
	s.t.Helper()
	var memory []string
	for name, f := range peak {
		memory = append(memory, fmt.Sprintf("%s %d→%d MB", name, before[name].rss>>10, f.rss>>10))
		if f.rss > before[name].rss+slowKB {
			s.t.Errorf("the %s held %d kB before and %d kB with them", name, before[name].rss, f.rss)
		}
	}
	slices.Sort(memory)
	return strings.Join(memory, ", ")
}

// footprints returns those of all services.
func (s *stand) footprints() map[string]footprint {
	s.t.Helper()
	all := make(map[string]footprint)
	for name, p := range s.services {
		f, err := footprintOf(p.cmd.Process.Pid)
		if err != nil {
			s.t.Fatalf("the %s: %v\n%s", name, err, s.log.tail())
		}
		all[name] = f
	}
	return all
}

// few is a listener that has at most so many connections open.
type few struct {
	net.Listener
	free chan struct{}
}

func (f few) Accept() (net.Conn, error) {
	f.free <- struct{}{}
	c, err := f.Listener.Accept()
	if err != nil {
		<-f.free
		return nil, err
	}
	return &fewConn{Conn: c, free: f.free}, nil
}

type fewConn struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

func (c *fewConn) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}

// TestTortureSlowClientsControl takes all connections of a server and says nothing.
// With the time-outs of the service, cut short, a request is answered all the same.
// The negative control has none: nothing is answered before they let go.
func TestTortureSlowClientsControl(t *testing.T) {
	t.Parallel()
	const most = 8
	ask := func(limits *web.Limits) (before bool) {
		var released atomic.Bool
		h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { before = !released.Load() })
		server := &http.Server{Handler: h}
		if limits != nil {
			server = web.Server("", h, *limits)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var taken sync.WaitGroup
		taken.Add(most)
		var news atomic.Int64
		server.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew && news.Add(1) <= most {
				taken.Done()
			}
		}
		go func() { _ = server.Serve(few{l, make(chan struct{}, most)}) }()
		defer server.Close()
		silent := make([]net.Conn, most)
		for i := range silent {
			if silent[i], err = net.Dial("tcp", l.Addr().String()); err != nil {
				t.Fatal(err)
			}
			defer silent[i].Close()
		}
		taken.Wait()
		if limits == nil {
			// The request waits in the kernel's queue; nothing but this lets it in.
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			released.Store(true)
			_ = silent[0].Close()
			if b, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.0 200")) {
				t.Errorf("got %q, %v", b, err)
			}
			return before
		}
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return before
	}
	if !ask(&web.Limits{Header: 100 * time.Millisecond, Read: 100 * time.Millisecond}) {
		t.Error("with time-outs nothing was answered")
	}
	if ask(nil) {
		t.Error("negative control: answered while all connections are taken")
	}
}
