package ballotbox

import (
	"errors"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// Bounds of request bodies.
const (
	maxBody = tlog.MaxProof // the largest of all, a proof
	maxFind = 256
	maxActs = 4 // at once, and as many waiting
)

// errUnknownElection is answered for an election that this box does not serve.
var errUnknownElection = errors.New("unknown election")

// Handler serves one box, below /v1/<election_id> on an origin of its own,
// where no request is logged.
func (b *Box) Handler() http.Handler {
	s := NewService(nil)
	s.Add(b)
	return s.Handler()
}

// routes serves the paths of one election.
func (b *Box) routes() http.Handler {
	r := web.NewRouter(cors(b.c.Manifest.Origins))
	r.Post("/ballots", b.handle(b.postBallot))
	r.Post("/find", b.handle(b.postFind))
	r.Post("/check", b.handle(b.postCheck))
	// Acts and their proofs are public, so everybody can bring them again.
	few := r.With(web.AtMost(maxActs, tlog.MaxProof))
	few.Post("/acts", b.handle(b.postAct))
	few.Post("/lock", b.handle(b.postLock))
	// Preflights reach the middleware by a route only.
	r.Options("/{path}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return r
}

// cors lets the booth's pages in, and the board's to what finds a ballot: whoever has
// the whole id of one may look from there too, before it is in the log.
func cors(o election.Origins) func(http.Handler) http.Handler {
	all, find := web.CORS(o.Booth), web.CORS(o.Booth, o.Board)
	return func(next http.Handler) http.Handler {
		all, find := all(next), find(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/find") {
				find.ServeHTTP(w, r)
				return
			}
			all.ServeHTTP(w, r)
		})
	}
}

// A castAnswer is what a voter keeps.
type castAnswer struct {
	Promise suite.Bytes `json:"promise"`
	State   State       `json:"state"`
}

func (b *Box) postBallot(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Content-Type") != "application/octet-stream" {
		return ErrMalformed
	}
	limit := int64(ballot.BodySize(b.options) + ballot.SignatureSize)
	sealed, err := web.ReadBody(r, limit)
	if err != nil {
		return err
	}
	promise, state, err := b.Cast(r.Context(), sealed)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, castAnswer{promise[:], state})
	return nil
}

// A checkAnswer says which ballot a body is.
type checkAnswer struct {
	BallotID suite.BallotID `json:"ballot_id"`
	Group    suite.GroupID  `json:"group"`
}

func (b *Box) postCheck(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Content-Type") != "application/octet-stream" {
		return ErrMalformed
	}
	body, err := web.ReadBody(r, int64(ballot.BodySize(b.options)))
	if err != nil {
		return err
	}
	id, group, err := b.Check(r.Context(), body)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, checkAnswer{id, group})
	return nil
}

// A findAnswer says where a ballot is. Promise and proof are empty where there
// is none.
type findAnswer struct {
	State   State       `json:"state"`
	Promise suite.Bytes `json:"promise"`
	Proof   string      `json:"proof"`
}

func (b *Box) postFind(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		BallotID suite.BallotID `json:"ballot_id"`
	}
	if err := web.DecodeJSON(r, maxFind, &q); err != nil {
		return err
	}
	f, err := b.Find(r.Context(), q.BallotID)
	if err != nil {
		return err
	}
	a := findAnswer{State: f.State, Promise: suite.Bytes{}, Proof: string(f.Proof)}
	if f.Promise != nil {
		a.Promise = append(suite.Bytes{}, (*receipt.Promise)(f.Promise)[:]...)
	}
	web.WriteJSON(w, http.StatusOK, a)
	return nil
}

func (b *Box) postAct(w http.ResponseWriter, r *http.Request) error {
	proof, err := web.ReadBody(r, tlog.MaxProof)
	if err != nil {
		return err
	}
	sequence, err := b.ApplyProven(r.Context(), proof)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, struct {
		Sequence uint32 `json:"sequence"`
	}{sequence})
	return nil
}

func (b *Box) postLock(w http.ResponseWriter, r *http.Request) error {
	proof, err := web.ReadBody(r, tlog.MaxProof)
	if err != nil {
		return err
	}
	c, err := b.Lock(r.Context(), proof)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, struct {
		CloseRoot suite.Hash `json:"close_root"`
		CloseSize int64      `json:"close_size"`
	}{c.Root, c.Size})
	return nil
}

func (b *Box) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	e := web.Endpoints{Answer: answer, Faults: b.faults}
	return e.Handle(func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if err == nil {
			return nil
		}
		if p := new(web.RequestError); errors.As(err, &p) {
			return err
		}
		switch status, _, _ := answer(err); {
		case errors.Is(err, ErrBusy):
			b.c.Metrics.busy.Inc()
			w.Header().Set("Retry-After", "2")
		case status >= http.StatusInternalServerError:
			b.c.Metrics.faults.Inc()
			w.Header().Set("Retry-After", "5")
		}
		return err
	})
}

// answers are the errors that a person or a program can do something about.
var answers = []struct {
	err     error
	status  int
	code    string
	message string
}{
	{errUnknownElection, http.StatusNotFound, "unknown_election",
		"There is no such election here; open the link in your ballot mail again."},
	{ErrMalformed, http.StatusBadRequest, "malformed",
		"This is not a sealed ballot of this election; load the ballot page again."},
	{ErrNotOpen, http.StatusForbidden, "not_open",
		"Voting has not begun; keep this page and cast your ballot when it has."},
	{ErrClosed, http.StatusForbidden, "closed",
		"Voting has ended and this ballot did not come in time; please tell the committee."},
	{ErrLocked, http.StatusForbidden, "locked",
		"The election is locked and nothing can be added any more; please tell the committee."},
	{ErrBadCredential, http.StatusUnprocessableEntity, "bad_credential",
		"This ballot was not authorized for this election; open the link in your ballot mail again."},
	{ErrSetBack, http.StatusConflict, "set_back",
		"This vote rests: the ballot box was set back to an older state, and takes nothing until the committee has decided. Keep your tracker and leave this device as it is; please call the committee."},
	{ErrBusy, http.StatusServiceUnavailable, "busy",
		"Many ballots arrive at this moment; please send yours again in a few seconds."},
	{ErrActGap, http.StatusConflict, "act_gap",
		"Acts before this one have not come here; send them first."},
	{ErrActConflict, http.StatusConflict, "act_conflict",
		"Another act has this sequence already; compare with the ledger."},
	{ErrTooEarly, http.StatusConflict, "too_early",
		"The election cannot be locked before its close, the grace, and the decisions on envelopes."},
	{ErrMissing, http.StatusConflict, "missing_ballots",
		"A ballot that the committee accepted has not come here; send it first."},
	{ErrOtherLock, http.StatusConflict, "other_lock",
		"The box is locked on another end of the ledger; compare the two."},
}

// answer says what is told about an error. Nothing of the error itself is
// shown: it is for the log.
func answer(err error) (status int, code, message string) {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.status, a.code, a.message
		}
	}
	switch {
	case errors.As(err, new(*InvalidError)):
		return http.StatusUnprocessableEntity, "invalid_ballot",
			"This ballot cannot be counted because a part of it is wrong; please tell the committee."
	case errors.As(err, new(*ActError)):
		return http.StatusUnprocessableEntity, "invalid_act",
			"This is no proof of an act that the ledger holds and that is valid after the acts before it; send the published proof."
	case errors.As(err, new(*ProofError)):
		return http.StatusUnprocessableEntity, "invalid_proof",
			"This does not prove an end of the ledger that the box can agree with; fetch the proof again and compare the counts."
	}
	// The database is gone, or something else on this side. Whether a ballot
	// was kept is not known, and sending it again is always right.
	return http.StatusServiceUnavailable, "unavailable",
		"The ballot box cannot answer now; please send the same ballot again in a few seconds."
}

// notFound answers a path of no election.
func notFound(w http.ResponseWriter, _ *http.Request) {
	status, code, message := answer(errUnknownElection)
	web.Error(w, status, code, message)
}

// election reads the election that a path names.
func electionOf(r *http.Request) (suite.ElectionID, bool) {
	id, err := suite.ParseElectionID(chi.URLParam(r, "election"))
	return id, err == nil
}
