package ballotbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
)

// A Service serves the boxes of many elections on one origin. It is safe for
// concurrent use.
type Service struct {
	log *slog.Logger

	mu    sync.RWMutex
	boxes map[suite.ElectionID]served // guarded by mu
}

type served struct {
	box    *Box // nil: the election rests
	routes http.Handler
}

// NewService returns a service without boxes. log may be nil.
func NewService(log *slog.Logger) *Service {
	return &Service{log: log, boxes: make(map[suite.ElectionID]served)}
}

// Add serves a box, in place of one of the same election if there is one.
func (s *Service) Add(b *Box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boxes[b.c.Manifest.ElectionID] = served{b, b.routes()}
}

// Halt lets an election rest, in place of serving it: every request is told so. booth
// is the origin of its pages.
func (s *Service) Halt(id suite.ElectionID, booth string) {
	routes := web.CORS(booth)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, code, message := answer(ErrSetBack)
		web.Error(w, status, code, message)
	}))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boxes[id] = served{nil, routes}
}

// Remove stops serving an election. Requests under way finish.
func (s *Service) Remove(id suite.ElectionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.boxes, id)
}

// Box returns the box of an election.
func (s *Service) Box(id suite.ElectionID) (*Box, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x, ok := s.boxes[id]
	return x.box, ok && x.box != nil
}

// Handler serves all boxes, below /v1/<election_id>. It forgets where a request
// came from before anything else sees it.
func (s *Service) Handler() http.Handler {
	r := web.NewRouter(web.Anonymous(web.Config{Log: s.log, Body: maxBody})...)
	r.NotFound(notFound)
	r.Handle("/v1/{election}/*", http.HandlerFunc(s.serve))
	return r
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	id, ok := electionOf(r)
	if !ok {
		notFound(w, r)
		return
	}
	s.mu.RLock()
	x, ok := s.boxes[id]
	s.mu.RUnlock()
	if !ok {
		notFound(w, r)
		return
	}
	// The rest of the path, for the router of the box.
	chi.RouteContext(r.Context()).RoutePath = "/" + chi.URLParam(r, "*")
	x.routes.ServeHTTP(w, r)
}

// Tick calls [Box.Tick] of every box and joins their errors.
func (s *Service) Tick(ctx context.Context) error {
	s.mu.RLock()
	boxes := make([]*Box, 0, len(s.boxes))
	for _, x := range s.boxes {
		if x.box != nil {
			boxes = append(boxes, x.box)
		}
	}
	s.mu.RUnlock()
	var errs []error
	for _, b := range boxes {
		if err := b.Tick(ctx); err != nil {
			errs = append(errs, fmt.Errorf("election %s: %w", b.c.Manifest.ElectionID, err))
		}
	}
	return errors.Join(errs...)
}

// Run calls Tick again and again until the context ends. One that fails is
// logged and made up for by the next.
func (s *Service) Run(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if err := s.Tick(ctx); err != nil && ctx.Err() == nil && s.log != nil {
			s.log.ErrorContext(ctx, "ballot box", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
