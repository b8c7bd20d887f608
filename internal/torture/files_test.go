package torture_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/demo"
	"strikevote/internal/torture"
)

// TestTortureFewFiles lets the registrar and the box open few files, and opens twice
// as many connections to each, again and again, that say nothing. All members vote
// meanwhile, and both processes live. Without a bound on connections the process has
// no file left for its database (`platform/web` TestCrowd has that control).
func TestTortureFewFiles(t *testing.T) {
	t.Parallel()
	const voters, files = 30, 256
	s := newStand(t, demo.Options{Members: 40})
	s.files = files
	for _, name := range []string{registrarService, boxService} {
		s.killService(name)
		s.startService(name)
	}
	load, err := demo.ReadLoad(s.p.Mail, voters, 1)
	if err != nil {
		t.Fatal(err)
	}
	addrs := []string{strings.TrimPrefix(s.p.Origins.Registrar, "http://"), strings.TrimPrefix(s.p.Origins.Box, "http://")}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var opened atomic.Int64
	var silent, first sync.WaitGroup
	const each = 2 * files
	first.Add(each * len(addrs))
	for i := range each * len(addrs) {
		silent.Go(func() {
			once := sync.OnceFunc(first.Done)
			for ctx.Err() == nil {
				beSilent(ctx, fmt.Sprintf("127.0.2.%d:0", 1+i%250), addrs[i%len(addrs)], func() { once(); opened.Add(1) })
			}
		})
	}
	first.Wait()
	votes, err := load.Vote(t.Context(), 5, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	most := make(map[string]int)
	for name, f := range s.footprints() {
		most[name] = f.files
	}
	cancel()
	silent.Wait()
	if len(votes.Took) != voters {
		t.Errorf("%d of %d voters voted: %v\n%s", len(votes.Took), voters, votes.Errors, s.log.tail())
	}
	for name, p := range s.services {
		select {
		case <-p.done:
			t.Errorf("the %s ended", name)
		default:
		}
	}
	if r := s.finish(filepath.Join(t.TempDir(), "record")); r.Ballots != voters {
		t.Errorf("the record holds %d ballots", r.Ballots)
	}
	torture.Report(t, torture.Row{
		What:     fmt.Sprintf("%d files for a process, %d silent connections at once to registrar and box, opened again when ended (%d in all)", files, each*len(addrs), opened.Load()),
		Target:   "all voters succeed, no process ends",
		Measured: fmt.Sprintf("%d of %d voters, open at the end of voting: registrar %d, box %d", len(votes.Took), voters, most[registrarService], most[boxService]),
		Control:  "a server without the bound keeps all silent ones: platform/web TestCrowd",
	})
}

// beSilent opens a connection and keeps it until it is ended, but a second at least.
func beSilent(ctx context.Context, from, addr string, opened func()) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
	c, err := dialer.DialContext(ctx, "tcp", addr)
	opened()
	if err == nil {
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		_, _ = c.Read(make([]byte, 1))
		stop()
		_ = c.Close()
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}
