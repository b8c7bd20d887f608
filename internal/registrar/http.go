package registrar

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/credential"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

const (
	maxRequest = 4 << 10  // a token, a factor and z fill about one
	maxReport  = 16 << 10 // a form writes some letters as nine signs
	maxDeposit = 16 << 10 // a ballot of eight questions fills seven
	maxActs    = 4        // at once, and as many waiting
	maxAct     = act.MaxSize
)

// A Service serves the registrars of several elections on one origin. The zero
// value is not ready; see [NewService].
type Service struct {
	log     *slog.Logger
	observe web.Observer
	faults  *web.Faults
	limits  *limits

	mu        sync.RWMutex
	elections map[suite.ElectionID]mounted
}

type mounted struct {
	registrar *Registrar // nil: the election rests
	cors      func(http.Handler) http.Handler
}

// NewService returns a Service without elections. observe may be nil.
func NewService(log *slog.Logger, observe web.Observer) *Service {
	return &Service{log: log, observe: observe, faults: web.NewFaults(log), limits: newLimits(time.Now), elections: map[suite.ElectionID]mounted{}}
}

// Behind says how to read a client's address from what a proxy says that this
// program trusts. Without it the address is that of the connection. It is called
// before [Service.Handler].
func (s *Service) Behind(address func(*http.Request) netip.Addr) { s.limits.address = address }

// Add begins to serve an election, in place of one with the same id.
func (s *Service) Add(r *Registrar) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.elections[r.manifest.ElectionID] = mounted{r, web.CORS(r.manifest.Origins.Booth)}
}

// Halt lets an election rest, in place of serving it: every request is told so. booth
// is the origin of its pages.
func (s *Service) Halt(id suite.ElectionID, booth string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.elections[id] = mounted{nil, web.CORS(booth)}
}

// Remove ends serving an election.
func (s *Service) Remove(id suite.ElectionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.elections, id)
}

// Get returns an election's registrar, nil if there is none or it rests.
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

// Handler serves the paths of SPEC 19. It is mounted on an origin of its own. A GET
// shows a form at most: scanners of mail open every link they find.
func (s *Service) Handler() http.Handler {
	router := web.NewRouter(web.Chain(web.Config{Log: s.log, Body: maxAct + 1, Observe: s.observe})...)
	router.Route("/v1/{election}", func(r chi.Router) {
		// Whatever checks links looks with HEAD.
		r.Use(s.origins, s.limits.requests.ByAddress(s.limits.address), middleware.GetHead)
		r.Get("/phase", s.handle(s.getPhase))
		r.Post("/status", s.handle(s.postStatus))
		r.Post("/issue", s.handle(s.postIssue))
		r.Post("/deposit", s.handle(s.postDeposit))
		r.Post("/resend", s.handle(s.postResend))
		// Acts are public, so everybody can send them again.
		r.With(web.AtMost(maxActs, maxAct)).Post("/acts", s.handle(s.postActs))
		r.Get("/link", s.show(s.getLink))
		r.Post("/link", s.show(s.postLink))
		r.Get("/report", s.show(s.getReport))
		r.Post("/report", s.postReport())
	})
	return router
}

func (s *Service) handle(h func(*Registrar, http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	e := web.Endpoints{Answer: answer, Faults: s.faults}
	return e.Handle(s.with(h))
}

// with finds the election of a request.
func (s *Service) with(h func(*Registrar, http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, req *http.Request) error {
		m, err := s.find(req)
		if err != nil {
			return err
		}
		if m.registrar == nil {
			return ErrSetBack
		}
		return retryAfter(w, h(m.registrar, w, req))
	}
}

// origins lets the pages of the election's booth in, and no others; and to the
// registrar's own pages only themselves.
func (s *Service) origins(next http.Handler) http.Handler {
	own := web.SameOrigin(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := chi.RouteContext(r.Context()).RoutePath
		if path == "/link" || path == "/report" && !fromBooth(r) {
			own.ServeHTTP(w, r)
			return
		}
		if m, err := s.find(r); err == nil {
			m.cors(next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromBooth tells what the booth sends from a form of our own page. A page of another
// site can send a form in somebody's name, but not JSON without asking first.
func fromBooth(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodOptions || err == nil && kind == "application/json"
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

// present runs do with what a member showed, within the limits.
func (s *Service) present(r *Registrar, req *http.Request, in request, do func(Credential) error) error {
	return s.limits.guess(req, in.Code, func() error {
		c, err := r.Present(in.Token, in.Code)
		if err != nil {
			return err
		}
		if !s.limits.links.Allow(string(c.id[:])) {
			return ErrTooOften
		}
		return do(c)
	})
}

func (s *Service) getPhase(r *Registrar, w http.ResponseWriter, req *http.Request) error {
	state, err := r.Shown(req.Context())
	if err == nil {
		web.WriteJSON(w, http.StatusOK, state)
	}
	return err
}

func (s *Service) postStatus(r *Registrar, w http.ResponseWriter, req *http.Request) error {
	var in request
	if err := decode(req, maxRequest, &in); err != nil {
		return err
	}
	return s.present(r, req, in, func(c Credential) error {
		status, err := r.Status(req.Context(), c, in.Factor)
		if err == nil {
			web.WriteJSON(w, http.StatusOK, status)
		}
		return err
	})
}

func (s *Service) postIssue(r *Registrar, w http.ResponseWriter, req *http.Request) error {
	var in struct {
		request
		Z string `json:"z"`
	}
	if err := decode(req, maxRequest, &in); err != nil {
		return err
	}
	z, err := base64.RawURLEncoding.Strict().DecodeString(in.Z)
	if err != nil || len(z) != credential.Size {
		return ErrRequest
	}
	return s.present(r, req, in.request, func(c Credential) error {
		answer, err := r.Issue(req.Context(), c, in.Factor, z)
		if err == nil {
			web.WriteJSON(w, http.StatusOK, struct {
				S string `json:"s"`
			}{base64.RawURLEncoding.EncodeToString(answer[:])})
		}
		return err
	})
}

func (s *Service) postDeposit(r *Registrar, w http.ResponseWriter, req *http.Request) error {
	var in struct {
		request
		Ballot string `json:"ballot"`
	}
	if err := decode(req, maxDeposit, &in); err != nil {
		return err
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(in.Ballot)
	if err != nil || len(body) == 0 {
		return ErrRequest
	}
	return s.present(r, req, in.request, func(c Credential) error {
		id, err := r.Deposit(req.Context(), c, in.Factor, body)
		if err == nil {
			web.WriteJSON(w, http.StatusOK, struct {
				BallotID suite.BallotID `json:"ballot_id"`
				State    string         `json:"state"`
			}{id, "deposited"})
		}
		return err
	})
}

// postResend answers everybody the same, whether or not there is such a person,
// and whether or not a limit was reached.
func (s *Service) postResend(r *Registrar, w http.ResponseWriter, req *http.Request) error {
	var in struct {
		To string `json:"to"`
	}
	if err := decode(req, maxRequest, &in); err != nil {
		return err
	}
	who, ok := cleanWho(in.To)
	if !ok {
		return ErrWho
	}
	type answer struct {
		Message string `json:"message"`
	}
	standing, err := r.Phase(req.Context())
	switch {
	case err != nil:
		return err
	case r.early(standing):
		web.WriteJSON(w, http.StatusOK, answer{"Voting has not opened yet. No link is sent before it does."})
		return nil
	case r.over(standing):
		web.WriteJSON(w, http.StatusOK, answer{"Voting is over. No link is sent any more, and a link cannot be used to vote."})
		return nil
	}
	if err := s.resend(r, req, who); err != nil {
		return err
	}
	if r.finishing(standing) {
		web.WriteJSON(w, http.StatusOK, answer{"Voting has closed, and no new ballot is issued. If you are on the roll, your link is on its way, to the address on the roll only. " +
			"Until the grace has passed it finishes a ballot that was issued in time, on the device where it was begun."})
		return nil
	}
	web.WriteJSON(w, http.StatusOK, answer{"If you are on the roll, your link is on its way, to the address on the roll only. It is the same link as before. It can take ten minutes. " +
		"Nothing came? Look among unwanted mail, then " + helpline(r.manifest.Help) + "."})
	return nil
}

// helpline says whom to ask.
func helpline(h election.Help) string {
	if h.Phone == "" {
		return "write to " + h.Email
	}
	return "call " + h.Phone
}

// resend sends a link again within the limits, and says nothing of them.
func (s *Service) resend(r *Registrar, req *http.Request, who string) error {
	if !s.limits.allow(s.limits.asked, req) || !s.limits.askedAll.Allow("") {
		return nil
	}
	return r.Resend(req.Context(), who)
}

// postReport answers as it was asked: the form with a page.
func (s *Service) postReport() http.HandlerFunc {
	booth, form := s.handle(s.postReportJSON), s.show(s.postReportForm)
	return func(w http.ResponseWriter, req *http.Request) {
		if fromBooth(req) {
			booth(w, req)
			return
		}
		form(w, req)
	}
}

// postReportJSON answers everybody the same, with the report's number.
func (s *Service) postReportJSON(r *Registrar, w http.ResponseWriter, req *http.Request) error {
	var in struct {
		Token    string `json:"token"`
		Code     string `json:"code"`
		Happened string `json:"happened"`
		Phone    string `json:"phone"`
		Who      string `json:"who"`
	}
	if err := decode(req, maxReport, &in); err != nil {
		return err
	}
	late, err := r.certified(req.Context())
	if err != nil {
		return err
	}
	number, err := s.report(r, req, Report{Happened: in.Happened, Phone: in.Phone, Who: in.Who}, in.Token, in.Code)
	if err != nil {
		return err
	}
	what := "Two people look at it."
	if late {
		what = "The certificate was signed before, and your report cannot change it."
	}
	web.WriteJSON(w, http.StatusOK, struct {
		Number  int    `json:"number"`
		Message string `json:"message"`
	}{number, fmt.Sprintf("Your report is recorded. It has number %d. %s", number, what)})
	return nil
}

// report records a report within the limits. It is counted by network before anything
// is looked up, whatever it holds.
func (s *Service) report(r *Registrar, req *http.Request, p Report, tok, code string) (int, error) {
	if _, err := p.clean(); err != nil {
		return 0, err
	}
	if !s.limits.allow(s.limits.reported, req) || !s.limits.reportedAll.Allow("") {
		return 0, ErrReportsFull
	}
	return r.Report(req.Context(), p, tok, code)
}

func (s *Service) postActs(r *Registrar, w http.ResponseWriter, req *http.Request) error {
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

func decode(req *http.Request, limit int64, v any) error {
	err := web.DecodeJSON(req, limit, v)
	if p := new(web.RequestError); errors.As(err, &p) && p.Status == http.StatusBadRequest {
		return ErrRequest
	}
	return err
}
