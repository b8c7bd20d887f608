package model_test

import (
	"math/rand/v2"
	"slices"

	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/suite"
)

// A model is an election as a child would keep it: people on a list, ballots in
// two piles, and a clock.
type model struct {
	random *rand.Rand
	m      *election.Manifest
	now    int64
	people []*person
	papers []*paper
	added  map[suite.GroupID]uint32
	locked bool
}

// A person is on the roll, was added to it, or was admitted from outside.
type person struct {
	group  suite.GroupID
	index  uint32
	onRoll bool
	struck bool
	paper  *paper // issued or deposited
}

// A paper is a ballot, and what became of it.
type paper struct {
	of       *person
	choice   uint8
	envelope bool
	decided  string // of an envelope: "", "accepted", "rejected"
	inBox    bool
	id       suite.BallotID
	body     []byte
	sealed   []byte // with a credential
	forged   []byte // with one that it should not have
}

func newModel(m *election.Manifest, seed uint64) *model {
	x := &model{random: rand.New(rand.NewPCG(seed, 4)), m: m, now: audittest.Open, added: map[suite.GroupID]uint32{}}
	for _, g := range m.Groups {
		for i := range g.RollSize {
			x.people = append(x.people, &person{group: g.ID, index: i, onRoll: true})
		}
	}
	return x
}

func (x *model) open() bool    { return x.now < audittest.Close && !x.locked }
func (x *model) casting() bool { return x.now < audittest.Close+audittest.Grace && !x.locked }

func (x *model) group() suite.GroupID { return x.m.Groups[x.random.IntN(len(x.m.Groups))].ID }

// choose returns one of some, or the zero value if there is none.
func choose[T any](x *model, list []T) (one T) {
	if len(list) > 0 {
		one = list[x.random.IntN(len(list))]
	}
	return one
}

// somebody is one of a few, so that they meet often, or one of everybody.
func (x *model) somebody(onRoll bool) *person {
	list := slices.DeleteFunc(slices.Clone(x.people), func(p *person) bool { return p.onRoll != onRoll })
	if onRoll && x.random.IntN(3) > 0 {
		list = slices.DeleteFunc(list, func(p *person) bool { return p.index > 2 && p.paper == nil && !p.struck })
	}
	return choose(x, list)
}

func (x *model) envelopes(g suite.GroupID, decided string) (list []*paper) {
	for _, p := range x.papers {
		if p.envelope && p.decided == decided && (g == 0 || p.of.group == g) {
			list = append(list, p)
		}
	}
	return list
}

// counts are what the ledger has to end with.
func (x *model) counts() []ledger.FinalGroup {
	var out []ledger.FinalGroup
	for _, g := range x.m.Groups {
		f := ledger.FinalGroup{Group: g.ID, Added: x.added[g.ID]}
		for _, p := range x.people {
			if p.group == g.ID && p.struck {
				f.Struck++
			}
		}
		for _, p := range x.papers {
			if p.of.group != g.ID {
				continue
			}
			if !p.envelope {
				f.Issued++
				continue
			}
			on := map[string]*uint32{"": &f.UndecidedOn, "accepted": &f.AcceptedOn, "rejected": &f.RejectedOn}
			off := map[string]*uint32{"": &f.UndecidedOff, "accepted": &f.AcceptedOff, "rejected": &f.RejectedOff}
			if p.of.onRoll {
				f.DepositedOn++
				*on[p.decided]++
			} else {
				f.DepositedOff++
				*off[p.decided]++
			}
		}
		out = append(out, f)
	}
	return out
}

// votes counts what is in the box of some groups, by choice.
func (x *model) votes(groups ...suite.GroupID) (votes [3]int) {
	for _, p := range x.papers {
		if p.inBox && slices.Contains(groups, p.of.group) {
			votes[p.choice]++
		}
	}
	return votes
}

// entitled counts who may vote in some groups, one by one.
func (x *model) entitled(groups ...suite.GroupID) (n int) {
	for _, p := range x.people {
		if slices.Contains(groups, p.group) && (p.onRoll && !p.struck || !p.onRoll && p.paper != nil && p.paper.decided == "accepted") {
			n++
		}
	}
	return n
}

// units are the groups that the rule looks at together.
func (x *model) units() (units [][]suite.GroupID) {
	var all []suite.GroupID
	for _, g := range x.m.Groups {
		units = append(units, []suite.GroupID{g.ID})
		all = append(all, g.ID)
	}
	if x.m.Rule.PerGroup {
		return units
	}
	return [][]suite.GroupID{all}
}

// authorized is the rule, written down again.
func authorized(r election.Rule, votes [3]int, entitled int) bool {
	yes, no, cast := votes[0], votes[1], votes[0]+votes[1]+votes[2]
	base := map[string]int{election.BasisDecided: yes + no, election.BasisCast: cast, election.BasisEntitled: entitled}[r.Basis]
	enough := yes*int(r.Denominator) >= int(r.Numerator)*base
	if r.Strict {
		enough = yes*int(r.Denominator) > int(r.Numerator)*base
	}
	return enough && base > 0 && yes > 0 && cast*int(r.QuorumDenominator) >= int(r.QuorumNumerator)*entitled &&
		yes*int(r.SupportDenominator) >= int(r.SupportNumerator)*entitled
}

// material tries everything that the open questions could still be: of add
// ballots each yes, no, neither or none, strangers among them, and of the cast
// ones up to remove taken away.
func (x *model) material(add, strangers, remove int) bool {
	r := x.m.Rule
	if r.PerGroup && len(x.m.Groups) > 1 {
		for _, g := range x.m.Groups {
			v := x.votes(g.ID)
			cast, least := v[0]+v[1]+v[2], int(x.m.KMin)
			if cast < least && add > 0 || cast < least+remove && remove > 0 {
				return true
			}
		}
	}
	for _, unit := range x.units() {
		votes, entitled := x.votes(unit...), x.entitled(unit...)
		now := authorized(r, votes, entitled)
		for more := range choices(add) {
			for away := range choices(remove) {
				then := votes
				for i := range then {
					then[i] += more[i] - away[i]
				}
				if min(votes[0]-away[0], votes[1]-away[1], votes[2]-away[2]) < 0 {
					continue
				}
				n := more[0] + more[1] + more[2]
				for s := max(0, n-(add-strangers)); s <= min(strangers, n); s++ {
					if authorized(r, then, entitled+s) != now {
						return true
					}
				}
			}
		}
	}
	return false
}

// choices yields every way to fill at most n ballots.
func choices(n int) func(yield func([3]int) bool) {
	return func(yield func([3]int) bool) {
		for a := range n + 1 {
			for b := range n + 1 - a {
				for c := range n + 1 - a - b {
					if !yield([3]int{a, b, c}) {
						return
					}
				}
			}
		}
	}
}
