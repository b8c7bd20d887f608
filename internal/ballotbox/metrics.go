package ballotbox

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the box does. A counter of ballots is a clock, so ballots
// are counted when their batch enters the log, which is public anyway.
type Metrics struct {
	batches prometheus.Counter
	ballots prometheus.Counter
	busy    prometheus.Counter
	faults  prometheus.Counter
}

// NewMetrics makes the counters and registers them, if r is not nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "strikevote", Subsystem: "ballotbox", Name: name, Help: help,
		})
	}
	m := &Metrics{
		batches: counter("batches_total", "Batches that entered the log."),
		ballots: counter("batched_ballots_total", "Ballots that entered the log, counted by batches."),
		busy:    counter("busy_total", "Requests turned away because too many waited."),
		faults:  counter("faults_total", "Requests that failed on this side."),
	}
	if r != nil {
		r.MustRegister(m.batches, m.ballots, m.busy, m.faults)
	}
	return m
}
