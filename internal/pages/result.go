package pages

import (
	"context"
	"strings"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/wording"
)

// A resultPage says how the vote ended, or how far it is.
type resultPage struct {
	*view
	Heading string
	// Then is what stands below the heading while there is no result.
	Then      string
	NotCalled bool
	Lines     []string
	Notices   []string
	Blocks    []resultBlock
	Rule      []string
	Questions openQuestions
	Quote     string
	Signed    string // names; empty until the result is certified
	Quorum    int64  // how many have to sign
	Certified int64  // when
}

// A resultBlock is what the result says of all groups, or of those that are counted
// together.
type resultBlock struct {
	Heading string
	Tables  []answers
	Sums    []string
}

// answers are the counts of one question.
type answers struct {
	Question Said
	Share    string // of what the shares are
	Rows     []answerRow
}

type answerRow struct {
	Text  Said
	Votes string
	Share string // empty where the answer is not part of what the share is of
	Plot  *plot
}

// A plot is a bar in a track of [track] units. It says nothing that does not stand
// beside it in words.
type plot struct{ Fill, Need int }

const track = 1000

func plotOf(part, whole uint64) *plot {
	p := &plot{Need: -1}
	if whole > 0 {
		p.Fill = int(part * track / whole)
	}
	if part > 0 && p.Fill == 0 {
		p.Fill = 1 // somebody is not nobody
	}
	return p
}

func resultOf(s *Site, ctx context.Context, v *view) (any, error) {
	f, err := s.figures(ctx, v)
	if err != nil {
		return nil, err
	}
	p := &resultPage{view: v}
	if f.result == nil {
		p.waiting()
		return p, nil
	}
	say := speaker{f, v.Words}
	p.Heading, p.Rule, p.Quote = say.sentence(), v.rule(), strings.Join(say.quote(), " ")
	p.NotCalled, p.Lines = say.lines()
	p.Questions = say.questions()
	for _, groups := range f.merged() {
		p.Notices = append(p.Notices, v.Count("results.merged", int64(len(groups)), "names", say.names(groups), "min", v.Number(uint64(v.Manifest.KMin))))
	}
	for _, u := range f.unanimous() {
		key := "results.unanimous"
		if len(v.Manifest.Questions) > 1 {
			key = "results.unanimous.question"
		}
		p.Notices = append(p.Notices, v.Text(key, "names", say.names(u.groups), "question", v.Number(uint64(u.question+1))))
	}
	for _, b := range f.blocks() {
		p.Blocks = append(p.Blocks, p.block(say, b))
	}
	p.Quorum = int64(v.Acts.Committee.Quorum)
	if f.certificate != nil {
		p.Certified, p.Signed = f.certificate.CertifiedAt, v.Join(f.signed)
	}
	return p, nil
}

// waiting says how far an election without a result is.
func (p *resultPage) waiting() {
	switch p.Phase {
	case Cancelled:
		p.Heading = p.Text("results.none.cancelled")
	case Before, Open:
		p.Heading, p.Then = p.Text("results.none"), p.Text("results.none.open")
	default:
		p.Heading = p.Text("results.none.closed")
		answered := 0
		for _, path := range p.files {
			if strings.HasPrefix(path, "shares/") {
				answered++
			}
		}
		t := p.Manifest.Tellers
		p.Then = p.Text("results.none.tellers", "t", t.T, "n", t.N)
		if answered > 0 {
			p.Then = p.Text("results.none.answered", "k", answered, "t", t.T)
		}
	}
}

func (p *resultPage) block(say speaker, b block) resultBlock {
	r := resultBlock{Heading: say.names(b.groups)}
	if b.all {
		r.Heading = p.Text("results.overall")
	}
	if b.judged != nil {
		r.Sums = say.sums(b.judged)
		if n := p.Edition.Content.Represented; b.all && n > 0 {
			r.Sums = append(r.Sums, p.Text("results.sum.represented", "n", p.Number(n)))
		}
	} else {
		r.Sums = []string{say.turnout(b.cast, b.entitled)}
	}
	// The question that decides comes first, with its arithmetic.
	first := int(p.Manifest.Rule.Question)
	r.Tables = append(r.Tables, p.answers(say, b, first))
	for q := range p.Manifest.Questions {
		if q != first {
			r.Tables = append(r.Tables, p.answers(say, b, q))
		}
	}
	return r
}

// answers makes the table of one question. Shares of the question that the rule reads
// are of what the rule counts; of any other they are of all ballots.
func (p *resultPage) answers(say speaker, b block, q int) answers {
	question := p.Manifest.Questions[q]
	read := q == int(p.Manifest.Rule.Question)
	yes, no := outcome.Votes(question, b.votes[q])
	whole, of := b.cast, p.Text("results.of.cast")
	if read {
		whole, of = wording.Base(p.Manifest.Rule, outcome.Unit{Entitled: b.entitled, Cast: b.cast, Yes: yes, No: no}), say.of()
	}
	a := answers{Question: p.Of(question.Text), Share: p.Text("results.table.share", "n", p.Number(whole), "of", of)}
	approving := 0
	for i, o := range question.Options {
		row := answerRow{Text: p.Of(o.Text), Votes: p.Number(b.votes[q][i])}
		if !read || o.Role != election.RoleNeutral || p.Manifest.Rule.Basis != election.BasisDecided {
			row.Share, row.Plot = p.Percent(b.votes[q][i], whole), plotOf(b.votes[q][i], whole)
		}
		if o.Role == election.RoleYes {
			approving++
			p.mark(row.Plot, read && b.judged != nil)
		}
		a.Rows = append(a.Rows, row)
	}
	if read && approving > 1 {
		// The rule adds them up: what it needs is a mark on none of them alone.
		for i := range a.Rows {
			a.Rows[i].Plot = unmarked(a.Rows[i].Plot)
		}
		row := answerRow{Text: Said{Text: p.Text("results.table.yes")}, Votes: p.Number(yes), Share: p.Percent(yes, whole), Plot: plotOf(yes, whole)}
		p.mark(row.Plot, b.judged != nil)
		a.Rows = append(a.Rows, row)
	}
	return a
}

// mark puts the share that the rule needs on a bar.
func (p *resultPage) mark(bar *plot, judged bool) {
	if judged {
		r := p.Manifest.Rule
		bar.Need = int(uint64(track) * uint64(r.Numerator) / uint64(r.Denominator))
	}
}

func unmarked(bar *plot) *plot {
	if bar != nil {
		bar.Need = -1
	}
	return bar
}
