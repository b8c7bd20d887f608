package pages

import (
	"context"
	"html/template"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/record/layout"
)

// An electionPage is the first page: what is asked, what decides, and when.
type electionPage struct {
	*view
	Questions []asked
	Rule      []string
	Carried   string
	Not       string
	// Outcome says how the vote ended, once the result is certified, and NotCalled whether
	// it has to be said that no strike was called.
	Outcome   string
	NotCalled bool
}

// asked is a question as it was approved.
type asked struct {
	Text    Said
	Options []option
}

type option struct {
	Text Said
	// Means is what an answer to the question that the rule reads means, and empty for
	// any other question: no sentence is made up for those.
	Means string
}

func electionOf(s *Site, ctx context.Context, v *view) (any, error) {
	p := electionPage{view: v, Rule: v.rule()}
	for i, q := range v.Manifest.Questions {
		a := asked{Text: v.Of(q.Text)}
		for _, o := range q.Options {
			means := ""
			if i == int(v.Manifest.Rule.Question) {
				means = v.means(o.Role)
			}
			a.Options = append(a.Options, option{v.Of(o.Text), means})
		}
		p.Questions = append(p.Questions, a)
	}
	p.Carried, p.Not = v.Text("pages.outcome.all"), v.Text("pages.outcome.none")
	if v.Manifest.Rule.PerGroup && len(v.Manifest.Groups) > 1 {
		unit := v.Text("pages.outcome.unit")
		p.Carried, p.Not = v.Text("pages.outcome.one", "group", unit), v.Text("pages.outcome.one.not", "group", unit)
	}
	if v.Phase == Certified {
		p.ended(ctx, s)
	}
	return p, nil
}

// ended says how the vote ended. Where the numbers cannot be read now the page says the
// rest without it: the dates and the way to the record must not be missing for that.
func (p *electionPage) ended(ctx context.Context, s *Site) {
	f, err := s.figures(ctx, p.view)
	switch {
	case err != nil && s.Log != nil && ctx.Err() == nil:
		s.Log.ErrorContext(ctx, "a page is shown without the outcome", "err", err)
	case err == nil && f.certificate != nil:
		say := speaker{f, p.Words}
		p.Outcome = say.sentence()
		p.NotCalled, _ = say.lines()
	}
}

// means says what an answer means.
func (v *view) means(role string) string {
	switch role {
	case election.RoleYes:
		return v.Text("pages.means.yes")
	case election.RoleNo:
		return v.Text("pages.means.no")
	}
	return v.Text("pages.means.abstain") + " " + v.abstentions()
}

// Grace is when the last ballot under way must have arrived.
func (v *view) Grace() template.HTML { return v.At(v.Manifest.Schedule.LockFrom(v.Acts.Close)) }

// GraceMinutes is how long ballots under way may take after the close.
func (v *view) GraceMinutes() int64 { return (v.Manifest.Schedule.Grace + 59) / 60 }

// Locked reports whether the box has taken its last ballot.
func (v *view) Locked() bool { return v.Has(layout.StatementBox) }

// Decide is until when envelopes are decided.
func (v *view) Decide() template.HTML { return v.Time(time.Unix(v.Manifest.Schedule.DecideUntil, 0)) }

// OpensAt and ClosesAt are the moments of voting; the close is the one in force.
func (v *view) OpensAt() template.HTML  { return v.At(v.Manifest.Schedule.Open) }
func (v *view) ClosesAt() template.HTML { return v.At(v.Acts.Close) }
