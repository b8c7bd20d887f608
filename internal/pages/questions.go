package pages

import (
	"context"
	"html/template"
)

// A questionsPage answers what members ask, and what the union was asked besides.
type questionsPage struct {
	*view
	Answers []answer
	More    []QA
	Lang    string // of More, where it is not the page's
}

// An answer is one question of every vote and its answer.
type answer struct {
	ID       string // what links lead to
	Question string
	Answer   template.HTML
}

func questionsOf(_ *Site, _ context.Context, v *view) (any, error) {
	p := questionsPage{view: v}
	add := func(id string, parts ...template.HTML) {
		p.Answers = append(p.Answers, answer{id, v.Text("pages.ask." + id), sentences(parts)})
	}
	c := v.Content()
	phone := v.Phone()
	nomail := v.Rich("pages.answer.nomail.spam")
	if c.From != "" {
		nomail = v.Rich("pages.answer.nomail.from", "from", c.From)
	}
	add("nomail", nomail, v.Rich("pages.answer.nomail", "resend", element("a", "href", v.Resend(), v.Text("pages.election.resend")), "phone", phone))
	add("real", v.Rich("pages.answer.real", "booth", v.Manifest.Origins.Booth))
	joined := v.Rich("pages.answer.joined.any")
	if c.Cutoff != "" {
		joined = v.Rich("pages.answer.joined", "cutoff", v.Date(c.Cutoff))
	}
	add("joined", joined, v.Rich("pages.answer.joined.envelope"))
	unit := v.Rich("pages.answer.unit.roll")
	if c.RecordDate != "" {
		unit = v.Rich("pages.answer.unit", "date", v.Date(c.RecordDate))
	}
	add("unit", unit, v.Rich("pages.answer.unit.call"))
	add("work", v.Rich("pages.answer.work"))
	add("shared", v.Rich("pages.answer.shared"))
	add("mind", v.Rich("pages.answer.mind"))
	add("boss", v.Rich("pages.answer.boss"))
	add("union", v.Rich("pages.answer.union"))
	add("tracker", v.Rich("pages.answer.tracker"))
	add("counted", v.Rich("pages.answer.counted"))
	add("broke", v.Rich("pages.answer.broke"))
	add("stolen", v.Rich("pages.answer.stolen", "phone", phone))
	add("help", v.Rich("pages.answer.help"))
	desk := v.Rich("pages.answer.desk", "phone", phone)
	if c.DesksURL != "" {
		desk = v.Rich("pages.answer.desk.where", "phone", phone, "desks", v.Anchor(c.DesksURL, c.DesksURL))
	}
	add("desk", desk)
	add("means", v.Rich("pages.answer.means"))
	add("start", v.Rich("pages.answer.start"))
	after := []template.HTML{v.Rich("pages.answer.after")}
	if no := v.Say(c.NextNo); no.Text != "" {
		after = append(after, v.Rich("pages.answer.after.no", "next", no))
	}
	add("after", after...)
	p.More, p.Lang = v.more()
	return p, nil
}

// more returns the union's own questions, in the reader's language or another.
func (v *view) more() (list []QA, lang string) {
	asked := v.Content().Questions
	for _, lang := range append([]string{v.Code(), code(v.Manifest.Languages[0])}, codes()...) {
		if list := asked[lang]; len(list) > 0 {
			return list, v.said("", lang).Lang
		}
	}
	return nil, ""
}
