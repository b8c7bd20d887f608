package act

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// ErrSequence is returned by [State.Apply] for an act that is not the next one:
// it was applied before, or another is missing.
var ErrSequence = errors.New("not the next act")

// ErrCancelled is returned by [State.Apply] after a cancellation.
var ErrCancelled = errors.New("election is cancelled")

// A State is what an election has become after the acts so far. Both sides of
// the service, the tellers and the auditor keep one each, from the manifest and
// the acts alone. Its exported fields are to be read, not written. It is not
// safe for concurrent use.
type State struct {
	Next      uint32 // sequence of the next act
	Close     int64  // the close in force
	Cancelled bool
	Committee election.Committee             // those who sign the next act
	Added     map[suite.GroupID][]suite.Hash // leaves, in the order of their indexes
	Struck    map[suite.GroupID][]suite.Hash // blinded leaves
	Decisions []Decide
	Client    *election.Client // the bundle in force; nil where none was declared

	mid      suite.MID
	schedule election.Schedule
	groups   map[suite.GroupID]bool
	keys     map[string]bool         // every key that was ever in the committee
	accepted map[suite.BallotID]bool // of all decisions
	amended  map[suite.Hash]bool     // every added leaf and every struck blinded leaf
}

// NewState returns the state of an election before its first act. m must be
// valid; it is not kept.
func NewState(m *election.Manifest, mid suite.MID) *State {
	s := &State{
		Next:      1,
		Close:     m.Schedule.Close,
		Committee: cloneCommittee(m.Committee),
		Added:     make(map[suite.GroupID][]suite.Hash),
		Struck:    make(map[suite.GroupID][]suite.Hash),
		mid:       mid,
		schedule:  m.Schedule,
		groups:    make(map[suite.GroupID]bool),
		keys:      make(map[string]bool),
		accepted:  make(map[suite.BallotID]bool),
		amended:   make(map[suite.Hash]bool),
	}
	if m.Client != nil {
		c := *m.Client
		s.Client = &c
	}
	for _, g := range m.Groups {
		s.groups[g.ID] = true
	}
	for _, member := range m.Committee.Members {
		for _, k := range member.Keys {
			s.keys[string(k.Key)] = true
		}
	}
	return s
}

func cloneCommittee(c election.Committee) election.Committee {
	c.Members = slices.Clone(c.Members)
	for i := range c.Members {
		c.Members[i].Keys = slices.Clone(c.Members[i].Keys)
	}
	return c
}

// Margin is how long before the close in force an act that moves it must come, in
// seconds: a witness that follows by polling may need minutes, and a close that
// was moved without their signatures is a fault of the record (SPEC 10).
func Margin(demo bool) int64 {
	if demo {
		return 5
	}
	return 600
}

// MarginWords is [Margin] as people say it.
func MarginWords(demo bool) string {
	s := Margin(demo)
	if s%60 != 0 {
		return fmt.Sprintf("%d seconds", s)
	}
	return fmt.Sprintf("%d minutes", s/60)
}

// Clone returns a state that shares nothing with s, so that a service can apply
// an act inside a transaction that may still fail.
func (s *State) Clone() *State {
	c := *s
	c.Committee = cloneCommittee(s.Committee)
	c.Added = cloneLists(s.Added)
	c.Struck = cloneLists(s.Struck)
	c.Decisions = slices.Clone(s.Decisions)
	c.keys = maps.Clone(s.keys)
	c.accepted = maps.Clone(s.accepted)
	c.amended = maps.Clone(s.amended)
	return &c
}

func cloneLists(m map[suite.GroupID][]suite.Hash) map[suite.GroupID][]suite.Hash {
	out := maps.Clone(m)
	for g, list := range out {
		out[g] = slices.Clone(list)
	}
	return out
}

// Skip takes note that the acts before a sequence are not known, and that the next
// one is. It is for who reads what is published while voting is open: amendments and
// decisions are withheld until the lock (SPEC 9), and no other act depends on one.
// What follows proves nothing of those; whoever has all acts never calls it.
func (s *State) Skip(next uint32) { s.Next = max(s.Next, next) }

// Apply checks an act against everything SPEC.md section 10 says that follows
// from the manifest and the acts before it, and then takes effect. After an
// error the state is as before. It returns [ErrSequence], [ErrCancelled],
// [election.ErrQuorum] or [election.ErrSignature] where those are the reason.
//
// Not checked here, because it takes a clock, a roll or a log: whether the act
// came before the close it replaces, whether a leaf is on the roll, new, or
// issued on, and whether an accepted ballot is in the log.
func (s *State) Apply(a *Act) error {
	if err := s.apply(a, s.verify); err != nil {
		return fmt.Errorf("applying act %d: %w", a.Sequence, err)
	}
	return nil
}

// Foresee is [State.Apply] for an act that nobody has signed yet: it makes the
// state that there would be. Whoever collects signatures judges a proposal by it,
// and the signatures over what comes after it. It proves nothing: what is
// signed is applied to a state on which only Apply was called.
func (s *State) Foresee(a *Act) error {
	if err := s.apply(a, func(*Act) error { return nil }); err != nil {
		return fmt.Errorf("foreseeing act %d: %w", a.Sequence, err)
	}
	return nil
}

func (s *State) apply(a *Act, verify func(*Act) error) error {
	if s.Cancelled {
		return ErrCancelled
	}
	if a.Sequence != s.Next {
		return ErrSequence
	}
	// An act that was not parsed may not fit its own encoding. What is judged
	// is what would stand in the log.
	a, err := parse(a.Bytes())
	if err != nil {
		return err
	}
	payload, err := a.Decode()
	if err != nil {
		return err
	}
	if err := verify(a); err != nil {
		return err
	}
	// Every case below first checks all, then changes; nothing fails half-way.
	switch p := payload.(type) {
	case Extend:
		err = s.extend(p)
	case CloseEarly:
		err = s.closeEarly(p)
	case Cancel:
		s.Cancelled = true
	case Amend:
		err = s.amend(p)
	case Decide:
		err = s.decide(p)
	case ClientBundle:
		s.Client = &election.Client{URL: p.URL, SHA256: p.SHA256}
	case Replace:
		err = s.replace(a, p)
	}
	if err != nil {
		return err
	}
	s.Next++
	return nil
}

func (s *State) verify(a *Act) error {
	list := make([]election.MemberSignature, len(a.Signatures))
	for i, sig := range a.Signatures {
		list[i] = election.MemberSignature{Member: sig.Member, Key: sig.Key, Signature: sig.Bytes}
	}
	return s.Committee.Verify(Message(s.mid, a.Kind, a.Sequence, a.Payload), list)
}

func (s *State) extend(p Extend) error {
	if p.Close <= s.Close || p.Close > s.schedule.LatestClose {
		return errors.New("new close is not after the one in force, or after the latest")
	}
	s.Close = p.Close
	return nil
}

func (s *State) closeEarly(p CloseEarly) error {
	if p.Close >= s.Close || p.Close <= s.schedule.Open {
		return errors.New("new close is not before the one in force, or not after the opening")
	}
	s.Close = p.Close
	return nil
}

func (s *State) amend(p Amend) error {
	if !s.groups[p.Group] {
		return fmt.Errorf("there is no group %d", p.Group)
	}
	if s.amended[p.Hash] {
		return errors.New("this leaf was amended before")
	}
	list := s.Added
	if p.Op == OpStrike {
		list = s.Struck
	}
	list[p.Group] = append(list[p.Group], p.Hash)
	s.amended[p.Hash] = true
	return nil
}

func (s *State) decide(p Decide) error {
	if !s.groups[p.Group] {
		return fmt.Errorf("there is no group %d", p.Group)
	}
	for _, id := range p.Accepted {
		if s.accepted[id] {
			return errors.New("a ballot was accepted before")
		}
	}
	for _, id := range p.Accepted {
		s.accepted[id] = true
	}
	s.Decisions = append(s.Decisions, p)
	return nil
}

func (s *State) replace(a *Act, p Replace) error {
	if int(p.Member) >= len(s.Committee.Members) {
		return fmt.Errorf("there is no member %d", p.Member)
	}
	// A stolen key must not be able to make itself the only one.
	if slices.ContainsFunc(a.Signatures, func(sig Signature) bool { return sig.Member == p.Member }) {
		return errors.New("signed by the member it replaces")
	}
	key := election.Key{Kind: p.Kind, Key: p.Key}
	if err := key.Check(s.Committee.RPID); err != nil {
		return err
	}
	// Neither two hands with one key nor a dead key again.
	if s.keys[string(p.Key)] {
		return errors.New("the committee has or had this key")
	}
	for i, m := range s.Committee.Members {
		if m.Name == p.Name && i != int(p.Member) {
			return errors.New("another member has this name")
		}
	}
	s.keys[string(p.Key)] = true
	s.Committee.Members[p.Member] = election.Member{Name: p.Name, Keys: []election.Key{key}}
	return nil
}
