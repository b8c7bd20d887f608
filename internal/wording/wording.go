// Package wording says in one language what pages and mails both say of an election:
// which groups there are, what the rule asks, and how the vote ended.
//
// What is quoted most must not be said in two ways, so that there is one place for it.
// It must never see a person or a ballot; counts are arguments.
package wording

import (
	"fmt"
	"slices"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
)

// List lists names: "HX, RX and TX".
func List(w *language.Words, names []string) string {
	text := ""
	for i, name := range names {
		switch {
		case i == 0:
			text = name
		case i < len(names)-1:
			text = w.Text("results.list.more", "list", text, "next", name)
		default:
			text = w.Text("results.list.last", "list", text, "next", name)
		}
	}
	return text
}

// Groups lists the names of some groups of a manifest.
func Groups(w *language.Words, m *election.Manifest, ids []suite.GroupID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = m.Group(id).Name
	}
	return List(w, names)
}

// Rule says when the leadership is authorized, a sentence for each thing that the rule
// asks. Package outcome applies it.
func Rule(w *language.Words, m *election.Manifest) []string {
	r := m.Rule
	units := len(m.Groups) > 1
	var list []string
	say := func(key string, pairs ...any) { list = append(list, w.Text(key, pairs...)) }
	switch more := r.Basis == election.BasisDecided && r.Strict && r.Numerator*2 == r.Denominator; {
	case more && r.PerGroup && units:
		say("pages.rule.more.each")
	case more:
		say("pages.rule.more")
	case r.Strict:
		say("pages.rule.over", "share", share(w, r.Numerator, r.Denominator), "basis", basis(w, r.Basis))
	default:
		say("pages.rule.least", "share", share(w, r.Numerator, r.Denominator), "basis", basis(w, r.Basis))
	}
	if r.QuorumNumerator > 0 {
		say("pages.rule.quorum", "share", share(w, r.QuorumNumerator, r.QuorumDenominator))
	}
	if r.SupportNumerator > 0 {
		say("pages.rule.support", "share", share(w, r.SupportNumerator, r.SupportDenominator))
	}
	switch {
	case units && r.PerGroup:
		say("pages.rule.each")
	case units:
		say("pages.rule.together")
	}
	return list
}

// basis says what the rule's share is a share of.
func basis(w *language.Words, basis string) string {
	switch basis {
	case election.BasisCast:
		return w.Text("pages.rule.basis.cast")
	case election.BasisEntitled:
		return w.Text("pages.rule.basis.entitled")
	}
	return w.Text("pages.rule.basis.decided")
}

// share says a fraction as people do, where they have a word for it.
func share(w *language.Words, numerator, denominator uint32) string {
	switch fmt.Sprintf("%d/%d", numerator, denominator) {
	case "1/1":
		return w.Text("pages.share.all")
	case "1/2":
		return w.Text("pages.share.half")
	case "1/3":
		return w.Text("pages.share.third")
	case "2/3":
		return w.Text("pages.share.thirds")
	case "2/5":
		return w.Text("pages.share.fifths.two")
	case "3/5":
		return w.Text("pages.share.fifths.three")
	case "3/4":
		return w.Text("pages.share.quarters")
	}
	return w.Text("pages.share.other", "numerator", w.Number(uint64(numerator)), "denominator", w.Number(uint64(denominator)))
}

// Outcome says how the vote ended. In English it is the sentence of the result file,
// which the committee signs; SPEC.md section 15. The second sentence is empty where
// nobody authorizes: wherever somebody does, the most quoted sentence must not be read
// as a call.
func Outcome(w *language.Words, m *election.Manifest, units []outcome.Judged) (sentence, notCalled string) {
	var yes, no []suite.GroupID
	authorized := 0
	for _, u := range units {
		if u.Authorized {
			authorized++
			yes = append(yes, u.Groups...)
		} else {
			no = append(no, u.Groups...)
		}
	}
	slices.Sort(yes)
	slices.Sort(no)
	switch authorized {
	case 0:
		return w.Text("results.outcome.none"), ""
	case len(units):
		return w.Text("results.outcome.all"), w.Text("results.outcome.notcalled")
	}
	return w.Text("results.outcome.mixed",
		"yes", w.Count("results.outcome.yes", int64(len(yes)), "names", Groups(w, m, yes)),
		"no", w.Count("results.outcome.no", int64(len(no)), "names", Groups(w, m, no))), w.Text("results.outcome.notcalled")
}

// Yes says which share of what the rule looks at is yes: "Yes 12 of 15 yes and no
// votes: 80.0%." Every share says of what it is one.
func Yes(w *language.Words, r election.Rule, u outcome.Unit) string {
	base := Base(r, u)
	return w.Text("results.sum.yes", "yes", w.Number(u.Yes), "base", w.Number(base), "of", w.Text("results.of."+r.Basis),
		"percent", w.Percent(u.Yes, base))
}

// Base is what the fraction of a rule is a fraction of.
func Base(r election.Rule, u outcome.Unit) uint64 {
	switch r.Basis {
	case election.BasisCast:
		return u.Cast
	case election.BasisEntitled:
		return u.Entitled
	}
	return u.Yes + u.No
}

// Of says something of some groups: "HX: …".
func Of(w *language.Words, names, what string) string {
	return w.Text("results.why.group", "names", names, "why", what)
}
