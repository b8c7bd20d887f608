package committee

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"net/http"
	"slices"

	"strikevote/internal/agenda"
	"strikevote/internal/platform/web"
	"strikevote/internal/protocol/suite"
)

// Overview returns where an election stands and which papers were proposed.
func (s *Service) Overview(ctx context.Context, id suite.ElectionID) (*agenda.Overview, error) {
	draft, err := s.Draft(ctx, id)
	if err != nil {
		return nil, err
	}
	o := &agenda.Overview{Title: draft.Title[0], Phase: "draft", Committee: draft.Committee, Papers: []agenda.Paper{}}
	d, err := s.docket(ctx, s.store, id)
	switch {
	case err == nil:
		o.Phase, o.Record, o.Committee = d.status.Phase, d.status.Record, d.before[0].Committee
	case !errors.Is(err, ErrNotYet):
		return nil, err
	}
	for _, p := range []paper{declarationPaper, manifestPaper, certificatePaper} {
		one, err := s.overview(ctx, id, p, o.Committee.Quorum)
		switch {
		case err == nil:
			o.Papers = append(o.Papers, *one)
		case !errors.Is(err, ErrNotYet):
			return nil, err
		}
	}
	return o, nil
}

// overview says who has signed a paper. Signatures were checked when they came;
// whoever needs a quorum of them checks again.
func (s *Service) overview(ctx context.Context, id suite.ElectionID, p paper, quorum uint8) (*agenda.Paper, error) {
	session, err := s.store.sessionOf(ctx, id, p)
	if err != nil {
		return nil, err
	}
	number, body, err := s.store.last(ctx, id, session, p.proposed)
	if err != nil {
		return nil, err
	}
	got, err := s.store.all(ctx, id, session, p.signatures(number))
	if err != nil {
		return nil, err
	}
	o := &agenda.Paper{Name: p.name, SHA256: sha256.Sum256(body), State: agenda.Open, Signed: []int{}}
	for _, member := range slices.Sorted(maps.Keys(got)) {
		o.Signed = append(o.Signed, int(member))
	}
	if len(got) >= int(quorum) {
		o.State = agenda.Signed
	}
	_, err = s.store.get(ctx, place{id, session, p.fixed, 0})
	if err == nil {
		o.State = agenda.Applied
	} else if !errors.Is(err, ErrNotYet) {
		return nil, err
	}
	return o, nil
}

func (s *Service) getAgenda(w http.ResponseWriter, r *http.Request) error {
	id, err := electionOf(r)
	if err != nil {
		return err
	}
	o, err := s.Overview(r.Context(), id)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, o)
	return nil
}

// getSlips serves the permissions to print. They hold counts and hashes.
func (s *Service) getSlips(w http.ResponseWriter, r *http.Request) error {
	id, err := electionOf(r)
	if err != nil {
		return err
	}
	list, err := s.Slips(r.Context(), id)
	if err != nil {
		return err
	}
	out := agenda.AllSlips{Slips: make([]agenda.SlipsToSign, len(list))}
	for i, p := range list {
		out.Slips[i] = agenda.SlipsToSign{Body: p.Body, State: p.State, Signed: append([]int{}, p.Signed...)}
	}
	web.WriteJSON(w, http.StatusOK, out)
	return nil
}
