package mailer

import (
	"strings"
	"time"

	"strikevote/internal/protocol/outcome"
)

// Preview renders a mail of a kind in a language for a member who does not exist: the
// link and the code open nothing, and the numbers of a result are made up. Of the
// configuration it needs the manifest and its hash; without a zone the times are
// universal, and without a clock voting has just opened. close is the one in force; 0 is
// the manifest's.
func Preview(c Config, kind, language string, close int64) (Mail, error) {
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if close == 0 {
		close = c.Manifest.Schedule.Close
	}
	now := time.Unix(c.Manifest.Schedule.Open, 0)
	if c.Now != nil {
		now = c.Now()
	}
	c.Pages = c.Pages.of(c.Manifest)
	r, err := newRenderer(&c)
	if err != nil {
		return Mail{}, err
	}
	g := c.Manifest.Groups[0]
	p := person{name: "Maria Example", group: g.ID, campus: "Example Campus", language: language, close: close, stopped: true}
	if linked(kind) {
		// As long as a link is, so that a picture of the mail is a true one.
		p.link = c.Manifest.Origins.Booth + "/v1/#t=VOID" + strings.Repeat("-EXAMPLE", 18) + "&m=VOID-EXAMPLE"
		p.code = "VOID-VOID-VOID-VOID-VOID-X"
	}
	if kind == Result {
		p.outcome = example(&c)
	}
	m, err := r.mail(kind, p, now)
	m.To = "maria.example@mail.example"
	return m, err
}

// example makes up an outcome: three of four vote, and there is some of everything.
func example(c *Config) *Outcome {
	m := c.Manifest
	o := &Outcome{CertifiedAt: time.Unix(m.Schedule.DecideUntil, 0)}
	for _, q := range m.Questions {
		o.Votes = append(o.Votes, make([]uint64, len(q.Options)))
	}
	all := outcome.Unit{}
	for _, g := range m.Groups {
		u := outcome.Unit{Groups: groupIDs(m)[len(o.Parts) : len(o.Parts)+1], Entitled: uint64(g.RollSize), Cast: uint64(g.RollSize) * 3 / 4}
		for i, q := range m.Questions {
			votes := shareOut(u.Cast, len(q.Options))
			for j, n := range votes {
				o.Votes[i][j] += n
			}
			if i == int(m.Rule.Question) {
				u.Yes, u.No = outcome.Votes(q, votes)
			}
		}
		o.Parts = append(o.Parts, u)
		all.Groups, all.Entitled, all.Cast = append(all.Groups, u.Groups...), all.Entitled+u.Entitled, all.Cast+u.Cast
		all.Yes, all.No = all.Yes+u.Yes, all.No+u.No
	}
	units := o.Parts
	if !m.Rule.PerGroup {
		units = []outcome.Unit{all}
	}
	for _, u := range units {
		o.Units = append(o.Units, outcome.Judged{Unit: u, Judgement: outcome.Judge(m.Rule, u)})
	}
	return o
}

// shareOut shares ballots out among options, more to those that come first.
func shareOut(cast uint64, options int) []uint64 {
	votes := make([]uint64, options)
	left := cast
	for i := range votes[1:] {
		votes[i] = left * 3 / 5
		left -= votes[i]
	}
	votes[options-1] = left
	return votes
}
