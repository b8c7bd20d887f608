package registrar

import (
	"context"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// A Status is what a member's link shows, and all it shows.
type Status struct {
	Title  string         `json:"title"`
	Group  suite.GroupID  `json:"group"`
	Phase  election.Phase `json:"phase"`
	Close  int64          `json:"close"`
	Issued bool           `json:"issued"`
	Salt   string         `json:"salt"` // hex; with the index and the member number it makes the leaf
	Index  uint32         `json:"index"`
}

// Status says how a link stands. Where the election asks for an extra answer it
// is asked for here too, and counted the same.
func (r *Registrar) Status(ctx context.Context, c Credential, factor string) (*Status, error) {
	s, err := r.look(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := s.valid(); err != nil {
		return nil, err
	}
	if r.manifest.Factor != nil && s.onRoll {
		if err := r.checkFactor(ctx, &s, factor); err != nil {
			return nil, err
		}
	}
	now := r.byClock(State{Phase: s.phase, Close: s.close})
	out := &Status{Title: r.manifest.Title[0], Group: s.group, Phase: now.Phase, Close: now.Close, Issued: s.used != "" || s.deposited != nil, Index: s.index}
	if s.onRoll {
		salt := ledger.Salt(r.c.Keys.RollKey, r.manifest.ElectionID, s.group, s.index)
		out.Salt = fmt.Sprintf("%x", salt)
	}
	return out, nil
}

// Shown says where the election stands, to whoever asks: the page that a link opens
// says when voting closes before it has shown the link to anybody, and the manifest
// knows of no extension.
func (r *Registrar) Shown(ctx context.Context) (State, error) {
	s, err := r.Phase(ctx)
	if err != nil {
		return State{}, err
	}
	return r.byClock(s), nil
}

// byClock closes to the second what the clock has closed and nobody has written yet.
func (r *Registrar) byClock(s State) State {
	if s.Phase == election.PhaseOpen && r.c.Now().Unix() >= s.Close {
		s.Phase = election.PhaseClosed
	}
	return s
}
