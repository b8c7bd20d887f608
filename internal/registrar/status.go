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
	out := &Status{Title: r.manifest.Title[0], Group: s.group, Phase: s.phase, Close: s.close, Issued: s.used != "" || s.deposited != nil, Index: s.index}
	if s.phase == election.PhaseOpen && r.c.Now().Unix() >= s.close {
		out.Phase = election.PhaseClosed
	}
	if s.onRoll {
		salt := ledger.Salt(r.c.Keys.RollKey, r.manifest.ElectionID, s.group, s.index)
		out.Salt = fmt.Sprintf("%x", salt)
	}
	return out, nil
}
