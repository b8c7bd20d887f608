// Package booth serves the voter's origin: static files that are the same for
// everybody.
//
// It must never see a token, a ballot or an answer: the token of a link is in its
// fragment, which no server is sent. It sets no cookie and keeps no log of requests.
// SPEC.md section 19.
package booth

import (
	_ "embed"
	"net/http"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
)

// Config holds what the booth serves. Both functions must be safe for
// concurrent use.
type Config struct {
	// Manifest returns the published bytes of an election's manifest.
	Manifest func(suite.ElectionID) (manifest []byte, ok bool)
}

//go:embed page.html
var page []byte

// Handler serves the booth's origin.
func Handler(c Config) http.Handler {
	r := chi.NewRouter()
	r.Get("/v1/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	r.Get("/v1/{election}/manifest", func(w http.ResponseWriter, r *http.Request) {
		id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
		if err == nil {
			if manifest, ok := c.Manifest(id); ok {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(manifest)
				return
			}
		}
		web.Error(w, http.StatusNotFound, "unknown_election", "There is no such election here. Check the address.")
	})
	return r
}
