package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// A Config says what stands before the handlers of a service.
type Config struct {
	Log  *slog.Logger
	Body int64         // largest body; 16 KiB if 0
	Held int64         // of all bodies at once, see [limitBody]; 24 MiB if 0
	Time time.Duration // a request's context ends after it; 10 s if 0
	// Policy is the Content-Security-Policy. Empty is right for a service that
	// serves no page; see [Policy] for one that does.
	Policy string
	// CORS lists the origins whose pages may use the service, or is "*".
	CORS []string
	// Observe is told about every request. It may be nil. [Anonymous] ignores
	// it: a counter of ballots is a clock.
	Observe Observer
}

// An Observer is told the pattern of a route, never a path. It must be safe for
// concurrent use.
type Observer func(route, method string, status int, took time.Duration)

const (
	normalBody = 16 << 10
	normalHeld = 24 << 20
	normalTime = 10 * time.Second
)

// Chain returns the middleware of a service, outermost first.
func Chain(c Config) chi.Middlewares {
	m := append(core(c), noIcon)
	if c.Observe != nil {
		m = append(m, observe(c.Observe))
	}
	return m
}

// Anonymous returns the middleware of the ballot box. It keeps no log of
// requests, counts none, sets no cookie, makes no id, and takes from a request
// whatever says where it came from before a handler sees it.
func Anonymous(c Config) chi.Middlewares {
	return append(chi.Middlewares{forget}, core(c)...)
}

func core(c Config) chi.Middlewares {
	if c.Body == 0 {
		c.Body = normalBody
	}
	if c.Held == 0 {
		c.Held = normalHeld
	}
	if c.Time == 0 {
		c.Time = normalTime
	}
	if c.Policy == "" {
		c.Policy = apiPolicy
	}
	m := chi.Middlewares{recovery(c.Log), headers(c.Policy), limitBody(c.Body, c.Held), limitTime(c.Time)}
	if len(c.CORS) > 0 {
		m = append(m, CORS(c.CORS...))
	}
	return m
}

// noIcon answers that there is no icon. Browsers ask every origin for one, and write an
// error into the console of every page where the answer is 404.
func noIcon(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/favicon.ico" || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=86400")
		w.WriteHeader(http.StatusNoContent)
	})
}

// identifying are the headers that say who or where a client is, or let two of
// its requests be joined.
var identifying = []string{
	"Forwarded", "X-Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Via",
	"Cookie", "Authorization", "User-Agent", "Referer", "X-Request-Id", "X-Correlation-Id", "Traceparent", "Tracestate",
	"Accept-Language", "If-None-Match", "If-Modified-Since", "From",
}

// forget takes from a request what says where it came from.
func forget(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = ""
		for _, name := range identifying {
			r.Header.Del(name)
		}
		next.ServeHTTP(w, r)
	})
}

// recovery answers 500 when a handler panics. The value of a panic may hold
// anything, so it is not logged; the stack is.
func recovery(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if v == http.ErrAbortHandler {
					panic(v)
				}
				if log != nil {
					log.ErrorContext(r.Context(), "handler panicked", "route", route(r), "stack", string(debug.Stack()))
				}
				if ww.Status() != 0 {
					// Half an answer is out; only a broken connection tells.
					panic(http.ErrAbortHandler)
				}
				errInternal.write(w)
			}()
			next.ServeHTTP(ww, r)
		})
	}
}

// limitTime ends the context of a request. What must not be cut off in the
// middle, a commit, ignores it.
func limitTime(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), d)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

func observe(o Observer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			began := time.Now()
			next.ServeHTTP(ww, r)
			status := ww.Status()
			if status == 0 {
				status = http.StatusOK
			}
			o(route(r), r.Method, status, time.Since(began))
		})
	}
}
