package tally

import (
	"bytes"
	"errors"
	"fmt"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/group"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/share"
	"strikevote/internal/protocol/suite"
)

// A Result is the record's file `result`: what the tellers opened, and what
// the rule makes of it. It is not certified yet.
type Result struct {
	MID       suite.MID    `json:"mid"`
	CloseRoot suite.Hash   `json:"close_root"`
	CloseSize uint64       `json:"close_size"`
	Tellers   []int        `json:"tellers"` // numbers of all share files, ascending
	Sets      []SetResult  `json:"sets"`    // by id; empty only if nobody voted
	Units     []UnitResult `json:"units"`
	Sentence  string       `json:"sentence"`
}

// A SetResult holds the counts of a set: for every question, one for each
// option.
type SetResult struct {
	ID     suite.GroupID   `json:"id"`
	Groups []suite.GroupID `json:"groups"`
	Count  uint64          `json:"count"`
	Votes  [][]uint64      `json:"votes"`
}

// A UnitResult is what the rule says of all groups together or, where the rule
// is per group, of one set.
type UnitResult struct {
	Groups     []suite.GroupID `json:"groups"`
	Entitled   uint64          `json:"entitled"`
	Cast       uint64          `json:"cast"`
	Yes        uint64          `json:"yes"`
	No         uint64          `json:"no"`
	Approved   bool            `json:"approved"`
	Quorum     bool            `json:"quorum"`
	Support    bool            `json:"support"`
	Authorized bool            `json:"authorized"`
}

// Unit returns the counts that were judged.
func (u *UnitResult) Unit() outcome.Unit {
	return outcome.Unit{Groups: u.Groups, Entitled: u.Entitled, Cast: u.Cast, Yes: u.Yes, No: u.No}
}

// Progress is told of the search for one question of one set: the steps done
// and the steps there can be.
type Progress func(set suite.GroupID, question, done, total int)

// Assemble makes the result of the share files of at least t tellers. It
// checks every share and searches for the counts. entitled is, for every group
// of the manifest, roll_size + added - struck + accepted_off. progress may be
// nil.
func (o *Opening) Assemble(files []*share.File, entitled map[suite.GroupID]uint64, progress Progress) (*Result, error) {
	tellers, points, err := o.open(files)
	if err != nil {
		return nil, err
	}
	sets := o.Sets()
	votes := make([][][]uint64, len(sets))
	for i, set := range sets {
		for q, t := range points[i] {
			report := func(done, total int) {
				if progress != nil {
					progress(set.ID, q, done, total)
				}
			}
			n, err := Decode(t, set.Count, len(o.Manifest.Questions[q].Options), report)
			if err != nil {
				return nil, fmt.Errorf("opening set %d, question %d: %w", set.ID, q, err)
			}
			votes[i] = append(votes[i], n)
		}
	}
	return o.result(tellers, sets, votes, entitled)
}

// Verify checks a result file against the share files of the record, without a
// search: whoever verifies multiplies where whoever assembled had to look.
func (o *Opening) Verify(result []byte, files []*share.File, entitled map[suite.GroupID]uint64) (*Result, error) {
	got, err := ParseResult(result)
	if err != nil {
		return nil, err
	}
	tellers, points, err := o.open(files)
	if err != nil {
		return nil, err
	}
	sets := o.Sets()
	votes, err := checkSets(got.Sets, sets, points, o.Manifest.Options())
	if err != nil {
		return nil, err
	}
	want, err := o.result(tellers, sets, votes, entitled)
	if err != nil {
		return nil, err
	}
	// All that was compared so far and all that follows from it, in one
	// comparison: there is no field that could be forgotten here.
	b, err := want.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b, result) {
		return nil, errors.New("checking result: it is not what follows from the ballots and the shares")
	}
	return got, nil
}

// checkSets checks the counts of a result against the opened points and
// returns them.
func checkSets(got []SetResult, sets []Set, points [][]*group.Element, options []int) ([][][]uint64, error) {
	if len(got) != len(sets) {
		return nil, fmt.Errorf("checking result: %d sets, want %d", len(got), len(sets))
	}
	var votes [][][]uint64
	for i, set := range sets {
		if len(got[i].Votes) != len(options) {
			return nil, fmt.Errorf("checking result: set %d has %d questions", set.ID, len(got[i].Votes))
		}
		for q, n := range got[i].Votes {
			if len(n) != options[q] {
				return nil, fmt.Errorf("checking result: set %d, question %d has %d options", set.ID, q, len(n))
			}
			if err := CheckVotes(points[i][q], set.Count, n); err != nil {
				return nil, fmt.Errorf("checking result: set %d, question %d: %w", set.ID, q, err)
			}
		}
		votes = append(votes, got[i].Votes)
	}
	return votes, nil
}

func (o *Opening) result(tellers []int, sets []Set, votes [][][]uint64, entitled map[suite.GroupID]uint64) (*Result, error) {
	r := &Result{
		MID: o.Close.MID, CloseRoot: o.Close.Root, CloseSize: o.Close.Size,
		Tellers: tellers, Sets: []SetResult{}, Units: []UnitResult{},
	}
	for i, set := range sets {
		r.Sets = append(r.Sets, SetResult{ID: set.ID, Groups: set.Groups, Count: set.Count, Votes: votes[i]})
	}
	units, err := units(o.Manifest, r.Sets, entitled)
	if err != nil {
		return nil, err
	}
	var judged []outcome.Judged
	for _, u := range units {
		j := outcome.Judge(o.Manifest.Rule, u)
		judged = append(judged, outcome.Judged{Unit: u, Judgement: j})
		r.Units = append(r.Units, UnitResult{
			Groups: u.Groups, Entitled: u.Entitled, Cast: u.Cast, Yes: u.Yes, No: u.No,
			Approved: j.Approved, Quorum: j.Quorum, Support: j.Support, Authorized: j.Authorized,
		})
	}
	name := func(id suite.GroupID) string { return o.Manifest.Group(id).Name }
	r.Sentence = outcome.Sentence(name, judged)
	return r, nil
}

// units returns what the rule is applied to: all groups as one or, where it is
// per group, every set, and then every group without a ballot. Those stand at
// the end as units of their own, so that it is said of them too that they did
// not authorize.
func units(m *election.Manifest, sets []SetResult, entitled map[suite.GroupID]uint64) ([]outcome.Unit, error) {
	empty := make(map[suite.GroupID]bool, len(m.Groups))
	all := make([]suite.GroupID, 0, len(m.Groups))
	for i := range m.Groups {
		all = append(all, m.Groups[i].ID)
		empty[m.Groups[i].ID] = true
	}
	question := int(m.Rule.Question)
	add := func(u *outcome.Unit, s *SetResult) {
		yes, no := outcome.Votes(m.Questions[question], s.Votes[question])
		u.Cast, u.Yes, u.No = u.Cast+s.Count, u.Yes+yes, u.No+no
	}
	one := outcome.Unit{Groups: all}
	var list []outcome.Unit
	for i := range sets {
		u := outcome.Unit{Groups: sets[i].Groups}
		add(&u, &sets[i])
		add(&one, &sets[i])
		list = append(list, u)
		for _, id := range sets[i].Groups {
			empty[id] = false
		}
	}
	if !m.Rule.PerGroup {
		list = []outcome.Unit{one}
	} else {
		for _, id := range all {
			if empty[id] {
				list = append(list, outcome.Unit{Groups: []suite.GroupID{id}})
			}
		}
	}
	for i := range list {
		for _, id := range list[i].Groups {
			n, ok := entitled[id]
			if !ok {
				return nil, fmt.Errorf("judging the result: nobody says how many are entitled in group %d", id)
			}
			list[i].Entitled += n
		}
	}
	return list, nil
}

// Encode returns the file, canonical JSON.
func (r *Result) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	b, err := suite.EncodeJSON(r)
	if err != nil {
		return nil, fmt.Errorf("encoding result: %w", err)
	}
	return b, nil
}

// ParseResult reads what [Result.Encode] returned. That it is true is for
// [Opening.Verify] to find.
func ParseResult(b []byte) (*Result, error) {
	r := new(Result)
	if err := suite.DecodeJSON(b, r); err != nil {
		return nil, fmt.Errorf("reading result: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// check refuses lists that are not in order, or that have a number twice.
func (r *Result) check() error {
	if len(r.Tellers) == 0 || r.Tellers[0] < 1 || r.Tellers[len(r.Tellers)-1] > share.MaxTeller || !ascending(r.Tellers) {
		return errors.New("checking result: numbers of the tellers")
	}
	last := suite.GroupID(0)
	for i := range r.Sets {
		s := &r.Sets[i]
		if s.ID <= last || len(s.Groups) == 0 || !ascending(s.Groups) {
			return errors.New("checking result: sets out of order")
		}
		last = s.ID
		if s.Count < 1 || s.Count > MaxCount {
			return fmt.Errorf("checking result: %d ballots in set %d", s.Count, s.ID)
		}
	}
	for i := range r.Units {
		if len(r.Units[i].Groups) == 0 || !ascending(r.Units[i].Groups) {
			return errors.New("checking result: groups of a unit")
		}
	}
	if len(r.Units) == 0 || r.Sentence == "" {
		return errors.New("checking result: no outcome")
	}
	return nil
}

func ascending[T int | suite.GroupID](list []T) bool {
	for i := 1; i < len(list); i++ {
		if list[i] <= list[i-1] {
			return false
		}
	}
	return true
}
