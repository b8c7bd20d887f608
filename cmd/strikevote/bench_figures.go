package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"time"

	"strikevote/internal/demo"
)

// The figures of a run. What is in the JSON is what other programs may rely on.
type figures struct {
	Voters    int     `json:"voters"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"voters_per_second"` // those with a valid promise
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
	Memory    int64   `json:"server_rss_bytes"` // 0 if the service runs elsewhere
	Errors    int     `json:"errors"`

	concurrency int
	cpu         cpuTime
	reasons     map[string]int
}

func newFigures(v *demo.Votes, concurrency int, cpu cpuTime, memory int64) *figures {
	f := &figures{
		Seconds: rounded(v.Seconds), Memory: memory, concurrency: concurrency, cpu: cpu, reasons: v.Errors,
		P50: milliseconds(percentile(v.Took, 50)), P95: milliseconds(percentile(v.Took, 95)), P99: milliseconds(percentile(v.Took, 99)),
	}
	for _, n := range v.Errors {
		f.Errors += n
	}
	f.Voters = len(v.Took) + f.Errors
	if v.Seconds > 0 {
		f.PerSecond = rounded(float64(len(v.Took)) / v.Seconds)
	}
	return f
}

// percentile returns the smallest of the sorted values that at least p percent
// of them do not exceed; 0 if there is none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*p+99)/100, 1)-1]
}

func milliseconds(d time.Duration) float64 { return rounded(float64(d) / float64(time.Millisecond)) }

// rounded leaves three decimals: more of them would only look exact.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

func (f *figures) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(f)
	}
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-20s"+format+"\n", append([]any{name}, args...)...)
	}
	row("voters", "%d, %d at once, in %.1f s", f.Voters, f.concurrency, f.Seconds)
	row("voters per second", "%.1f", f.PerSecond)
	row("latency", "p50 %.0f ms, p95 %.0f ms, p99 %.0f ms", f.P50, f.P95, f.P99)
	if each := f.cpu.each(f.Voters); f.Memory > 0 {
		row("CPU per voter", "%.2f ms: voter's program %.2f, serve %.2f, databases %.2f (%d processors)",
			milliseconds(each.voters+each.service+each.databases), milliseconds(each.voters),
			milliseconds(each.service), milliseconds(each.databases), runtime.NumCPU())
	} else if each.voters > 0 {
		row("CPU per voter", "%.2f ms in the voter's program", milliseconds(each.voters))
	}
	if f.Memory > 0 {
		row("memory of serve", "%.0f MB", float64(f.Memory)/1e6)
	}
	row("errors", "%d", f.Errors)
	_, err := io.WriteString(w, b.String())
	return err
}

// A cpuTime is processor time, of user and system together.
type cpuTime struct {
	voters    time.Duration // this process
	service   time.Duration // serve, if it runs here
	databases time.Duration // its children
}

func (u cpuTime) less(before cpuTime) cpuTime {
	return cpuTime{u.voters - before.voters, u.service - before.service, u.databases - before.databases}
}

func (u cpuTime) each(voters int) cpuTime {
	n := time.Duration(max(voters, 1))
	return cpuTime{u.voters / n, u.service / n, u.databases / n}
}
