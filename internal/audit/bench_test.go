package audit_test

import (
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
)

// BenchmarkVerify audits a record of 2,000 ballots with the usual question of
// three options, and with a second question of two.
func BenchmarkVerify(b *testing.B) {
	const ballots = 2000
	for _, single := range []bool{true, false} {
		name := "one question"
		if !single {
			name = "two questions"
		}
		b.Run(name, func(b *testing.B) {
			e, files := audittest.Record(b, audittest.Options{Ballots: ballots, Single: single})
			for b.Loop() {
				if r := verify(b, files, audit.Options{MID: &e.MID}); !r.Verified {
					b.Fatal(faults(r))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/ballots, "µs/ballot")
		})
	}
}
