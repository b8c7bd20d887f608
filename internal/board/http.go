package board

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
	"strikevote/internal/record/layout"
)

// maxLine bounds a cosignature line: a name of 255 bytes and a base64 text.
const maxLine = 1 << 10

// How long a cache may keep an answer. A full tile never changes. Everything
// else may grow or appear, and a witness must not be shown an old checkpoint.
const (
	forever = "public, max-age=31536000, immutable"
	brief   = "public, max-age=5"
)

// A Site serves the elections of a deployment to everybody.
type Site struct {
	// Lookup finds the two halves of an election. One that is nil is served
	// by another process.
	Lookup func(suite.ElectionID) (ledger, ballots Half, ok bool)
	// List names the elections shown on the front page; it may be nil.
	List func(ctx context.Context) ([]suite.ElectionID, error)
	// Log may be nil.
	Log *slog.Logger
	// Now may be nil. It is the clock with which witnesses compare theirs.
	Now func() time.Time

	answers answers
}

func (s *Site) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Handler serves the board's paths (SPEC 17 and 19). It needs a host name of
// its own; anybody may read it from any page.
func (s *Site) Handler() http.Handler {
	r := web.NewRouter(web.Chain(web.Config{Log: s.Log, CORS: []string{"*"}})...)
	r.Get("/", s.handle(s.getIndex))
	r.Get("/elections", s.handle(s.getElections))
	r.Get("/{election}/", s.handle(s.getElection))
	// As people type it: links on the page are below the slash.
	r.Get("/{election}", s.handle(func(w http.ResponseWriter, r *http.Request) error {
		e, err := s.find(r)
		if err != nil {
			return err
		}
		http.Redirect(w, r, "/"+e.id.String()+"/", http.StatusMovedPermanently)
		return nil
	}))
	r.Get("/{election}/*", s.handle(s.getFile))
	r.Head("/{election}/*", s.handle(s.getFile))
	r.Post("/{election}/{log}/cosignatures", s.handle(s.postCosignature))
	return r
}

// Join returns both halves of a record as one, either of which may be nil.
func Join(ledger, ballots Half) Whole { return Whole{halves{ledger: ledger, ballots: ballots}} }

// A Whole is a record of which both halves are read, wherever they are.
type Whole struct{ halves halves }

// Resource returns what a path of the record names, or [ErrNotFound].
func (w Whole) Resource(ctx context.Context, path string) ([]byte, error) {
	return w.halves.resource(ctx, path)
}

// Files lists what is published beside the logs, by either half.
func (w Whole) Files(ctx context.Context) ([]string, error) { return w.halves.files(ctx) }

// halves are the two halves of one election, either of which may be nil.
type halves struct {
	id              suite.ElectionID
	ledger, ballots Half
}

func (s *Site) find(r *http.Request) (halves, error) {
	id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
	if err != nil {
		return halves{}, ErrNotFound
	}
	ledger, ballots, ok := s.Lookup(id)
	if !ok {
		return halves{}, ErrNotFound
	}
	return halves{id, ledger, ballots}, nil
}

// named returns the half whose log a path names.
func (e halves) named(name string) (h Half, log bool) {
	switch name {
	case layout.Ledger:
		return e.ledger, true
	case layout.Ballots:
		return e.ballots, true
	}
	return nil, false
}

// here returns the halves that there are.
func (e halves) here() []Half {
	var list []Half
	for _, h := range []Half{e.ledger, e.ballots} {
		if h != nil {
			list = append(list, h)
		}
	}
	return list
}

const (
	plain  = "text/plain; charset=utf-8"
	binary = "application/octet-stream"
)

// filesPath names the list of the files beside the logs, for whoever mirrors a
// record. It is no part of the record.
const filesPath = "files"

func (s *Site) getFile(w http.ResponseWriter, r *http.Request) error {
	e, err := s.find(r)
	if err != nil {
		return err
	}
	path := chi.URLParam(r, "*")
	if path == filesPath {
		list, err := e.files(r.Context())
		if err != nil {
			return err
		}
		w.Header().Set("Cache-Control", brief)
		web.WriteJSON(w, http.StatusOK, list)
		return nil
	}
	body, err := e.resource(r.Context(), path)
	if err != nil {
		return err
	}
	body, done := s.answers.share(e.id.String()+"/"+path, body)
	defer done()
	kind, cache := describe(path)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", cache)
	// A witness compares its clock with the one that its moments meet here.
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	_, _ = w.Write(body) // the reader went away
	return nil
}

// resource finds what a path of the record names: in the half of its log, or
// beside either.
func (e halves) resource(ctx context.Context, path string) (body []byte, err error) {
	name, _, _ := strings.Cut(path, "/")
	if h, log := e.named(name); log {
		if h == nil {
			return nil, ErrNotFound
		}
		return h.Resource(ctx, path)
	}
	err = ErrNotFound
	for _, h := range e.here() {
		if body, err = h.Resource(ctx, path); !errors.Is(err, ErrNotFound) {
			return body, err
		}
	}
	return nil, err
}

// files lists what is published beside the logs, by either half.
func (e halves) files(ctx context.Context) ([]string, error) {
	list := []string{}
	for _, h := range e.here() {
		more, err := h.Files(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// describe returns the media type of a path of the record, and how long a cache
// may keep it.
func describe(path string) (kind, cache string) {
	name, rest, _ := strings.Cut(path, "/")
	if name == layout.Ledger || name == layout.Ballots {
		t, err := tlog.ParseTilePath(rest)
		switch {
		case err != nil:
			return plain, brief // a checkpoint
		case t.Width == tlog.TileWidth:
			return binary, forever
		}
		return binary, brief
	}
	switch {
	case name == "acts", name == "statements":
		return plain, brief
	case path == layout.Manifest, path == layout.Sealing, name == "drill", layout.Late(path) != layout.Locked:
		return "application/json", brief
	}
	return binary, brief
}

// errWithheld is answered for entry bundles that are published at lock.
var errWithheld = errors.New("entries are published when the election is locked")

func (s *Site) postCosignature(w http.ResponseWriter, r *http.Request) error {
	e, err := s.find(r)
	if err != nil {
		return err
	}
	h, _ := e.named(chi.URLParam(r, "log"))
	if h == nil {
		return ErrNotFound
	}
	body, err := web.ReadBody(r, maxLine)
	if err != nil {
		return errLine
	}
	line := strings.TrimSuffix(string(body), "\n") + "\n"
	if len(line) > maxLine || strings.Count(line, "\n") != 1 {
		return errLine
	}
	if err := h.AddCosignature(r.Context(), line); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

var errLine = errors.New("not one line")

func (s *Site) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail answers an error. Nothing of the error itself is shown.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errWithheld):
		web.Error(w, http.StatusNotFound, "withheld",
			"The entries of this log are published when the election is locked; its tiles and checkpoints are public now.")
	case errors.Is(err, ErrNotFound):
		web.Error(w, http.StatusNotFound, "not_found", "There is nothing here, or not yet.")
	case errors.Is(err, errLine):
		web.Error(w, http.StatusBadRequest, "malformed", "Send one cosignature line of a checkpoint.")
	case errors.Is(err, ErrAhead):
		web.Error(w, http.StatusUnprocessableEntity, "ahead",
			"The time in this cosignature has not come yet. Set the witness's clock and sign again.")
	case errors.Is(err, ErrUnknownCosignature):
		web.Error(w, http.StatusUnprocessableEntity, "unknown_cosignature",
			"This line cosigns no recent checkpoint of this log by a witness of its manifest; fetch the checkpoint again.")
	default:
		if s.Log != nil && r.Context().Err() == nil {
			s.Log.ErrorContext(r.Context(), "board does not answer", "err", err)
		}
		w.Header().Set("Retry-After", "2")
		web.Error(w, http.StatusServiceUnavailable, "unavailable", "The board cannot answer now; please try again.")
	}
}
