package deployment

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	if size, free := got["strikevote_data_size_bytes"], got["strikevote_data_free_bytes"]; size <= 0 || free < 0 || free > size {
		t.Errorf("%v of %v are free", free, size)
	}
	delete(got, "strikevote_data_size_bytes")
	delete(got, "strikevote_data_free_bytes")
	if want := (map[string]float64{"strikevote_ready database": 1, "strikevote_ready disk": 1, "strikevote_certificate_expires_seconds": 0}); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	broken, at = errors.New("x"), time.Unix(1234, 0)
	if got := gather(); got["strikevote_ready database"] != 0 || got["strikevote_ready disk"] != 1 || got["strikevote_certificate_expires_seconds"] != 1234 {
		t.Errorf("got %v", got)
	}
}
