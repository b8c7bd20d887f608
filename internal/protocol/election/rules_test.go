package election_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/election/electiontest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tlog"
)

// A breach breaks one rule of SPEC.md section 3. path is where it is reported;
// empty means that the manifest is still valid.
type breach struct {
	name  string
	path  string
	plan  func(*electiontest.Plan)
	apply func(m *election.Manifest)
}

// TestRules breaks every rule, one at a time.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, list := range [][]breach{headRules, questionRules, ruleRules, groupRules, tellerRules, committeeRules, scheduleRules, restRules, placeRules} {
		for _, b := range list {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				opts := []func(*electiontest.Plan){func(p *electiontest.Plan) { p.Change = b.apply }}
				if b.plan != nil {
					opts = append(opts, b.plan)
				}
				m, _ := electiontest.Manifest(t, opts...)
				b.check(t, m)
			})
		}
	}
}

func (b breach) check(t *testing.T, m *election.Manifest) {
	t.Helper()
	err := m.Validate()
	file, encodeErr := suite.EncodeJSON(m)
	if b.path == "" {
		if err != nil {
			t.Fatalf("got %v, want no error", err)
		}
		if _, err := election.Parse(file); err != nil {
			t.Errorf("Parse: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatal("was accepted")
	}
	found := election.Problems(err)
	for _, p := range found {
		if p.Path == b.path {
			found = nil
		}
	}
	if found != nil {
		t.Errorf("got %v, want a problem at %s", err, b.path)
	}
	if _, err := m.Encode(); err == nil {
		t.Error("Encode wrote it")
	}
	if _, err := election.Parse(file); encodeErr == nil && err == nil {
		t.Error("Parse accepted it")
	}
}

func repeat(n int) string { return strings.Repeat("x", n) }

func many(n int, format string) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprintf(format, i)
	}
	return s
}

func threeLanguages(p *electiontest.Plan) { p.Languages = []string{"en", "es", "zh-hant"} }

func realElection(p *electiontest.Plan) { p.Real = true }

var headRules = []breach{
	{name: "suite", path: "suite", apply: func(m *election.Manifest) { m.Suite = "SV2" }},
	{name: "no language", path: "languages", apply: func(m *election.Manifest) { m.Languages = []string{} }},
	{name: "nine languages", path: "languages", apply: func(m *election.Manifest) { m.Languages = many(9, "l%d") }},
	{name: "eight languages", plan: func(p *electiontest.Plan) { p.Languages = many(8, "l%d") }},
	{name: "empty tag", path: "languages[0]", apply: func(m *election.Manifest) { m.Languages[0] = "" }},
	{name: "long tag", path: "languages[0]", apply: func(m *election.Manifest) { m.Languages[0] = repeat(17) }},
	{name: "longest tag", apply: func(m *election.Manifest) { m.Languages[0] = repeat(16) }},
	{name: "tag with an upper-case letter", path: "languages[0]", apply: func(m *election.Manifest) { m.Languages[0] = "zh-Hant" }},
	{name: "tag twice", path: "languages[2]", plan: threeLanguages, apply: func(m *election.Manifest) { m.Languages[2] = "en" }},
	{name: "title for fewer languages", path: "title", plan: threeLanguages, apply: func(m *election.Manifest) { m.Title = m.Title[:2] }},
	{name: "empty title", path: "title[1]", plan: threeLanguages, apply: func(m *election.Manifest) { m.Title[1] = "" }},
	{name: "long title", path: "title[0]", apply: func(m *election.Manifest) { m.Title[0] = repeat(201) }},
	{name: "longest title", apply: func(m *election.Manifest) { m.Title[0] = repeat(200) }},
	{name: "title with a mark of direction", path: "title[0]", apply: func(m *election.Manifest) { m.Title[0] = "a\u202eb" }},
	{name: "statement for more languages", path: "statement", apply: func(m *election.Manifest) { m.Statement = []string{"", ""} }},
	{name: "empty statement", apply: func(m *election.Manifest) { m.Statement[0] = "" }},
	{name: "long statement", path: "statement[0]", apply: func(m *election.Manifest) { m.Statement[0] = repeat(4001) }},
	{name: "longest statement", apply: func(m *election.Manifest) { m.Statement[0] = repeat(4000) }},
}

var questionRules = []breach{
	{name: "no question", path: "questions", apply: func(m *election.Manifest) { m.Questions = []election.Question{} }},
	{name: "nine questions", path: "questions", apply: func(m *election.Manifest) {
		for len(m.Questions) < 9 {
			m.Questions = append(m.Questions, m.Questions[0])
		}
	}},
	{name: "one option", path: "questions[0].options", apply: func(m *election.Manifest) { m.Questions[0].Options = m.Questions[0].Options[:1] }},
	{name: "five options", path: "questions[0].options", apply: func(m *election.Manifest) {
		o := m.Questions[0].Options
		m.Questions[0].Options = append(o, o[0], o[1])
	}},
	{name: "four options", plan: func(p *electiontest.Plan) { p.Questions = [][]string{{"yes", "yes", "no", "neutral"}} }},
	{name: "question's text missing", path: "questions[0].text", apply: func(m *election.Manifest) { m.Questions[0].Text = []string{} }},
	{name: "long question", path: "questions[0].text[0]", apply: func(m *election.Manifest) { m.Questions[0].Text[0] = repeat(1001) }},
	{name: "long option", path: "questions[0].options[2].text[0]", apply: func(m *election.Manifest) { m.Questions[0].Options[2].Text[0] = repeat(201) }},
	{name: "option's text missing", path: "questions[0].options[1].text", apply: func(m *election.Manifest) { m.Questions[0].Options[1].Text = []string{} }},
	{name: "no such role", path: "questions[0].options[1].role", apply: func(m *election.Manifest) { m.Questions[0].Options[1].Role = "maybe" }},
	{name: "no yes where the rule reads", path: "questions[0].options", apply: func(m *election.Manifest) { m.Questions[0].Options[0].Role = "neutral" }},
	{name: "no no where the rule reads", path: "questions[0].options", apply: func(m *election.Manifest) { m.Questions[0].Options[1].Role = "yes" }},
	{name: "all neutral elsewhere", plan: func(p *electiontest.Plan) {
		p.Questions = append(p.Questions, []string{"neutral", "neutral"})
	}},
	{name: "all neutral where the rule reads", path: "questions[1].options",
		plan:  func(p *electiontest.Plan) { p.Questions = append(p.Questions, []string{"neutral", "neutral"}) },
		apply: func(m *election.Manifest) { m.Rule.Question = 1 }},
}

var ruleRules = []breach{
	{name: "no such question", path: "rule.question", apply: func(m *election.Manifest) { m.Rule.Question = 1 }},
	{name: "basis", path: "rule.basis", apply: func(m *election.Manifest) { m.Rule.Basis = "present" }},
	{name: "merged", path: "rule.merged", apply: func(m *election.Manifest) { m.Rule.Merged = "" }},
	{name: "denominator 0", path: "rule.denominator", apply: func(m *election.Manifest) { m.Rule.Numerator, m.Rule.Denominator = 0, 0 }},
	{name: "denominator 1001", path: "rule.denominator", apply: func(m *election.Manifest) { m.Rule.Denominator = 1001 }},
	{name: "denominator 1000", apply: func(m *election.Manifest) { m.Rule.Numerator, m.Rule.Denominator = 501, 1000 }},
	{name: "more than all", path: "rule.denominator", apply: func(m *election.Manifest) { m.Rule.Numerator = 3 }},
	{name: "all", apply: func(m *election.Manifest) { m.Rule.Numerator, m.Rule.Strict = 2, false }},
	{name: "quorum 0/0", path: "rule.quorum_denominator", apply: func(m *election.Manifest) { m.Rule.QuorumDenominator = 0 }},
	{name: "quorum above one", path: "rule.quorum_denominator", apply: func(m *election.Manifest) { m.Rule.QuorumNumerator = 2 }},
	{name: "support 0/0", path: "rule.support_denominator", apply: func(m *election.Manifest) { m.Rule.SupportDenominator = 0 }},
	{name: "support above one", path: "rule.support_denominator", apply: func(m *election.Manifest) { m.Rule.SupportNumerator = 2 }},
	{name: "per group", apply: func(m *election.Manifest) { m.Rule.PerGroup = true }},
}

var groupRules = []breach{
	{name: "no group", path: "groups", apply: func(m *election.Manifest) { m.Groups = []election.Group{} }},
	{name: "group 0", path: "groups[0].id", apply: func(m *election.Manifest) { m.Groups[0].ID = 0 }},
	{name: "id twice", path: "groups[1].id", apply: func(m *election.Manifest) { m.Groups[1].ID = 1 }},
	{name: "ids descend", path: "groups[1].id", apply: func(m *election.Manifest) { m.Groups[0].ID, m.Groups[1].ID = 2, 1 }},
	{name: "largest id", apply: func(m *election.Manifest) { m.Groups[1].ID = 65535 }},
	{name: "group without name", path: "groups[1].name", apply: func(m *election.Manifest) { m.Groups[1].Name = "" }},
	{name: "long name of group", path: "groups[1].name", apply: func(m *election.Manifest) { m.Groups[1].Name = repeat(81) }},
	{name: "name of group twice", path: "groups[1].name", apply: func(m *election.Manifest) { m.Groups[1].Name = m.Groups[0].Name }},
	{name: "no units", path: "groups[0].units", apply: func(m *election.Manifest) { m.Groups[0].Units = []string{} }},
	{name: "65 units", path: "groups[0].units", apply: func(m *election.Manifest) { m.Groups[0].Units = many(65, "u%d") }},
	{name: "64 units", apply: func(m *election.Manifest) { m.Groups[0].Units = many(64, "u%d") }},
	{name: "empty unit", path: "groups[0].units[0]", apply: func(m *election.Manifest) { m.Groups[0].Units[0] = "" }},
	{name: "unit twice", path: "groups[0].units[1]", apply: func(m *election.Manifest) { m.Groups[0].Units = []string{"u", "u"} }},
	{name: "unit in two groups", path: "groups[1].units[0]", apply: func(m *election.Manifest) { m.Groups[1].Units[0] = m.Groups[0].Units[0] }},
	{name: "empty roll", path: "groups[0].roll_size", plan: func(p *electiontest.Plan) { p.Rolls = []uint32{25} }, apply: func(m *election.Manifest) { m.Groups[0].RollSize = 0 }},
	{name: "small group among others", path: "groups[0].roll_size", apply: func(m *election.Manifest) { m.Groups[0].RollSize = 24 }},
	{name: "25 among others", apply: func(m *election.Manifest) { m.Groups[0].RollSize = 25 }},
	{name: "small group alone", plan: func(p *electiontest.Plan) { p.Rolls = []uint32{1} }},
	{name: "batch_min too low", path: "groups[0].batch_min", apply: func(m *election.Manifest) { m.Groups[0].BatchMin = 9 }},
	{name: "batch_min too high", path: "groups[0].batch_min", apply: func(m *election.Manifest) { m.Groups[0].BatchMin = 11 }},
	{name: "no such parent", path: "groups[0].parent", apply: func(m *election.Manifest) { m.Groups[0].Parent = 3 }},
	{name: "parent of itself", path: "groups[0].parent", apply: func(m *election.Manifest) { m.Groups[0].Parent = 1 }},
	{name: "parents in a circle", path: "groups[1].parent", apply: func(m *election.Manifest) { m.Groups[0].Parent, m.Groups[1].Parent = 2, 1 }},
	{name: "parent", apply: func(m *election.Manifest) { m.Groups[0].Parent = 2 }},
	{name: "no issuer", path: "groups[0].issuer", apply: func(m *election.Manifest) { m.Groups[0].Issuer = suite.Bytes{} }},
	{name: "one issuer for two groups", path: "groups[1].issuer", apply: func(m *election.Manifest) { m.Groups[1].Issuer = m.Groups[0].Issuer }},
	{name: "cut issuer", path: "groups[1].issuer", apply: func(m *election.Manifest) { m.Groups[1].Issuer = m.Groups[1].Issuer[:400] }},
	{name: "too many members", path: "groups", apply: func(m *election.Manifest) { roll(m, 1<<20-30) }},
	{name: "most members", apply: func(m *election.Manifest) { roll(m, 1<<20-31) }},
	{name: "sum beyond 32 bits", path: "groups", apply: func(m *election.Manifest) { roll(m, 1<<32-30) }},
	{name: "too many members for four options", path: "groups", plan: fourOptions, apply: func(m *election.Manifest) { roll(m, 100_001-30) }},
	{name: "most members for four options", plan: fourOptions, apply: func(m *election.Manifest) { roll(m, 100_000-30) }},
}

func fourOptions(p *electiontest.Plan) { p.Questions = [][]string{{"yes", "no", "neutral", "neutral"}} }

func roll(m *election.Manifest, size uint32) {
	m.Groups[1].RollSize, m.Groups[1].BatchMin = size, election.BatchMin(size)
}

var tellerRules = []breach{
	{name: "no tellers", path: "tellers.n", apply: func(m *election.Manifest) { m.Tellers.N = 0 }},
	{name: "33 tellers", path: "tellers.n", apply: func(m *election.Manifest) { m.Tellers.N = 33 }},
	{name: "32 tellers", plan: func(p *electiontest.Plan) { p.Tellers, p.Threshold = 32, 17 }},
	{name: "one teller", plan: func(p *electiontest.Plan) { p.Tellers, p.Threshold = 1, 1 }},
	{name: "t is 0", path: "tellers.t", apply: func(m *election.Manifest) { m.Tellers.T = 0 }},
	{name: "t above n", path: "tellers.t", apply: func(m *election.Manifest) { m.Tellers.T = 4 }},
	{name: "names missing", path: "tellers.names", apply: func(m *election.Manifest) { m.Tellers.Names = m.Tellers.Names[:2] }},
	{name: "teller's name twice", path: "tellers.names[2]", apply: func(m *election.Manifest) { m.Tellers.Names[2] = m.Tellers.Names[0] }},
	{name: "teller without name", path: "tellers.names[1]", apply: func(m *election.Manifest) { m.Tellers.Names[1] = "" }},
	{name: "static keys missing", path: "tellers.static_keys", apply: func(m *election.Manifest) { m.Tellers.StaticKeys = m.Tellers.StaticKeys[:2] }},
	{name: "static key twice", path: "tellers.static_keys[1]", apply: func(m *election.Manifest) { m.Tellers.StaticKeys[1] = m.Tellers.StaticKeys[0] }},
	{name: "static key is the identity", path: "tellers.static_keys[1]", apply: func(m *election.Manifest) { m.Tellers.StaticKeys[1] = election.Point{} }},
	{name: "key is the identity", path: "tellers.key", apply: func(m *election.Manifest) { m.Tellers.Key = election.Point{} }},
	{name: "key is not canonical", path: "tellers.key", apply: func(m *election.Manifest) { m.Tellers.Key[31] |= 0x80 }},
	{name: "shares missing", path: "tellers.shares", apply: func(m *election.Manifest) { m.Tellers.Shares = m.Tellers.Shares[1:] }},
	{name: "share is no point", path: "tellers.shares[2]", apply: func(m *election.Manifest) { m.Tellers.Shares[2] = election.Point{1} }},
}

// TestGroups checks the two ends of what only many groups reach.
func TestGroups(t *testing.T) {
	t.Parallel()
	m, _ := electiontest.Manifest(t)
	for i := 2; len(m.Groups) < 1001; i++ {
		g := m.Groups[0]
		g.ID, g.Name, g.Units = suite.GroupID(i+1), fmt.Sprint(i), []string{fmt.Sprint(i)}
		g.Parent = suite.GroupID(i)
		m.Groups = append(m.Groups, g)
	}
	has := func(path string) bool {
		for _, p := range election.Problems(m.Validate()) {
			if p.Path == path {
				return true
			}
		}
		return false
	}
	if !has("groups") {
		t.Error("1,001 groups were accepted")
	}
	if has("groups[1000].parent") {
		t.Error("a long line of parents was taken for a circle")
	}
	m.Groups[1].Parent = 1001
	m.Groups[0].Parent = 500
	for _, i := range []int{0, 1, 500, 1000} {
		if !has(fmt.Sprintf("groups[%d].parent", i)) {
			t.Errorf("group %d: the circle was not found", i)
		}
	}
}

// TestWitnessMajority tries every threshold of up to 40 witnesses.
func TestWitnessMajority(t *testing.T) {
	t.Parallel()
	for _, demo := range []bool{false, true} {
		m, _ := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Real = !demo })
		m.Witnesses.Keys = []string{}
		for n := range 40 {
			for k := range 41 {
				m.Witnesses.Threshold = uint8(k)
				want := n <= 32 && 2*k > n && k < n || demo && n == 1 && k == 1
				if err := m.Validate(); (err == nil) != want {
					t.Errorf("demo %v: %d of %d: got %v", demo, k, n, err)
				}
			}
			s, err := tlog.NewWitnessSigner(fmt.Sprintf("w%d", n), [32]byte{1, byte(n)})
			if err != nil {
				t.Fatal(err)
			}
			m.Witnesses.Keys = append(m.Witnesses.Keys, s.VKey())
		}
	}
}

func TestBatchMin(t *testing.T) {
	t.Parallel()
	for roll, want := range map[uint32]uint32{0: 10, 1: 10, 200: 10, 219: 10, 220: 11, 1999: 99, 2000: 100, 2001: 100, 1 << 31: 100} {
		if got := election.BatchMin(roll); got != want {
			t.Errorf("%d: got %d, want %d", roll, got, want)
		}
	}
}

func TestPreset(t *testing.T) {
	t.Parallel()
	names := election.Presets()
	if len(names) != 6 {
		t.Fatalf("got %v", names)
	}
	for _, name := range names {
		r, err := election.Preset(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m, _ := electiontest.Manifest(t, func(p *electiontest.Plan) { p.Rule = name })
		if m.Rule != r {
			t.Errorf("%s: got %v, want %v", name, m.Rule, r)
		}
	}
	if _, err := election.Preset("most"); !errors.Is(err, election.ErrPreset) {
		t.Errorf("got %v, want ErrPreset", err)
	}
}
