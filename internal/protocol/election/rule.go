package election

import (
	"errors"
	"fmt"
	"slices"
)

// A Rule says when the leadership is authorized (SPEC.md section 15). Package
// outcome applies it.
type Rule struct {
	Question           uint8  `json:"question"` // index of the question it reads
	Numerator          uint32 `json:"numerator"`
	Denominator        uint32 `json:"denominator"`
	Basis              string `json:"basis"`
	Strict             bool   `json:"strict"` // more than the fraction, not at least
	QuorumNumerator    uint32 `json:"quorum_numerator"`
	QuorumDenominator  uint32 `json:"quorum_denominator"`
	SupportNumerator   uint32 `json:"support_numerator"`
	SupportDenominator uint32 `json:"support_denominator"`
	PerGroup           bool   `json:"per_group"`
	Merged             string `json:"merged"`
}

// What the fraction of a [Rule] is a fraction of.
const (
	BasisDecided  = "decided"  // yes and no
	BasisCast     = "cast"     // every ballot
	BasisEntitled = "entitled" // everybody who may vote
)

// MergedTogether is the only value of [Rule.Merged]: a merged set is one unit,
// and its outcome is that of every group in it.
const MergedTogether = "together"

// maxDenominator keeps the products of a judgement within sight of a person.
const maxDenominator = 1000

// ErrPreset is returned by [Preset] for a name it does not know.
var ErrPreset = errors.New("no such rule")

type preset struct {
	name string
	rule Rule
}

// presets stand in the order in which the console offers them.
var presets = []preset{
	{"simple", Rule{Numerator: 1, Denominator: 2, Basis: BasisDecided, Strict: true}},
	{"two-thirds", Rule{Numerator: 2, Denominator: 3, Basis: BasisDecided}},
	{"three-fifths", Rule{Numerator: 3, Denominator: 5, Basis: BasisDecided}},
	// Fair Work Act 2009: half of the roll votes, and of those more than half approve.
	{"australia", Rule{Numerator: 1, Denominator: 2, Basis: BasisCast, Strict: true, QuorumNumerator: 1, QuorumDenominator: 2}},
	// Trade Union Act 2016: half of those entitled vote.
	{"uk", Rule{Numerator: 1, Denominator: 2, Basis: BasisDecided, Strict: true, QuorumNumerator: 1, QuorumDenominator: 2}},
	// The same in important public services, where two fifths of all must approve.
	{"uk-important", Rule{Numerator: 1, Denominator: 2, Basis: BasisDecided, Strict: true, QuorumNumerator: 1, QuorumDenominator: 2, SupportNumerator: 2, SupportDenominator: 5}},
}

// Presets returns the names [Preset] knows.
func Presets() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.name
	}
	return names
}

// Preset returns a rule by name, over the first question and all groups
// together. It returns [ErrPreset] for an unknown name.
func Preset(name string) (Rule, error) {
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	if i < 0 {
		return Rule{}, ErrPreset
	}
	r := presets[i].rule
	r.Merged = MergedTogether
	// 0/1 demands nothing; 0/0 is no fraction.
	r.QuorumDenominator = max(r.QuorumDenominator, 1)
	r.SupportDenominator = max(r.SupportDenominator, 1)
	return r, nil
}

func (r Rule) check(p *problems, questions []Question) {
	if int(r.Question) >= len(questions) {
		p.add("rule.question", "there is no question %d", r.Question)
	} else {
		checkRoles(p, r.Question, questions[r.Question])
	}
	fraction(p, "rule.denominator", r.Numerator, r.Denominator)
	fraction(p, "rule.quorum_denominator", r.QuorumNumerator, r.QuorumDenominator)
	fraction(p, "rule.support_denominator", r.SupportNumerator, r.SupportDenominator)
	switch r.Basis {
	case BasisDecided, BasisCast, BasisEntitled:
	default:
		p.add("rule.basis", "not one of decided, cast, entitled")
	}
	if r.Merged != MergedTogether {
		p.add("rule.merged", "not together")
	}
}

// checkRoles refuses a question that the rule cannot decide: without a yes it
// could never be approved, without a no nobody could be against it.
func checkRoles(p *problems, i uint8, q Question) {
	for _, role := range []string{RoleYes, RoleNo} {
		if !slices.ContainsFunc(q.Options, func(o Option) bool { return o.Role == role }) {
			p.add(fmt.Sprintf("questions[%d].options", i), "the rule reads this question, but no option has role %s", role)
		}
	}
}

func fraction(p *problems, path string, numerator, denominator uint32) {
	if denominator < 1 || denominator > maxDenominator || numerator > denominator {
		p.add(path, "%d/%d is not a fraction from 0 to 1 with a denominator of 1 to %d", numerator, denominator, maxDenominator)
	}
}
