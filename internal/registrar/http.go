package registrar

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/suite"
)

const (
	maxRequest = 4 << 10 // a token, a factor and z fill about one
	maxAct     = act.MaxSize
)

// A Service serves the registrars of several elections on one origin. The zero
// value is not ready; see [NewService].
type Service struct {
	log     *slog.Logger
	observe web.Observer

	mu        sync.RWMutex
	elections map[suite.ElectionID]mounted
}

type mounted struct {
	registrar *Registrar
	cors      func(http.Handler) http.Handler
}

// NewService returns a Service without elections. observe may be nil.
func NewService(log *slog.Logger, observe web.Observer) *Service {
	return &Service{log: log, observe: observe, elections: map[suite.ElectionID]mounted{}}
}

// Add begins to serve an election, in place of one with the same id.
func (s *Service) Add(r *Registrar) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.elections[r.manifest.ElectionID] = mounted{r, web.CORS(r.manifest.Origins.Booth)}
}

// Remove ends serving an election.
func (s *Service) Remove(id suite.ElectionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.elections, id)
}

// Get returns an election's registrar, or nil.
func (s *Service) Get(id suite.ElectionID) *Registrar {
	m, _ := s.get(id)
	return m.registrar
}

func (s *Service) get(id suite.ElectionID) (mounted, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, ok := s.elections[id]
	return m, ok
}

// Handler serves the paths of SPEC 19. It is mounted on an origin of its own.
// Nothing answers GET: scanners of mail open every link they find.
func (s *Service) Handler() http.Handler {
	router := web.NewRouter(web.Chain(web.Config{Log: s.log, Body: maxAct + 1, Observe: s.observe})...)
	e := web.Endpoints{Answer: answer, Log: s.log}
	router.Route("/v1/{election}", func(r chi.Router) {
		r.Use(s.cors)
		for path, h := range map[string]func(*Registrar, http.ResponseWriter, *http.Request) error{
			"/status": (*Registrar).postStatus, "/issue": (*Registrar).postIssue, "/acts": (*Registrar).postActs,
		} {
			r.Post(path, e.Handle(func(w http.ResponseWriter, req *http.Request) error {
				m, err := s.find(req)
				if err != nil {
					return err
				}
				return retryAfter(w, h(m.registrar, w, req))
			}))
		}
	})
	return router
}

// cors lets the pages of the election's booth in, and no others.
func (s *Service) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m, err := s.find(r); err == nil {
			m.cors(next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Service) find(r *http.Request) (mounted, error) {
	id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
	if err != nil {
		return mounted{}, errNoElection
	}
	m, ok := s.get(id)
	if !ok {
		return mounted{}, errNoElection
	}
	return m, nil
}

var errNoElection = &web.RequestError{Status: http.StatusNotFound, Code: "not_found", Message: "There is no such vote here."}

// A request is what members send. Pointers would tell an absent field from an
// empty one; nothing depends on it.
type request struct {
	Token  string `json:"token"`
	Code   string `json:"code"`
	Factor string `json:"factor"`
}

func (r *Registrar) postStatus(w http.ResponseWriter, req *http.Request) error {
	var in request
	if err := decode(req, &in); err != nil {
		return err
	}
	c, err := r.Present(in.Token, in.Code)
	if err != nil {
		return err
	}
	s, err := r.Status(req.Context(), c, in.Factor)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, s)
	return nil
}

func (r *Registrar) postIssue(w http.ResponseWriter, req *http.Request) error {
	var in struct {
		request
		Z string `json:"z"`
	}
	if err := decode(req, &in); err != nil {
		return err
	}
	z, err := base64.RawURLEncoding.Strict().DecodeString(in.Z)
	if err != nil || len(z) != credential.Size {
		return ErrRequest
	}
	c, err := r.Present(in.Token, in.Code)
	if err != nil {
		return err
	}
	s, err := r.Issue(req.Context(), c, in.Factor, z)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, struct {
		S string `json:"s"`
	}{base64.RawURLEncoding.EncodeToString(s[:])})
	return nil
}

func (r *Registrar) postActs(w http.ResponseWriter, req *http.Request) error {
	body, err := web.ReadBody(req, maxAct)
	if err != nil {
		return err
	}
	sequence, err := r.ApplyAct(req.Context(), body)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, struct {
		Sequence uint32 `json:"sequence"`
	}{sequence})
	return nil
}

func decode(req *http.Request, v any) error {
	err := web.DecodeJSON(req, maxRequest, v)
	if p := new(web.RequestError); errors.As(err, &p) && p.Status == http.StatusBadRequest {
		return ErrRequest
	}
	return err
}

// retryAfter says in a header when to come back, and passes the error on.
func retryAfter(w http.ResponseWriter, err error) error {
	locked := new(LockedError)
	switch {
	case errors.As(err, &locked):
		w.Header().Set("Retry-After", strconv.Itoa(int(locked.For.Seconds())+1))
	case errors.Is(err, ErrBusy):
		w.Header().Set("Retry-After", "2")
	}
	return err
}
