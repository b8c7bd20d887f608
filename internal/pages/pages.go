// Package pages serves what union, press and auditors read about an election: what
// is asked, who may vote, how a vote stays secret, questions and answers, the
// union's view, documents and contacts.
//
// A page is made on the server and works without a script. It is made of what is
// public: the record, and the content that the union wrote. The package must never
// reach the roll, the ledger's withheld entries or the ballot box's database, and it
// keeps no log of requests. What the union wrote is text from elsewhere: it can bring
// no markup of its own, no picture and no script, and stands on pages of its own,
// apart from the ballot. Neither the booth nor a mail with a link leads to it.
package pages

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"
	"weak"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
	"strikevote/templates"
)

// ErrNotFound is returned by a [Record], and by what a [Site] is told by, for what is
// not there, or not yet.
var ErrNotFound = errors.New("not found")

// A Record is what is published of an election: by both sides, wherever they are. It
// must be safe for concurrent use.
type Record interface {
	// Resource returns what a path of the record names, or [ErrNotFound].
	Resource(ctx context.Context, path string) ([]byte, error)
	// Files lists the paths of the files beside the logs, in order.
	Files(ctx context.Context) ([]string, error)
}

// A Site serves the pages of a deployment's elections. Its fields are set before
// [Site.Handler] is called.
type Site struct {
	// Lookup finds the record of an election that is sealed.
	Lookup func(suite.ElectionID) (Record, bool)
	// List names the elections that are published; nil: none is named.
	List func(ctx context.Context) ([]suite.ElectionID, error)
	// Content returns what the union wrote, or [ErrNotFound].
	Content func(ctx context.Context, id suite.ElectionID) (Source, error)
	// Turnout returns how many ballots were issued as everybody may know it, a JSON
	// file that the side that knows names made, or [ErrNotFound]; nil: nobody tells.
	Turnout func(ctx context.Context, id suite.ElectionID) ([]byte, error)
	// Zone returns the time zone of an election's dates where its content names
	// none; nil: UTC.
	Zone func(suite.ElectionID) *time.Location
	// Keep is how long what was read of an election is shown before it is read
	// again. 0 reads for every page.
	Keep time.Duration
	// Address tells whence a request comes, behind proxies that are trusted; nil: the
	// address of the connection. It bounds the downloads of one network.
	Address func(*http.Request) netip.Addr
	// Log may be nil. It gets no request.
	Log *slog.Logger
	// Now may be nil.
	Now func() time.Time

	// browser is the audit for browsers. It is prepared when somebody asks first.
	browser func() *browser

	lending chan struct{} // one while a document is read

	slots *web.Slots // of downloads of records; guarded by mu
	mu    sync.Mutex
	kept  map[suite.ElectionID]*kept        // guarded by mu
	ended map[suite.ElectionID]*ends        // guarded by mu
	found map[suite.ElectionID]*trackers    // guarded by mu
	lent  map[document]weak.Pointer[[]byte] // guarded by mu
}

// How long a cache may keep an answer.
const (
	forever = "public, max-age=31536000, immutable"
	brief   = "public, max-age=30"
	briefly = 30 * time.Second
)

// Handler serves the paths below /e/. It needs a host name on which nothing has
// cookies; the board's is one.
func (s *Site) Handler() http.Handler {
	if s.browser == nil {
		s.browser = sync.OnceValue(func() *browser { return newBrowser(templates.Audit) })
	}
	r := chi.NewRouter()
	r.Use(web.Chain(web.Config{Log: s.Log, Policy: web.Policy()})...)
	// Mail scanners and monitors look with HEAD.
	r.Use(middleware.GetHead)
	r.Get("/e/", s.handle(s.getIndex))
	r.Get("/e/assets/{name}", s.handle(s.getAsset))
	r.Get("/e/{election}", s.handle(s.getSlash))
	s.routeContent(r)
	r.Get("/e/{election}/turnout.json", s.handle(s.getKeptTurnout))
	r.Get("/e/{election}/documents/{name}", s.handle(s.getDocument))
	r.Get("/e/{election}/result.csv", s.handle(s.getTable))
	r.Get("/e/{election}/record.zip", s.handle(s.getZip))
	r.Post("/e/{election}/box", s.handle(s.postBox))
	r.Get("/e/{election}/*", s.handle(s.getPage))
	r.NotFound(s.handle(s.getIndex))
	r.MethodNotAllowed(web.MethodNotAllowed)
	return r
}

func (s *Site) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// zips are the slots of the downloads of records.
func (s *Site) zips() *web.Slots {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		s.slots = web.NewSlots(downloads, ofNetwork)
	}
	return s.slots
}

func (s *Site) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		switch {
		case err == nil:
		case errors.Is(err, ErrNotFound):
			if err := s.missing(w, r); err != nil {
				s.fail(w, r, err)
			}
		default:
			s.fail(w, r, err)
		}
	}
}

// fail answers an error. Nothing of the error itself is shown.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	state := isDown
	switch {
	case errors.Is(err, web.ErrSlots):
		state = isBusy // no fault that somebody has to mend
	case errors.Is(err, web.ErrNetworkSlots):
		state = isBusyNetwork
	case s.Log != nil && r.Context().Err() == nil:
		s.Log.ErrorContext(r.Context(), "page not made", "err", err)
	}
	if err := s.unavailable(w, r, state); err != nil {
		panic("pages: the page that says so cannot be made: " + err.Error())
	}
}

// getSlash is for an address as people type it: links on a page are below the slash.
func (s *Site) getSlash(w http.ResponseWriter, r *http.Request) error {
	id, err := s.find(r)
	if err != nil {
		return err
	}
	http.Redirect(w, r, address(id, "", explicit(r)), http.StatusMovedPermanently)
	return nil
}

// find returns the election that an address names, or [ErrNotFound].
func (s *Site) find(r *http.Request) (suite.ElectionID, error) {
	id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
	if err != nil {
		return id, ErrNotFound
	}
	if _, ok := s.Lookup(id); !ok {
		return id, ErrNotFound
	}
	return id, nil
}
