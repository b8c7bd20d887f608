package pages

import (
	"context"
	"fmt"
	"html/template"
)

// A viewPage shows opinions, apart from the ballot.
type viewPage struct {
	*view
	Statement Said
	Sides     []side
	Expired   Said
	Stories   []Story
}

// A side is the opinion for or against, with the same room as the other.
type side struct {
	Heading string
	Text    Said
}

// Empty reports whether nobody wrote anything.
func (p viewPage) Empty() bool {
	return p.Statement.Text == "" && len(p.Sides) == 0 && p.Expired.Text == "" && len(p.Stories) == 0
}

// Lot says when the order of the sides was drawn, and is empty where none was.
func (p viewPage) Lot() template.HTML {
	lot := p.Content().Lot
	if lot == nil || len(p.Sides) < 2 {
		return ""
	}
	return p.Rich("pages.view.lot", "date", p.OnDay(lot.Drawn))
}

// Since says from when on this is shown, and is empty where nothing is.
func (p viewPage) Since() template.HTML {
	if p.Edition.Number == 0 {
		return ""
	}
	return p.Rich("pages.view.since", "moment", p.Time(p.Edition.Stored))
}

// maxEarlier is how many editions are listed; those before them are there too.
const maxEarlier = 50

// Earlier lists the editions that were shown before, for whoever wants to see what
// changed.
func (p viewPage) Earlier() []Choice {
	var list []Choice
	for n := p.Edition.Number - 1; n > max(0, p.Edition.Number-1-maxEarlier); n-- {
		list = append(list, Choice{
			Name: p.Text("pages.view.edition", "n", p.Number(uint64(n))),
			Link: fmt.Sprintf("/e/%s/content/%d", p.ID, n),
		})
	}
	return list
}

func viewOf(_ *Site, _ context.Context, v *view) (any, error) {
	c := v.Content()
	p := viewPage{view: v, Statement: v.Say(c.View), Expired: v.Say(c.Expired)}
	sides := []side{{v.Text("pages.view.for"), v.Say(c.For)}, {v.Text("pages.view.against"), v.Say(c.Against)}}
	if c.Lot != nil && c.Lot.AgainstFirst {
		sides[0], sides[1] = sides[1], sides[0]
	}
	for _, s := range sides {
		if s.Text.Text != "" {
			p.Sides = append(p.Sides, s)
		}
	}
	// Each member's story stands in the language in which it was told.
	for _, own := range []bool{true, false} {
		for _, s := range c.Stories {
			if (s.Language == v.Code()) == own {
				p.Stories = append(p.Stories, s)
			}
		}
	}
	return p, nil
}
