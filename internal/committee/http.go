package committee

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/agenda"
	"strikevote/internal/ceremony"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// patience bounds a request. The first share that comes has the record verified,
// which takes seconds.
const patience = 2 * time.Minute

const (
	// maxPost bounds a teller's request: a share file in hexadecimal, and the
	// rest. In the other rounds it is a few kilobytes.
	maxPost  = 2*ceremony.MaxBody + 4096
	maxSmall = 128 << 10
	// maxShare bounds what the share of one sum takes of a request, of some 800 bytes.
	maxShare = 2048
	// maxSignature bounds a signature, also that of a passkey.
	maxSignature = 16 << 10
)

// Handler serves the console's origin: what the programs of tellers and of the
// committee's members need. Paths are in SPEC.md section 19.
func (s *Service) Handler(observe web.Observer) http.Handler {
	e := web.Endpoints{Answer: answer, Log: s.c.Log}
	r := web.NewRouter(web.Chain(web.Config{Log: s.c.Log, Body: maxPost, Time: patience, Observe: observe})...)
	r.Get("/", getFront)
	r.Route("/v1/{election}", func(r chi.Router) {
		r.Get("/", getFront)
		r.Get("/tellers/{number}", getFront) // an invitation
		r.Get("/ceremony", e.Handle(s.getState))
		r.Post("/tellers/{number}/{round}", e.Handle(s.postRound))
		r.Get("/manifest", e.Handle(s.getPaper(s.Proposal)))
		r.Post("/manifest/signatures", e.Handle(s.postSignature(s.SignSeal)))
		r.Get("/certificate", e.Handle(s.getPaper(s.Certificate)))
		r.Post("/certificate/signatures", e.Handle(s.postSignature(s.SignCertificate)))
		r.Get("/declaration", e.Handle(s.getPaper(s.ProposedDeclaration)))
		r.Post("/declaration/signatures", e.Handle(s.postSignature(s.SignDeclaration)))
		r.Get("/agenda", e.Handle(s.getAgenda))
		r.Get("/acts", e.Handle(s.getActs))
		r.Post("/acts/{number}/signatures", e.Handle(s.postNumbered(s.SignAct)))
		r.Get("/slips", e.Handle(s.getSlips))
		r.Post("/slips/{number}/signatures", e.Handle(s.postNumbered(s.SignSlips)))
	})
	return r
}

func electionOf(r *http.Request) (suite.ElectionID, error) {
	id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
	if err != nil {
		return id, ErrUnknown
	}
	return id, nil
}

func (s *Service) getState(w http.ResponseWriter, r *http.Request) error {
	id, err := electionOf(r)
	if err != nil {
		return err
	}
	st, err := s.State(r.Context(), id)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, st)
	return nil
}

func (s *Service) postRound(w http.ResponseWriter, r *http.Request) error {
	id, err := electionOf(r)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(chi.URLParam(r, "number"), 10, 8)
	if err != nil {
		return ErrUnknown
	}
	round, limit := ceremony.Round(chi.URLParam(r, "round")), int64(maxSmall)
	if round == ceremony.RoundShares {
		limit = s.maxShares(r.Context(), id)
	}
	var p ceremony.Post
	if err := web.DecodeJSON(r, limit, &p); err != nil {
		return err
	}
	if err := s.Accept(r.Context(), id, uint8(number), round, &p); err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, struct{}{})
	return nil
}

// maxShares bounds the shares of one teller: one of each question's sum in each set, of
// which there are no more than groups. Bodies of any size, sent slowly by strangers,
// would take the room that all bodies share, and keep tellers out.
func (s *Service) maxShares(ctx context.Context, id suite.ElectionID) int64 {
	st, sealed := s.c.Status(ctx, id)
	if !sealed {
		return maxSmall // it is not the time
	}
	return min(maxPost, maxSmall+maxShare*int64(len(st.Manifest.Groups)*len(st.Manifest.Questions)))
}

// getPaper serves the bytes that the committee is asked to sign.
func (s *Service) getPaper(get func(context.Context, suite.ElectionID) ([]byte, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := electionOf(r)
		if err != nil {
			return err
		}
		body, err := get(r.Context(), id)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_, err = w.Write(body)
		return err
	}
}

func (s *Service) postSignature(sign func(context.Context, suite.ElectionID, election.MemberSignature) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := electionOf(r)
		if err != nil {
			return err
		}
		var sig election.MemberSignature
		if err := web.DecodeJSON(r, maxSignature, &sig); err != nil {
			return err
		}
		if err := sign(r.Context(), id, sig); err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, struct{}{})
		return nil
	}
}

// getActs serves what waits to be signed. Nothing in it names a member of the
// roll: an amendment carries a hash, and while voting is open the ledger's
// entries are withheld, so that nobody can follow it there.
func (s *Service) getActs(w http.ResponseWriter, r *http.Request) error {
	id, err := electionOf(r)
	if err != nil {
		return err
	}
	list, err := s.Acts(r.Context(), id)
	if err != nil {
		return err
	}
	status, ok := s.c.Status(r.Context(), id)
	if !ok {
		return ErrNotYet
	}
	out := agenda.Acts{MID: status.MID, Acts: make([]agenda.Act, len(list))}
	for i, a := range list {
		// Never nil: nil would be written as null.
		out.Acts[i] = agenda.Act{
			Sequence: a.Sequence, Kind: a.Kind, Payload: append(suite.Bytes{}, a.Payload...),
			State: a.State, Reason: a.Reason, Signed: append([]int{}, a.Signed...),
		}
	}
	web.WriteJSON(w, http.StatusOK, out)
	return nil
}

// postNumbered is postSignature for what has a number in its path.
func (s *Service) postNumbered(sign func(context.Context, suite.ElectionID, uint32, election.MemberSignature) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		number, err := strconv.ParseUint(chi.URLParam(r, "number"), 10, 16)
		if err != nil {
			return ErrUnknown
		}
		return s.postSignature(func(ctx context.Context, id suite.ElectionID, sig election.MemberSignature) error {
			return sign(ctx, id, uint32(number), sig)
		})(w, r)
	}
}

// answer says what a person is told about an error. Of an error itself only
// what its type declares safe is shown.
func answer(err error) (status int, code, message string) {
	var refused *RefusedError
	switch {
	case errors.Is(err, ErrUnknown), errors.Is(err, ErrNoPaper):
		return http.StatusNotFound, "unknown", "There is no such election, teller or step here. Check the address."
	case errors.Is(err, ErrEnrollment):
		return http.StatusForbidden, "enrollment", "This is not the invitation of this teller. Ask the committee for yours."
	case errors.Is(err, ErrConflict):
		return http.StatusConflict, "conflict", "Something else was sent for this step before, and it cannot be replaced. Ask the committee to start the ceremony again."
	case errors.Is(err, ErrNotYet):
		return http.StatusTooEarly, "not_yet", "This step waits for others. Try again later."
	case errors.As(err, &refused):
		return http.StatusUnprocessableEntity, "refused", "This was refused: " + refused.Error() + "."
	}
	return 0, "", ""
}
