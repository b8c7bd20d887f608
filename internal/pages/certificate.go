package pages

import (
	"context"

	"strikevote/internal/protocol/tally"
)

// A certificatePage is the certificate on one sheet. Everything on it is in the file
// that the committee signed, in the result that the file names, or in the manifest.
type certificatePage struct {
	*view
	Certificate *tally.Certificate // nil: there is none yet
	Sentence    string
	// Signed is the sentence that was signed, where the page is in another language.
	Signed    string
	NotCalled bool
	Rule      []string
	Answers   []certifiedAnswers
	Counted   []certifiedCounts
	Sums      []string // how the counts of all groups follow from each other
	Questions openQuestions
	Names     string
}

// certifiedAnswers are the answers to one question, by group or by those that are
// counted together.
type certifiedAnswers struct {
	Question Said
	Options  []Said
	Rows     []certifiedRow
}

// certifiedCounts are what happened to the members of each group.
type certifiedCounts struct {
	Caption string
	Columns []string
	Rows    []certifiedRow
}

type certifiedRow struct {
	Name   string
	Counts []string
}

func certificateOf(s *Site, ctx context.Context, v *view) (any, error) {
	f, err := s.figures(ctx, v)
	if err != nil {
		return nil, err
	}
	p := &certificatePage{view: v, Certificate: f.certificate}
	if f.certificate == nil {
		return p, nil
	}
	say := speaker{f, v.Words}
	p.Sentence, p.Rule, p.Questions = say.sentence(), v.rule(), say.questions()
	if v.Code() != "en" {
		p.Signed = f.certificate.Sentence
	}
	p.NotCalled, _ = say.lines()
	p.Names = v.Join(f.signed)
	p.answers(say)
	p.count("results.certificate.counts", []string{"entitled", "issued", "cast", "turnout", "absent"}, func(g *tally.GroupCounts) []string {
		given := g.Issued + g.Accepted
		return []string{
			v.Number(g.Entitled), v.Number(g.Issued), v.Number(g.Cast), v.Percent(g.Cast, g.Entitled), v.Number(given - min(given, g.Cast)),
		}
	})
	p.count("results.certificate.envelopes", []string{"accepted", "rejected", "undecided"}, func(g *tally.GroupCounts) []string {
		return []string{v.Number(g.Accepted), v.Number(g.Rejected), v.Number(g.Undecided)}
	})
	p.Sums = say.counted(tally.Sum(p.Certificate.Groups))
	return p, nil
}

// Open lists the open questions in one sentence.
func (p *certificatePage) Open() string {
	list := ""
	for i, question := range p.Questions.Open {
		if i == 0 {
			list = question
			continue
		}
		list = p.Text("results.questions.open.more", "list", list, "next", question)
	}
	return p.Text("results.questions.open.list", "list", list)
}

func (p *certificatePage) answers(say speaker) {
	blocks := say.blocks()
	for q, question := range p.Manifest.Questions {
		a := certifiedAnswers{Question: p.Of(question.Text)}
		for _, o := range question.Options {
			a.Options = append(a.Options, p.Of(o.Text))
		}
		for _, b := range blocks {
			row := certifiedRow{Name: say.names(b.groups)}
			if b.all {
				row.Name = p.Text("results.overall")
			}
			for _, n := range b.votes[q] {
				row.Counts = append(row.Counts, p.Number(n))
			}
			a.Rows = append(a.Rows, row)
		}
		p.Answers = append(p.Answers, a)
	}
}

// count makes a table of some counts of every group, and of all of them together.
func (p *certificatePage) count(caption string, columns []string, counts func(*tally.GroupCounts) []string) {
	t := certifiedCounts{Caption: p.Text(caption)}
	for _, name := range columns {
		t.Columns = append(t.Columns, p.Text("results.table."+name))
	}
	groups := p.Certificate.Groups
	all := tally.Sum(groups)
	t.Rows = append(t.Rows, certifiedRow{p.Text("results.overall"), counts(&all)})
	for i := range groups {
		if len(groups) > 1 {
			t.Rows = append(t.Rows, certifiedRow{p.Manifest.Group(groups[i].ID).Name, counts(&groups[i])})
		}
	}
	p.Counted = append(p.Counted, t)
}

// BoxSize and LedgerSize are how many entries the logs end with.
func (p *certificatePage) BoxSize() int64 { return int64(p.Certificate.CloseSize) }

// LedgerSize is that of the list of ballots issued.
func (p *certificatePage) LedgerSize() int64 { return int64(p.Certificate.LedgerSize) }
