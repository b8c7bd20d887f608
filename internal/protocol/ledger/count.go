package ledger

import (
	"errors"
	"fmt"

	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// A FinalGroup counts what happened to one group. "On" is of people on the roll
// or added to it, "Off" of others. The order is that of the entry.
type FinalGroup struct {
	Group        suite.GroupID
	Issued       uint32
	Added        uint32
	Struck       uint32
	DepositedOn  uint32
	DepositedOff uint32
	AcceptedOn   uint32
	AcceptedOff  uint32
	RejectedOn   uint32
	RejectedOff  uint32
	UndecidedOn  uint32
	UndecidedOff uint32
}

func (g *FinalGroup) counters() [11]*uint32 {
	return [...]*uint32{
		&g.Issued, &g.Added, &g.Struck,
		&g.DepositedOn, &g.DepositedOff,
		&g.AcceptedOn, &g.AcceptedOff,
		&g.RejectedOn, &g.RejectedOff,
		&g.UndecidedOn, &g.UndecidedOff,
	}
}

// Deposited returns all envelopes.
func (g FinalGroup) Deposited() uint64 { return uint64(g.DepositedOn) + uint64(g.DepositedOff) }

// Accepted returns all envelopes that were accepted.
func (g FinalGroup) Accepted() uint64 { return uint64(g.AcceptedOn) + uint64(g.AcceptedOff) }

// Rejected returns all envelopes that were rejected.
func (g FinalGroup) Rejected() uint64 { return uint64(g.RejectedOn) + uint64(g.RejectedOff) }

// Undecided returns all envelopes that nobody decided on.
func (g FinalGroup) Undecided() uint64 { return uint64(g.UndecidedOn) + uint64(g.UndecidedOff) }

// Entitled returns how many of a group may vote (SPEC.md section 15). It is
// never negative: a group of which more were struck than it had fails
// [FinalGroup.Check].
func (g FinalGroup) Entitled(rollSize uint32) uint64 {
	have := uint64(rollSize) + uint64(g.Added) + uint64(g.AcceptedOff)
	return have - min(have, uint64(g.Struck))
}

// Check returns an error unless the counters of a group with that roll fit
// together as SPEC.md section 18 demands.
func (g FinalGroup) Check(rollSize uint32) error {
	places := uint64(rollSize) + uint64(g.Added)
	if uint64(g.Issued)+uint64(g.DepositedOn)+uint64(g.Struck) > places {
		return errors.New("more issued, deposited and struck than on the roll")
	}
	if uint64(g.AcceptedOn)+uint64(g.RejectedOn)+uint64(g.UndecidedOn) != uint64(g.DepositedOn) {
		return errors.New("envelopes of people on the roll do not add up")
	}
	if uint64(g.AcceptedOff)+uint64(g.RejectedOff)+uint64(g.UndecidedOff) != uint64(g.DepositedOff) {
		return errors.New("envelopes of people off the roll do not add up")
	}
	return nil
}

// A Counter counts the entries of a ledger. Nothing is verified: that each act
// is valid is for [act.State], that each leaf is issued on once for the caller.
// It is not safe for concurrent use.
type Counter struct {
	groups []FinalGroup // as in the manifest, ascending
	at     map[suite.GroupID]int
}

// NewCounter returns a counter for the groups of a manifest.
func NewCounter(m *election.Manifest) *Counter {
	c := &Counter{at: make(map[suite.GroupID]int, len(m.Groups))}
	for i, g := range m.Groups {
		c.groups = append(c.groups, FinalGroup{Group: g.ID})
		c.at[g.ID] = i
	}
	return c
}

// Add counts an entry, as [ParseLedger] returns it. After an error nothing of
// the entry is counted.
func (c *Counter) Add(entry any) error {
	switch e := entry.(type) {
	case Issuance:
		return c.count(e.Group, FinalGroup{Issued: 1})
	case Deposit:
		if e.OnRoll {
			return c.count(e.Group, FinalGroup{DepositedOn: 1})
		}
		return c.count(e.Group, FinalGroup{DepositedOff: 1})
	case Act:
		return c.addAct(e.Act)
	}
	return nil
}

func (c *Counter) addAct(a *act.Act) error {
	payload, err := a.Decode()
	if err != nil {
		return fmt.Errorf("counting act: %w", err)
	}
	switch p := payload.(type) {
	case act.Amend:
		if p.Op == act.OpAdd {
			return c.count(p.Group, FinalGroup{Added: 1})
		}
		return c.count(p.Group, FinalGroup{Struck: 1})
	case act.Decide:
		return c.count(p.Group, FinalGroup{
			AcceptedOn: p.AcceptedOn, AcceptedOff: p.AcceptedOff,
			RejectedOn: p.RejectedOn, RejectedOff: p.RejectedOff,
		})
	}
	return nil
}

func (c *Counter) count(id suite.GroupID, more FinalGroup) error {
	i, ok := c.at[id]
	if !ok {
		return fmt.Errorf("counting entry: there is no group %d", id)
	}
	sum := c.groups[i]
	to, from := sum.counters(), more.counters()
	for k := range to {
		if *to[k]+*from[k] < *to[k] {
			return errors.New("counting entry: more than a counter holds")
		}
		*to[k] += *from[k]
	}
	c.groups[i] = sum
	return nil
}

// Groups returns the counters so far, what is deposited and not decided counted
// as undecided. It fails where more envelopes were decided than deposited.
func (c *Counter) Groups() ([]FinalGroup, error) {
	out := make([]FinalGroup, len(c.groups))
	for i, g := range c.groups {
		on := uint64(g.AcceptedOn) + uint64(g.RejectedOn)
		off := uint64(g.AcceptedOff) + uint64(g.RejectedOff)
		if on > uint64(g.DepositedOn) || off > uint64(g.DepositedOff) {
			return nil, fmt.Errorf("counting ledger: group %d has more envelopes decided than deposited", g.Group)
		}
		g.UndecidedOn = g.DepositedOn - uint32(on)
		g.UndecidedOff = g.DepositedOff - uint32(off)
		out[i] = g
	}
	return out, nil
}
