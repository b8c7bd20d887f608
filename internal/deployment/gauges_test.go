package deployment

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"strikevote/internal/platform/host"
	"strikevote/internal/platform/metrics"
)

func TestGauges(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	var broken error
	at := time.Time{}
	registerGauges(reg, t.TempDir(), map[string]metrics.Check{
		"database": func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a check may last for ever")
			}
			return broken
		},
		"disk": func(context.Context) error { return nil },
	}, func() time.Time { return at })
	gather := func() map[string]float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		m := make(map[string]float64)
		for _, f := range families {
			for _, metric := range f.Metric {
				name := f.GetName()
				for _, l := range metric.Label {
					name += " " + l.GetValue()
				}
				m[name] = metric.GetGauge().GetValue()
			}
		}
		return m
	}
	got := gather()
	if free := got["strikevote_data_free_ratio"]; free < 0 || free > 1 {
		t.Errorf("%v of the disk is free", free)
	}
	delete(got, "strikevote_data_free_ratio")
	if want := (map[string]float64{"strikevote_ready database": 1, "strikevote_ready disk": 1, "strikevote_certificate_expires_seconds": 0}); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	broken, at = errors.New("x"), time.Unix(1234, 0)
	if got := gather(); got["strikevote_ready database"] != 0 || got["strikevote_ready disk"] != 1 || got["strikevote_certificate_expires_seconds"] != 1234 {
		t.Errorf("got %v", got)
	}
}

// TestFreeRatio moves in steps of which no ballot makes one.
func TestFreeRatio(t *testing.T) {
	t.Parallel()
	const size = 20 << 30
	for free, want := range map[uint64]float64{size: 1, size / 2: 0.5, size/2 - 8192: 0.49, size/2 - size/100 + 8192: 0.49, size/100 - 1: 0, 0: 0} {
		if got := freeRatio(host.Disk{Size: size, Free: free}); got != want {
			t.Errorf("%d of %d: got %v, want %v", free, size, got, want)
		}
	}
	if got := freeRatio(host.Disk{}); got != -1 {
		t.Errorf("got %v", got)
	}
}
