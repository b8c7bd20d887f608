package pages

import (
	"fmt"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/wording"
)

// A teller of figures says them in one language.
type speaker struct {
	*figures
	w *language.Words
}

// names lists the names of groups: "HX, RX and TX".
func (s speaker) names(groups []suite.GroupID) string {
	return wording.Groups(s.w, s.manifest, groups)
}

// sentence says the outcome.
func (s speaker) sentence() string {
	units := make([]outcome.Judged, len(s.result.Units))
	for i := range s.result.Units {
		j := s.judgedUnit(&s.result.Units[i])
		units[i] = outcome.Judged{Unit: j.unit, Judgement: j.Judgement}
	}
	text, _ := wording.Outcome(s.w, s.manifest, units)
	return text
}

// fraction writes a fraction of a rule: "half", "two thirds", "7/10".
func (s speaker) fraction(numerator, denominator uint32) string {
	for d := uint32(2); d <= 5; d++ {
		for n := uint32(1); n < d; n++ {
			if n*denominator == numerator*d {
				return s.w.Text("results.fraction." + fmt.Sprintf("%d-%d", n, d))
			}
		}
	}
	if numerator == denominator {
		return s.w.Text("results.fraction.all")
	}
	return s.w.Text("results.fraction.other", "numerator", numerator, "denominator", denominator)
}

// of names what the fraction of the rule is a fraction of.
func (s speaker) of() string { return s.w.Text("results.of." + s.manifest.Rule.Basis) }

// demand says which share the rule needs: "more than half of the yes and no votes".
func (s speaker) demand() string {
	r := s.manifest.Rule
	key := "results.demand.least"
	if r.Strict {
		key = "results.demand.more"
	}
	return s.w.Text(key, "fraction", s.fraction(r.Numerator, r.Denominator), "of", s.of())
}

// quorum says how many ballots the rule needs, "" where it needs none.
func (s speaker) quorum(entitled uint64) string {
	r := s.manifest.Rule
	if r.QuorumNumerator == 0 {
		return ""
	}
	return s.w.Text("results.demand.quorum", "fraction", s.fraction(r.QuorumNumerator, r.QuorumDenominator),
		"n", s.w.Number(fewest(r.QuorumNumerator, r.QuorumDenominator, entitled)))
}

// support says how many yes of all entitled the rule needs, "" where it needs none.
func (s speaker) support(entitled uint64) string {
	r := s.manifest.Rule
	if r.SupportNumerator == 0 {
		return ""
	}
	return s.w.Text("results.demand.support", "fraction", s.fraction(r.SupportNumerator, r.SupportDenominator),
		"n", s.w.Number(fewest(r.SupportNumerator, r.SupportDenominator, entitled)))
}

// why says why a unit is authorized or is not, a sentence or two for each reason that
// is not plain from the arithmetic below it.
func (s speaker) why(j *judged) []string {
	var list []string
	for _, is := range j.reasons(s.manifest.Rule) {
		switch is {
		case reasonNobody:
			list = append(list, s.w.Text("results.why.nobody"))
		case reasonExact, reasonExactly:
			list = append(list, s.exact(is))
		case reasonQuorum:
			list = append(list, s.w.Text("results.why.quorum", "cast", s.w.Number(j.unit.Cast), "entitled", s.w.Number(j.unit.Entitled),
				"percent", s.w.Percent(j.unit.Cast, j.unit.Entitled), "rule", s.quorum(j.unit.Entitled)))
		case reasonSupport:
			list = append(list, s.w.Text("results.why.support", "yes", s.w.Number(j.unit.Yes), "entitled", s.w.Number(j.unit.Entitled),
				"percent", s.w.Percent(j.unit.Yes, j.unit.Entitled), "rule", s.support(j.unit.Entitled)))
		case reasonApproval:
			list = append(list, s.w.Text("results.why.approval", "yes", s.w.Number(j.unit.Yes), "base", s.w.Number(j.base), "of", s.of(),
				"percent", s.w.Percent(j.unit.Yes, j.base), "rule", s.demand()))
		case reasonPlain:
		}
	}
	return list
}

// exact says that yes is the very fraction of the rule.
func (s speaker) exact(is reason) string {
	r := s.manifest.Rule
	kind := map[reason]string{reasonExact: "exact", reasonExactly: "exactly"}[is]
	if byHalf(r) {
		return s.w.Text("results.why." + kind + ".tie")
	}
	return s.w.Text("results.why."+kind+".other", "fraction", s.fraction(r.Numerator, r.Denominator), "of", s.of(), "rule", s.demand())
}

// lines are what stands below the heading. notCalled is among them wherever somebody
// authorizes: the most quoted sentence must not be read as a call.
func (s speaker) lines() (notCalled bool, lines []string) {
	for i := range s.result.Units {
		u := s.judgedUnit(&s.result.Units[i])
		for _, line := range s.why(u) {
			if len(s.result.Units) > 1 {
				line = wording.Of(s.w, s.names(u.unit.Groups), line)
			}
			lines = append(lines, line)
		}
	}
	return s.outcome() != shownNone, lines
}

// sums are the arithmetic of a judged unit in words. Every share says of what it is
// one.
func (s speaker) sums(j *judged) []string {
	u := j.unit
	list := []string{
		wording.Yes(s.w, s.manifest.Rule, u),
		s.w.Text("results.sum.need", "rule", s.demand(), "n", s.w.Number(j.need)),
		s.turnout(u.Cast, u.Entitled),
	}
	if q := s.quorum(u.Entitled); q != "" {
		list = append(list, s.w.Text("results.sum.rule", "rule", q))
	}
	if s.manifest.Rule.Basis != election.BasisEntitled {
		list = append(list, s.w.Text("results.sum.support", "yes", s.w.Number(u.Yes), "entitled", s.w.Number(u.Entitled),
			"percent", s.w.Percent(u.Yes, u.Entitled)))
	}
	if q := s.support(u.Entitled); q != "" {
		list = append(list, s.w.Text("results.sum.rule", "rule", q))
	}
	return list
}

// turnout says how many ballots are in the box, of how many that could be.
func (s speaker) turnout(cast, entitled uint64) string {
	return s.w.Text("results.sum.cast", "cast", s.w.Number(cast), "entitled", s.w.Number(entitled), "percent", s.w.Percent(cast, entitled))
}

// counted says how the ballots in the box follow from those that were issued, where
// envelopes are among them, and the entitled from the signed roll, where it was changed:
// more ballots than were issued, or more people than on the roll, look like a stuffed box
// to whoever is not told. What does not add up is left to the audit.
func (s speaker) counted(c tally.GroupCounts) (list []string) {
	given := c.Issued + c.Accepted
	if c.Accepted > 0 && c.Cast <= given {
		list = append(list, s.w.Text("results.counted.issued", "n", s.w.Number(c.Issued))+
			s.term(" + ", "results.counted.accepted", c.Accepted)+s.term(" − ", "results.counted.absent", given-c.Cast)+
			" = "+s.w.Text("results.counted.box", "n", s.w.Number(c.Cast)))
	}
	if c.Added+c.Struck+c.AcceptedOff > 0 && c.Entitled+c.Struck == c.RollSize+c.Added+c.AcceptedOff {
		list = append(list, s.w.Text("results.counted.roll", "n", s.w.Number(c.RollSize))+
			s.term(" + ", "results.counted.added", c.Added)+s.term(" − ", "results.counted.taken", c.Struck)+
			s.term(" + ", "results.counted.strangers", c.AcceptedOff)+" = "+s.w.Text("results.counted.entitled", "n", s.w.Number(c.Entitled)))
	}
	return list
}

// term is a part of a sum, and nothing where it is none.
func (s speaker) term(sign, key string, n uint64) string {
	if n == 0 {
		return ""
	}
	return sign + s.w.Text(key, "n", s.w.Number(n))
}

// lead says by how much a unit is past the line, or short of it.
func (s speaker) lead(j *judged) string {
	yes, other, key := j.unit.Yes, j.need, "results.lead.need"
	if byHalf(s.manifest.Rule) {
		other, key = j.unit.No, "results.lead.no"
	}
	switch {
	case yes == other && byHalf(s.manifest.Rule):
		return s.w.Text("results.lead.equal")
	case yes >= other:
		return s.w.Text(key+".ahead", "n", s.w.Number(yes-other))
	}
	return s.w.Text(key+".behind", "n", s.w.Number(other-yes))
}

// quote is a sentence to copy. It says out loud that nothing was called.
func (s speaker) quote() []string {
	var list []string
	for i := range s.result.Units {
		j := s.judgedUnit(&s.result.Units[i])
		of := s.w.Text("results.quote."+s.manifest.Rule.Basis, "base", s.w.Number(j.base), "percent", s.w.Percent(j.unit.Yes, j.base))
		if len(s.result.Units) > 1 {
			of = wording.Of(s.w, s.names(j.unit.Groups), of)
		}
		list = append(list, of)
	}
	switch s.outcome() {
	case shownNone:
		return append(list, s.w.Text("results.quote.none"))
	case shownMixed:
		return append(list, s.sentence(), s.w.Text("results.quote.called"))
	}
	return append(list, s.w.Text("results.quote.all"))
}
