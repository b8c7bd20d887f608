package pages

import (
	"fmt"
	"slices"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/wording"
)

// figures are what the record of an election says in numbers. Nothing in them is
// taken from a database: whoever has the record can find every one of them again.
type figures struct {
	manifest *election.Manifest
	// final and cast are there from the lock on, for every group of the manifest.
	final map[suite.GroupID]ledger.FinalGroup
	cast  map[suite.GroupID]uint64
	// result is nil until the totals are opened, certificate until it is signed.
	result      *tally.Result
	certificate *tally.Certificate
	signed      []string // who signed the certificate
}

// A block is one part of the result page: all groups together, or those that are
// counted together.
type block struct {
	groups   []suite.GroupID // ascending
	all      bool
	entitled uint64
	cast     uint64
	votes    [][]uint64 // for every question one count for each option
	judged   *judged    // nil where the rule does not look at this block
}

// A judged block is what the rule makes of it.
type judged struct {
	outcome.Judgement
	unit outcome.Unit
	base uint64 // what the fraction of the rule is a fraction of
	need uint64 // the fewest yes that are enough of it
}

// locked adds what the last entries of both logs count.
func (f *figures) locked(final ledger.Final, closed ledger.Close) error {
	if len(final.Groups) != len(f.manifest.Groups) || len(closed.Groups) != len(f.manifest.Groups) {
		return fmt.Errorf("reading the ends of the logs: they do not count the manifest's groups")
	}
	f.final = make(map[suite.GroupID]ledger.FinalGroup)
	f.cast = make(map[suite.GroupID]uint64)
	for i := range f.manifest.Groups {
		id := f.manifest.Groups[i].ID
		if final.Groups[i].Group != id || closed.Groups[i].Group != id {
			return fmt.Errorf("reading the ends of the logs: they do not count group %d in its place", id)
		}
		f.final[id], f.cast[id] = final.Groups[i], uint64(closed.Groups[i].Cast)
	}
	return nil
}

// entitled adds up how many may vote in some groups.
func (f *figures) entitled(groups []suite.GroupID) (n uint64) {
	for _, id := range groups {
		n += f.final[id].Entitled(f.manifest.Group(id).RollSize)
	}
	return n
}

// blocks returns the overall block and then one for each set that was opened and
// each group without a ballot, in order of id. Where there is only one, that is
// the overall block.
func (f *figures) blocks() []block {
	var parts []block
	counted := make(map[suite.GroupID]bool)
	for _, s := range f.result.Sets {
		parts = append(parts, block{groups: s.Groups, cast: s.Count, votes: s.Votes})
		for _, id := range s.Groups {
			counted[id] = true
		}
	}
	var ids []suite.GroupID
	for _, g := range f.manifest.Groups {
		ids = append(ids, g.ID)
		if !counted[g.ID] {
			parts = append(parts, block{groups: []suite.GroupID{g.ID}, votes: f.noVotes()})
		}
	}
	slices.SortStableFunc(parts, func(a, b block) int { return int(a.groups[0]) - int(b.groups[0]) })
	total := block{groups: ids, all: true, votes: f.noVotes()}
	for i := range parts {
		parts[i].entitled = f.entitled(parts[i].groups)
		total.cast += parts[i].cast
		for q := range parts[i].votes {
			for o, n := range parts[i].votes[q] {
				total.votes[q][o] += n
			}
		}
	}
	total.entitled = f.entitled(ids)
	list := append([]block{total}, parts...)
	if len(parts) == 1 {
		list = list[:1]
	}
	for i := range list {
		list[i].judged = f.judge(list[i].groups)
	}
	return list
}

// noVotes returns the counts of nobody's ballots.
func (f *figures) noVotes() [][]uint64 {
	votes := make([][]uint64, len(f.manifest.Questions))
	for i, q := range f.manifest.Questions {
		votes[i] = make([]uint64, len(q.Options))
	}
	return votes
}

// judge returns what the result says of exactly these groups, or nil where they
// are no unit of the rule.
func (f *figures) judge(groups []suite.GroupID) *judged {
	for i := range f.result.Units {
		u := &f.result.Units[i]
		if slices.Equal(u.Groups, groups) {
			return f.judgedUnit(u)
		}
	}
	return nil
}

func (f *figures) judgedUnit(u *tally.UnitResult) *judged {
	j := &judged{
		Judgement: outcome.Judgement{Approved: u.Approved, Quorum: u.Quorum, Support: u.Support, Authorized: u.Authorized},
		unit:      u.Unit(),
		base:      wording.Base(f.manifest.Rule, u.Unit()),
	}
	j.need = need(f.manifest.Rule, j.base)
	return j
}

// need returns the fewest yes that a rule approves by, out of a base. It is at
// least one: without a yes nothing is approved. The numbers of an election are
// below 2^20 and a denominator is at most 1,000, so the product fits.
func need(r election.Rule, base uint64) uint64 {
	share := base * uint64(r.Numerator)
	if r.Strict {
		return share/uint64(r.Denominator) + 1
	}
	return max(1, fewest(r.Numerator, r.Denominator, base))
}

// fewest returns the smallest whole number that is at least a fraction of a whole.
func fewest(numerator, denominator uint32, whole uint64) uint64 {
	d := uint64(denominator)
	return (whole*uint64(numerator) + d - 1) / d
}

// A reason is why a unit is authorized or is not.
type reason int

const (
	reasonPlain    reason = iota // the arithmetic says it
	reasonNobody                 // not a single ballot
	reasonExact                  // yes is exactly the fraction, and the rule needs more
	reasonExactly                // yes is exactly the fraction, and that is enough
	reasonQuorum                 // too few ballots
	reasonSupport                // too few yes of all entitled
	reasonApproval               // too few yes
)

// reasons returns why a unit is authorized or is not, all that apply.
func (j *judged) reasons(r election.Rule) []reason {
	exact := j.base > 0 && j.unit.Yes > 0 && j.unit.Yes*uint64(r.Denominator) == j.base*uint64(r.Numerator)
	switch {
	case j.unit.Cast == 0:
		return []reason{reasonNobody}
	case j.Authorized && exact:
		return []reason{reasonExactly}
	case j.Authorized:
		return []reason{reasonPlain}
	}
	var list []reason
	if !j.Quorum {
		list = append(list, reasonQuorum)
	}
	if !j.Support {
		list = append(list, reasonSupport)
	}
	switch {
	case !j.Approved && exact:
		list = append(list, reasonExact)
	case !j.Approved:
		list = append(list, reasonApproval)
	}
	return list
}

// byHalf reports whether a rule compares yes with no, so that one can say by how
// much one leads the other.
func byHalf(r election.Rule) bool {
	return r.Basis == election.BasisDecided && 2*r.Numerator == r.Denominator
}

// shown are the outcomes as a reader is told them.
type shown int

const (
	shownNone shown = iota
	shownAll
	shownMixed
)

// outcome returns whether all units of the rule authorize, none, or some.
func (f *figures) outcome() shown {
	authorized := 0
	for i := range f.result.Units {
		if f.result.Units[i].Authorized {
			authorized++
		}
	}
	switch authorized {
	case 0:
		return shownNone
	case len(f.result.Units):
		return shownAll
	}
	return shownMixed
}

// merged returns the sets in which several groups are counted together.
func (f *figures) merged() [][]suite.GroupID {
	var list [][]suite.GroupID
	for _, s := range f.result.Sets {
		if len(s.Groups) > 1 {
			list = append(list, s.Groups)
		}
	}
	return list
}

// A sameAnswer says that every ballot of a set gave the same answer to a question,
// so that the total shows how each of them voted.
type sameAnswer struct {
	groups   []suite.GroupID
	question int
}

func (f *figures) unanimous() []sameAnswer {
	var list []sameAnswer
	for _, s := range f.result.Sets {
		for q, votes := range s.Votes {
			if slices.Contains(votes, s.Count) {
				list = append(list, sameAnswer{s.Groups, q})
			}
		}
	}
	return list
}

// open counts the questions that are open, in all groups: envelopes without a
// decision, and ballots that were issued or accepted and are not in the box.
func (f *figures) open() (undecided, notCast uint64) {
	var given, cast uint64
	for id, n := range f.final {
		undecided += n.Undecided()
		given += uint64(n.Issued) + n.Accepted()
		cast += f.cast[id]
	}
	// A record in which there are more is false, which the audit says.
	return undecided, given - min(given, cast)
}

// counts are what happened to the members of all groups, by the ends of the logs, as far
// as [speaker.counted] reads it.
func (f *figures) counts() tally.GroupCounts {
	var list []tally.GroupCounts
	for i := range f.manifest.Groups {
		g := &f.manifest.Groups[i]
		n := f.final[g.ID]
		list = append(list, tally.GroupCounts{
			RollSize: uint64(g.RollSize), Added: uint64(n.Added), Struck: uint64(n.Struck), Entitled: n.Entitled(g.RollSize),
			Issued: uint64(n.Issued), Cast: f.cast[g.ID], Accepted: n.Accepted(), AcceptedOff: uint64(n.AcceptedOff),
		})
	}
	return tally.Sum(list)
}
