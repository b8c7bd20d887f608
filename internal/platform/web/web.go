// Package web is what the HTTP services stand on: limits, headers, decoding,
// and answers that say no more than they should.
//
// It knows nothing of voting. It never logs a path, a query, a header or a body,
// since any of them may hold a token; it names a request by the pattern of its
// route. [Anonymous] is for the ballot box, whose handlers do not even see where
// a request came from. chi's RealIP and Logger are used nowhere: the first
// believes any client, the second prints addresses.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

// Limits of a server. A zero field means the default, which suits requests of a
// few kilobytes; a board that serves downloads raises Write.
type Limits struct {
	Header time.Duration // reading the header: 5 s
	Read   time.Duration // reading the whole request: 10 s
	Write  time.Duration // from the end of the header to the end of the answer: 15 s
	Idle   time.Duration // between two requests: 60 s
	Conns  int           // connections at most, see [crowd]; 0 is no limit
}

const (
	maxHeader  = 16 << 10
	maxStreams = 64
	drain      = 10 * time.Second
)

// Server returns a server with every time-out set; net/http has none by
// default. Its own error log is dropped, because its lines name clients. Also
// "OPTIONS *" goes to the handler: what net/http answers has none of our headers.
func Server(addr string, h http.Handler, l Limits) *http.Server {
	s := &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: or(l.Header, 5*time.Second),
		ReadTimeout:       or(l.Read, 10*time.Second),
		WriteTimeout:      or(l.Write, 15*time.Second),
		IdleTimeout:       or(l.Idle, time.Minute),
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),

		DisableGeneralOptionsHandler: true,
	}
	if l.Conns > 0 {
		s.ConnState = newCrowd(l.Conns).state
	}
	return s
}

func or(d, normal time.Duration) time.Duration {
	if d == 0 {
		return normal
	}
	return d
}

// Serve serves a listener until the context ends, then lets the requests that
// are under way finish, for at most ten seconds. It returns nil after such an
// end.
func Serve(ctx context.Context, s *http.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := s.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	<-failed // always ErrServerClosed now
	return err
}

// NewRouter returns a router that answers unknown paths and methods as the
// services answer every error, behind the given middleware.
func NewRouter(chain ...func(http.Handler) http.Handler) *chi.Mux {
	r := chi.NewRouter()
	r.Use(chain...)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		Error(w, http.StatusNotFound, "not_found", "There is nothing here.")
	})
	r.MethodNotAllowed(MethodNotAllowed)
	return r
}

// MethodNotAllowed answers a request with a method that a path of a chi router does not
// have, and names those that it has, as RFC 9110, section 15.5.6, demands.
func MethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	routes := chi.RouteContext(r.Context()).Routes
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
			w.Header().Add("Allow", method)
		}
	}
	Error(w, http.StatusMethodNotAllowed, "method_not_allowed", "This cannot be done here.")
}

// A RequestError is an error whose answer is fixed. Its message is shown to whoever
// asked.
type RequestError struct {
	Status  int
	Code    string
	Message string
}

func (p *RequestError) Error() string { return p.Code }

var (
	errTooLarge  = &RequestError{http.StatusRequestEntityTooLarge, "too_large", "This is larger than anything that is expected here."}
	errMalformed = &RequestError{http.StatusBadRequest, "malformed", "This request could not be read."}
	errInternal  = &RequestError{http.StatusInternalServerError, "internal", "Something went wrong here. Please try again."}
	errBusy      = &RequestError{http.StatusServiceUnavailable, "busy", "Many people are here at the moment. Please try again in a few seconds."}
	errTooMany   = &RequestError{http.StatusTooManyRequests, "too_many", "Very many requests come from your network: wait a minute and try again, nothing is lost."}
	errOrigin    = &RequestError{http.StatusForbidden, "origin", "This page may not ask that."}
)

// Error answers with an error: {"error":code,"message":message}.
func Error(w http.ResponseWriter, status int, code, message string) {
	h := w.Header()
	// What a handler set for its success does not fit its failure.
	h.Del("Content-Length")
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	WriteJSON(w, status, struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}{code, message})
}

func (p *RequestError) write(w http.ResponseWriter) {
	if p.Status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "5")
	}
	Error(w, p.Status, p.Code, p.Message)
}

// WriteJSON answers with a value.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("web: answer cannot be encoded: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client is gone
}

// ReadBody reads a body of at most limit bytes. Its errors are [*RequestError]s.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return nil, readProblem(err)
	}
	return b, nil
}

func readProblem(err error) *RequestError {
	if p := new(RequestError); errors.As(err, &p) {
		return p
	}
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return errMalformed
}

// Endpoints turn handlers that return errors into handlers that answer them.
type Endpoints struct {
	// Answer says what a person is told about an error of the service. It
	// returns status 0 for an error that it does not know, which becomes a 500
	// with a fixed sentence. [*RequestError]s do not reach it. It may be nil.
	Answer func(error) (status int, code, message string)
	// Log gets the errors that become a 500, with the pattern of the route.
	Log *slog.Logger
	// Faults, if it is not nil, gets them instead, see [Faults].
	Faults *Faults
	// Page, if it is not nil, answers an error in place of JSON, to a person who sees
	// the answer in a browser.
	Page func(w http.ResponseWriter, r *http.Request, status int)
}

// Handle returns a handler. If h returns an error it must not have answered.
func (e Endpoints) Handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		p := e.answer(r, err)
		if e.Page != nil {
			e.Page(w, r, p.Status)
			return
		}
		p.write(w)
	}
}

// answer returns what a person is told about an error, and reports what somebody
// should look at.
func (e Endpoints) answer(r *http.Request, err error) *RequestError {
	if p := new(RequestError); errors.As(err, &p) {
		return p
	}
	if e.Answer != nil {
		if status, code, message := e.Answer(err); status != 0 {
			e.report(r, status, err)
			return &RequestError{status, code, message}
		}
	}
	e.report(r, http.StatusInternalServerError, err)
	return errInternal
}

// report logs what somebody should look at. A client that went away is not.
func (e Endpoints) report(r *http.Request, status int, err error) {
	switch {
	case status < http.StatusInternalServerError || errors.Is(r.Context().Err(), context.Canceled):
		return
	case e.Faults != nil:
		e.Faults.note(route(r), status, err)
		return
	case e.Log == nil:
		return
	}
	e.Log.ErrorContext(r.Context(), "request failed", "route", route(r), "err", err)
}

// route names a request without anything that it brought along.
func route(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil {
		if p := c.RoutePattern(); p != "" {
			return p
		}
	}
	return "none"
}
