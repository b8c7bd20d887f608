// Package booth serves the voter's origin: static files that are the same for
// everybody.
//
// The page is one file for each language, with its words, style and scripts inside:
// three requests lead to the first question on a slow network, and one SHA-256 says
// whether it is the page that the committee named. Its policy lets a browser run those
// very scripts and nothing else.
//
// It must never see a token, a ballot or an answer: the token of a link is in its
// fragment, which no server is sent. It sets no cookie and keeps no log of requests.
// SPEC.md section 19.
package booth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
)

// Config holds what the booth serves.
type Config struct {
	// Manifest returns the published bytes of an election's manifest, or
	// [ErrUnknown]. It must be safe for concurrent use.
	Manifest func(ctx context.Context, id suite.ElectionID) ([]byte, error)
	// Connect returns the origins that the page sends to beside its own: the
	// registrar's, the box's and the board's. It may be nil, for a page that reads
	// only, and must be safe for concurrent use.
	Connect func() []string
	// Log may be nil. It gets no request.
	Log *slog.Logger
}

// ErrUnknown is returned for an election that is not served here.
var ErrUnknown = errors.New("no such election")

// Handler serves the booth's origin. The manifest may be read from any page:
// verifiers are pages too.
func Handler(c Config) http.Handler {
	r := web.NewRouter(web.Chain(web.Config{Log: c.Log, CORS: []string{"*"}})...)
	// Mail scanners look with HEAD before they let a link through.
	r.Use(middleware.GetHead)
	s := whole()
	page := s.pageHandler(c.Connect)
	r.Get(pathPage, page)
	r.Get(pathList, s.list.Write)
	r.Get(pathClient, s.client.Write)
	r.Get(pathWords+"{file}", s.serveWords)
	r.Get("/v1/{election}", c.known(func(w http.ResponseWriter, r *http.Request, _ []byte) { page(w, r) }))
	r.Get("/v1/{election}/manifest", c.known(func(w http.ResponseWriter, _ *http.Request, manifest []byte) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(manifest) // the reader went away
	}))
	return r
}

// pageHandler serves the page in the language that is named, or else in the one that
// fits the reader's best.
func (s *site) pageHandler(connect func() []string) http.HandlerFunc {
	if connect == nil {
		connect = func() []string { return nil }
	}
	return func(w http.ResponseWriter, r *http.Request) {
		code := language.Match(r.URL.Query().Get("lang"), strings.Join(r.Header.Values("Accept-Language"), ","))
		h := w.Header()
		h.Set("Content-Security-Policy", s.pages[code].policy(connect()...))
		h.Set("Content-Language", code)
		h.Add("Vary", "Accept-Language")
		s.pages[code].Write(w, r)
	}
}

// serveWords serves the words of one language.
func (s *site) serveWords(w http.ResponseWriter, r *http.Request) {
	code, ok := strings.CutSuffix(chi.URLParam(r, "file"), ".json")
	if b := s.words[code]; ok && b != nil {
		b.Write(w, r)
		return
	}
	web.Error(w, http.StatusNotFound, "not_found", "There is nothing here.")
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
