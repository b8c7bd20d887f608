package ballotbox_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"strikevote/internal/protocol/election/electiontest"
)

// BenchmarkCast casts ballots over HTTP into a database that waits for the
// disk, while batches enter the log. Run it with -benchtime=5000x: every ballot
// is made beforehand.
func BenchmarkCast(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkCast(b, clients) })
	}
}

func benchmarkCast(b *testing.B, clients int) {
	w := newDurableWorld(b, startDurable(b, b.TempDir()), func(p *electiontest.Plan) { p.Rolls = []uint32{20_000, 20_000} })
	list := make([]made, b.N)
	inParallel(runtime.GOMAXPROCS(0), b.N, func(i int) { list[i] = w.makeBallot(1) })
	s := httptest.NewServer(w.box.Handler())
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	url := s.URL + "/v1/" + w.m.ElectionID.String() + "/ballots"
	stop := make(chan struct{})
	var ticks sync.WaitGroup
	ticks.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				if err := w.box.Tick(context.Background()); err != nil {
					b.Error(err)
				}
			}
		}
	})
	before := processor(b)
	b.ResetTimer()
	inParallel(clients, b.N, func(i int) {
		resp, err := client.Post(url, octets, bytes.NewReader(list[i].sealed))
		if err != nil {
			b.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Errorf("got %d", resp.StatusCode)
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "casts/s")
	// Of this process: box and clients, not the database. Unlike the rate it
	// does not depend on what else the machine does.
	b.ReportMetric(float64((processor(b)-before).Microseconds())/float64(b.N), "µs-cpu/cast")
	close(stop)
	ticks.Wait()
}

// processor returns the processor time that this process has used.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inParallel calls fn for 0 to n-1 from some goroutines.
func inParallel(goroutines, n int, fn func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wg.Wait()
}
