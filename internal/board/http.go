package board

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

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

// A Site serves the logs of a deployment's elections to everybody.
type Site struct {
	// Lookup finds the two logs of an election.
	Lookup func(suite.ElectionID) (ledger, ballots *Log, ok bool)
	// List names the elections shown on the front page; it may be nil.
	List func() []suite.ElectionID
	// Log may be nil.
	Log *slog.Logger
}

// Handler serves the elections that lookup finds, and no list of them.
func Handler(lookup func(suite.ElectionID) (ledger, ballots *Log, ok bool)) http.Handler {
	return (&Site{Lookup: lookup}).Handler()
}

// Handler serves the board's paths (SPEC 17 and 19). It needs a host name of
// its own; anybody may read it from any page.
func (s *Site) Handler() http.Handler {
	r := web.NewRouter(web.Chain(web.Config{Log: s.Log, CORS: []string{"*"}})...)
	r.Get("/", s.handle(s.getIndex))
	r.Get("/{election}/", s.handle(s.getElection))
	r.Get("/{election}/*", s.handle(s.getFile))
	r.Head("/{election}/*", s.handle(s.getFile))
	r.Post("/{election}/{log}/cosignatures", s.handle(s.postCosignature))
	return r
}

// logs are the two logs of one election.
type logs struct {
	id              suite.ElectionID
	ledger, ballots *Log
}

func (s *Site) find(r *http.Request) (logs, error) {
	id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
	if err != nil {
		return logs{}, ErrNotFound
	}
	ledger, ballots, ok := s.Lookup(id)
	if !ok || ledger == nil || ballots == nil {
		return logs{}, ErrNotFound
	}
	return logs{id, ledger, ballots}, nil
}

// named returns the log that a path names.
func (e logs) named(name string) (*Log, bool) {
	switch name {
	case layout.Ledger:
		return e.ledger, true
	case layout.Ballots:
		return e.ballots, true
	}
	return nil, false
}

// A resource is what a GET answers with.
type resource struct {
	body  []byte
	kind  string
	cache string
}

const (
	plain  = "text/plain; charset=utf-8"
	binary = "application/octet-stream"
)

func (s *Site) getFile(w http.ResponseWriter, r *http.Request) error {
	e, err := s.find(r)
	if err != nil {
		return err
	}
	res, err := e.resource(r.Context(), chi.URLParam(r, "*"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", res.kind)
	w.Header().Set("Cache-Control", res.cache)
	_, _ = w.Write(res.body) // the reader went away
	return nil
}

// resource finds what a path of the record names.
func (e logs) resource(ctx context.Context, path string) (resource, error) {
	name, rest, _ := strings.Cut(path, "/")
	if l, ok := e.named(name); ok {
		return l.resource(ctx, rest, l == e.ledger)
	}
	if checkPath(path) != nil {
		return resource{}, ErrNotFound
	}
	body, err := e.file(ctx, path)
	if err != nil {
		return resource{}, err
	}
	kind := binary
	switch layout.Late(path) {
	case layout.Locked:
		if strings.HasPrefix(path, "acts/") || strings.HasPrefix(path, "statements/") {
			kind = plain
		} else if path == layout.Manifest || path == layout.Sealing || strings.HasPrefix(path, "drill/") {
			kind = "application/json"
		}
	default:
		kind = "application/json"
		if strings.HasPrefix(path, "statements/") {
			kind = plain
		}
	}
	return resource{body, kind, brief}, nil
}

// file finds a file beside either log.
func (e logs) file(ctx context.Context, path string) ([]byte, error) {
	body, err := e.ledger.File(ctx, path)
	if errors.Is(err, ErrNotFound) {
		return e.ballots.File(ctx, path)
	}
	return body, err
}

func (l *Log) resource(ctx context.Context, path string, ledger bool) (resource, error) {
	switch path {
	case "checkpoint":
		body, err := l.Checkpoint(ctx)
		return resource{body, plain, brief}, err
	case "checkpoint-1":
		body, err := l.CheckpointAt(ctx, 1)
		return resource{body, plain, brief}, err
	}
	t, err := tlog.ParseTilePath(path)
	if err != nil {
		return resource{}, ErrNotFound
	}
	if t.Level == tlog.Entries {
		hidden, err := l.withheld(ctx, ledger)
		if err != nil {
			return resource{}, err
		}
		if hidden {
			return resource{}, errWithheld
		}
	}
	body, err := l.Tile(ctx, t)
	cache := brief
	if t.Width == tlog.TileWidth {
		cache = forever
	}
	return resource{body, binary, cache}, err
}

// errWithheld is answered for entry bundles that are published at lock.
var errWithheld = errors.New("entries are published when the election is locked")

// withheld reports whether entry bundles are hidden. Those of a ledger are
// until it is final, whatever the configuration forgets: while voting is open
// they would say on whose leaf a ballot was issued, batch by batch.
func (l *Log) withheld(ctx context.Context, ledger bool) (bool, error) {
	if l.c.Withhold != nil && l.c.Withhold() {
		return true, nil
	}
	if !ledger {
		return false, nil
	}
	final, err := l.Final(ctx)
	return !final, err
}

func (s *Site) postCosignature(w http.ResponseWriter, r *http.Request) error {
	e, err := s.find(r)
	if err != nil {
		return err
	}
	l, ok := e.named(chi.URLParam(r, "log"))
	if !ok {
		return ErrNotFound
	}
	body, err := web.ReadBody(r, maxLine)
	if err != nil {
		return errLine
	}
	line := strings.TrimSuffix(string(body), "\n") + "\n"
	if strings.Count(line, "\n") != 1 {
		return errLine
	}
	if err := l.AddCosignature(r.Context(), line); err != nil {
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
