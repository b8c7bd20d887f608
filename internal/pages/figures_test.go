package pages

import (
	"slices"
	"strings"
	"testing"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/ledger"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
)

// counted is a group of a made-up election: its roll, and yes, no and abstain.
type counted struct {
	name   string
	roll   uint32
	parent suite.GroupID
	votes  [3]uint64
}

// figuresOf counts an election as the record's own files do: sets by [tally.Sets],
// units judged by [outcome.Judge].
func figuresOf(t *testing.T, rule election.Rule, kMin uint32, groups ...counted) *figures {
	t.Helper()
	m := &election.Manifest{Rule: rule, KMin: kMin, Questions: []election.Question{{
		Text: []string{"Do you authorize?"}, Options: []election.Option{
			{Text: []string{"Yes"}, Role: election.RoleYes}, {Text: []string{"No"}, Role: election.RoleNo},
			{Text: []string{"Abstain"}, Role: election.RoleNeutral},
		},
	}}}
	f := &figures{manifest: m, result: new(tally.Result)}
	final, closed := ledger.Final{}, ledger.Close{}
	cast := make(map[suite.GroupID]uint64)
	for i, g := range groups {
		id := suite.GroupID(i + 1)
		m.Groups = append(m.Groups, election.Group{ID: id, Name: g.name, RollSize: g.roll, Parent: g.parent})
		cast[id] = g.votes[0] + g.votes[1] + g.votes[2]
		final.Groups = append(final.Groups, ledger.FinalGroup{Group: id, Issued: uint32(cast[id])})
		closed.Groups = append(closed.Groups, ledger.CloseGroup{Group: id, Cast: uint32(cast[id])})
	}
	if err := f.locked(final, closed); err != nil {
		t.Fatal(err)
	}
	all := tally.UnitResult{}
	seen := make(map[suite.GroupID]bool)
	add := func(u tally.UnitResult) {
		u.Entitled = f.entitled(u.Groups)
		j := outcome.Judge(rule, u.Unit())
		u.Approved, u.Quorum, u.Support, u.Authorized = j.Approved, j.Quorum, j.Support, j.Authorized
		f.result.Units = append(f.result.Units, u)
	}
	for _, s := range tally.Sets(m.Groups, cast, kMin) {
		r := tally.SetResult{ID: s.ID, Groups: s.Groups, Count: s.Count, Votes: [][]uint64{make([]uint64, 3)}}
		for _, id := range s.Groups {
			seen[id] = true
			for o, n := range groups[id-1].votes {
				r.Votes[0][o] += n
			}
		}
		f.result.Sets = append(f.result.Sets, r)
		all.Cast, all.Yes, all.No = all.Cast+s.Count, all.Yes+r.Votes[0][0], all.No+r.Votes[0][1]
		if rule.PerGroup {
			add(tally.UnitResult{Groups: s.Groups, Cast: s.Count, Yes: r.Votes[0][0], No: r.Votes[0][1]})
		}
	}
	for i := range m.Groups {
		id := m.Groups[i].ID
		all.Groups = append(all.Groups, id)
		if rule.PerGroup && !seen[id] {
			add(tally.UnitResult{Groups: []suite.GroupID{id}})
		}
	}
	if !rule.PerGroup {
		add(all)
	}
	var judged []outcome.Judged
	for i := range f.result.Units {
		u := &f.result.Units[i]
		judged = append(judged, outcome.Judged{Unit: u.Unit(), Judgement: outcome.Judge(rule, u.Unit())})
	}
	f.result.Sentence = outcome.Sentence(func(id suite.GroupID) string { return m.Group(id).Name }, judged)
	return f
}

func presetRule(t *testing.T, name string, perGroup bool) election.Rule {
	t.Helper()
	r, err := election.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	r.PerGroup = perGroup
	return r
}

// TestOutcomes says each case that a vote can end in. The heading is the sentence of
// the result file, word for word.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	atLeastHalf := presetRule(t, "simple", false)
	atLeastHalf.Strict = false
	for _, tt := range []struct {
		name      string
		rule      election.Rule
		groups    []counted
		heading   string
		notCalled bool
		lines     []string
	}{
		{
			"carried", presetRule(t, "simple", false), []counted{{"HX", 22014, 0, [3]uint64{13904, 872, 211}}},
			"The members authorize the leadership to call a strike.", true, nil,
		},
		{
			"failed", presetRule(t, "simple", false), []counted{{"HX", 100, 0, [3]uint64{20, 30, 1}}},
			"The members do not authorize the leadership to call a strike.", false,
			[]string{"Yes: 20 of 50 yes and no votes (40.0%). The rule needs more than half of the yes and no votes."},
		},
		{
			"mixed", presetRule(t, "simple", true),
			[]counted{{"HX", 100, 0, [3]uint64{30, 20, 0}}, {"RX", 100, 0, [3]uint64{30, 20, 0}}, {"TX", 100, 0, [3]uint64{20, 30, 0}}},
			"HX and RX authorize the leadership to call a strike, TX does not.", true,
			[]string{"TX: Yes: 20 of 50 yes and no votes (40.0%). The rule needs more than half of the yes and no votes."},
		},
		{
			"mixed, one and two", presetRule(t, "simple", true),
			[]counted{{"HX", 100, 0, [3]uint64{30, 20, 0}}, {"RX", 100, 0, [3]uint64{20, 30, 0}}, {"TX", 100, 0, [3]uint64{}}},
			"HX authorizes the leadership to call a strike, RX and TX do not.", true,
			[]string{"RX: Yes: 20 of 50 yes and no votes (40.0%). The rule needs more than half of the yes and no votes.", "TX: No ballot is in the box."},
		},
		{
			"tie", presetRule(t, "simple", false), []counted{{"HX", 100, 0, [3]uint64{25, 25, 3}}},
			"The members do not authorize the leadership to call a strike.", false,
			[]string{"Yes and no are equal, and the rule needs more yes than no."},
		},
		{
			"tie where half is enough", atLeastHalf, []counted{{"HX", 100, 0, [3]uint64{25, 25, 3}}},
			"The members authorize the leadership to call a strike.", true,
			[]string{"Yes and no are equal, and the rule needs no more than that."},
		},
		{
			"exactly two thirds", presetRule(t, "two-thirds", false), []counted{{"HX", 100, 0, [3]uint64{40, 20, 0}}},
			"The members authorize the leadership to call a strike.", true,
			[]string{"Yes is exactly two thirds of the yes and no votes. The rule needs at least two thirds of the yes and no votes, and no more."},
		},
		{
			"exactly half of all ballots", presetRule(t, "australia", false), []counted{{"HX", 100, 0, [3]uint64{30, 20, 10}}},
			"The members do not authorize the leadership to call a strike.", false,
			[]string{"Yes is exactly half of the ballots in the box. The rule needs more than half of the ballots in the box."},
		},
		{
			"quorum missed", presetRule(t, "uk", false), []counted{{"HX", 22000, 0, [3]uint64{9000, 1000, 0}}},
			"The members do not authorize the leadership to call a strike.", false,
			[]string{"10,000 of 22,000 entitled members voted (45.5%). The rule needs ballots from at least half of the entitled members: 11,000 or more."},
		},
		{
			"share of all missed", presetRule(t, "uk-important", false), []counted{{"HX", 101, 0, [3]uint64{40, 21, 0}}},
			"The members do not authorize the leadership to call a strike.", false,
			[]string{"Yes: 40 of 101 entitled members (39.6%). The rule needs yes from at least two fifths of the entitled members: 41 or more."},
		},
		{
			"everything missed", presetRule(t, "uk-important", false), []counted{{"HX", 100, 0, [3]uint64{10, 20, 0}}},
			"The members do not authorize the leadership to call a strike.", false,
			[]string{
				"30 of 100 entitled members voted (30.0%). The rule needs ballots from at least half of the entitled members: 50 or more.",
				"Yes: 10 of 100 entitled members (10.0%). The rule needs yes from at least two fifths of the entitled members: 40 or more.",
				"Yes: 10 of 30 yes and no votes (33.3%). The rule needs more than half of the yes and no votes.",
			},
		},
		{
			"nobody voted", presetRule(t, "simple", false), []counted{{"HX", 100, 0, [3]uint64{}}, {"RX", 100, 0, [3]uint64{}}},
			"The members do not authorize the leadership to call a strike.", false, []string{"No ballot is in the box."},
		},
		{
			"every ballot abstains", presetRule(t, "simple", false), []counted{{"HX", 100, 0, [3]uint64{0, 0, 40}}},
			"The members do not authorize the leadership to call a strike.", false,
			[]string{"Yes: 0 of 0 yes and no votes (0.0%). The rule needs more than half of the yes and no votes."},
		},
	} {
		s := speaker{figuresOf(t, tt.rule, 10, tt.groups...), language.Of("en")}
		if got := s.sentence(); got != tt.heading || got != s.result.Sentence {
			t.Errorf("%s: heading %q, result %q, want %q", tt.name, got, s.result.Sentence, tt.heading)
		}
		notCalled, lines := s.lines()
		if notCalled != tt.notCalled || !slices.Equal(lines, tt.lines) {
			t.Errorf("%s: not called %v, lines %q\nwant %q", tt.name, notCalled, lines, tt.lines)
		}
		for _, quote := range s.quote() {
			if notCalled && tt.name != "mixed" && !strings.Contains(strings.Join(s.quote(), " "), "does not call") {
				t.Errorf("%s: %q does not say that no strike is called", tt.name, quote)
			}
		}
	}
}

// TestSums writes the arithmetic of a large vote in words, each share with what it is
// one of.
func TestSums(t *testing.T) {
	t.Parallel()
	f := figuresOf(t, presetRule(t, "simple", false), 10,
		counted{"HX", 12000, 0, [3]uint64{8000, 500, 100}}, counted{"RX", 10014, 0, [3]uint64{5904, 372, 111}})
	s := speaker{f, language.Of("en")}
	blocks := f.blocks()
	if len(blocks) != 3 || blocks[0].judged == nil || blocks[1].judged != nil || blocks[2].judged != nil {
		t.Fatalf("blocks %+v", blocks)
	}
	want := []string{
		"Yes 13,904 of 14,776 yes and no votes: 94.1%.",
		"The rule needs more than half of the yes and no votes: 7,389 or more.",
		"In the box 14,987 of 22,014 entitled members: 68.1%.",
		"Yes 13,904 of 22,014 entitled members: 63.2%.",
	}
	if got := s.sums(blocks[0].judged); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	quote := []string{"Of 14,776 who voted yes or no, 94.1% voted yes.", "This authorizes the leadership to call a strike. It does not call one."}
	if got := s.quote(); !slices.Equal(got, quote) {
		t.Errorf("got %q, want %q", got, quote)
	}
	if got := s.lead(blocks[0].judged); got != "Yes leads by 13,032." {
		t.Errorf("lead %q", got)
	}
}

// TestNeed compares the fewest yes that are said to be enough with what the rule
// makes of that many and of one fewer.
func TestNeed(t *testing.T) {
	t.Parallel()
	for _, name := range election.Presets() {
		r := presetRule(t, name, false)
		for _, strict := range []bool{false, true} {
			r.Strict = strict
			for base := uint64(1); base < 200; base++ {
				n := need(r, base)
				judge := func(yes uint64) bool {
					u := outcome.Unit{Entitled: base, Cast: base, Yes: yes, No: base - min(yes, base)}
					return outcome.Judge(r, u).Approved
				}
				if n <= base && !judge(n) || n > 0 && judge(n-1) {
					t.Fatalf("%s, strict %v: of %d, %d are said to be the fewest", name, strict, base, n)
				}
			}
		}
	}
}

// TestMerged: groups with few ballots are one block, a group without a ballot has a
// block of its own, and a single set is the overall block alone.
func TestMerged(t *testing.T) {
	t.Parallel()
	f := figuresOf(t, presetRule(t, "simple", true), 10,
		counted{"HX", 100, 0, [3]uint64{20, 5, 0}}, counted{"RX", 100, 0, [3]uint64{}},
		counted{"SX", 100, 0, [3]uint64{30, 5, 0}}, counted{"TX", 100, 3, [3]uint64{2, 1, 0}})
	if got := f.merged(); len(got) != 1 || !slices.Equal(got[0], []suite.GroupID{3, 4}) {
		t.Errorf("merged %v", got)
	}
	var groups [][]suite.GroupID
	for _, b := range f.blocks() {
		groups = append(groups, b.groups)
		if b.all == (b.judged != nil) {
			t.Errorf("%v: judged %v", b.groups, b.judged)
		}
	}
	want := [][]suite.GroupID{{1, 2, 3, 4}, {1}, {2}, {3, 4}}
	if !slices.EqualFunc(groups, want, slices.Equal[[]suite.GroupID]) {
		t.Errorf("blocks %v, want %v", groups, want)
	}
	one := figuresOf(t, presetRule(t, "simple", true), 10, counted{"HX", 100, 0, [3]uint64{20, 5, 0}})
	if blocks := one.blocks(); len(blocks) != 1 || !blocks[0].all || blocks[0].judged == nil {
		t.Errorf("one group: %+v", blocks)
	}
}

func TestUnanimous(t *testing.T) {
	t.Parallel()
	f := figuresOf(t, presetRule(t, "simple", false), 10,
		counted{"HX", 100, 0, [3]uint64{20, 0, 0}}, counted{"RX", 100, 0, [3]uint64{20, 0, 1}}, counted{"TX", 100, 0, [3]uint64{0, 0, 11}})
	var got []suite.GroupID
	for _, u := range f.unanimous() {
		got = append(got, u.groups...)
	}
	if !slices.Equal(got, []suite.GroupID{1, 3}) {
		t.Errorf("got %v", got)
	}
}

// TestQuestions: the answer is the certificate's, and before it nobody's.
func TestQuestions(t *testing.T) {
	t.Parallel()
	f := figuresOf(t, presetRule(t, "simple", false), 10, counted{"HX", 100, 0, [3]uint64{30, 20, 0}})
	g := f.final[1]
	g.Issued, g.DepositedOn, g.UndecidedOn = 53, 1, 1
	f.final[1] = g
	s := speaker{f, language.Of("en")}
	open := []string{"1 envelope undecided", "3 ballots issued or accepted, and not in the box"}
	if q := s.questions(); !slices.Equal(q.Open, open) || !strings.HasPrefix(q.Answer, "The committee answers") {
		t.Errorf("before the certificate: %+v", q)
	}
	f.certificate = &tally.Certificate{Disputed: 2}
	if q := s.questions(); q.Answer != "No. Yes leads by 10." || q.Open[2] != "2 members whose report “It was not me” the committee upheld before it signed" {
		t.Errorf("certified: %+v", q)
	}
	f.certificate.Material = true
	if q := s.questions(); !strings.HasPrefix(q.Answer, "Yes, it could.") {
		t.Errorf("material: %+v", q)
	}
}

// TestFractions writes each fraction that people have a word for.
func TestFractions(t *testing.T) {
	t.Parallel()
	s := speaker{new(figures), language.Of("en")}
	for _, tt := range []struct {
		numerator, denominator uint32
		want                   string
	}{{1, 2, "half"}, {500, 1000, "half"}, {2, 3, "two thirds"}, {3, 5, "three fifths"}, {2, 5, "two fifths"}, {7, 10, "7/10"}, {1, 1, "all"}} {
		if got := s.fraction(tt.numerator, tt.denominator); got != tt.want {
			t.Errorf("%d/%d: got %q", tt.numerator, tt.denominator, got)
		}
	}
}
