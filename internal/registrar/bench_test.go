package registrar_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/registrar"
)

func large(p *electiontest.Plan) { p.Rolls = []uint32{9000, 8000, 5000} }

// BenchmarkSeal imports, prepares and seals a roll of 22,000.
func BenchmarkSeal(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := prepareWorld(b, large)
		all := members(w.m)
		b.StartTimer()
		start := time.Now()
		step := func(name string) {
			b.ReportMetric(float64(time.Since(start).Milliseconds()), name+"-ms")
			start = time.Now()
		}
		if err := w.draft.Import(b.Context(), all); err != nil {
			b.Fatal(err)
		}
		step("import")
		if _, err := w.draft.Prepare(b.Context(), rollGroups(w.m)); err != nil {
			b.Fatal(err)
		}
		step("prepare")
		if err := w.draft.Seal(b.Context(), w.manifest, w.sealing, w.minter, registrar.LedgerOf(w.log)); err != nil {
			b.Fatal(err)
		}
		step("seal")
	}
}

// BenchmarkIssue issues to a member after the other, from many at once.
func BenchmarkIssue(b *testing.B) {
	w := newWorld(b, large)
	w.at(electiontest.Open)
	links := make([]registrar.Credential, 8000)
	for i := range links {
		links[i] = w.show(1, uint32(i))
	}
	var next atomic.Int64
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := next.Add(1) - 1
			if i >= int64(len(links)) {
				b.Error(fmt.Errorf("the roll is used up"))
				return
			}
			if _, err := w.r.Issue(b.Context(), links[i], "", request(b)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
