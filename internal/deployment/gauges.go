package deployment

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"strikevote/internal/platform/host"
	"strikevote/internal/platform/metrics"
)

// scrapeTime bounds a check that is made for a scrape.
const scrapeTime = 3 * time.Second

// registerGauges lets a monitor see what /readyz sees, how much room there is,
// and when the certificate ends. None of it moves when somebody votes. The
// function expires may be nil; its zero time is a certificate that is not there
// yet.
func registerGauges(reg prometheus.Registerer, dir string, checks map[string]metrics.Check, expires func() time.Time) {
	for name, check := range checks {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "strikevote_ready",
			Help:        "1 while a part of the service can do its work.",
			ConstLabels: prometheus.Labels{"check": name},
		}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
			defer cancel()
			if check(ctx) != nil {
				return 0
			}
			return 1
		}))
	}
	for _, g := range []struct {
		name, help string
		of         func(host.Disk) uint64
	}{
		{"strikevote_data_size_bytes", "Size of the disk of the data folder.", func(d host.Disk) uint64 { return d.Size }},
		{"strikevote_data_free_bytes", "Room on the disk of the data folder.", func(d host.Disk) uint64 { return d.Free }},
	} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, func() float64 {
			d, err := host.DiskOf(dir)
			if err != nil {
				return -1 // not nothing: an alert would be about room
			}
			return float64(g.of(d))
		}))
	}
	if expires == nil {
		return
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "strikevote_certificate_expires_seconds",
		Help: "When the first certificate ends, in seconds since 1970; 0 if there is none yet.",
	}, func() float64 {
		if at := expires(); !at.IsZero() {
			return float64(at.Unix())
		}
		return 0
	}))
}
