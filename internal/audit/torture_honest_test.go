package audit_test

import (
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/torture"
)

// TestTortureHonest holds random elections in which nobody cheats: no check may
// find anything, and what the report says is what a count of the plain choices
// says that shares no code with the protocol. The control is the same count with
// one voter's choice changed: it must differ.
func TestTortureHonest(t *testing.T) {
	inTurn(t)
	var elections, ballots, changed, merged, tied, yes, no, mixed atomic.Int64
	spread(torture.Rounds(40, 1000, 0.03), func(i int) {
		random := rand.New(rand.NewPCG(7, uint64(i)))
		o := randomElection(random, i)
		e, files := audittest.Record(t, o)
		r, err := audit.Verify(t.Context(), files, audit.Options{MID: &e.MID, Workers: 1})
		if err != nil {
			t.Errorf("election %d: %v", i, err)
			return
		}
		if !r.Verified {
			t.Errorf("election %d, in which nobody cheats, does not hold:\n%s", i, faults(r))
			return
		}
		want := count(o.Plan)
		if got := reported(r); got != want {
			t.Errorf("election %d: the report says\n%s\na count by hand\n%s", i, got, want)
		}
		elections.Add(1)
		ballots.Add(int64(r.Ballots))
		if slices.ContainsFunc(merge(o.Plan), func(set []int) bool { return len(set) > 1 }) {
			merged.Add(1)
		}
		if slices.ContainsFunc(r.Sets, func(s audit.Set) bool { return tie(o.Plan, s) }) {
			tied.Add(1)
		}
		switch r.Outcome {
		case outcome.All:
			yes.Add(1)
		case outcome.None:
			no.Add(1)
		default:
			mixed.Add(1)
		}
		if other := changeOne(random, o.Plan); other != nil {
			changed.Add(1)
			if count(other) == want {
				t.Errorf("election %d: the count by hand does not see that a choice was changed", i)
			}
		}
	})
	torture.Report(t, torture.Row{
		What: "random elections: ties, nobody, one ballot, all alike; 1 to 5 groups merged, 1 to 3 questions, " +
			"rules and tellers of every kind, envelopes, members added and struck",
		Target: "no false alarm, and the result is that of a count of the plain choices",
		Measured: fmt.Sprintf("%d elections of %d ballots in all, %d with groups counted together, %d with a tie; %d authorize, %d do not, %d in part: no alarm, every result the same",
			elections.Load(), ballots.Load(), merged.Load(), tied.Load(), yes.Load(), no.Load(), mixed.Load()),
		Control: fmt.Sprintf("with one choice changed the count differs, in all %d elections that have a ballot", changed.Load()),
	})
}

// tie reports whether as many say yes as no to the question that the rule reads.
func tie(p *audittest.Plan, s audit.Set) bool {
	if s.Question != int(p.Rule.Question) {
		return false
	}
	var yes, no uint64
	for i, o := range s.Options {
		switch p.Questions[s.Question].Options[i].Role {
		case election.RoleYes:
			yes += o.Votes
		case election.RoleNo:
			no += o.Votes
		}
	}
	return yes == no && yes > 0
}

// tellerCounts are n and t.
var tellerCounts = [][2]int{{1, 1}, {3, 2}, {5, 3}, {2, 1}, {2, 2}, {3, 3}, {4, 3}, {5, 5}, {5, 1}}

// randomElection makes a plan. Which kind it is follows from the number, so that
// a short run has all of them.
func randomElection(random *rand.Rand, i int) audittest.Options {
	n, threshold := tellerCounts[i%len(tellerCounts)][0], tellerCounts[i%len(tellerCounts)][1]
	p := &audittest.Plan{ID: suite.ElectionID{byte(i), byte(i >> 8), 1}, KMin: 10}
	o := audittest.Options{Tellers: n, Threshold: threshold, Demo: i%3 == 1, Plan: p}
	if o.Demo {
		p.KMin = uint32(1 + random.IntN(10))
	}
	p.Openers = random.Perm(n)[:threshold+random.IntN(n-threshold+1)]
	for i := range p.Openers {
		p.Openers[i]++
	}
	slices.Sort(p.Openers)
	p.Rule.Question = uint8(random.IntN(1 + random.IntN(3)))
	for q := range int(p.Rule.Question) + 1 + random.IntN(2) {
		p.Questions = append(p.Questions, randomQuestion(random, q))
	}
	randomRule(random, &p.Rule)
	randomGroups(random, p, i)
	return o
}

// randomQuestion has 2 to 4 options in any order, at least a yes and a no; an
// abstention may be among them, and more than one yes.
func randomQuestion(random *rand.Rand, number int) election.Question {
	roles := []string{election.RoleYes, election.RoleNo}
	for range random.IntN(3) {
		roles = append(roles, []string{election.RoleNeutral, election.RoleNeutral, election.RoleYes, election.RoleNo}[random.IntN(4)])
	}
	q := election.Question{Text: []string{fmt.Sprintf("Question %d?", number)}}
	for i, j := range random.Perm(len(roles)) {
		q.Options = append(q.Options, election.Option{Text: []string{fmt.Sprintf("%s %d", roles[j], i)}, Role: roles[j]})
	}
	return q
}

func randomRule(random *rand.Rand, r *election.Rule) {
	question := r.Question
	if presets := election.Presets(); random.IntN(3) == 0 {
		*r, _ = election.Preset(presets[random.IntN(len(presets))])
	} else {
		r.Denominator = uint32(1 + random.IntN(5))
		r.Numerator = uint32(random.IntN(int(r.Denominator) + 1))
		// A third of the members vote, so that these are often met, and often just so.
		r.QuorumNumerator, r.QuorumDenominator = uint32(random.IntN(3)/2), uint32(2+random.IntN(20))
		r.SupportNumerator, r.SupportDenominator = uint32(random.IntN(3)/2), uint32(4+random.IntN(20))
		r.Basis = []string{election.BasisDecided, election.BasisCast, election.BasisEntitled}[random.IntN(3)]
		r.Strict = random.IntN(2) == 0
		r.Merged = election.MergedTogether
	}
	r.Question, r.PerGroup = question, random.IntN(2) == 0
}

// randomGroups fills the groups with people and their choices.
func randomGroups(random *rand.Rand, p *audittest.Plan, i int) {
	number := 1 + random.IntN(5)
	order := random.Perm(number)
	lean := random.IntN(5) // of four, so many say yes come what may
	alike := randomChoices(random, p)
	if random.IntN(4) < lean {
		alike[p.Rule.Question] = optionOf(p, election.RoleYes)
	}
	for id := range number {
		g := audittest.GroupPlan{Roll: 25 + random.IntN(10)}
		if at := slices.Index(order, id); at > 0 && random.IntN(2) == 0 {
			g.Parent = suite.GroupID(order[random.IntN(at)] + 1) // never in a circle
		}
		choose := func(n int) (list []ballot.Choices) {
			for k := range n {
				c := randomChoices(random, p)
				switch i % 5 {
				case 0: // a tie, if they are even
					c[p.Rule.Question] = optionOf(p, []string{election.RoleYes, election.RoleNo}[k%2])
				case 1:
					c = alike
				default:
					if random.IntN(4) < lean {
						c[p.Rule.Question] = optionOf(p, election.RoleYes)
					}
				}
				list = append(list, c)
			}
			return list
		}
		switch {
		case i%5 == 2 && i%2 == 0: // nobody, anywhere
		case i%5 == 2:
			if id == 0 {
				g.Ballots = choose(1)
			}
		case i%5 == 0:
			g.Ballots = choose(2 * random.IntN(5))
		default:
			g.Ballots = choose(max(0, random.IntN(16)-3))
			g.Late, g.Accepted, g.Strangers = choose(random.IntN(2)), choose(random.IntN(2)), choose(random.IntN(2))
			g.Idle, g.Rejected, g.Undecided, g.Struck, g.Outside = random.IntN(3), random.IntN(2), random.IntN(2), random.IntN(2), random.IntN(2)
		}
		p.Groups = append(p.Groups, g)
	}
}

func randomChoices(random *rand.Rand, p *audittest.Plan) ballot.Choices {
	var c ballot.Choices
	for _, q := range p.Questions {
		c = append(c, uint8(random.IntN(len(q.Options))))
	}
	return c
}

func optionOf(p *audittest.Plan, role string) uint8 {
	return uint8(slices.IndexFunc(p.Questions[p.Rule.Question].Options, func(o election.Option) bool { return o.Role == role }))
}

// votes are all choices of a group.
func votes(g *audittest.GroupPlan) []ballot.Choices {
	return slices.Concat(g.Ballots, g.Late, g.Accepted, g.Strangers)
}

// changeOne returns the plan with another answer of one voter, or nil if nobody
// votes.
func changeOne(random *rand.Rand, p *audittest.Plan) *audittest.Plan {
	changed := *p
	changed.Groups = slices.Clone(p.Groups)
	for i := range changed.Groups {
		for _, list := range []*[]ballot.Choices{&changed.Groups[i].Ballots, &changed.Groups[i].Late, &changed.Groups[i].Accepted, &changed.Groups[i].Strangers} {
			if len(*list) == 0 {
				continue
			}
			*list = slices.Clone(*list)
			q := random.IntN(len(p.Questions))
			c := slices.Clone((*list)[0])
			c[q] = (c[q] + 1) % uint8(len(p.Questions[q].Options))
			(*list)[0] = c
			return &changed
		}
	}
	return nil
}

// count counts a plan by hand and says what came out, as [reported] does.
func count(p *audittest.Plan) string {
	var b strings.Builder
	entitled, issued, cast := 0, 0, 0
	for i := range p.Groups {
		g := &p.Groups[i]
		entitled += have(g)
		issued += len(g.Ballots) + len(g.Late) + g.Idle
		cast += len(votes(g))
	}
	fmt.Fprintf(&b, "%d entitled, %d issued, %d ballots\n", entitled, issued, cast)
	sets := merge(p)
	for _, set := range sets {
		for q, question := range p.Questions {
			totals := make([]int, len(question.Options))
			for _, id := range set {
				for _, c := range votes(&p.Groups[id-1]) {
					totals[c[q]]++
				}
			}
			fmt.Fprintf(&b, "groups %d question %d: %d\n", set, q, totals)
		}
	}
	b.WriteString(decide(p, sets))
	return b.String()
}

func have(g *audittest.GroupPlan) int { return g.Roll + len(g.Late) + len(g.Strangers) - g.Struck }

// merge returns the groups that are counted together, in order of the set's id.
func merge(p *audittest.Plan) [][]int {
	sets := make(map[int][]int) // by id
	size := func(id int) (n int) {
		for _, g := range sets[id] {
			n += len(votes(&p.Groups[g-1]))
		}
		return n
	}
	least := func(except int) (min int) {
		for _, id := range slices.Sorted(maps.Keys(sets)) {
			if id != except && (min == 0 || size(id) < size(min)) {
				min = id
			}
		}
		return min
	}
	for i := range p.Groups {
		if len(votes(&p.Groups[i])) > 0 {
			sets[i+1] = []int{i + 1}
		}
	}
	for len(sets) > 1 && size(least(0)) < int(p.KMin) {
		small, into := least(0), 0
		for up := int(p.Groups[small-1].Parent); up != 0 && into == 0; up = int(p.Groups[up-1].Parent) {
			for id, members := range sets {
				if id != small && slices.Contains(members, up) {
					into = id
				}
			}
		}
		if into == 0 {
			small, into = least(small), small
		}
		sets[into] = append(sets[into], sets[small]...)
		delete(sets, small)
	}
	var list [][]int
	for _, id := range slices.Sorted(maps.Keys(sets)) {
		slices.Sort(sets[id])
		list = append(list, sets[id])
	}
	return list
}

// decide applies the rule and returns the sentence.
func decide(p *audittest.Plan, sets [][]int) string {
	var everybody []int
	for i := range p.Groups {
		everybody = append(everybody, i+1)
	}
	units := [][]int{everybody}
	if p.Rule.PerGroup {
		units = slices.Clone(sets)
		for _, id := range everybody {
			if len(votes(&p.Groups[id-1])) == 0 {
				units = append(units, []int{id})
			}
		}
	}
	var yes, no []int
	for _, unit := range units {
		if authorizes(p, unit) {
			yes = append(yes, unit...)
		} else {
			no = append(no, unit...)
		}
	}
	switch {
	case len(yes) == 0:
		return "The members do not authorize the leadership to call a strike."
	case len(no) == 0:
		return "The members authorize the leadership to call a strike."
	}
	return enumerate(yes) + plural(yes, " authorizes", " authorize") + " the leadership to call a strike, " +
		enumerate(no) + plural(no, " does not.", " do not.")
}

func plural(list []int, one, many string) string {
	if len(list) == 1 {
		return one
	}
	return many
}

func enumerate(list []int) string {
	slices.Sort(list)
	var b strings.Builder
	for i, id := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "G%d", id)
	}
	return b.String()
}

func authorizes(p *audittest.Plan, unit []int) bool {
	var all, yes, no, entitled int64
	for _, id := range unit {
		g := &p.Groups[id-1]
		entitled += int64(have(g))
		for _, c := range votes(g) {
			all++
			switch p.Questions[p.Rule.Question].Options[c[p.Rule.Question]].Role {
			case election.RoleYes:
				yes++
			case election.RoleNo:
				no++
			}
		}
	}
	base := map[string]int64{election.BasisDecided: yes + no, election.BasisCast: all, election.BasisEntitled: entitled}[p.Rule.Basis]
	if yes == 0 {
		return false // base is not 0 from here on
	}
	is := big.NewRat(yes, base).Cmp(big.NewRat(int64(p.Rule.Numerator), int64(p.Rule.Denominator)))
	if is < 0 || is == 0 && p.Rule.Strict {
		return false
	}
	reaches := func(part int64, numerator, denominator uint32) bool {
		return big.NewRat(part, entitled).Cmp(big.NewRat(int64(numerator), int64(denominator))) >= 0
	}
	return reaches(all, p.Rule.QuorumNumerator, p.Rule.QuorumDenominator) && reaches(yes, p.Rule.SupportNumerator, p.Rule.SupportDenominator)
}

// reported says what a report says.
func reported(r *audit.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d entitled, %d issued, %d ballots\n", r.Entitled, r.Issued, r.Ballots)
	for _, s := range r.Sets {
		var totals []uint64
		for _, o := range s.Options {
			totals = append(totals, o.Votes)
		}
		fmt.Fprintf(&b, "groups %d question %d: %d\n", s.Groups, s.Question, totals)
	}
	b.WriteString(r.Outcome)
	return b.String()
}
