package pages

import (
	"strikevote/internal/protocol/election"
	"strikevote/internal/wording"
)

// rule says in words when the leadership is authorized. Package outcome applies it.
func (v *view) rule() []string {
	r := v.Manifest.Rule
	list := wording.Rule(v.Words, v.Manifest)
	if r.PerGroup && len(v.Manifest.Groups) > 1 {
		list = append(list, v.Count("pages.rule.merged", int64(v.Manifest.KMin)))
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
