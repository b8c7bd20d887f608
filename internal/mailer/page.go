package mailer

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/language"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/outcome"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/wording"
)

// A person is what a mail says about whom it is for.
type person struct {
	name, unit, campus, language string
	group                        suite.GroupID
	link, code                   string
	outcome                      *Outcome
	close                        int64 // of voting, in force now
	stopped                      bool  // a link was sent to the address before
}

// An Outcome is what a Result mail tells, in numbers: each mail says them in the
// language of its member. The caller takes them from the certified result.
type Outcome struct {
	// Votes are those of all groups: for every question one count for each option.
	Votes [][]uint64
	// Units are what the rule was applied to. Together they are everybody.
	Units []outcome.Judged
	// Parts are those whose ballots were counted together.
	Parts       []outcome.Unit
	CertifiedAt time.Time
}

// page is what templates see. Every text in it is one line.
type page struct {
	Demo, Rehearsal                    bool
	Brief                              bool   // leave out what is long and stands elsewhere
	Stopped                            bool   // links were sent that work no more
	Closed                             bool   // voting has closed: a ballot can only be finished
	Mark                               string // says that it is no real vote
	Language, TextLanguage             string // of the words, of what the committee wrote
	Name, GroupName, Campus            string
	Title, Groups, Rule                string
	Many                               string // how many groups, where they are too many to name
	Questions                          []string
	Link, Code, CodeURL, SixWords      string
	Open, OpenDay                      string
	Close, CloseDay, CloseTime         string
	GraceEnd, Date                     string
	CorrectBy, DecideUntil             string
	T, N                               string // of the tellers
	HelpPhone, HelpEmail, Organizer    string
	Others                             string // names of the other languages
	ElectionURL, TrackerURL, ReportURL string
	Result                             resultPage
}

// A resultPage is an outcome in words.
type resultPage struct {
	Sentence, NotCalled     string
	Questions               []asked
	Yes                     string // the share of yes, and of what
	Cast, Entitled, Turnout string
	Units                   []string
	Two                     bool // two certified it
	CertifiedAt, URL        string
}

// asked is a question with its totals, "Yes: 12" and so on.
type asked struct {
	Text    string
	Options []string
}

// page puts into words what templates show to a person.
func (r *renderer) page(p person, now time.Time) *page {
	m := r.c.Manifest
	texts, w := r.language(p.language)
	p.unit = plain(p.unit)
	at := func(unix int64) time.Time { return time.Unix(unix, 0).In(r.c.Zone) }
	d := &page{
		Demo: m.Demo, Rehearsal: m.Rehearsal, Stopped: p.stopped, Closed: now.Unix() >= p.close, Language: w.Code(), TextLanguage: tag(m.Languages[texts]),
		Name: plain(p.name), GroupName: clean(groupName(m, p)), Campus: plain(p.campus),
		Title: clean(m.Title[texts]), Rule: joinSentences(w, wording.Rule(w, m)),
		Link: p.link, Code: p.code, CodeURL: r.c.Pages.Code, SixWords: election.SixWords(r.c.MID),
		Open: w.Moment(at(m.Schedule.Open)), OpenDay: w.Weekday(at(m.Schedule.Open)),
		Close: w.Moment(at(p.close)), CloseDay: w.Weekday(at(p.close)), CloseTime: w.Clock(at(p.close)),
		GraceEnd: w.Moment(at(p.close + m.Schedule.Grace)), Date: w.Day(now.In(r.c.Zone)),
		CorrectBy: w.Moment(at(m.Schedule.Open)), DecideUntil: w.Moment(at(m.Schedule.DecideUntil)),
		T: strconv.Itoa(int(m.Tellers.T)), N: strconv.Itoa(int(m.Tellers.N)),
		HelpPhone: clean(m.Help.Phone), HelpEmail: clean(m.Help.Email), Organizer: clean(r.c.Pages.Organizer),
		ElectionURL: r.c.Pages.Election, TrackerURL: r.c.Pages.Tracker, ReportURL: r.c.Pages.Report,
	}
	switch {
	case m.Demo:
		d.Mark = w.Text("common.demo")
	case m.Rehearsal:
		d.Mark = w.Text("common.rehearsal")
	}
	if d.Groups, d.Many = "", w.Number(uint64(len(m.Groups))); len(m.Groups) <= mostGroups {
		d.Groups, d.Many = clean(wording.Groups(w, m, groupIDs(m))), ""
	}
	for _, q := range m.Questions {
		d.Questions = append(d.Questions, clean(q.Text[texts]))
	}
	var names []string
	for _, t := range d.others() {
		names = append(names, t.Name)
	}
	d.Others = strings.Join(names, " ")
	if p.outcome != nil {
		d.Result = r.result(w, texts, p.outcome)
	}
	return d
}

// result says an outcome in one language.
func (r *renderer) result(w *language.Words, texts int, o *Outcome) resultPage {
	m := r.c.Manifest
	sentence, notCalled := wording.Outcome(w, m, o.Units)
	d := resultPage{Sentence: clean(sentence), NotCalled: notCalled, Two: m.Committee.Quorum == 2,
		CertifiedAt: w.Day(o.CertifiedAt.In(r.c.Zone)), URL: r.c.Pages.Result}
	var all outcome.Unit
	for _, u := range o.Units {
		all.Entitled, all.Cast, all.Yes, all.No = all.Entitled+u.Entitled, all.Cast+u.Cast, all.Yes+u.Yes, all.No+u.No
	}
	d.Yes = wording.Yes(w, m.Rule, all)
	d.Cast, d.Entitled, d.Turnout = w.Number(all.Cast), w.Number(all.Entitled), w.Percent(all.Cast, all.Entitled)
	for i, q := range m.Questions {
		a := asked{Text: clean(q.Text[texts])}
		for j, option := range q.Options {
			a.Options = append(a.Options, w.Text("common.pair", "name", clean(option.Text[texts]), "value", w.Number(o.Votes[i][j])))
		}
		d.Questions = append(d.Questions, a)
	}
	if len(o.Parts) > 1 && len(o.Parts) <= mostGroups {
		for _, u := range o.Parts {
			d.Units = append(d.Units, clean(wording.Of(w, wording.Groups(w, m, u.Groups), wording.Yes(w, m.Rule, u))))
		}
	}
	return d
}

// mostGroups are how many groups a mail names one by one.
const mostGroups = 5

func groupIDs(m *election.Manifest) []suite.GroupID {
	ids := make([]suite.GroupID, len(m.Groups))
	for i := range m.Groups {
		ids[i] = m.Groups[i].ID
	}
	return ids
}

// joinSentences puts sentences behind one another: Chinese has no space between them.
func joinSentences(w *language.Words, list []string) string {
	if strings.HasPrefix(w.Code(), "zh-") {
		return strings.Join(list, "")
	}
	return strings.Join(list, " ")
}

// language returns the index of a member's language in the manifest's texts, and the
// words that mails have for it. Who named no language gets the election's first.
func (r *renderer) language(want string) (texts int, words *language.Words) {
	m := r.c.Manifest
	want = cmp.Or(want, m.Languages[0])
	words = language.Of(tag(want))
	if texts = languageIndex(m, want); texts < 0 {
		texts = max(0, languageIndex(m, words.Code()))
	}
	return texts, words
}

// tag returns the code of the words for a language.
func tag(want string) string { return language.Match(want, want) }

// languageIndex returns where a language stands in the manifest's texts; -1 if nowhere.
// The manifest has its codes in small letters.
func languageIndex(m *election.Manifest, language string) int {
	for i, l := range m.Languages {
		if strings.EqualFold(l, language) {
			return i
		}
	}
	return -1
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

// of returns the pages with this program's own in place of those left empty.
func (p Pages) of(m *election.Manifest) Pages {
	o, id := m.Origins, m.ElectionID.String()
	p.Code = cmp.Or(p.Code, o.Booth+"/v1/"+id)
	p.Election = cmp.Or(p.Election, o.Board+"/e/"+id+"/")
	p.Tracker = cmp.Or(p.Tracker, o.Board+"/e/"+id+"/box")
	p.Result = cmp.Or(p.Result, o.Board+"/e/"+id+"/result")
	p.Report = cmp.Or(p.Report, o.Registrar+"/v1/"+id+"/report")
	return p
}
