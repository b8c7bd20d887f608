package metrics_test

import (
	"context"
	"testing"

	"strikevote/internal/platform/metrics"
	"strikevote/internal/platform/web/webtest"
)

// FuzzHTTP sends requests to the listener for operators.
func FuzzHTTP(f *testing.F) {
	a := metrics.Admin{Registry: metrics.NewRegistry(), Ready: map[string]metrics.Check{"clock": func(context.Context) error { return nil }}}
	webtest.Service{Handler: a.Handler(), Plain: true}.Fuzz(f,
		webtest.Request{Method: "GET", Target: "/healthz"}, webtest.Request{Method: "HEAD", Target: "/readyz"},
		webtest.Request{Method: "GET", Target: "/metrics", Header: "Accept: application/openmetrics-text; version=1.0.0; charset=utf-8\r\nAccept-Encoding: gzip, zstd;q=0.5"},
		webtest.Request{Method: "GET", Target: "/metrics?name[]=go_goroutines"},
	)
}
