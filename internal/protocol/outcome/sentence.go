package outcome

import (
	"slices"
	"strings"

	"strikevote/internal/protocol/suite"
)

// A Judged unit is a unit and what the rule says of it.
type Judged struct {
	Unit
	Judgement
}

// The sentences for an outcome that is the same everywhere.
const (
	All  = "The members authorize the leadership to call a strike."
	None = "The members do not authorize the leadership to call a strike."
)

// Sentence says the outcome in the exact words of SPEC.md section 15. names
// returns the name of a group. No units at all authorize nothing.
func Sentence(names func(suite.GroupID) string, judged []Judged) string {
	var yes, no []suite.GroupID
	authorized := 0
	for _, j := range judged {
		if j.Authorized {
			authorized++
			yes = append(yes, j.Groups...)
		} else {
			no = append(no, j.Groups...)
		}
	}
	switch authorized {
	case 0:
		return None
	case len(judged):
		return All
	}
	verb, not := " authorizes", " does not."
	if len(yes) > 1 {
		verb = " authorize"
	}
	if len(no) > 1 {
		not = " do not."
	}
	return list(names, yes) + verb + " the leadership to call a strike, " + list(names, no) + not
}

// list joins names in ascending order of id: "A, B and C".
func list(names func(suite.GroupID) string, groups []suite.GroupID) string {
	slices.Sort(groups)
	all := make([]string, len(groups))
	for i, g := range groups {
		all[i] = names(g)
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
