// Package booth serves the voter's origin: static files that are the same for
// everybody.
//
// It must never see a token, a ballot or an answer: the token of a link is in its
// fragment, which no server is sent. It sets no cookie and keeps no log of requests.
// SPEC.md section 19.
package booth

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
)

// Config holds what the booth serves.
type Config struct {
	// Manifest returns the published bytes of an election's manifest, or
	// [ErrUnknown]. It must be safe for concurrent use.
	Manifest func(ctx context.Context, id suite.ElectionID) ([]byte, error)
	// Log may be nil. It gets no request.
	Log *slog.Logger
}

// ErrUnknown is returned for an election that is not served here.
var ErrUnknown = errors.New("no such election")

//go:embed page.html
var page []byte

// Handler serves the booth's origin. The manifest may be read from any page:
// verifiers are pages too.
func Handler(c Config) http.Handler {
	r := web.NewRouter(web.Chain(web.Config{Log: c.Log, Policy: web.Policy(), CORS: []string{"*"}})...)
	// Mail scanners look with HEAD before they let a link through.
	r.Use(middleware.GetHead)
	r.Get("/v1/", servePage)
	r.Get("/v1/{election}", c.known(func(w http.ResponseWriter, r *http.Request, _ []byte) { servePage(w, r) }))
	r.Get("/v1/{election}/manifest", c.known(func(w http.ResponseWriter, _ *http.Request, manifest []byte) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(manifest) // the reader went away
	}))
	return r
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

// known finds the manifest of the election that a path names.
func (c Config) known(serve func(w http.ResponseWriter, r *http.Request, manifest []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
		if err == nil {
			manifest, err := c.Manifest(r.Context(), id)
			switch {
			case err == nil:
				serve(w, r, manifest)
				return
			case !errors.Is(err, ErrUnknown):
				if c.Log != nil && r.Context().Err() == nil {
					c.Log.ErrorContext(r.Context(), "booth has no manifest to show", "err", err)
				}
				w.Header().Set("Retry-After", "2")
				web.Error(w, http.StatusServiceUnavailable, "unavailable", "The voter's page cannot be shown now; please try again in a few seconds.")
				return
			}
		}
		web.Error(w, http.StatusNotFound, "unknown_election", "There is no such election here. Check the address.")
	}
}
