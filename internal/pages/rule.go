package pages

import (
	"fmt"

	"strikevote/internal/protocol/election"
)

// rule says in words when the leadership is authorized. Package outcome applies it.
func (v *view) rule() []string {
	r := v.Manifest.Rule
	units := len(v.Manifest.Groups) > 1
	var list []string
	say := func(key string, pairs ...any) { list = append(list, v.Text(key, pairs...)) }
	switch more := r.Basis == election.BasisDecided && r.Strict && r.Numerator*2 == r.Denominator; {
	case more && r.PerGroup && units:
		say("pages.rule.more.each")
	case more:
		say("pages.rule.more")
	case r.Strict:
		say("pages.rule.over", "share", v.share(r.Numerator, r.Denominator), "basis", v.basis(r.Basis))
	default:
		say("pages.rule.least", "share", v.share(r.Numerator, r.Denominator), "basis", v.basis(r.Basis))
	}
	if r.QuorumNumerator > 0 {
		say("pages.rule.quorum", "share", v.share(r.QuorumNumerator, r.QuorumDenominator))
	}
	if r.SupportNumerator > 0 {
		say("pages.rule.support", "share", v.share(r.SupportNumerator, r.SupportDenominator))
	}
	switch {
	case units && r.PerGroup:
		say("pages.rule.each")
		list = append(list, v.Count("pages.rule.merged", int64(v.Manifest.KMin)))
	case units:
		say("pages.rule.together")
	}
	if v.Abstains() {
		list = append(list, v.abstentions())
	}
	return list
}

// abstentions says how a neutral answer counts under the rule.
func (v *view) abstentions() string {
	switch v.Manifest.Rule.Basis {
	case election.BasisCast:
		return v.Text("pages.rule.abstain.cast")
	case election.BasisEntitled:
		return v.Text("pages.rule.abstain.entitled")
	}
	return v.Text("pages.rule.abstain.turnout")
}

// basis says what the rule's share is a share of.
func (v *view) basis(basis string) string {
	switch basis {
	case election.BasisCast:
		return v.Text("pages.rule.basis.cast")
	case election.BasisEntitled:
		return v.Text("pages.rule.basis.entitled")
	}
	return v.Text("pages.rule.basis.decided")
}

// share says a fraction as people do, where they have a word for it.
func (v *view) share(numerator, denominator uint32) string {
	switch fmt.Sprintf("%d/%d", numerator, denominator) {
	case "1/1":
		return v.Text("pages.share.all")
	case "1/2":
		return v.Text("pages.share.half")
	case "1/3":
		return v.Text("pages.share.third")
	case "2/3":
		return v.Text("pages.share.thirds")
	case "2/5":
		return v.Text("pages.share.fifths.two")
	case "3/5":
		return v.Text("pages.share.fifths.three")
	case "3/4":
		return v.Text("pages.share.quarters")
	}
	return v.Text("pages.share.other", "numerator", v.Number(uint64(numerator)), "denominator", v.Number(uint64(denominator)))
}
