// Package metrics collects what operators watch and serves it to them.
//
// It knows nothing of voting, and labels come from fixed lists: a route's
// pattern, a method, a status. Numbers about single ballots do not belong here,
// because a counter that moves when a ballot arrives is a clock. The listener
// is on loopback and nowhere else.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// NewRegistry returns a registry with what every process has: memory,
// goroutines, files, and the version it was built from.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(),
	)
	return reg
}

func buildInfo() prometheus.Collector {
	version, revision := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "strikevote_build_info",
		Help:        "Constant 1, labelled with what the program was built from.",
		ConstLabels: prometheus.Labels{"go": version, "revision": revision},
	})
	g.Set(1)
	return g
}

// HTTP returns an observer of requests for web.Config, under the name of a
// service.
func HTTP(reg prometheus.Registerer, service string) func(route, method string, status int, took time.Duration) {
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:        "strikevote_http_request_seconds",
		Help:        "Time to answer a request, by the pattern of its route.",
		ConstLabels: prometheus.Labels{"service": service},
		Buckets:     []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	reg.MustRegister(requests)
	return func(route, method string, status int, took time.Duration) {
		requests.WithLabelValues(route, known(method), strconv.Itoa(status)).Observe(took.Seconds())
	}
}

// known keeps made-up methods from making up labels.
func known(method string) string {
	if slices.Contains([]string{"GET", "HEAD", "POST", "OPTIONS"}, method) {
		return method
	}
	return "other"
}

// A Check returns nil while a part of the program can do its work.
type Check func(context.Context) error

// An Admin is what operators and their monitors ask.
type Admin struct {
	Registry *prometheus.Registry
	Ready    map[string]Check // by the name that is shown when it fails
	Log      *slog.Logger     // gets the errors of checks; may be nil
}

// checkTime bounds all checks of one question.
const checkTime = 5 * time.Second

// Handler serves /healthz (the process answers), /readyz (it can do its work)
// and /metrics, to this machine only.
func (a Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(coarse{a.Registry}, promhttp.HandlerOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !at.Addr().Unmap().IsLoopback() {
			http.Error(w, "this machine only", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// A coarse gatherer leaves out what counts bytes on the network: a ballot has a
// size of its own, so that the counter would tell when one came.
type coarse struct{ prometheus.Gatherer }

func (c coarse) Gather() ([]*dto.MetricFamily, error) {
	all, err := c.Gatherer.Gather()
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return strings.HasPrefix(f.GetName(), "process_network_") }), err
}

func (a Admin) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTime)
	defer cancel()
	var failing []string
	for _, name := range slices.Sorted(maps.Keys(a.Ready)) {
		if err := a.Ready[name](ctx); err != nil {
			failing = append(failing, name)
			if a.Log != nil && r.Context().Err() == nil { // the monitor is still there
				a.Log.WarnContext(ctx, "not ready", "check", name, "err", err)
			}
		}
	}
	if len(failing) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, name := range failing {
			_, _ = fmt.Fprintln(w, "not ready:", name)
		}
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// Listen listens on an address of this machine, and refuses any other.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address for operators: %w", err)
	}
	if !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("address for operators: %s is not on loopback, such as 127.0.0.1:9090", addr)
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for operators: %w", err)
	}
	return l, nil
}
