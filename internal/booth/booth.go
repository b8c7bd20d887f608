// Package booth serves the voter's origin: static files that are the same for
// everybody.
//
// The page is one file for each language, with its words, style and scripts inside:
// three requests lead to the first question on a slow network, and one SHA-256 says
// whether it is the page that the committee named. Its policy lets a browser run those
// very scripts and nothing else.
// Where there is no vote to open, pages without a script list those that a code can be
// entered for.
//
// It must never see a ballot or an answer, and looks at no token: the token of a link is
// in its fragment, which no server is sent, unless a mail program has made a path of it.
// It sets no cookie and keeps no log of requests.
// SPEC.md section 19.
package booth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"strikevote/internal/language"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// Config holds what the booth serves.
type Config struct {
	// Manifest returns the published bytes of an election's manifest, or
	// [ErrUnknown]. It must be safe for concurrent use.
	Manifest func(ctx context.Context, id suite.ElectionID) ([]byte, error)
	// Votes returns the elections of which Manifest has the manifests. It may be nil, for
	// a booth that lists none, and must be safe for concurrent use.
	Votes func(ctx context.Context) ([]suite.ElectionID, error)
	// Stands returns where an election stands, and false where this process does not
	// know it. It may be nil, and must be safe for concurrent use.
	Stands func(ctx context.Context, id suite.ElectionID) (Standing, bool)
	// Connect returns the origins that the page sends to beside its own: the
	// registrar's, the box's and the board's. It may be nil, for a page that reads
	// only, and must be safe for concurrent use.
	Connect func() []string
	// Now may be nil, for this machine's clock.
	Now func() time.Time
	// Log may be nil. It gets no request.
	Log *slog.Logger
}

// A Standing is where an election stands, as the registrar tells it at /phase.
type Standing struct {
	Phase election.Phase `json:"phase"`
	Close int64          `json:"close"` // the close in force, in seconds since 1970
}

// headerPhase carries a [Standing] with a manifest, which knows of no extension and no
// early close: a page that had to ask for it would show a voter on a slow network the
// first question one request later.
const headerPhase = "Strikevote-Phase"

// ErrUnknown is returned for an election that is not served here.
var ErrUnknown = errors.New("no such election")

// Handler serves the booth's origin. The manifest may be read from any page:
// verifiers are pages too.
func Handler(c Config) http.Handler {
	r := web.NewRouter(web.Chain(web.Config{Log: c.Log, CORS: []string{"*"}})...)
	// Mail scanners look with HEAD before they let a link through.
	r.Use(middleware.GetHead)
	s := whole()
	v := &votes{c: c, site: s}
	none, front := v.says(s.nothing, http.StatusNotFound, nothing), v.says(s.front, http.StatusOK, nothing)
	r.NotFound(none)
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		if v.any(r.Context()) {
			front(w, r)
			return
		}
		none(w, r)
	})
	page := s.pageHandler(c.Connect)
	r.Get(pathPage, page)
	r.Get(pathList, s.list.Write)
	r.Get(pathLicences, s.licences.Write)
	r.Get(pathClient, s.client.Write)
	r.Get(pathWords+"{file}", s.serveWords)
	known := c.known(func(w http.ResponseWriter, r *http.Request, _ []byte) { page(w, r) },
		v.says(s.unknown, http.StatusNotFound, unknown), v.says(s.down, http.StatusServiceUnavailable, unavailable))
	r.Get("/v1/{election}", func(w http.ResponseWriter, r *http.Request) {
		if isFragment(chi.URLParam(r, "election")) {
			page(w, r)
			return
		}
		known(w, r)
	})
	var manifests packed
	r.Get("/v1/{election}/manifest", c.known(func(w http.ResponseWriter, r *http.Request, manifest []byte) {
		c.tell(w, r)
		manifests.of(manifest).Write(w, r)
	}, unknown, unavailable))
	return r
}

// tell says with a manifest where its election stands, if that is known here.
func (c Config) tell(w http.ResponseWriter, r *http.Request) {
	id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
	if err != nil || c.Stands == nil {
		return
	}
	if s, ok := c.Stands(r.Context(), id); ok {
		if b, err := json.Marshal(s); err == nil {
			w.Header().Set(headerPhase, string(b))
		}
	}
}

// isFragment tells a fragment that became a path, where a mail program wrote the # of a
// link as %23. It has told us the link, which is kept nowhere; the page votes with it
// all the same. A path is given as it came where more of it was escaped than had to be.
func isFragment(path string) bool {
	return strings.HasPrefix(path, "#") || strings.HasPrefix(path, "%23")
}

// packed keeps the manifests that are served, each compressed once.
type packed struct {
	mu    sync.Mutex
	blobs map[[sha256.Size]byte]*web.Blob
}

// mostPacked bounds what is kept: a booth serves one election, or the few of one union.
const mostPacked = 64

// of returns the answer with a manifest. It is found by its content, for what stands
// behind may give another one under the same id until the first is witnessed.
func (p *packed) of(manifest []byte) *web.Blob {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := sha256.Sum256(manifest)
	b := p.blobs[key]
	if b == nil {
		if p.blobs == nil || len(p.blobs) == mostPacked {
			p.blobs = make(map[[sha256.Size]byte]*web.Blob)
		}
		b = web.NewBlob("application/json", bytes.Clone(manifest))
		p.blobs[key] = b
	}
	return b
}

// pageHandler serves the page in the language that is named, or else in the one that
// fits the reader's best.
func (s *site) pageHandler(connect func() []string) http.HandlerFunc {
	if connect == nil {
		connect = func() []string { return nil }
	}
	return func(w http.ResponseWriter, r *http.Request) {
		p := s.pages[negotiate(w, r)]
		w.Header().Set("Content-Security-Policy", p.policy(connect()...))
		p.Write(w, r)
	}
}

// negotiate chooses the reader's language, and says so in the answer.
func negotiate(w http.ResponseWriter, r *http.Request) string {
	code := language.Match(r.URL.Query().Get("lang"), strings.Join(r.Header.Values("Accept-Language"), ","))
	w.Header().Set("Content-Language", code)
	w.Header().Add("Vary", "Accept-Language")
	return code
}

// says answers a person with one of the pages that only say something, and a program as
// programs are answered: somebody who typed an address from a slip can do nothing with
// that.
func (v *votes) says(what saying, status int, program http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !read || !strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html") {
			program(w, r)
			return
		}
		p := v.page(r.Context(), what, negotiate(w, r))
		w.Header().Set("Content-Security-Policy", p.policy())
		p.WriteStatus(w, r, status)
	}
}

// nothing answers a program where there is nothing.
func nothing(w http.ResponseWriter, _ *http.Request) {
	web.Error(w, http.StatusNotFound, "not_found", "There is nothing here.")
}

// unavailable answers a program while the manifest cannot be read.
func unavailable(w http.ResponseWriter, _ *http.Request) {
	web.Error(w, http.StatusServiceUnavailable, "unavailable", "The voter's page cannot be shown now; please try again in a few seconds.")
}

// unknown answers a program where there is no such vote.
func unknown(w http.ResponseWriter, _ *http.Request) {
	web.Error(w, http.StatusNotFound, "unknown_election", "There is no such election here. Check the address.")
}

// serveWords serves the words of one language.
func (s *site) serveWords(w http.ResponseWriter, r *http.Request) {
	code, ok := strings.CutSuffix(chi.URLParam(r, "file"), ".json")
	if b := s.words[code]; ok && b != nil {
		b.Write(w, r)
		return
	}
	nothing(w, r)
}

// known finds the manifest of the election that a path names; none answers where there
// is none, and down while it cannot be read.
func (c Config) known(serve func(w http.ResponseWriter, r *http.Request, manifest []byte), none, down http.HandlerFunc) http.HandlerFunc {
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
				down(w, r)
				return
			}
		}
		none(w, r)
	}
}
