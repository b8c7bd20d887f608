package mailer

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"strings"
	"text/template"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/templates"
)

// A person is what a mail says about whom it is for.
type person struct {
	name, unit, campus, language string
	group                        suite.GroupID
	link, code                   string
	outcome                      *Outcome
	close                        int64 // of voting, in force now
}

// An Outcome is what a Result mail says, in words. The caller makes it from the
// certified result.
type Outcome struct {
	Sentence       string
	Authorized     bool // some group authorizes
	Questions      []OutcomeQuestion
	Cast, Entitled uint64
	Turnout        string   // "61.2%"
	Units          []string // one line each; may be empty
	CertifiedAt    time.Time
}

// An OutcomeQuestion is one question with its totals.
type OutcomeQuestion struct {
	Text    string
	Options []OutcomeOption
}

// An OutcomeOption is one option with its total.
type OutcomeOption struct {
	Text  string
	Votes uint64
}

// page is what templates see.
type page struct {
	Demo, Rehearsal                    bool
	Language, Name, GroupName, Campus  string
	Title, Groups, Rule                string
	Questions                          []string
	Link, Code, CodeURL, SixWords      string
	Open, OpenDay                      string
	Close, CloseDay, CloseTime         string
	GraceEnd, Date                     string
	DecideUntil                        string
	Openers                            string // "3 of 5"
	HelpPhone, HelpEmail, Organizer    string
	ElectionURL, TrackerURL, ReportURL string
	Result                             resultPage
}

type resultPage struct {
	Outcome
	CertifiedAt, URL string
}

// A renderer holds the templates, one pair for each language and kind.
type renderer struct {
	c    *Config
	text map[string]*template.Template
	html map[string]*htmltemplate.Template
}

func newRenderer(c *Config) (*renderer, error) {
	r := &renderer{c: c, text: map[string]*template.Template{}, html: map[string]*htmltemplate.Template{}}
	languages, err := fs.ReadDir(templates.Mail, "mail")
	if err != nil {
		return nil, err
	}
	for _, l := range languages {
		dir := "mail/" + l.Name() + "/"
		for _, kind := range Kinds() {
			t, err := template.New(kind+".txt").Option("missingkey=error").ParseFS(templates.Mail, dir+"layout.txt", dir+kind+".txt")
			if err != nil {
				return nil, err
			}
			h, err := htmltemplate.New(kind+".html").Option("missingkey=error").ParseFS(templates.Mail, dir+"layout.html", dir+kind+".html")
			if err != nil {
				return nil, err
			}
			r.text[l.Name()+"/"+kind], r.html[l.Name()+"/"+kind] = t, h
		}
	}
	return r, nil
}

// language returns the index of a member's language in the manifest's texts,
// and the language there are words for.
func (r *renderer) language(want string) (texts int, words string) {
	texts = languageIndex(r.c.Manifest, want)
	words = r.c.Manifest.Languages[texts]
	if _, ok := r.text[words+"/"+Invitation]; !ok {
		words = "en"
	}
	return texts, words
}

// mail renders a mail. Sender and recipient are the caller's.
func (r *renderer) mail(kind string, p person, now time.Time) (Mail, error) {
	at, words := r.language(p.language)
	t, h := r.text[words+"/"+kind], r.html[words+"/"+kind]
	if t == nil || h == nil {
		return Mail{}, errors.New("there is no such kind of mail")
	}
	data := r.page(p, at, words, now)
	var text, html bytes.Buffer
	// The errors of templates quote their data, which is names and links.
	if t.Execute(&text, data) != nil || h.Execute(&html, data) != nil {
		return Mail{}, fmt.Errorf("executing the templates of %s", kind)
	}
	first, body, ok := strings.Cut(text.String(), "\n")
	subject, isSubject := strings.CutPrefix(first, "Subject: ")
	if !ok || !isSubject {
		return Mail{}, fmt.Errorf("the template of %s has no subject", kind)
	}
	switch {
	case data.Demo:
		subject = "DEMO: " + subject
	case data.Rehearsal:
		subject = "REHEARSAL: " + subject
	}
	return Mail{From: r.c.From, ReplyTo: r.c.Manifest.Help.Email, Subject: subject, Text: fill(body), HTML: html.String(),
		Date: now, Language: words}, nil
}

func (r *renderer) page(p person, at int, words string, now time.Time) page {
	m, w := r.c.Manifest, &wording{zone: r.c.Zone, name: r.c.ZoneName}
	d := page{
		Demo: m.Demo, Rehearsal: m.Rehearsal, Language: words,
		Name: p.name, GroupName: groupName(m, p), Campus: p.campus,
		Title: m.Title[at], Groups: groupNames(m), Rule: ruleSentence(m.Rule),
		Link: p.link, Code: p.code, CodeURL: r.c.Pages.Code, SixWords: election.SixWords(r.c.MID),
		Open: w.moment(m.Schedule.Open), OpenDay: w.day(m.Schedule.Open),
		Close: w.moment(p.close), CloseDay: w.day(p.close), CloseTime: w.clock(p.close),
		GraceEnd: w.moment(p.close + m.Schedule.Grace), Date: w.date(now.Unix()),
		DecideUntil: w.moment(m.Schedule.DecideUntil), Openers: fmt.Sprintf("%d of %d", m.Tellers.T, m.Tellers.N),
		HelpPhone: m.Help.Phone, HelpEmail: m.Help.Email, Organizer: r.c.Pages.Organizer,
		ElectionURL: r.c.Pages.Election, TrackerURL: r.c.Pages.Tracker, ReportURL: r.c.Pages.Report,
	}
	for _, q := range m.Questions {
		d.Questions = append(d.Questions, q.Text[at])
	}
	if p.outcome != nil {
		d.Result = resultPage{Outcome: *p.outcome, CertifiedAt: w.moment(p.outcome.CertifiedAt.Unix()), URL: r.c.Pages.Result}
	}
	return d
}

// groupName is a member's own unit where the group has several.
func groupName(m *election.Manifest, p person) string {
	g := m.Group(p.group)
	switch {
	case g == nil:
		return p.unit
	case p.unit != "" && p.unit != g.Name && len(g.Units) > 1:
		return g.Name + " (" + p.unit + ")"
	}
	return g.Name
}

func groupNames(m *election.Manifest) string {
	names := make([]string, len(m.Groups))
	for i, g := range m.Groups {
		names[i] = g.Name
	}
	if len(names) > 5 {
		return fmt.Sprintf("%d groups", len(names))
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}

// columns is the width of a mail's text.
const columns = 72

// fill breaks paragraphs into lines of at most 72 columns. A line that is one
// long word (a link) stays whole: a mail program that finds it broken cannot
// open it.
func fill(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		at := 0
		for _, word := range strings.Fields(line) {
			n := len([]rune(word))
			switch {
			case at == 0:
			case at+1+n > columns:
				b.WriteByte('\n')
				at = 0
			default:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at += n
		}
	}
	b.WriteByte('\n')
	return b.String()
}
