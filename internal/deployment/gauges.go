package deployment

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"strikevote/internal/platform/host"
	"strikevote/internal/platform/metrics"
)

// scrapeTime bounds a check that is made for a scrape.
const scrapeTime = 3 * time.Second

// watchable lets a monitor see this process.
func (d *Deployment) watchable() {
	var expires func() time.Time
	if c := d.c.Front.Certificates; c != nil {
		expires = c.Expires
	}
	registerGauges(d.registry, d.c.Data, d.checks(), expires)
	d.registerMails()
}

// registerGauges lets a monitor see what /readyz sees, how much room there is,
// and when the certificate ends. None of it moves when somebody votes; room in
// bytes would, and so be a clock. The
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
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "strikevote_data_free_ratio",
		Help: "How much of the disk of the data folder is free, in whole hundredths; -1 if it is not known.",
	}, func() float64 {
		d, err := host.DiskOf(dir)
		if err != nil {
			return -1 // not 0: an alarm would be about room
		}
		return freeRatio(d)
	}))
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

// freeRatio is rounded down to what an alarm needs.
func freeRatio(d host.Disk) float64 {
	if d.Size == 0 {
		return -1
	}
	return math.Floor(float64(d.Free)/float64(d.Size)*100) / 100
}
